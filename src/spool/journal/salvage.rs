//! Reading what can be read of a damaged journal.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use rusqlite::{Connection, OpenFlags, Row, params_from_iter, types::Value};

use super::{
    CommitmentState, DeliveryState,
    deliveries::object_of,
    instances::instance_of,
    recovery::{FILES, remove_database, with_suffix},
    series::series_of,
};

/// In the order in which rows refer to each other, with the column by which each is stored.
const TABLES: [(&str, &str); 6] = [
    ("series", "id"),
    ("objects", "object"),
    ("deliveries", "object"),
    ("instances", "id"),
    ("commitments", "object"),
    ("commitment_requests", "transaction_uid"),
];

/// Copies what can be read of the old file into the new one; returns how many rows of each table.
///
/// Best effort: each table is read from both ends until the damage stops it, and a row that the new
/// schema does not take, or that we could not read back, is left out.
pub(super) fn take_over(
    old: &Path,
    new: &mut Connection,
) -> rusqlite::Result<[usize; TABLES.len()]> {
    let copy = with_suffix(old, ".copy");
    let old = copy_to_read(old, &copy)
        .ok()
        .and_then(|()| Connection::open_with_flags(&copy, OpenFlags::SQLITE_OPEN_READ_ONLY).ok());
    let tx = new.transaction()?;
    if let Some(old) = old {
        for (table, key) in TABLES {
            for order in [format!("{key} ASC"), format!("{key} DESC")] {
                // The error is the damage; the rows before it are copied.
                let _ = copy_rows(&old, &tx, table, &order);
            }
        }
    }
    remove_unreadable(&tx)?;
    let mut rows = [0; TABLES.len()];
    for (rows, (table, _)) in rows.iter_mut().zip(TABLES) {
        let count = format!("SELECT count(*) FROM {table}");
        *rows = tx.query_row(&count, [], |row| row.get::<_, i64>(0))? as usize;
    }
    tx.commit()?;
    remove_database(&copy);
    Ok(rows)
}

/// Copies the journal so that reading leaves the original as it is.
///
/// SQLite reads nothing of a file that is shorter than its header says, so the copy is filled up to
/// that length with a hole; pages in it read as damage.
fn copy_to_read(from: &Path, to: &Path) -> io::Result<()> {
    for suffix in FILES {
        match std::fs::copy(with_suffix(from, suffix), with_suffix(to, suffix)) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
            _ => {}
        }
    }
    let file = File::options().read(true).write(true).open(to)?;
    let mut header = [0; 32];
    file.read_exact_at(&mut header, 0)?;
    // https://www.sqlite.org/fileformat2.html#the_database_header, big endian.
    let [.., p0, p1, _, _, _, _, _, _, _, _, _, _, n0, n1, n2, n3] = header;
    let page_size = match u16::from_be_bytes([p0, p1]) {
        1 => 65536,
        size => u64::from(size),
    };
    let length = u64::from(u32::from_be_bytes([n0, n1, n2, n3])) * page_size;
    if file.metadata()?.len() < length {
        file.set_len(length)?;
    }
    Ok(())
}

fn copy_rows(old: &Connection, new: &Connection, table: &str, order: &str) -> rusqlite::Result<()> {
    let known = new.prepare(&format!("SELECT * FROM {table}"))?;
    let known: Vec<&str> = known.column_names().collect();
    let mut select = old.prepare(&format!("SELECT * FROM {table} ORDER BY {order}"))?;
    // By name, because columns come and go between versions. A damaged name may be no text.
    let (indices, names): (Vec<usize>, Vec<&str>) = known
        .iter()
        .filter_map(|name| Some((select.column_index(name).ok()?, *name)))
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
    let states = DeliveryState::ALL.map(|state| format!("'{}'", state.as_str()));
    tx.execute(
        &format!(
            "DELETE FROM deliveries WHERE object NOT IN (SELECT object FROM objects)
                 OR state NOT IN ({})",
            states.join(", "),
        ),
        [],
    )?;
    // A commitment that is lost is asked for again.
    let states = CommitmentState::ALL.map(|state| format!("'{}'", state.as_str()));
    tx.execute(
        &format!(
            "DELETE FROM commitments WHERE state NOT IN ({})",
            states.join(", ")
        ),
        [],
    )?;
    // Nor would anybody ever move such a series again. Segmenting it once more gives the same UIDs.
    tx.execute(
        "UPDATE series SET state = 'queued' WHERE state = 'delivering' AND NOT EXISTS
             (SELECT 1 FROM deliveries JOIN objects USING (object)
              WHERE objects.series = series.series AND objects.revision = series.revision
                  AND deliveries.state = 'waiting')",
        [],
    )?;
    Ok(())
}
