pub(crate) mod power_cut;
mod surviving_a_power_cut;
mod sweeping;

use super::*;

pub(crate) fn scanner(association: u64) -> Source {
    Source {
        calling_ae: AeTitle::parse("CT1").unwrap(),
        called_ae: AeTitle::parse("HEPAR").unwrap(),
        peer: "10.0.0.5".parse().unwrap(),
        association,
    }
}

pub(crate) fn instance(uid: &str, data_set: &'static [u8]) -> Incoming {
    Incoming {
        sop_class: Uid::parse("1.2.840.10008.5.1.4.1.1.2").unwrap(),
        sop_instance: Uid::parse(uid).unwrap(),
        transfer_syntax: Uid::parse("1.2.840.10008.1.2.1").unwrap(),
        data_set: vec![Bytes::from_static(data_set)],
    }
}

pub(crate) fn spool() -> (tempfile::TempDir, Spool) {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), RealDisk).unwrap();
    (dir, spool)
}

pub(crate) fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn an_instance_is_kept_as_it_came_under_its_uid() {
    let (dir, spool) = spool();
    let mut incoming = instance("1.2.3", b"first ");
    incoming.data_set.push(Bytes::new());
    incoming.data_set.push(Bytes::from_static(b"second"));

    let receipt = spool.commit(&incoming, &scanner(1)).unwrap();

    assert_eq!(receipt.arrival(), &Arrival::New);
    assert_eq!(receipt.path(), dir.path().join("instances/1.2.3.dcm"));
    let file = spool.read(&incoming.sop_instance).unwrap();
    assert_eq!(receipt.bytes_len(), file.len() as u64);
    assert!(file.ends_with(b"first second"));
    assert_eq!(read_source(&file), Ok(scanner(1)));
    assert_eq!(check_intact(&file), Ok(()));
}

#[test]
fn an_empty_data_set_is_kept_too() {
    let (_dir, spool) = spool();
    let incoming = instance("1.2.3", b"");
    spool.commit(&incoming, &scanner(1)).unwrap();
    assert_eq!(
        check_intact(&spool.read(&incoming.sop_instance).unwrap()),
        Ok(())
    );
}

#[test]
fn the_same_instance_again_is_one_file_whoever_sends_it() {
    let (dir, spool) = spool();
    spool
        .commit(&instance("1.2.3", b"bytes"), &scanner(1))
        .unwrap();
    let receipt = spool
        .commit(&instance("1.2.3", b"bytes"), &scanner(2))
        .unwrap();
    assert_eq!(receipt.arrival(), &Arrival::Again);
    assert_eq!(files(&dir.path().join("instances")), ["1.2.3.dcm"]);
    assert_eq!(files(&dir.path().join("aside")), [""; 0]);
}

#[test]
fn other_bytes_under_a_known_uid_are_kept_beside_the_first_and_reported() {
    let (dir, spool) = spool();
    let first = instance("1.2.3", b"bytes");
    spool.commit(&first, &scanner(1)).unwrap();
    for association in [2, 3] {
        let receipt = spool
            .commit(&instance("1.2.3", b"other"), &scanner(association))
            .unwrap();
        let Arrival::Different { kept_as } = receipt.arrival() else {
            panic!("{:?}", receipt.arrival());
        };
        assert!(std::fs::read(kept_as).unwrap().ends_with(b"other"));
    }
    assert!(spool.read(&first.sop_instance).unwrap().ends_with(b"bytes"));
    assert_eq!(files(&dir.path().join("aside")).len(), 1, "kept once");
}

#[test]
fn a_damaged_file_gives_way_to_the_instance_sent_again() {
    let (dir, spool) = spool();
    let good = instance("1.2.3", b"bytes");
    let path = spool.commit(&good, &scanner(1)).unwrap().path().to_owned();
    let mut file = std::fs::read(&path).unwrap();
    *file.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &file).unwrap();
    let damaged = spool.read(&good.sop_instance).unwrap_err();
    assert_eq!(damaged.kind(), io::ErrorKind::InvalidData);

    let receipt = spool.commit(&good, &scanner(2)).unwrap();

    assert_eq!(receipt.arrival(), &Arrival::New);
    assert!(spool.read(&good.sop_instance).unwrap().ends_with(b"bytes"));
    assert_eq!(files(&dir.path().join("quarantine")).len(), 2);
}

#[test]
fn a_file_that_the_disk_does_not_give_back_gives_way_to_the_instance_sent_again() {
    let disk = power_cut::PowerCut::after(usize::MAX, 0);
    let spool = Spool::open(Path::new("/state"), &disk).unwrap();
    let good = instance("1.2.3", b"bytes");
    let path = spool.commit(&good, &scanner(1)).unwrap().path().to_owned();
    disk.fail_reads_of(&path);

    let receipt = spool.commit(&good, &scanner(2)).unwrap();

    assert_eq!(receipt.arrival(), &Arrival::New);
    let file = spool.read(&good.sop_instance).unwrap();
    assert_eq!(read_source(&file), Ok(scanner(2)));
    let apart: Vec<_> = spool.quarantined().collect();
    assert_eq!(apart.len(), 1, "what the disk may yet give back: {apart:?}");
    assert!(apart[0].2.contains("could not be read"), "{apart:?}");
}

#[test]
fn what_was_quarantined_and_is_sent_again_is_kept_once() {
    let (dir, spool) = spool();
    let incoming = instance("1.2.3", b"gibberish");
    for association in 1..=3 {
        spool.commit(&incoming, &scanner(association)).unwrap();
        spool.quarantine(&incoming.sop_instance, "no rows").unwrap();
    }
    assert_eq!(files(&dir.path().join("quarantine")).len(), 2);
}

