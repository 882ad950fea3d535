//! Self-tests of a running box: when somebody asks, and regularly.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::SelfTest;
use crate::{
    appliance::{dispatcher::Message, engine_room::EngineRoom},
    encode::Equipment,
    status::{FactsBoard, SelfTestFacts},
};

/// Why a self-test is to run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::appliance) enum Occasion {
    /// Somebody waits for it.
    Asked,
    /// It is time; another hour will do as well.
    Due,
}

/// How often it is looked whether one is due.
const LOOK: Duration = Duration::from_mins(10);

/// Runs one at a time and pins up how it went.
pub(in crate::appliance) struct SelfTests {
    state_dir: PathBuf,
    equipment: Equipment,
    facts: Arc<FactsBoard>,
    tracker: TaskTracker,
    runtime: Handle,
    running: AtomicBool,
}

impl SelfTests {
    pub(in crate::appliance) fn new(
        state_dir: &Path,
        equipment: Equipment,
        facts: &Arc<FactsBoard>,
        tracker: &TaskTracker,
    ) -> Arc<Self> {
        let last = recall(state_dir);
        facts.pin(|facts| facts.self_test = last);
        Arc::new(Self {
            state_dir: state_dir.to_owned(),
            equipment,
            facts: Arc::clone(facts),
            tracker: tracker.clone(),
            runtime: Handle::current(),
            running: AtomicBool::new(false),
        })
    }

    /// Starts one on a thread of its own, unless one runs.
    pub(in crate::appliance) fn begin(self: &Arc<Self>, engine: Option<Arc<EngineRoom>>) {
        if self.running.swap(true, Ordering::AcqRel) {
            return;
        }
        self.facts.pin(|facts| facts.self_testing = true);
        let tests = Arc::clone(self);
        self.tracker.spawn_blocking_on(
            move || {
                let run = catch_unwind(AssertUnwindSafe(|| tests.run(engine.as_deref())));
                let outcome = run.unwrap_or_else(|_| failed("it crashed"));
                let SelfTestFacts { passed, words, .. } = &outcome;
                if *passed {
                    tracing::info!(words, "self-test passed");
                } else {
                    tracing::error!(words, "self-test failed");
                }
                keep(&tests.state_dir, &outcome);
                tests.facts.pin(|facts| {
                    facts.self_testing = false;
                    facts.self_test = Some(outcome);
                });
                tests.running.store(false, Ordering::Release);
            },
            &self.runtime,
        );
    }

    fn run(&self, engine: Option<&EngineRoom>) -> SelfTestFacts {
        let Some(engine) = engine else {
            return failed("no engine has passed its check");
        };
        let test = SelfTest {
            workers: &engine.workers,
            bundle: &engine.bundle,
            equipment: &self.equipment,
            directory: self.state_dir.join("self-test"),
            runtime: self.runtime.clone(),
        };
        test.run()
    }
}

fn failed(words: &str) -> SelfTestFacts {
    SelfTestFacts {
        at: Timestamp::now(),
        passed: false,
        words: words.to_owned(),
        seconds: 0.0,
        liver_dice: None,
        tumour_dice: None,
    }
}

/// Hands on what is asked for and what is due, until `stop`.
pub(in crate::appliance) async fn occasions(
    mut asked: mpsc::Receiver<()>,
    every: Option<Duration>,
    facts: Arc<FactsBoard>,
    inbox: mpsc::Sender<Message>,
    stop: CancellationToken,
) {
    let mut looks = tokio::time::interval(LOOK);
    // The first tick is at once, when the model is not yet loaded.
    looks.tick().await;
    loop {
        let occasion = tokio::select! {
            asked = asked.recv() => match asked {
                Some(()) => Occasion::Asked,
                None => return,
            },
            _ = looks.tick() => {
                let last = facts.read().self_test.map(|test| test.at);
                if !is_due(last, every, Timestamp::now()) {
                    continue;
                }
                Occasion::Due
            }
            () = stop.cancelled() => return,
        };
        if inbox.send(Message::SelfTest(occasion)).await.is_err() {
            return;
        }
    }
}

fn is_due(last: Option<Timestamp>, every: Option<Duration>, now: Timestamp) -> bool {
    let Some(every) = every else {
        return false;
    };
    let every = SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX);
    // A test in the future was dated by a clock that has since gone back.
    last.is_none_or(|last| !(SignedDuration::ZERO..every).contains(&now.duration_since(last)))
}

/// Where the last outcome is kept over a restart.
fn record(state_dir: &Path) -> PathBuf {
    state_dir.join("self-test.json")
}

/// Losing it costs nothing but a line on the page.
fn keep(state_dir: &Path, outcome: &SelfTestFacts) {
    let json = serde_json::to_vec(outcome).unwrap_or_default();
    if let Err(error) = fs::write(record(state_dir), json) {
        tracing::warn!(%error, "the self-test's outcome could not be kept");
    }
}

fn recall(state_dir: &Path) -> Option<SelfTestFacts> {
    let json = fs::read(record(state_dir)).ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_due_when_the_last_is_old_enough_or_none_was_or_the_clock_went_back() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let ago = |seconds| Some(now - SignedDuration::from_secs(seconds));
        let day = Some(Duration::from_hours(24));
        assert!(!is_due(None, None, now));
        assert!(is_due(None, day, now));
        assert!(!is_due(ago(3600), day, now));
        assert!(is_due(ago(86_400), day, now));
        assert!(is_due(ago(-3600), day, now));
    }

    #[test]
    fn the_last_outcome_is_known_after_a_restart_and_nonsense_is_not_believed() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(recall(directory.path()), None);
        let outcome = SelfTestFacts {
            at: Timestamp::UNIX_EPOCH,
            passed: true,
            words: "liver".to_owned(),
            seconds: 1.5,
            liver_dice: Some(0.9),
            tumour_dice: None,
        };
        keep(directory.path(), &outcome);
        assert_eq!(recall(directory.path()), Some(outcome));
        fs::write(record(directory.path()), "{").unwrap();
        assert_eq!(recall(directory.path()), None);
    }
}
