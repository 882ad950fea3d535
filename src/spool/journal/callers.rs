use super::{Durable, Journal, JournalError};
use crate::dicom::AeTitle;

impl Journal {
    /// Remembers a caller that spreads a series over several associations, so that the end of one
    /// says nothing about the end of a series.
    pub fn remember_chunking(&self, caller: &AeTitle) -> Result<(), JournalError> {
        self.write(Durable::Now, "remember a caller", |tx| {
            tx.execute(
                "INSERT OR IGNORE INTO chunking_callers (calling_ae) VALUES (?1)",
                [caller.as_str()],
            )?;
            Ok(())
        })
    }

    /// The callers of [`Self::remember_chunking`], by title.
    pub fn chunking_callers(&self) -> Result<Vec<AeTitle>, JournalError> {
        let titles = self.read("list remembered callers", |db| {
            db.prepare("SELECT calling_ae FROM chunking_callers ORDER BY calling_ae")?
                .query_map([], |row| row.get::<_, String>(0))?
                .collect::<rusqlite::Result<Vec<_>>>()
        })?;
        Ok(titles
            .iter()
            .filter_map(|title| AeTitle::parse(title).ok())
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_remembered_once_and_beyond_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.db");
        let ct1 = AeTitle::parse("CT1").unwrap();
        let (journal, _) = Journal::open(&path).unwrap();
        assert_eq!(journal.chunking_callers().unwrap(), []);
        journal.remember_chunking(&ct1).unwrap();
        journal.remember_chunking(&ct1).unwrap();
        drop(journal);
        let (journal, _) = Journal::open(&path).unwrap();
        assert_eq!(journal.chunking_callers().unwrap(), [ct1]);
    }
}
