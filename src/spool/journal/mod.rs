//! Where every series is on its way.
//!
//! Work is written here before it starts, so that a process killed at any instant knows at its next
//! start what to do again and what not to do twice. One SQLite file in WAL mode. Whatever decides
//! what happens next (states, results, deliveries) is on stable storage when a method returns.
//! Facts that the instance files state as well (which instances there are, how many) are written
//! without waiting for the disk: a power cut may lose the last of them, the start after it reads
//! them from the files again.

mod again;
mod callers;
mod columns;
mod commitments;
mod deliveries;
mod instances;
mod recovery;
mod reports;
mod retained;
mod runs;
mod salvage;
mod schema;
mod series;
mod state;
mod summary;

#[cfg(test)]
pub(crate) mod tests;

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use again::Wanted;
pub use commitments::{CommitmentRecord, ToCommit};
pub use deliveries::{Addressed, DeliveryRecord, ResultObject};
pub use instances::{InstanceRecord, InstanceState};
pub use recovery::Recovery;
pub use reports::{Change, Recorded};
pub use runs::{LastRun, boot};
pub use series::{NewSeries, SeriesRecord};
pub use state::{CommitmentState, DeliveryState, SeriesState};
pub use summary::{GateOutcome, GateSummary, Summary};

use crate::dicom::{Remedy, Uid};

/// The journal. Every method may block on the disk.
#[derive(Debug)]
pub struct Journal {
    connection: Mutex<Connection>,
}

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("could not {action} the journal")]
    File {
        action: &'static str,
        source: std::io::Error,
    },
    #[error("the journal could not {action}")]
    Database {
        action: &'static str,
        source: rusqlite::Error,
    },
    #[error("the journal has no series {0}")]
    UnknownSeries(Uid),
    #[error("the journal knows of no delivery of {object} to {destination}")]
    UnknownDelivery { object: Uid, destination: String },
    #[error("series {0} has no result that any destination wants")]
    NothingSent(Uid),
    #[error(
        "the result of series {0} is not kept any more; send the series from the scanner again"
    )]
    NotKept(Uid),
    #[error("series {series} is {from} and cannot become {to}")]
    NotAllowed {
        series: Uid,
        from: SeriesState,
        to: SeriesState,
    },
}

impl JournalError {
    fn failed_to(action: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Database { action, source }
    }

    #[must_use]
    pub fn remedy(&self) -> Remedy {
        use rusqlite::ErrorCode::{DatabaseBusy, DiskFull};
        match self {
            Self::Database { source, .. }
                if matches!(source.sqlite_error_code(), Some(DiskFull | DatabaseBusy)) =>
            {
                Remedy::Wait
            }
            Self::File { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Remedy::Wait
            }
            _ => Remedy::Service,
        }
    }
}

/// How long a transaction's effect may stay in memory only.
#[derive(Clone, Copy)]
enum Durable {
    /// On stable storage when the method returns.
    Now,
    /// With the next transaction that is [`Self::Now`], or the next checkpoint.
    Soon,
}

impl Journal {
    /// Opens or makes the journal. A file that is damaged or not ours is set aside, never
    /// overwritten, and a new one takes over what can still be read; [`Recovery`] says so.
    pub fn open(path: &Path) -> Result<(Self, Recovery), JournalError> {
        let (connection, recovery) = recovery::open(path)?;
        let connection = Mutex::new(connection);
        Ok((Self { connection }, recovery))
    }

    fn read<T>(
        &self,
        action: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        let connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        read(&connection).map_err(JournalError::failed_to(action))
    }

    /// Runs `change` as one transaction.
    fn write<T>(
        &self,
        durable: Durable,
        action: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, ChangeError>,
    ) -> Result<T, JournalError> {
        // A panic inside left no transaction behind: dropping it rolled it back.
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let changed = (|| {
            let synchronous = match durable {
                Durable::Now => "FULL",
                Durable::Soon => "NORMAL",
            };
            connection.pragma_update(None, "synchronous", synchronous)?;
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = change(&tx)?;
            tx.commit()?;
            Ok(value)
        })();
        changed.map_err(|err| match err {
            ChangeError::Database(source) => JournalError::Database { action, source },
            ChangeError::Journal(err) => err,
        })
    }
}

/// Why a transaction was rolled back.
enum ChangeError {
    Database(rusqlite::Error),
    Journal(JournalError),
}

impl From<rusqlite::Error> for ChangeError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Database(source)
    }
}

impl From<JournalError> for ChangeError {
    fn from(err: JournalError) -> Self {
        Self::Journal(err)
    }
}
