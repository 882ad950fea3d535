//! Cuts the power before every operation and looks at every state the disk may be found in.

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
};

use super::{instance, power_cut::PowerCut, scanner};
use crate::{
    dicom::{Remedy, Uid},
    spool::{Arrival, Disk, Spool, check_intact},
};

/// What the outside world was told, and what must therefore be true of every image.
#[derive(Debug, Default)]
struct Promises {
    /// Data sets acknowledged to a sender.
    kept: Vec<&'static [u8]>,
    /// Result names and their bytes.
    results: Vec<(&'static str, &'static [u8])>,
    /// Instances whose removal returned.
    removed: Vec<Uid>,
    /// Instances whose quarantine returned.
    quarantined: Vec<Uid>,
}

const A: &str = "1.2.1";
const B: &str = "1.2.2";
const C: &str = "1.2.3";

/// Everything the spool does, once; stops at the first error, as a process does that loses power.
fn a_day_in_the_life(spool: &Spool<&PowerCut>, promises: &mut Promises) -> Option<()> {
    let store = |uid, data_set, promises: &mut Promises| {
        let receipt = spool.commit(&instance(uid, data_set), &scanner(1)).ok()?;
        promises.kept.push(data_set);
        Some(receipt.arrival().clone())
    };
    assert_eq!(store(A, b"one", promises)?, Arrival::New);
    assert_eq!(store(B, b"unreadable", promises)?, Arrival::New);
    assert_eq!(store(A, b"one", promises)?, Arrival::Again);
    let different = store(A, b"other", promises)?;
    assert!(matches!(different, Arrival::Different { .. }));
    assert_eq!(store(C, b"three", promises)?, Arrival::New);

    let contradicting = instance(A, b"of another");
    spool
        .commit_apart(&contradicting, &scanner(1), "no rows")
        .ok()?;
    promises.kept.push(b"of another");

    let [b, c] = [B, C].map(|uid| Uid::parse(uid).unwrap());
    spool.quarantine(&b, "no rows").ok()?;
    promises.quarantined.push(b);
    spool.write_result("seg.dcm", b"segmentation").ok()?;
    promises.results.push(("seg.dcm", b"segmentation"));
    // Whoever removes an instance no longer relies on it.
    promises.kept.retain(|data_set| *data_set != b"three");
    spool.remove(&c).ok()?;
    promises.removed.push(c);
    Some(())
}

fn check(image: Vec<(PathBuf, Vec<u8>)>, promises: &Promises, when: &str) {
    let disk = PowerCut::holding(&image.into_iter().collect());
    let spool = Spool::open(Path::new("/state"), &disk).unwrap();
    let names = disk.paths();
    let dicom: Vec<Vec<u8>> = names
        .iter()
        .filter(|path| !path.starts_with("/state/results"))
        .filter(|path| path.extension().is_some_and(|ext| ext == "dcm"))
        .map(|path| (&disk).read(path).unwrap())
        .collect();

    for data_set in &promises.kept {
        let there = dicom.iter().any(|file| file.ends_with(data_set));
        assert!(there, "{when}: lost {data_set:?}, have {names:?}");
    }
    for file in &dicom {
        assert_eq!(check_intact(file), Ok(()), "{when}: a torn file is visible");
    }
    for path in &names {
        assert_ne!(path.extension().unwrap(), "part", "{when}: {path:?} stayed");
    }
    for (name, bytes) in &promises.results {
        let path = Path::new("/state/results").join(name);
        assert_eq!((&disk).read(&path).unwrap(), *bytes, "{when}");
    }
    for uid in &promises.removed {
        assert!(spool.read(uid).is_err(), "{when}: {uid} came back");
    }
    for uid in &promises.quarantined {
        assert!(spool.read(uid).is_err(), "{when}: {uid} left quarantine");
    }
    for (_, _, reason) in spool.quarantined() {
        assert_eq!(reason, "no rows", "{when}");
    }

    // The sender repeats what it was not told we have.
    for (uid, data_set) in [(A, &b"one"[..]), (B, b"unreadable"), (C, b"three")] {
        let incoming = instance(uid, data_set);
        spool.commit(&incoming, &scanner(2)).unwrap();
        let file = spool.read(&incoming.sop_instance).unwrap();
        assert!(file.ends_with(data_set), "{when}: {uid} after repetition");
    }
}

