use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    Engine, EngineError, EngineInfo, EngineOptions,
    choice::engines,
    schedule::{DEPTH, Schedule, Urgency},
};
use crate::{dicom::Uid, model::Bundle};

/// Threads that each own one engine, and the jobs waiting for them.
///
/// Dedicated threads, not the runtime's blocking pool: an engine is made, used and dropped on one
/// thread, and the number of threads is the number of cores, never more. A job is whatever needs an
/// engine or a core: decoding and encoding a slice, the head, the mask of a slice.
pub struct Workers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    info: EngineInfo,
}

/// What a job will give: `.await` it, or `.blocking_recv()`. An error means that the workers were
/// stopped before the job ran, or that it panicked.
pub type Pending<T> = oneshot::Receiver<T>;

type Job = Box<dyn FnOnce(&mut dyn Engine) + Send>;

struct Shared {
    state: Mutex<State>,
    /// A job came, or the workers are to stop.
    work: Condvar,
    /// A job was taken.
    room: Condvar,
}

struct State {
    schedule: Schedule<Job>,
    stopping: bool,
    /// When each worker began what it has in hand.
    in_hand: Vec<Option<Instant>>,
}

impl Workers {
    /// Loads the bundle, checks the engine against its golden slice and starts the threads.
    pub fn start(bundle: &Bundle, options: &EngineOptions) -> Result<Self, EngineError> {
        let engines = engines(bundle, options)?;
        let info = engines[0].info().clone();
        let mut workers = Self {
            shared: Arc::new(Shared::new(engines.len())),
            threads: Vec::new(),
            info,
        };
        for (number, mut engine) in engines.into_iter().enumerate() {
            let shared = Arc::clone(&workers.shared);
            let thread = thread::Builder::new()
                .name(format!("engine-{number}"))
                .spawn(move || {
                    give_way();
                    shared.work(number, &mut *engine);
                });
            // Dropping `workers` stops the threads that did start.
            workers.threads.push(thread.map_err(EngineError::Threads)?);
        }
        Ok(workers)
    }

    #[must_use]
    pub fn info(&self) -> &EngineInfo {
        &self.info
    }

    /// How many jobs run at once.
    #[must_use]
    pub fn count(&self) -> usize {
        self.threads.len()
    }

    /// How long the longest of the jobs in hand has been running.
    #[must_use]
    pub fn longest(&self) -> Duration {
        let state = self.shared.lock();
        let began = state.in_hand.iter().flatten().min();
        began.map_or(Duration::ZERO, Instant::elapsed)
    }

    /// Queues a job of a series.
    ///
    /// Blocks while that series has its full share waiting, so never call it on the async runtime.
    /// Other series are not held back.
    pub fn submit<T: Send + 'static>(
        &self,
        series: &Uid,
        urgency: Urgency,
        job: impl FnOnce(&mut dyn Engine) -> T + Send + 'static,
    ) -> Pending<T> {
        let (reply, pending) = oneshot::channel();
        let mut job: Job = Box::new(move |engine| {
            // The asker may have gone; the result is then simply unwanted.
            let _ = reply.send(job(engine));
        });
        let mut state = self.shared.lock();
        while !state.stopping {
            match state.schedule.push(series, urgency, job) {
                Ok(()) => {
                    self.shared.work.notify_one();
                    break;
                }
                Err(refused) => job = refused,
            }
            state = wait(&self.shared.room, state);
        }
        pending
    }

    /// How many jobs of one series may wait before [`Self::submit`] blocks.
    pub const DEPTH: usize = DEPTH;
}

impl Drop for Workers {
    /// Finishes the jobs in hand and forgets the others.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stopping = true;
        state.schedule.clear();
        drop(state);
        self.shared.work.notify_all();
        self.shared.room.notify_all();
        for thread in self.threads.drain(..) {
            // A panicked job has already been reported by the panic itself.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn new(workers: usize) -> Self {
        Self {
            state: Mutex::new(State {
                schedule: Schedule::new(),
                stopping: false,
                in_hand: vec![None; workers],
            }),
            work: Condvar::new(),
            room: Condvar::new(),
        }
    }

    /// The life of one worker thread. A job that panics ends nobody but itself: whoever asked hears
    /// that there is no answer.
    fn work(&self, worker: usize, engine: &mut dyn Engine) {
        while let Some(job) = self.next(worker) {
            if catch_unwind(AssertUnwindSafe(|| job(engine))).is_err() {
                tracing::error!(worker, "a job at the engine crashed");
            }
        }
    }

