//! Where an update stands, on the data partition that both systems share.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::Record;
use crate::{
    dicom::Remedy,
    spool::{Disk, RealDisk},
};

#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("cannot {step} {}", path.display())]
    Disk {
        step: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{} does not say where the update stands", path.display())]
    Syntax {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    #[error("cannot put the update's state into words")]
    Words(#[from] toml::ser::Error),
}

impl RecordError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Service
    }
}

/// `update.toml` in the state directory.
#[derive(Clone, Debug)]
pub struct RecordFile {
    dir: PathBuf,
}

impl RecordFile {
    #[must_use]
    pub fn of(state_dir: &Path) -> Self {
        Self {
            dir: state_dir.to_owned(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.join("update.toml")
    }

    /// Whether the service's data lie where the record would. A box that was never updated has no
    /// record, and neither has one whose data are not mounted.
    #[must_use]
    pub fn is_among_data(&self) -> bool {
        self.dir.join("journal.db").exists()
    }

    /// `None`: this box was never updated, or its data are elsewhere.
    pub fn read(&self) -> Result<Option<Record>, RecordError> {
        let path = self.path();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", &path)(error)),
        };
        match toml::from_str(&text) {
            Ok(record) => Ok(Some(record)),
            Err(source) => Err(RecordError::Syntax {
                path,
                source: Box::new(source),
            }),
        }
    }

    /// On stable storage when this returns.
    pub fn write(&self, record: &Record) -> Result<(), RecordError> {
        let (path, part) = (self.path(), self.dir.join("update.toml.part"));
        let text = toml::to_string(record)?;
        let disk = RealDisk;
        disk.create_dir(&self.dir)
            .map_err(failed("make", &self.dir))?;
        disk.write_synced(&part, &[text.as_bytes()])
            .map_err(failed("write", &part))?;
        disk.rename(&part, &path)
            .map_err(failed("replace", &path))?;
        disk.sync_dir(&self.dir).map_err(failed("sync", &self.dir))
    }
}

fn failed(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RecordError {
    let path = path.to_owned();
    move |source| RecordError::Disk { step, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::{Outcome, Plan, Slot};

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = RecordFile::of(dir.path());
        assert_eq!(file.read().unwrap(), None);
        let plan = || Plan {
            version: "0.2.0".to_owned(),
            from: Slot::A,
            to: Slot::B,
            reachable: vec!["pacs".to_owned()],
        };
        let ended = |outcome| Record::Ended {
            plan: plan(),
            outcome,
        };
        let reason = "pacs does not answer".to_owned();
        for record in [
            Record::Writing { plan: plan() },
            Record::Trial { plan: plan() },
            Record::GoingBack {
                plan: plan(),
                reason: reason.clone(),
            },
            ended(Outcome::Confirmed),
            ended(Outcome::Interrupted),
            ended(Outcome::RolledBack { reason }),
        ] {
            file.write(&record).unwrap();
            assert_eq!(file.read().unwrap(), Some(record));
        }
    }

    #[test]
    fn a_record_of_another_kind_is_an_error_not_a_guess() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("update.toml"), "state = \"halfway\"").unwrap();
        let error = RecordFile::of(dir.path()).read().unwrap_err();
        assert!(matches!(error, RecordError::Syntax { .. }), "{error}");
    }
}