#[test]
fn quarantine_keeps_the_bytes_with_the_reason_beside_them() {
    let (_dir, spool) = spool();
    let incoming = instance("1.2.3", b"gibberish");
    spool.commit(&incoming, &scanner(1)).unwrap();

    let path = spool
        .quarantine(&incoming.sop_instance, "0 rows in an image")
        .unwrap();

    assert!(std::fs::read(&path).unwrap().ends_with(b"gibberish"));
    let reason = std::fs::read_to_string(path.with_extension("txt"));
    // "1.2.3-digest.dcm" has its reason in "1.2.3-digest.txt".
    assert_eq!(reason.unwrap(), "0 rows in an image\n");
    assert_eq!(spool.instances().count(), 0);
    let apart: Vec<_> = spool.quarantined().collect();
    let reason = "0 rows in an image".to_owned();
    assert_eq!(apart, [(incoming.sop_instance.clone(), path, reason)]);

    let receipt = spool.commit(&incoming, &scanner(2)).unwrap();
    assert_eq!(receipt.arrival(), &Arrival::New, "sent again, read again");
}

#[test]
fn what_was_never_finished_is_swept_at_the_start_and_the_rest_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let instances = dir.path().join("instances");
    {
        let spool = Spool::open(dir.path(), RealDisk).unwrap();
        spool
            .commit(&instance("1.2.3", b"bytes"), &scanner(1))
            .unwrap();
    }
    std::fs::write(instances.join("1.2.4.dcm.part"), b"half").unwrap();
    std::fs::write(instances.join("notes"), b"not ours").unwrap();

    let spool = Spool::open(dir.path(), RealDisk).unwrap();

    assert_eq!(files(&instances), ["1.2.3.dcm", "notes"]);
    let uid = Uid::parse("1.2.3").unwrap();
    let path = spool.path_of(&uid);
    assert_eq!(spool.instances().collect::<Vec<_>>(), [(uid, path)]);
}

#[test]
fn a_missing_folder_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    drop(Spool::open(dir.path(), RealDisk).unwrap());
    std::fs::remove_dir(dir.path().join("results")).unwrap();
    let spool = Spool::open(dir.path(), RealDisk).unwrap();
    let path = spool.write_result("2.25.1.dcm", b"seg").unwrap();
    assert_eq!(std::fs::read(path).unwrap(), b"seg");
}

#[test]
fn a_place_that_cannot_be_used_is_an_error_for_a_person() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let refused = Spool::open(&file.join("state"), RealDisk).unwrap_err();
    assert!(matches!(refused, SpoolError::Open { .. }), "{refused:?}");
    assert_eq!(refused.remedy(), Remedy::Service);
}

#[test]
fn two_processes_do_not_share_a_state_directory() {
    let (dir, _spool) = spool();
    let second = Spool::open(dir.path(), RealDisk);
    assert!(matches!(second, Err(SpoolError::InUse(_))), "{second:?}");
}

#[test]
fn a_result_is_replaced_by_its_repetition_and_never_leaves_its_folder() {
    let (dir, spool) = spool();
    spool.write_result("seg.dcm", b"first").unwrap();
    spool.write_result("seg.dcm", b"second").unwrap();
    assert_eq!(
        std::fs::read(dir.path().join("results/seg.dcm")).unwrap(),
        b"second"
    );
    for name in ["", "..", "../x", "a/b", ".hidden"] {
        let refused = spool.write_result(name, b"");
        assert!(
            matches!(refused, Err(SpoolError::ResultName(_))),
            "{name:?}"
        );
    }
}

#[test]
fn removing_is_repeatable() {
    let (_dir, spool) = spool();
    let incoming = instance("1.2.3", b"bytes");
    spool.commit(&incoming, &scanner(1)).unwrap();
    spool.remove(&incoming.sop_instance).unwrap();
    spool.remove(&incoming.sop_instance).unwrap();
    assert_eq!(spool.instances().count(), 0);
}

#[test]
fn many_associations_commit_at_once_and_each_instance_is_one_file() {
    let (_dir, spool) = spool();
    std::thread::scope(|threads| {
        for association in 0..8 {
            let spool = &spool;
            threads.spawn(move || {
                for number in 0..20 {
                    let incoming = instance(&format!("1.2.{number}"), b"the same from everyone");
                    spool.commit(&incoming, &scanner(association)).unwrap();
                }
            });
        }
    });
    assert_eq!(spool.instances().count(), 20);
}

#[test]
fn without_its_directory_nothing_can_be_kept_until_it_is_back() {
    let (dir, spool) = spool();
    let (instances, away) = (dir.path().join("instances"), dir.path().join("away"));
    spool.check_writable().unwrap();
    std::fs::rename(&instances, &away).unwrap();
    spool.check_writable().unwrap_err();
    std::fs::rename(&away, &instances).unwrap();
    spool.check_writable().unwrap();
    assert_eq!(files(&instances), [""; 0]);
}

#[test]
fn free_space_that_cannot_be_asked_is_not_taken_for_any() {
    let (dir, spool) = spool();
    std::fs::remove_dir_all(dir.path()).unwrap();
    spool.free_space().unwrap_err();
}

#[test]
fn free_space_is_asked_of_the_file_system() {
    let (_dir, spool) = spool();
    let space = spool.free_space().unwrap();
    assert!(
        space.available > 0 && space.available <= space.total,
        "{space:?}"
    );
}
