//! Whatever a PACS answers, or does instead of answering, the result reaches it once.

use crate::harness::{
    appliance::Hepar,
    figures,
    modality::Modality,
    phantoms::Series,
    rude_pacs::{
        RudePacs,
        Rudeness::{
            AbortsInTheDataSet, AcceptsNoContext, AnnouncesGigabytes, AnswersAnotherMessage,
            AnswersNoise, ClosesAfterTheCommand, ClosesAtOnce, ClosesInsteadOfAnswering, Rejects,
            Status,
        },
    },
    wait_for,
};

#[test]
fn after_every_failure_the_result_arrives_and_after_a_warning_it_is_not_sent_again() {
    // Refused, mismatch, not understood, and the general statuses of PS3.7 annex C; then the
    // statuses that answer nothing: cancel and pending.
    let failures = [
        0xA700, 0xA900, 0xC000, 0x0105, 0x0110, 0x0112, 0x0117, 0x0122, 0x0124, 0x0210, 0x0211,
        0x0212, 0xFE00, 0xFF00,
    ];
    let warnings = [0x0001, 0x0107, 0x0111, 0xB000, 0xB006, 0xB007];
    let rude = [
        ClosesAtOnce,
        Rejects([1, 1, 1]),
        Rejects([2, 3, 2]),
        AcceptsNoContext,
        ClosesAfterTheCommand,
        AbortsInTheDataSet,
        ClosesInsteadOfAnswering,
        AnswersAnotherMessage,
        AnswersNoise,
        AnnouncesGigabytes,
    ];
    let all = failures.into_iter().chain(warnings).map(Status).chain(rude);
    let peers: Vec<_> = all
        .map(|rudeness| (rudeness, RudePacs::start(rudeness)))
        .collect();
    let setup = peers
        .iter()
        .enumerate()
        .fold(Hepar::setup(), |setup, (n, (_, pacs))| {
            setup.sending_to_address(&format!("pacs-{n}"), pacs.address())
        });
    let hepar = setup.start();
    let series = Series::small_abdomen(1400);
    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());

    for (rudeness, pacs) in &peers {
        wait_for(&format!("the result at the PACS that {rudeness:?}"), || {
            (!pacs.kept().is_empty()).then_some(())
        });
    }
    hepar.wait_for_state(&series.uid, "delivered");
    for (rudeness, pacs) in &peers {
        let kept: Vec<u32> = pacs.kept().into_values().collect();
        assert_eq!(kept, [1], "{rudeness:?}");
    }
    let warned = |n: usize| (failures.len()..failures.len() + warnings.len()).contains(&n);
    let found = hepar.series(&series.uid).unwrap();
    for (n, (rudeness, _)) in peers.iter().enumerate() {
        let name = format!("pacs-{n}");
        let all = found["destinations"].as_array().unwrap();
        let entry = all.iter().find(|entry| entry["name"] == *name).unwrap();
        let attempts = entry["attempts"].as_u64().unwrap();
        assert_eq!(
            attempts,
            if warned(n) { 1 } else { 2 },
            "{rudeness:?}: {entry}"
        );
    }
    figures::report(
        "rude-pacs",
        &format!(
            "| {} statuses, {} ways to break off | each once, at the first attempt | every result \
             arrived, once; 0 lost |",
            failures.len() + warnings.len(),
            rude.len()
        ),
    );
}
