//! A result on its way to stable storage: every file first, and only then the journal's word that there
//! is one. Whoever finds a result in the journal finds its files.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::Value;

use super::results::ResultError;
use crate::{
    dicom::{Remedy, Trouble, TroubleKind, Uid},
    encode::{EncodedObject, ObjectKind},
    spool::{
        Disk, Spool, SpoolError,
        journal::{Addressed, Journal, ResultObject},
    },
};

/// Where one result of a series goes.
pub(super) struct Shelf<'a, D: Disk> {
    pub spool: &'a Spool<D>,
    pub journal: &'a Journal,
    pub series: &'a Uid,
    /// In every file's name, so that a result never takes the place of a former one.
    pub revision: u32,
}

/// An object and the names of the destinations it is for.
pub(super) type For<'a> = (ObjectKind, &'a EncodedObject, Vec<String>);

impl<D: Disk> Shelf<'_, D> {
    pub(super) fn put(&self, extension: &str, bytes: &[u8]) -> Result<PathBuf, SpoolError> {
        let name = format!("{}.{}.{extension}", self.series, self.revision);
        self.spool.write_result(&name, bytes)
    }

    /// What was measured, and why it may not be sent.
    pub(super) fn refuse(&self, json: &Value, reason: &str) -> Result<(), ResultError> {
        self.put("result.json", format!("{json:#}\n").as_bytes())?;
        let why = (&Trouble::new(TroubleKind::Gates, reason), Remedy::Resend);
        self.journal
            .record_refusal(self.series, json, why, Timestamp::now())?;
        Ok(())
    }

    /// The objects, then what was measured with how long it took since `last_durable`, then the
    /// journal's entry, from which they are sent. Returns how long it took.
    pub(super) fn keep(
        &self,
        objects: Vec<For<'_>>,
        mut json: Value,
        last_durable: Instant,
    ) -> Result<Duration, ResultError> {
        let mut kept = Vec::with_capacity(objects.len());
        for (kind, object, destinations) in objects {
            let path = self.put(&format!("{}.dcm", kind.as_str()), &object.bytes)?;
            kept.push(Addressed {
                object: ResultObject {
                    sop_instance: object.sop_instance.clone(),
                    sop_class: object.sop_class.clone(),
                    path,
                },
                destinations,
            });
        }
        let waited = last_durable.elapsed();
        json["seconds_to_seg"] = waited.as_secs_f64().into();
        json["made_at"] = Timestamp::now().to_string().into();
        self.put("result.json", format!("{json:#}\n").as_bytes())?;
        self.journal
            .record_result(self.series, &json, &kept, Timestamp::now())?;
        Ok(waited)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use serde_json::json;

    use super::*;
    use crate::spool::{
        journal::{SeriesState, tests::segmenting},
        tests::power_cut::{Image, PowerCut},
    };

    const SEG: &[u8] = b"segmentation";
    const REPORT: &[u8] = b"report";

    fn object(uid: &str, bytes: &[u8]) -> EncodedObject {
        EncodedObject {
            sop_class: Uid::parse("1.2.840.10008.5.1.4.1.1.66.4").unwrap(),
            sop_instance: Uid::parse(uid).unwrap(),
            series: Uid::parse("2.25.9").unwrap(),
            bytes: bytes.to_vec(),
        }
    }

    /// As the appliance does it: two objects, for a destination each.
    fn make(spool: &Spool<&PowerCut>, journal: &Journal, series: &Uid) -> Result<(), ResultError> {
        let shelf = Shelf {
            spool,
            journal,
            series,
            revision: 1,
        };
        shelf.put("preview.png", b"picture")?;
        let (seg, report) = (object("2.25.1", SEG), object("2.25.2", REPORT));
        let objects = vec![
            (ObjectKind::Seg, &seg, vec!["pacs".to_owned()]),
            (ObjectKind::Report, &report, vec!["archive".to_owned()]),
        ];
        shelf
            .keep(objects, json!({}), Instant::now())
            .map(|_waited| ())
    }

    /// What is promised: the files that wait to be sent, whole.
    fn sendable(journal: &Journal, image: &Image) -> BTreeSet<Vec<u8>> {
        let due = |destination| {
            journal
                .deliveries_due(destination, Timestamp::now())
                .unwrap()
        };
        let due = [due("pacs"), due("archive")].concat();
        due.iter()
            .map(|delivery| {
                image
                    .get(&delivery.path)
                    .expect("its file is there")
                    .clone()
            })
            .collect()
    }

    #[test]
    fn wherever_the_power_fails_the_journal_promises_no_result_that_is_not_there() {
        let both = BTreeSet::from([SEG.to_vec(), REPORT.to_vec()]);
        let mut images = 0;
        for operations in 0.. {
            for quarters in 0..=4 {
                let dir = tempfile::tempdir().unwrap();
                let (journal, _) = Journal::open(&dir.path().join("journal.db")).unwrap();
                let series = segmenting(&journal, "1.2.3");
                let disk = PowerCut::after(usize::MAX, quarters);
                let spool = Spool::open(Path::new("/state"), &disk).unwrap();
                disk.cut_after(operations);
                let made = make(&spool, &journal, &series);

                for image in disk.images() {
                    images += 1;
                    let image: Image = image.into_iter().collect();
                    let state = journal.series(&series).unwrap().unwrap().state;
                    if state == SeriesState::Delivering {
                        assert!(made.is_ok());
                        assert_eq!(sendable(&journal, &image), both);
                        continue;
                    }
                    // The next start segments it once more: on a copy, for every image.
                    assert_eq!(state, SeriesState::Segmenting);
                    let again = tempfile::tempdir().unwrap();
                    let (journal, _) = Journal::open(&again.path().join("journal.db")).unwrap();
                    let series = segmenting(&journal, "1.2.3");
                    let disk = PowerCut::holding(&image);
                    let spool = Spool::open(Path::new("/state"), &disk).unwrap();
                    make(&spool, &journal, &series).unwrap();
                    for image in disk.images() {
                        assert_eq!(sendable(&journal, &image.into_iter().collect()), both);
                    }
                }
                if disk.has_power() {
                    assert!(operations > 8, "four files take more operations");
                    assert!(images > 60, "only {images} images were looked at");
                    return;
                }
            }
        }
    }
}
