//! The thread that writes the trail, and the handle that parts tell it through.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
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
    lost: Arc<AtomicU64>,
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
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            trail,
            author,
            lost: Arc::clone(&lost),
            refusals: Refusals::new(Instant::now()),
            failing: false,
            wake,
        };
        let thread = thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run(&inbox))
            .map_err(AuditError::Thread)?;
        let log = Self {
            jobs: jobs.clone(),
            lost,
        };
        log.record(Event::Started);
        Ok((log, Recorder { jobs, thread }))
    }

    /// Records an event, without waiting. What comes faster than a disk can take is counted, and
    /// the count is recorded.
    pub fn record(&self, event: Event) {
        let job = Job::Record(Box::new(event), Timestamp::now());
        if let Err(TrySendError::Full(_)) = self.jobs.try_send(job) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
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
    lost: Arc<AtomicU64>,
    refusals: Refusals,
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
                    Job::Record(event, at) => {
                        if !event.is_refusal() || self.refusals.is_to_be_written(Instant::now()) {
                            self.line(&mut lines, &event, at);
                        }
                    }
                    Job::Finish => finish = true,
                }
            }
            let unwritten = self.lost.swap(0, Ordering::Relaxed)
                + self.refusals.take_unwritten(Instant::now(), finish);
            if unwritten > 0 {
                let event = Event::NotRecorded { events: unwritten };
                self.line(&mut lines, &event, Timestamp::now());
            }
            self.write(&lines);
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

    fn write(&mut self, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        match self.trail.append(lines) {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the audit trail is written again");
                }
                if let Some(wake) = &self.wake {
                    // A full channel wakes the sender as well.
                    let _ = wake.try_send(());
                }
            }
            Err(error) => {
                self.lost.fetch_add(lines.len() as u64, Ordering::Relaxed);
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

/// Anyone on the network can be refused as often as they like; that must not push the rest out of
/// the trail.
struct Refusals {
    since: Instant,
    written: u32,
    unwritten: u64,
}

impl Refusals {
    fn new(now: Instant) -> Self {
        Self {
            since: now,
            written: 0,
            unwritten: 0,
        }
    }

    fn is_to_be_written(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) >= MINUTE {
            (self.since, self.written) = (now, 0);
        }
        if self.written < REFUSALS_A_MINUTE {
            self.written += 1;
            return true;
        }
        self.unwritten += 1;
        false
    }

    /// Once a minute, and at the end.
    fn take_unwritten(&mut self, now: Instant, at_the_end: bool) -> u64 {
        if at_the_end || now.duration_since(self.since) >= MINUTE {
            std::mem::take(&mut self.unwritten)
        } else {
            0
        }
    }
}

const FILE: u64 = 8 << 20;
/// Events that may wait for the disk.
const WAITING: usize = 1024;
/// Events made durable by one sync.
const BATCH: usize = 64;
const MINUTE: Duration = Duration::from_mins(1);
const REFUSALS_A_MINUTE: u32 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_counted_not_written() {
        let start = Instant::now();
        let mut refusals = Refusals::new(start);
        let written = (0..1000)
            .filter(|_| refusals.is_to_be_written(start))
            .count();
        assert_eq!(written, REFUSALS_A_MINUTE as usize);
        assert_eq!(refusals.take_unwritten(start, false), 0);
        assert!(refusals.is_to_be_written(start + MINUTE));
        assert_eq!(refusals.take_unwritten(start + 2 * MINUTE, false), 940);
        assert_eq!(refusals.take_unwritten(start, true), 0);
    }
}
