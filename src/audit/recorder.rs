//! The thread that writes the trail, and the handle that parts tell it through.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use jiff::Timestamp;

use super::{
    AuditError, Event,
    file::{Limits, Trail},
    patient::Patients,
    record::Author,
    refusals::Refusals,
};
use crate::chain;

/// What the trail is written with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the files are.
    pub directory: PathBuf,
    /// What people call this box.
    pub name: String,
    pub ae_title: String,
    /// Patients by Patient ID instead of a pseudonym.
    pub patient_ids: bool,
    /// How many files of 8 MiB are kept.
    pub keep_files: usize,
}

/// Where events are told. Clones tell the same trail.
#[derive(Clone, Debug)]
pub struct Log {
    jobs: Sender<Job>,
    missing: Arc<Missing>,
}

/// Events that do not reach the queue.
#[derive(Debug)]
struct Missing {
    /// For which it had no room.
    lost: AtomicU64,
    refusals: Mutex<Refusals>,
}

/// The writing thread; ends by [`Recorder::finish`].
#[derive(Debug)]
pub struct Recorder {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
enum Job {
    Record(Box<Event>, Timestamp),
    Finish,
}

impl Log {
    /// Opens the trail and records that the appliance started. `wake` is touched after each write.
    pub fn start(
        settings: &Settings,
        wake: Option<Sender<()>>,
    ) -> Result<(Self, Recorder), AuditError> {
        let directory = &settings.directory;
        let limits = Limits {
            file: FILE,
            files: settings.keep_files,
        };
        let trail = Trail::open(directory, limits).map_err(|source| AuditError::File {
            path: directory.clone(),
            source,
        })?;
        let author = Author {
            name: settings.name.clone(),
            ae_title: settings.ae_title.clone(),
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            process: std::process::id(),
            patients: patients(settings, directory)?,
        };
        let (jobs, inbox) = bounded(WAITING);
        let missing = Arc::new(Missing::none(Instant::now()));
        let writer = Writer {
            trail,
            author,
            missing: Arc::clone(&missing),
            untold: 0,
            failing: false,
            wake,
        };
        let thread = thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run(&inbox))
            .map_err(AuditError::Thread)?;
        let log = Self {
            jobs: jobs.clone(),
            missing,
        };
        log.record(Event::Started);
        Ok((log, Recorder { jobs, thread }))
    }

    /// Records an event, without waiting. What comes faster than a disk can take is counted, and so
    /// are refusals beyond some a minute, before they take the others' room in the queue; the count
    /// is recorded.
    pub fn record(&self, event: Event) {
        if event.is_refusal() && !self.missing.refusals().is_to_be_written(Instant::now()) {
            return;
        }
        let job = Job::Record(Box::new(event), Timestamp::now());
        if let Err(TrySendError::Full(_)) = self.jobs.try_send(job) {
            self.missing.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Missing {
    fn none(now: Instant) -> Self {
        Self {
            lost: AtomicU64::new(0),
            refusals: Mutex::new(Refusals::new(now)),
        }
    }

    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there were since this was last asked; refusals are told once a minute, and at the
    /// end.
    fn take(&self, at_the_end: bool) -> u64 {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        lost + self.refusals().take_unwritten(Instant::now(), at_the_end)
    }
}

impl Recorder {
    /// Records that the appliance stopped, and returns when all is written.
    pub fn finish(self) {
        // The thread is only gone if it panicked, which it has reported.
        let _ = self
            .jobs
            .send(Job::Record(Box::new(Event::Stopped), Timestamp::now()));
        let _ = self.jobs.send(Job::Finish);
        let _ = self.thread.join();
    }
}

fn patients(settings: &Settings, directory: &Path) -> Result<Patients, AuditError> {
    if settings.patient_ids {
        Ok(Patients::Ids)
    } else {
        Patients::pseudonyms(&directory.join("pseudonym.key"))
    }
}

struct Writer {
    trail: Trail,
    author: Author,
    missing: Arc<Missing>,
    /// Missing events that the trail does not tell of yet.
    untold: u64,
    failing: bool,
    wake: Option<Sender<()>>,
}

impl Writer {
    fn run(mut self, inbox: &Receiver<Job>) {
        loop {
            let first = match inbox.recv_timeout(MINUTE) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut lines = Vec::new();
            let mut finish = false;
            for job in first.into_iter().chain(inbox.try_iter().take(BATCH)) {
                match job {
                    Job::Record(event, at) => self.line(&mut lines, &event, at),
                    Job::Finish => finish = true,
                }
            }
            self.untold += self.missing.take(finish);
            self.write(lines);
            if finish {
                return;
            }
        }
    }

    fn line(&self, lines: &mut Vec<String>, event: &Event, at: Timestamp) {
        match self.author.line(event, at) {
            Ok(line) => lines.push(line),
            Err(error) => tracing::error!(%error, "an audit message could not be made"),
        }
    }

    /// Appends the lines of events, and how many before them are missing. What cannot be appended
    /// is missing from then on, until the trail has taken the number.
    fn write(&mut self, mut lines: Vec<String>) {
        let events = lines.len() as u64;
        if self.untold > 0 {
            let missing = Event::NotRecorded {
                events: self.untold,
            };
            self.line(&mut lines, &missing, Timestamp::now());
        }
        if lines.is_empty() {
            return;
        }
        match self.trail.append(&lines) {
            Ok(()) => {
                self.untold = 0;
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the audit trail is written again");
                }
                if let Some(wake) = &self.wake {
                    // A full channel wakes the sender as well.
                    let _ = wake.try_send(());
                }
            }
            Err(error) => {
                self.untold += events;
                // Once, not with every slice; patients come before paper.
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(
                        error = chain(&error),
                        "the audit trail cannot be written; events are counted until it can"
                    );
                }
            }
        }
    }
}

const FILE: u64 = 8 << 20;
/// Events that may wait for the disk.
const WAITING: usize = 1024;
/// Events made durable by one sync.
const BATCH: usize = 64;
/// What was not written is told at least this often.
const MINUTE: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_a_failing_disk_lost_is_told_in_full_once_it_works_again() {
        let home = tempfile::tempdir().unwrap();
        // Each write begins a file, so a directory in that file's place is a disk that fails.
        let limits = Limits { file: 0, files: 4 };
        let obstacle = home.path().join("audit-00000002.log");
        let mut writer = Writer {
            trail: Trail::open(home.path(), limits).unwrap(),
            author: Author {
                name: "CT-3 edge box".to_owned(),
                ae_title: "HEPAR".to_owned(),
                host: "box".to_owned(),
                process: 1,
                patients: Patients::Ids,
            },
            missing: Arc::new(Missing::none(Instant::now())),
            untold: 500,
            failing: false,
            wake: None,
        };
        let lines = |count| vec!["a record".to_owned(); count];
        fs::create_dir(&obstacle).unwrap();
        writer.write(lines(3));
        writer.write(lines(4));
        fs::remove_dir(&obstacle).unwrap();
        writer.write(lines(1));
        writer.write(lines(1));

        let read =
            |number| fs::read_to_string(home.path().join(format!("audit-0000000{number}.log")));
        let told = read(2).unwrap();
        assert!(told.contains("507 events were not recorded"), "{told}");
        assert_eq!(read(3).unwrap(), "a record\n", "and told once");
    }
}
