//! Opening a journal in whatever condition it is found.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, Row, params_from_iter, types::Value};

use super::{
    JournalError,
    deliveries::object_of,
    instances::instance_of,
    schema::{self, Found},
    series::series_of,
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
enum Trouble {
    /// The file will never do.
    Unusable(String),
    /// The file may be fine.
    Cannot(JournalError),
}

impl From<rusqlite::Error> for Trouble {
    fn from(err: rusqlite::Error) -> Self {
        match err.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Unusable(err.to_string())
            }
            _ => Self::Cannot(JournalError::failed_to("be opened")(err)),
        }
    }
}

pub(super) fn open(path: &Path) -> Result<(Connection, Recovery), JournalError> {
    let reason = match open_as_it_is(path) {
        Ok(opened) => return Ok(opened),
        Err(Trouble::Cannot(err)) => return Err(err),
        Err(Trouble::Unusable(reason)) => reason,
    };
    let set_aside = set_aside(path, &reason).map_err(file_error("set aside"))?;
    let mut connection = match open_as_it_is(path) {
        Ok((connection, _)) => connection,
        Err(Trouble::Cannot(err)) => return Err(err),
        Err(Trouble::Unusable(reason)) => {
            return Err(file_error("replace")(io::Error::other(reason)));
        }
    };
    let [series, _, _, instances] =
        take_over(&set_aside, &mut connection).map_err(JournalError::failed_to("be rebuilt"))?;
    let path = set_aside.display();
    tracing::error!(%path, %reason, series, instances, "the journal was unusable and is rebuilt");
    Ok((
        connection,
        Recovery::Rebuilt {
            set_aside,
            reason,
            series,
            instances,
        },
    ))
}

fn open_as_it_is(path: &Path) -> Result<(Connection, Recovery), Trouble> {
    let existed = path.exists();
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    let found = schema::look(&connection)?;
    if existed {
        let complaint: String =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if complaint != "ok" {
            return Err(Trouble::Unusable(complaint));
        }
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let recovery = match found {
        Found::NotOurs => {
            let reason = "it is a newer Hepar's journal or another program's database";
            return Err(Trouble::Unusable(reason.to_owned()));
        }
        Found::Nothing if existed => {
            return Err(Trouble::Unusable("the file was empty".to_owned()));
        }
        Found::Nothing => {
            schema::migrate(&mut connection, 0)?;
            sync_parent(path).map_err(|err| Trouble::Cannot(file_error("keep")(err)))?;
            Recovery::Created
        }
        Found::Journal(schema::CURRENT) => Recovery::Opened,
        Found::Journal(from) => {
            schema::migrate(&mut connection, from)?;
            Recovery::Migrated { from }
        }
    };
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

/// In the order in which rows refer to each other.
const TABLES: [&str; 4] = ["series", "objects", "deliveries", "instances"];

/// Copies what can be read of the old file into the new one; returns how many rows of each table.
///
/// Best effort: each table is read from both ends until the damage stops it, and a row that the new
/// schema does not take, or that we could not read back, is left out.
fn take_over(old: &Path, new: &mut Connection) -> rusqlite::Result<[usize; 4]> {
    let tx = new.transaction()?;
    if let Ok(old) = Connection::open(old) {
        for table in TABLES {
            for direction in ["ASC", "DESC"] {
                // The error is the damage; the rows before it are copied.
                let _ = copy_rows(&old, &tx, table, direction);
            }
        }
    }
    remove_unreadable(&tx)?;
    let mut rows = [0; 4];
    for (rows, table) in rows.iter_mut().zip(TABLES) {
        let count = format!("SELECT count(*) FROM {table}");
        *rows = tx.query_row(&count, [], |row| row.get::<_, i64>(0))? as usize;
    }
    tx.commit()?;
    Ok(rows)
}

fn copy_rows(
    old: &Connection,
    new: &Connection,
    table: &str,
    direction: &str,
) -> rusqlite::Result<()> {
    let known = new.prepare(&format!("SELECT * FROM {table}"))?;
    let known: Vec<&str> = known.column_names().collect();
    let mut select = old.prepare(&format!("SELECT * FROM {table} ORDER BY 1 {direction}"))?;
    // By name, because columns come and go between versions.
    let (indices, names): (Vec<usize>, Vec<String>) = select
        .column_names()
        .enumerate()
        .filter(|(_, name)| known.contains(name))
        .map(|(index, name)| (index, name.to_owned()))
        .unzip();
    let mut insert = new.prepare(&format!(
        "INSERT OR IGNORE INTO {table} ({}) VALUES ({})",
        names.join(", "),
        vec!["?"; names.len()].join(", "),
    ))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let values: Vec<Value> = indices
            .iter()
            .map(|index| row.get(*index))
            .collect::<rusqlite::Result<_>>()?;
        // A row that does not fit is lost; the next may.
        let _ = insert.execute(params_from_iter(values));
    }
    Ok(())
}

/// Damage that kept a row's shape may still have changed its words.
fn remove_unreadable(tx: &Connection) -> rusqlite::Result<()> {
    type IsReadable = fn(&Row<'_>) -> bool;
    let readable: [(&str, &str, IsReadable); 3] = [
        ("series", "series", |row| series_of(row).is_ok()),
        ("instances", "sop_instance", |row| instance_of(row).is_ok()),
        ("objects", "object", |row| object_of(row).is_ok()),
    ];
    for (table, key, is_readable) in readable {
        let mut select = tx.prepare(&format!("SELECT * FROM {table}"))?;
        let mut rows = select.query([])?;
        let mut bad: Vec<Value> = Vec::new();
        while let Some(row) = rows.next()? {
            if !is_readable(row) {
                bad.push(row.get(key)?);
            }
        }
        for key_value in bad {
            tx.execute(
                &format!("DELETE FROM {table} WHERE {key} = ?1"),
                [key_value],
            )?;
        }
    }
    // Without its object or its state a delivery cannot be made.
    tx.execute(
        "DELETE FROM deliveries WHERE object NOT IN (SELECT object FROM objects)
             OR state NOT IN ('waiting', 'delivered', 'failed', 'superseded')",
        [],
    )?;
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
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
