//! Opening a journal in whatever condition it is found.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode};

use super::{
    JournalError,
    salvage::take_over,
    schema::{self, Found},
};

/// What opening the journal found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Recovery {
    /// There was none. On an empty state directory this is the first start.
    Created,
    Opened,
    /// It was an older Hepar's.
    Migrated {
        from: u32,
    },
    /// It could not be used. What could still be read was taken over; instances that are on disk
    /// and not among it must be recorded again.
    Rebuilt {
        /// Where the old file is now. Beside it, with `.txt` added, is the reason.
        set_aside: PathBuf,
        reason: String,
        series: usize,
        instances: usize,
    },
}

/// Why a file was not opened.
enum NotOpened {
    /// The file will never do.
    Unusable(String),
    /// The file may be fine.
    Cannot(JournalError),
}

impl NotOpened {
    fn into_error(self) -> JournalError {
        match self {
            Self::Unusable(reason) => file_error("replace")(io::Error::other(reason)),
            Self::Cannot(err) => err,
        }
    }
}

impl From<rusqlite::Error> for NotOpened {
    fn from(err: rusqlite::Error) -> Self {
        use ErrorCode::{
            ApiMisuse, CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull,
            FileLockingProtocolFailed, OutOfMemory, PermissionDenied, ReadOnly, SystemIoFailure,
        };
        match err.sqlite_error_code() {
            // The disk, the permissions or another process: the file may be whole.
            Some(
                ApiMisuse
                | CannotOpen
                | DatabaseBusy
                | DatabaseLocked
                | DiskFull
                | FileLockingProtocolFailed
                | OutOfMemory
                | PermissionDenied
                | ReadOnly
                | SystemIoFailure,
            ) => Self::Cannot(JournalError::failed_to("be opened")(err)),
            // All else is the file's own doing: damage in the header, for example, is reported as a
            // generic error ("unsupported file format"), not as corruption.
            _ => Self::Unusable(err.to_string()),
        }
    }
}

pub(super) fn open(path: &Path) -> Result<(Connection, Recovery), JournalError> {
    let fresh = with_suffix(path, ".new");
    if !path.exists() && fresh.exists() {
        // The process ended in the middle of `rebuild`, after the old file was set aside.
        put_in_place(&fresh, path).map_err(file_error("replace"))?;
    }
    match open_as_it_is(path) {
        Ok(opened) => Ok(opened),
        Err(NotOpened::Cannot(err)) => Err(err),
        Err(NotOpened::Unusable(reason)) => rebuild(path, &fresh, reason),
    }
}

/// Makes a new journal of what can be read of the old one.
///
/// The new one is complete before the old one moves, so that a process that ends in between starts
/// over, and never with an empty journal.
fn rebuild(
    path: &Path,
    fresh: &Path,
    reason: String,
) -> Result<(Connection, Recovery), JournalError> {
    remove_database(fresh);
    let (mut connection, _) = open_as_it_is(fresh).map_err(NotOpened::into_error)?;
    let [series, _, _, instances, _, _] =
        take_over(path, &mut connection).map_err(JournalError::failed_to("be rebuilt"))?;
    // Closing moves everything from the log into the file.
    connection
        .close()
        .map_err(|(_, err)| JournalError::failed_to("be rebuilt")(err))?;

    let set_aside = set_aside(path, &reason).map_err(file_error("set aside"))?;
    put_in_place(fresh, path).map_err(file_error("replace"))?;
    let (connection, _) = open_as_it_is(path).map_err(NotOpened::into_error)?;
    {
        let path = set_aside.display();
        tracing::error!(%path, %reason, series, instances, "the journal was unusable and is rebuilt");
    }
    let recovery = Recovery::Rebuilt {
        set_aside,
        reason,
        series,
        instances,
    };
    Ok((connection, recovery))
}

fn open_as_it_is(path: &Path) -> Result<(Connection, Recovery), NotOpened> {
    let existed = path.exists();
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    let found = schema::look(&connection)?;
    if existed {
        let complaint: String =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if complaint != "ok" {
            return Err(NotOpened::Unusable(complaint));
        }
    }
    // Nothing is written before the file is known to be ours and whole.
    match found {
        Found::NotOurs => {
            let reason = "it is a newer Hepar's journal or another program's database";
            return Err(NotOpened::Unusable(reason.to_owned()));
        }
        Found::Nothing if existed => {
            return Err(NotOpened::Unusable("the file was empty".to_owned()));
        }
        _ => {}
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let recovery = match found {
        Found::Journal(schema::CURRENT) => return Ok((connection, Recovery::Opened)),
        Found::Journal(from) => {
            schema::migrate(&mut connection, from)?;
            Recovery::Migrated { from }
        }
        _ => {
            schema::migrate(&mut connection, 0)?;
            Recovery::Created
        }
    };
    sync_parent(path).map_err(|err| NotOpened::Cannot(file_error("keep")(err)))?;
    Ok((connection, recovery))
}

/// Moves the journal and what SQLite keeps beside it to the first free name.
fn set_aside(path: &Path, reason: &str) -> io::Result<PathBuf> {
    let taken = |aside: &PathBuf| aside.exists() || with_suffix(aside, ".txt").exists();
    let aside = (1..u32::MAX)
        .map(|number| with_suffix(path, &format!(".unusable-{number}")))
        .find(|aside| !taken(aside))
        .ok_or(io::ErrorKind::AlreadyExists)?;
    std::fs::write(with_suffix(&aside, ".txt"), format!("{reason}\n"))?;
    for suffix in ["-wal", "-shm", ""] {
        match std::fs::rename(with_suffix(path, suffix), with_suffix(&aside, suffix)) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
            _ => {}
        }
    }
    sync_parent(path)?;
    Ok(aside)
}

fn put_in_place(fresh: &Path, path: &Path) -> io::Result<()> {
    std::fs::rename(fresh, path)?;
    sync_parent(path)
}

/// What SQLite keeps a database in, besides an index that it can make again.
pub(super) const FILES: [&str; 2] = ["", "-wal"];

/// Best effort; what stays is overwritten.
pub(super) fn remove_database(path: &Path) {
    for suffix in FILES.into_iter().chain(["-shm"]) {
        let _ = std::fs::remove_file(with_suffix(path, suffix));
    }
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn file_error(action: &'static str) -> impl FnOnce(io::Error) -> JournalError {
    move |source| JournalError::File { action, source }
}