    /// Waits for a job; `None` once stopping.
    fn next(&self, worker: usize) -> Option<Job> {
        let mut state = self.lock();
        if let Some(in_hand) = state.in_hand.get_mut(worker) {
            *in_hand = None;
        }
        loop {
            if state.stopping {
                return None;
            }
            if let Some(job) = state.schedule.pop() {
                if let Some(in_hand) = state.in_hand.get_mut(worker) {
                    *in_hand = Some(Instant::now());
                }
                self.room.notify_all();
                return Some(job);
            }
            state = wait(&self.work, state);
        }
    }

    /// Jobs run outside the lock, so a panicking job leaves the schedule whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lowers this thread's priority below that of whoever receives, answers or delivers: a slice may
/// wait for its turn in the engine, a scanner must not wait for a core.
fn give_way() {
    // Under the name of a process, Linux keeps priorities for each thread (sched(7)).
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "the engine's threads run at the common priority");
    }
}

/// A tenth of the share of a thread at the common priority, where both want the same core.
const NICENESS: i32 = 10;

fn wait<'a>(condition: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    condition
        .wait(state)
        .unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::engine::{Image, testing};

    fn workers(count: usize) -> Workers {
        let options = EngineOptions {
            workers: count,
            ..EngineOptions::default()
        };
        Workers::start(&testing::bundle(), &options).unwrap()
    }

    fn series() -> Uid {
        Uid::parse("1.2.3").unwrap()
    }

    #[test]
    fn jobs_run_on_workers_that_agree_to_the_last_bit() {
        let (workers, bundle) = (workers(2), testing::bundle());
        let (image, size) = (bundle.golden.image, bundle.manifest.input.size);
        let pending: Vec<_> = (0..8)
            .map(|_| {
                let image = Image {
                    size,
                    values: image.clone(),
                };
                workers.submit(&series(), Urgency::Live, move |engine| {
                    engine.predict(&image)
                })
            })
            .collect();
        let predicted: Vec<_> = pending
            .into_iter()
            .map(|pending| pending.blocking_recv().unwrap().unwrap())
            .collect();
        assert!(predicted.iter().all(|other| *other == predicted[0]));
    }

    #[test]
    fn stopping_finishes_the_job_in_hand_and_forgets_the_rest() {
        let workers = workers(1);
        let (started, running) = mpsc::channel();
        let (finish, told) = mpsc::channel::<()>();
        let in_hand = workers.submit(&series(), Urgency::Live, move |_| {
            started.send(()).unwrap();
            let _ = told.recv();
            7
        });
        let waiting = workers.submit(&series(), Urgency::Live, |_| 8);
        running.recv().unwrap();
        let stopper = thread::spawn(move || drop(workers));
        // Dropping forgets the waiting job at once, while the first still runs.
        assert!(waiting.blocking_recv().is_err());
        finish.send(()).unwrap();
        stopper.join().unwrap();
        assert_eq!(in_hand.blocking_recv(), Ok(7));
    }

    #[test]
    fn a_job_that_panics_ends_nobody_but_itself() {
        let workers = workers(1);
        let crashed = workers.submit(&series(), Urgency::Live, |_| panic!("on purpose"));
        assert!(crashed.blocking_recv().is_err());
        let next = workers.submit(&series(), Urgency::Live, |_| 8);
        assert_eq!(next.blocking_recv(), Ok(8));
    }

    #[test]
    fn how_long_a_job_has_been_running_is_known() {
        let workers = workers(1);
        assert_eq!(workers.longest(), Duration::ZERO);
        let (finish, told) = mpsc::channel::<()>();
        let (started, running) = mpsc::channel();
        let job = workers.submit(&series(), Urgency::Live, move |_| {
            started.send(()).unwrap();
            let _ = told.recv();
        });
        running.recv().unwrap();
        thread::sleep(Duration::from_millis(20));
        assert!(workers.longest() >= Duration::from_millis(20));
        finish.send(()).unwrap();
        job.blocking_recv().unwrap();
        // The next job is taken only after the one before was put down.
        let next = workers.submit(&series(), Urgency::Live, |_| ());
        next.blocking_recv().unwrap();
        assert!(workers.longest() < Duration::from_millis(20));
    }

    #[test]
    fn workers_give_way_to_everybody_else() {
        let here = rustix::process::getpriority_process(None).unwrap();
        let job = |_: &mut dyn Engine| rustix::process::getpriority_process(None);
        let workers = workers(1);
        let there = workers.submit(&series(), Urgency::Live, job);
        assert_eq!(
            there.blocking_recv().unwrap(),
            Ok((here + NICENESS).min(19))
        );
        assert_eq!(rustix::process::getpriority_process(None), Ok(here));
    }

    #[test]
    fn a_bundle_that_fails_its_check_starts_nothing() {
        let mut bundle = testing::bundle();
        bundle.golden.logits[0] += 1.0;
        let error = Workers::start(&bundle, &EngineOptions::default()).err();
        assert!(matches!(error, Some(EngineError::Golden { .. })));
    }
}