#[test]
fn whatever_was_promised_survives_a_power_cut_at_any_step() {
    let mut images = 0;
    for operations in 0.. {
        for quarters in 0..=4 {
            let disk = PowerCut::after(operations, quarters);
            let mut promises = Promises::default();
            let finished = Spool::open(Path::new("/state"), &disk)
                .ok()
                .and_then(|spool| a_day_in_the_life(&spool, &mut promises));
            assert_eq!(finished.is_some(), promises.removed.len() == 1);
            for image in disk.images() {
                let when = format!("cut after {operations} operations, {quarters}/4 written");
                check(image, &promises, &when);
                images += 1;
            }
            if disk.has_power() {
                assert!(operations > 25, "the scenario does less than it says");
                assert!(images > 200, "only {images} images were looked at");
                return;
            }
        }
    }
}

#[test]
fn after_a_kill_a_repetition_is_acknowledged_only_once_the_first_name_is_durable() {
    for operations in 0.. {
        let disk = PowerCut::after(operations, 2);
        let first = Spool::open(Path::new("/state"), &disk)
            .and_then(|spool| spool.commit(&instance(A, b"one"), &scanner(1)));
        disk.restart_the_process();
        let spool = Spool::open(Path::new("/state"), &disk).unwrap();
        spool.commit(&instance(A, b"one"), &scanner(2)).unwrap();
        let promises = Promises {
            kept: vec![b"one"],
            ..Promises::default()
        };
        for image in disk.images() {
            check(
                image,
                &promises,
                &format!("killed after {operations} operations"),
            );
        }
        if first.is_ok() {
            return;
        }
    }
}

#[test]
fn associations_that_share_directory_syncs_share_no_false_success() {
    for operations in 0..40 {
        let disk = PowerCut::after(operations, 2);
        let Ok(spool) = Spool::open(Path::new("/state"), &disk) else {
            continue;
        };
        let data_sets: [&'static [u8]; 3] = [b"one", b"unreadable", b"three"];
        let promises = Mutex::new(Promises::default());
        std::thread::scope(|threads| {
            for (uid, data_set) in [A, B, C].into_iter().zip(data_sets) {
                let (spool, promises) = (&spool, &promises);
                threads.spawn(move || {
                    if spool.commit(&instance(uid, data_set), &scanner(1)).is_ok() {
                        promises.lock().unwrap().kept.push(data_set);
                    }
                });
            }
        });
        let promises = promises.into_inner().unwrap();
        assert!(promises.kept.len() == 3 || !disk.has_power());
        for image in disk.images() {
            check(
                image,
                &promises,
                &format!("cut after {operations} operations"),
            );
        }
    }
}

#[test]
fn a_full_disk_refuses_for_now_leaves_nothing_behind_and_recovers_by_itself() {
    let disk = PowerCut::after(usize::MAX, 2);
    let spool = Spool::open(Path::new("/state"), &disk).unwrap();
    disk.set_full(true);
    let refused = spool.commit(&instance(A, b"one"), &scanner(1)).unwrap_err();
    assert!(refused.is_out_of_space());
    assert_eq!(refused.remedy(), Remedy::Wait);
    assert_eq!(disk.paths(), Vec::<PathBuf>::new());

    disk.set_full(false);
    let kept = spool.commit(&instance(A, b"one"), &scanner(1)).unwrap();
    assert_eq!(kept.arrival(), &Arrival::New);
}

#[test]
fn whether_anything_can_be_kept_is_tried_and_leaves_nothing_behind() {
    let disk = PowerCut::after(usize::MAX, 2);
    let spool = Spool::open(Path::new("/state"), &disk).unwrap();
    for full in [false, true, false] {
        disk.set_full(full);
        let tried = spool.check_writable();
        assert_eq!(tried.is_err_and(|err| err.is_out_of_space()), full);
        assert_eq!(disk.paths(), Vec::<PathBuf>::new());
    }
    disk.cut_after(1);
    assert!(spool.check_writable().is_err());
    disk.restart_the_process();
    Spool::open(Path::new("/state"), &disk).unwrap();
    assert_eq!(
        disk.paths(),
        Vec::<PathBuf>::new(),
        "swept by the next start"
    );
}

#[test]
fn after_a_failed_directory_sync_the_instance_is_written_anew() {
    let disk = PowerCut::after(usize::MAX, 2);
    let spool = Spool::open(Path::new("/state"), &disk).unwrap();
    disk.fail_next_sync();
    let refused = spool.commit(&instance(A, b"one"), &scanner(1)).unwrap_err();
    assert_eq!(refused.remedy(), Remedy::Service);
    let again = spool.commit(&instance(A, b"one"), &scanner(1)).unwrap();
    assert_eq!(again.arrival(), &Arrival::New);
}
