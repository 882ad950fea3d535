//! A disk that fills up: senders are asked to wait, nothing unsent goes, and it recovers by itself.

use crate::harness::{
    appliance::Hepar,
    figures,
    kept::{assert_kept_as_sent, instances},
    modality::Modality,
    pacs::Pacs,
    phantoms::Series,
    small_disk::SmallDisk,
    wait_for,
    wire::{COME_AGAIN, ECHOING, STORING, Wire, asked},
};

const OUT_OF_RESOURCES: u16 = 0xA700;

/// The disk is emptied, and that is noticed.
fn make_room(hepar: &Hepar, disk: &SmallDisk) {
    disk.make_room();
    wait_for("associations to be accepted again", || {
        asked(hepar.address(), &STORING).is_ok().then_some(())
    });
}

#[test]
fn a_full_disk_asks_senders_to_wait_keeps_what_is_unsent_and_recovers_by_itself() {
    let Some(disk) = SmallDisk::of_megabytes(48) else {
        // Then what remains is the same with an injected error, in the spool's own tests.
        let injected = "a_full_disk_refuses_for_now_leaves_nothing_behind_and_recovers_by_itself";
        return figures::report(
            "disk-full",
            &format!("no mount allowed here; see {injected}"),
        );
    };
    let mut pacs = Pacs::pynetdicom(&[]);
    let hepar = Hepar::setup()
        .sending_to(&pacs)
        .keeping_state_in(disk.path())
        .start();
    let push = |seed| {
        let series = Series::small_abdomen(seed);
        Modality::dcmsend(&[])
            .send(hepar.address(), &series.files)
            .expect_all(series.len());
        series
    };
    let sent = push(1300);
    hepar.wait_for_state(&sent.uid, "delivered");
    pacs.stop();
    let unsent = push(1301);
    hepar.wait_for_state(&unsent.uid, "delivering");

    // Above the high watermark (a twentieth of the disk): what is delivered goes, by itself.
    let (short, reserve) = (disk.total() / 20, disk.total() / 40);
    disk.leave_free(short.midpoint(reserve));
    wait_for("the delivered series to be removed", || {
        let kept = instances(disk.path()).len();
        (kept == unsent.len()).then_some(())
    });
    assert_kept_as_sent(disk.path(), &unsent.files);

    // Nothing is left that may go.
    make_room(&hepar, &disk);
    let mut running = Wire::associate(hepar.address());
    disk.leave_free(short.midpoint(reserve));
    wait_for("new associations to be refused", || {
        (asked(hepar.address(), &STORING) == Err(COME_AGAIN)).then_some(())
    });
    assert_eq!(
        asked(hepar.address(), &ECHOING),
        Ok(()),
        "an echo is always answered"
    );
    assert_eq!(hepar.get("/readyz").unwrap().status, 503);
    let page = hepar.get("/").unwrap();
    let words = String::from_utf8_lossy(&page.body).into_owned();
    assert!(words.contains("disk is full"), "{words}");
    running.send_store(1, 1, "1.2.3.1", &[0; 5000]);
    assert_eq!(running.receive_response(), Some((1, 0x0000)), "it goes on");
    running.release();

    // A series is caught in the middle of its work: neither its result nor the journal can be written.
    make_room(&hepar, &disk);
    let caught = push(1302);
    let mut running = Wire::associate(hepar.address());
    disk.leave_free(0);
    let mut refused = 0;
    for message in 1..=10 {
        running.send_store(1, message, &format!("1.2.4.{message}"), &[0; 5000]);
        let (_, status) = running.receive_response().unwrap();
        assert_eq!(status, OUT_OF_RESOURCES, "not one byte is free");
        refused += 1;
    }
    assert_kept_as_sent(disk.path(), unsent.files.iter().chain(&caught.files));
    assert_eq!(hepar.series(&unsent.uid).unwrap()["state"], "delivering");

    make_room(&hepar, &disk);
    pacs.start();
    for series in [unsent, caught, push(1303)] {
        hepar.wait_for_state(&series.uid, "delivered");
    }
    assert_eq!(pacs.received().len(), 4);
    let notices = hepar.status()["notices"].to_string();
    assert!(!notices.contains("journal"), "{notices}");
    figures::report(
        "disk-full",
        &format!(
            "| file system of {} MiB filled to the last byte | {refused} C-STOREs answered 0xA700, \
             0 acknowledged instances lost, 0 unsent results deleted | recovered by itself |",
            disk.total() >> 20
        ),
    );
}

#[test]
fn a_start_on_a_disk_that_somebody_else_has_filled_makes_room_by_itself() {
    let Some(disk) = SmallDisk::of_megabytes(48) else {
        return;
    };
    let mut hepar = Hepar::setup().keeping_state_in(disk.path()).start();
    // Together more than what must be free for the door to open.
    let series = [1310, 1311, 1312, 1313].map(Series::small_abdomen);
    for series in &series {
        Modality::dcmsend(&[])
            .send(hepar.address(), &series.files)
            .expect_all(series.len());
        hepar.wait_for_state(&series.uid, "delivered");
    }
    wait_for("space to be put by", || {
        disk.path().join("spare").exists().then_some(())
    });
    disk.leave_free(0);
    hepar.kill();
    disk.leave_free(0);
    hepar.start_again();
    assert_eq!(asked(hepar.address(), &STORING), Ok(()));
    assert!(instances(disk.path()).len() < 4 * series[0].len());
    for series in series {
        let known = hepar.series(&series.uid).unwrap();
        assert_eq!(known["state"], "delivered", "it is remembered");
    }
}
