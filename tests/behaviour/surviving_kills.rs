//! SIGKILL at random moments over every stage, with a real scanner and a real PACS.

use std::{collections::BTreeSet, thread, time::Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::harness::{
    appliance::Hepar,
    figures,
    kept::assert_kept_as_sent,
    modality::Modality,
    pacs::{Pacs, Received},
    phantoms::Series,
};

#[test]
fn whenever_it_is_killed_nothing_acknowledged_is_lost_and_each_result_is_on_the_pacs_once() {
    let kills = figures::asked_for("HEPAR_TEST_KILLS", 25);
    let pacs = Pacs::pynetdicom(&[]);
    let mut hepar = Hepar::setup().sending_to(&pacs).start();
    let scanner = Modality::pynetdicom(&[]);

    // One series without a kill says how long all the stages take together.
    let start = Instant::now();
    let undisturbed = Series::small_abdomen(1000);
    scanner
        .send(hepar.address(), &undisturbed.files)
        .expect_all(undisturbed.len());
    hepar.wait_for_state(&undisturbed.uid, "delivered");
    let whole = start.elapsed();

    // Runs of different seeds add up: a long run can be several short ones.
    let mut moments = ChaCha8Rng::seed_from_u64(figures::asked_for("HEPAR_TEST_SEED", 4));
    let mut results = BTreeSet::new();
    for kill in 0..kills {
        let series = Series::small_abdomen(1001 + kill);
        let sending = scanner.start(hepar.address(), &series.files);
        // Not a wait for something: the moment is the experiment.
        thread::sleep(whole.mul_f64(moments.random()));
        let stage = hepar.series(&series.uid).map_or("nothing".into(), |found| {
            found["state"].as_str().unwrap().to_owned()
        });
        hepar.kill();

        let acknowledged = sending.acknowledged_instances();
        sending.finish();
        let told = acknowledged.len();
        assert_kept_as_sent(hepar.state_dir(), &series.files_of(&acknowledged));

        hepar.start_again();
        // A scanner sends again what it was not told to be kept.
        let rest = series.files_but(&acknowledged);
        if !rest.is_empty() {
            scanner.send(hepar.address(), &rest).expect_all(rest.len());
        }
        hepar.wait_for_series(&series.uid, "delivered whole", |found| {
            found["state"] == "delivered" && found["instances_received"] == series.len()
        });
        assert_kept_as_sent(hepar.state_dir(), &series.files);
        results.insert(hepar.expected_result(&series));
        figures::report("kills", &format!("| {stage} | {told} |"));
    }

    let held: Vec<String> = pacs.received().iter().map(Received::sop_instance).collect();
    let distinct: BTreeSet<_> = held.iter().cloned().collect();
    assert_eq!(distinct.len(), held.len());
    assert!(results.is_subset(&distinct), "a result never came");
    results.insert(hepar.expected_result(&undisturbed));
    // Of a series whose rest came later than the quiet period, if the machine was that busy.
    let partial = distinct.difference(&results).count();
    figures::report("kills", &format!("| results | {} |", results.len()));
    figures::report("kills", &format!("| partial | {partial} |"));
}
