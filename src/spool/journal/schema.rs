//! The tables, and how an older journal becomes a current one.

use rusqlite::{Connection, TransactionBehavior};

/// "Hepr" in ASCII: tells our journal from any other SQLite file.
const APPLICATION_ID: i32 = 0x4865_7072;

/// Each brings the schema from the version that is its index to the next. Never edited once
/// released; appended to.
const MIGRATIONS: [&str; 7] = [
    // Series keep the order in which they first arrived by `id`, whatever the clock did.
    "CREATE TABLE series (
         id INTEGER PRIMARY KEY,
         series TEXT NOT NULL UNIQUE,
         study TEXT NOT NULL,
         state TEXT NOT NULL,
         reason TEXT,
         remedy TEXT,
         attempts INTEGER NOT NULL DEFAULT 0,
         revision INTEGER NOT NULL DEFAULT 1,
         calling_ae TEXT NOT NULL,
         peer TEXT NOT NULL,
         description TEXT,
         modality TEXT NOT NULL,
         accession_number TEXT,
         instances_received INTEGER NOT NULL DEFAULT 0,
         slices_encoded INTEGER NOT NULL DEFAULT 0,
         first_received_at INTEGER NOT NULL,
         last_received_at INTEGER NOT NULL,
         queued_at INTEGER,
         finished_at INTEGER,
         findings TEXT,
         purged_at INTEGER
     ) STRICT;
     CREATE INDEX series_by_state ON series (state);

     CREATE TABLE instances (
         id INTEGER PRIMARY KEY,
         sop_instance TEXT NOT NULL UNIQUE,
         sop_class TEXT NOT NULL,
         series TEXT,
         quarantined TEXT,
         received_at INTEGER NOT NULL,
         bytes INTEGER NOT NULL,
         calling_ae TEXT NOT NULL,
         called_ae TEXT NOT NULL,
         peer TEXT NOT NULL,
         association INTEGER NOT NULL,
         header TEXT
     ) STRICT;
     CREATE INDEX instances_by_series ON instances (series, quarantined, bytes);
     CREATE INDEX instances_quarantined ON instances (received_at) WHERE quarantined IS NOT NULL;

     CREATE TABLE objects (
         object TEXT PRIMARY KEY,
         series TEXT NOT NULL,
         revision INTEGER NOT NULL,
         sop_class TEXT NOT NULL,
         path BLOB NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX objects_by_series ON objects (series);

     CREATE TABLE deliveries (
         object TEXT NOT NULL REFERENCES objects (object),
         destination TEXT NOT NULL,
         state TEXT NOT NULL,
         attempts INTEGER NOT NULL DEFAULT 0,
         next_attempt_at INTEGER NOT NULL,
         last_error TEXT,
         delivered_at INTEGER,
         PRIMARY KEY (object, destination)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX deliveries_waiting ON deliveries (next_attempt_at) WHERE state = 'waiting';",
    // `judged_to` is the last of a series' instances that its result or verdict took into account;
    // unknown for what an older version did. The clock has one row.
    "ALTER TABLE series ADD COLUMN judged_to INTEGER;

     CREATE TABLE retention_clock (
         id INTEGER PRIMARY KEY CHECK (id = 1),
         at INTEGER NOT NULL,
         doubted_for_seconds INTEGER NOT NULL
     ) STRICT;

     CREATE TABLE chunking_callers (calling_ae TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;",
    // `interruptions` are attempts that the machine cut off. The run has one row.
    "ALTER TABLE series ADD COLUMN interruptions INTEGER NOT NULL DEFAULT 0;

     CREATE TABLE run (
         id INTEGER PRIMARY KEY CHECK (id = 1),
         boot TEXT NOT NULL,
         stopped INTEGER NOT NULL
     ) STRICT;",
    // What a list of series shows of `findings` has columns of its own, which the triggers fill:
    // parsing the whole of it for each line takes longer than everything else. Nor are series
    // counted anew for each page.
    "ALTER TABLE series ADD COLUMN announced INTEGER;
     ALTER TABLE series ADD COLUMN liver_ml REAL;
     ALTER TABLE series ADD COLUMN lesions INTEGER;
     ALTER TABLE series ADD COLUMN tumour_ml REAL;
     ALTER TABLE series ADD COLUMN seconds_to_seg REAL;
     ALTER TABLE series ADD COLUMN refused_by TEXT;

     CREATE TRIGGER findings_came AFTER INSERT ON series WHEN json_valid(NEW.findings) BEGIN
         UPDATE series SET findings = findings WHERE id = NEW.id;
     END;
     CREATE TRIGGER findings_changed AFTER UPDATE OF findings ON series
     WHEN json_valid(NEW.findings) BEGIN
         UPDATE series SET
             liver_ml = NEW.findings ->> '$.liver_ml',
             lesions = json_array_length(NEW.findings, '$.lesions'),
             tumour_ml = NEW.findings ->> '$.tumour_ml',
             seconds_to_seg = NEW.findings ->> '$.seconds_to_seg',
             refused_by = (
                 SELECT json_group_array(json_object(
                     'code', gate.value ->> 'code', 'measured', gate.value ->> 'measured'))
                 FROM json_each(NEW.findings, '$.gates') AS gate
                 WHERE gate.value ->> 'outcome' = 'refuse'
                     AND typeof(gate.value ->> 'code') = 'text'
                     AND typeof(gate.value ->> 'measured') IN ('integer', 'real')
                 HAVING count(*) > 0)
         WHERE id = NEW.id;
     END;
     UPDATE series SET findings = findings;

     CREATE TABLE series_counts (
         state TEXT PRIMARY KEY,
         series INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;
     INSERT INTO series_counts SELECT state, count(*) FROM series GROUP BY state;
     CREATE TRIGGER series_came AFTER INSERT ON series BEGIN
         INSERT OR IGNORE INTO series_counts VALUES (NEW.state, 0);
         UPDATE series_counts SET series = series + 1 WHERE state = NEW.state;
     END;
     CREATE TRIGGER series_went AFTER DELETE ON series BEGIN
         UPDATE series_counts SET series = series - 1 WHERE state = OLD.state;
     END;
     CREATE TRIGGER series_moved AFTER UPDATE OF state ON series BEGIN
         INSERT OR IGNORE INTO series_counts VALUES (NEW.state, 0);
         UPDATE series_counts SET series = series - 1 WHERE state = OLD.state;
         UPDATE series_counts SET series = series + 1 WHERE state = NEW.state;
     END;",
    // The kinds are of the words beside them, unknown for what an older version wrote. `contradicted`:
    // how often other bytes came under this UID. All gates are in the list, not only those that refused.
    "ALTER TABLE series ADD COLUMN reason_kind TEXT;
     ALTER TABLE deliveries ADD COLUMN error_kind TEXT;
     ALTER TABLE instances ADD COLUMN contradicted INTEGER NOT NULL DEFAULT 0;

     DROP TRIGGER findings_changed;
     ALTER TABLE series DROP COLUMN refused_by;
     ALTER TABLE series ADD COLUMN gates TEXT;
     CREATE TRIGGER findings_changed AFTER UPDATE OF findings ON series
     WHEN json_valid(NEW.findings) BEGIN
         UPDATE series SET
             liver_ml = NEW.findings ->> '$.liver_ml',
             lesions = json_array_length(NEW.findings, '$.lesions'),
             tumour_ml = NEW.findings ->> '$.tumour_ml',
             seconds_to_seg = NEW.findings ->> '$.seconds_to_seg',
             gates = (
                 SELECT json_group_array(json_object(
                     'code', gate.value ->> 'code', 'outcome', gate.value ->> 'outcome',
                     'measured', gate.value ->> 'measured'))
                 FROM json_each(NEW.findings, '$.gates') AS gate
                 WHERE gate.value ->> 'outcome' IN ('pass', 'warn', 'refuse')
                     AND typeof(gate.value ->> 'code') = 'text'
                     AND typeof(gate.value ->> 'measured') IN ('integer', 'real')
                 HAVING count(*) > 0)
         WHERE id = NEW.id;
     END;
     UPDATE series SET findings = findings;",
    // Who answers for keeping what. Requests stay for good, since a report may come at any time;
    // `void`: the object was sent once more since, so that a report on that request says nothing.
    "CREATE TABLE commitments (
         object TEXT NOT NULL,
         destination TEXT NOT NULL,
         state TEXT NOT NULL,
         transaction_uid TEXT,
         since INTEGER NOT NULL,
         next_at INTEGER NOT NULL,
         tries INTEGER NOT NULL,
         error TEXT,
         error_kind TEXT,
         PRIMARY KEY (object, destination)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX commitments_open ON commitments (destination, tries) WHERE state <> 'committed';

     CREATE TABLE commitment_requests (
         transaction_uid TEXT NOT NULL,
         object TEXT NOT NULL,
         destination TEXT NOT NULL,
         void INTEGER NOT NULL DEFAULT 0,
         PRIMARY KEY (transaction_uid, object, destination)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX commitment_requests_by_object ON commitment_requests (object, destination);

     CREATE INDEX series_kept ON series (series) WHERE purged_at IS NULL;",
    // Each destination looks for its own, however much waits for another.
    "DROP INDEX deliveries_waiting;
     CREATE INDEX deliveries_waiting ON deliveries (destination, next_attempt_at)
         WHERE state = 'waiting';",
];

/// What a file turned out to be.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Found {
    Nothing,
    /// A journal of this version.
    Journal(u32),
    /// A newer Hepar's journal, or another program's database.
    NotOurs,
}

pub(super) const CURRENT: u32 = MIGRATIONS.len() as u32;

pub(super) fn look(connection: &Connection) -> rusqlite::Result<Found> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let version = u32::try_from(pragma("user_version")?).ok();
    Ok(match (pragma("application_id")?, version) {
        (0, Some(0)) if tables == 0 => Found::Nothing,
        (APPLICATION_ID, Some(version)) if version <= CURRENT => Found::Journal(version),
        _ => Found::NotOurs,
    })
}

/// The schema as it was at `version`, for tests of what comes after it.
#[cfg(test)]
pub(super) fn create(connection: &Connection, version: usize) -> rusqlite::Result<()> {
    for migration in MIGRATIONS.iter().take(version) {
        connection.execute_batch(migration)?;
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", version as u32)
}

/// Brings the schema from `version` to [`CURRENT`]; on failure it stays what it was.
pub(super) fn migrate(connection: &mut Connection, version: u32) -> rusqlite::Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for migration in MIGRATIONS.iter().skip(version as usize) {
        tx.execute_batch(migration)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", CURRENT)?;
    tx.commit()
}
