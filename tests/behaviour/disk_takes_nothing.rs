//! A disk with room that takes nothing, or takes no journal: that is said at once, and it recovers by
//! itself.

use std::fs;

use rusqlite::Connection;

use crate::harness::{
    appliance::Hepar,
    kept::assert_kept_as_sent,
    modality::Modality,
    phantoms::Series,
    wait_for,
    wire::{COME_AGAIN, ECHOING, STORING, Wire, asked},
};

const PROCESSING_FAILURE: u16 = 0x0110;

fn page(hepar: &Hepar, path: &str) -> String {
    String::from_utf8(hepar.get(path).unwrap().body).unwrap()
}

fn wait_for_metric(hepar: &Hepar, line: &str) {
    wait_for(line, || {
        let metrics = page(hepar, "/metrics");
        metrics.lines().any(|found| found == line).then_some(())
    });
}

fn wait_for_readiness(hepar: &Hepar, status: u16) {
    wait_for(&format!("/readyz to answer {status}"), || {
        (hepar.get("/readyz")?.status == status).then_some(())
    });
}

#[test]
fn a_box_that_can_keep_nothing_takes_nothing_says_so_and_recovers_by_itself() {
    let hepar = Hepar::start();
    hepar.wait_for_engine();
    wait_for_metric(&hepar, "hepar_receiving 1");
    let mut running = Wire::associate(hepar.address());

    // Not even root writes files below a file.
    let (instances, away) = (
        hepar.state_dir().join("instances"),
        hepar.state_dir().join("away"),
    );
    fs::rename(&instances, &away).unwrap();
    fs::write(&instances, "").unwrap();
    wait_for_readiness(&hepar, 503);
    wait_for("new associations to be refused", || {
        (asked(hepar.address(), &STORING) == Err(COME_AGAIN)).then_some(())
    });
    assert_eq!(asked(hepar.address(), &ECHOING), Ok(()));
    running.send_store(1, 1, "1.2.3.1", &[0; 5000]);
    assert_eq!(running.receive_response(), Some((1, PROCESSING_FAILURE)));
    let status = hepar.status();
    assert_eq!(status["ready"], false);
    assert_eq!(status["light"], "red");
    let headline = "Not receiving: the disk cannot be written";
    assert_eq!(status["headline"], headline);
    assert!(page(&hepar, "/").contains(headline));
    let detail = status["detail"].as_str().unwrap();
    assert!(detail.contains("Not a directory"), "{detail}");
    wait_for_metric(&hepar, "hepar_receiving 0");

    fs::remove_file(&instances).unwrap();
    fs::rename(&away, &instances).unwrap();
    wait_for_readiness(&hepar, 200);
    wait_for_metric(&hepar, "hepar_receiving 1");
    running.send_store(1, 2, "1.2.3.2", &[0; 5000]);
    assert_eq!(running.receive_response(), Some((2, 0)));
    assert_eq!(asked(hepar.address(), &STORING), Ok(()));
    assert_eq!(hepar.status()["light"], "green");
}

#[test]
fn a_journal_that_cannot_be_written_turns_the_light_red_before_a_series_comes() {
    let hepar = Hepar::start();
    hepar.wait_for_engine();
    wait_for_metric(&hepar, "hepar_journal_usable 1");
    let journal = Connection::open(hepar.state_dir().join("journal.db")).unwrap();
    journal.execute_batch("BEGIN IMMEDIATE").unwrap();
    wait_for("the light to be red", || {
        (hepar.status()["light"] == "red").then_some(())
    });
    let status = hepar.status();
    let headline = status["headline"].as_str().unwrap();
    assert!(headline.contains("journal cannot be written"), "{headline}");
    assert_eq!(status["ready"], true, "instances are kept all the same");
    wait_for_metric(&hepar, "hepar_journal_usable 0");
    let series = Series::small_abdomen(1310);
    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    assert_kept_as_sent(hepar.state_dir(), &series.files);

    journal.execute_batch("ROLLBACK").unwrap();
    hepar.wait_for_state(&series.uid, "delivered");
    wait_for_metric(&hepar, "hepar_journal_usable 1");
    assert_eq!(hepar.status()["light"], "green");
}
