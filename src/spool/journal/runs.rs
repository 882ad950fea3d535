//! How the last run of the process ended, and what that says about the series it was working on.
//!
//! A series that ends the process is not begun for ever. But a power cut or a stop by systemd in the
//! middle of a segmentation is nothing the series did, and two of those must not cost a patient the
//! result. A run therefore writes down under which boot of the machine it works, and that it stopped
//! when it did so in order.

use std::fs;

use rusqlite::{OptionalExtension, named_params};

use super::{Durable, Journal, JournalError, SeriesState};

/// How the run before this one ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LastRun {
    /// There was none that this journal knows of.
    Unknown,
    /// In order: whatever was in work was put down.
    Stopped,
    /// With the machine: a power cut, or a crash of more than us.
    WentDownWithTheMachine,
    /// The process alone ended: it was killed, or something in work ended it.
    Died,
}

impl Journal {
    /// Notes that a run begins under this boot of the machine, and settles what the last one left:
    /// an attempt that it cut off counts against the series only if the process alone died.
    pub fn begin_run(&self, boot: &str) -> Result<LastRun, JournalError> {
        self.write(Durable::Now, "begin a run", |tx| {
            let before = tx
                .prepare_cached("SELECT boot, stopped FROM run")?
                .query_row([], |row| {
                    Ok((
                        row.get::<_, String>("boot")?,
                        row.get::<_, bool>("stopped")?,
                    ))
                })
                .optional()?;
            let last = match before {
                None => LastRun::Unknown,
                Some((_, true)) => LastRun::Stopped,
                Some((known, false)) if known == boot => LastRun::Died,
                Some((_, false)) => LastRun::WentDownWithTheMachine,
            };
            if matches!(last, LastRun::Stopped | LastRun::WentDownWithTheMachine) {
                tx.prepare_cached(
                    "UPDATE series SET attempts = max(attempts - 1, 0),
                         interruptions = interruptions + :interrupted WHERE state = :state",
                )?
                .execute(named_params! {
                    ":interrupted": last == LastRun::WentDownWithTheMachine,
                    ":state": SeriesState::Segmenting,
                })?;
            }
            tx.prepare_cached("INSERT OR REPLACE INTO run VALUES (1, ?1, FALSE)")?
                .execute([boot])?;
            Ok(last)
        })
    }

    /// Whether a change can be made durable now. The row is written as it is.
    pub fn check_writable(&self) -> Result<(), JournalError> {
        self.write(Durable::Now, "be written", |tx| {
            tx.prepare_cached("UPDATE run SET stopped = stopped")?
                .execute([])?;
            Ok(())
        })
    }

    /// Notes that this run stops in order.
    pub fn end_run(&self) -> Result<(), JournalError> {
        self.write(Durable::Now, "end a run", |tx| {
            tx.prepare_cached("UPDATE run SET stopped = TRUE")?
                .execute([])?;
            Ok(())
        })
    }
}

/// What Linux calls this boot of the machine (random(4)). Where that is unknown every boot looks the
/// same, and a power cut counts like a crash.
pub fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}
