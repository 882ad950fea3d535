//! Instances, and the series they belong to.

use super::*;
use crate::dicom::{Trouble, TroubleKind};

#[test]
fn instances_are_found_by_uid_and_series_and_quarantine_is_apart() {
    let (_dir, journal) = journal();
    let good = instance("1.2.3.1", Some("1.2.3"));
    let bad = InstanceRecord {
        state: InstanceState::Quarantined {
            reason: "0 rows".to_owned(),
        },
        ..instance("1.2.3.2", None)
    };
    journal
        .record_instances(&[good.clone(), bad.clone()])
        .unwrap();
    journal.record_instance(&good).unwrap();

    assert_eq!(
        journal.instance(&good.sop_instance).unwrap(),
        Some(good.clone())
    );
    assert_eq!(journal.instance(&uid("9.9")).unwrap(), None);
    assert_eq!(
        journal.instances_of(&uid("1.2.3")).unwrap(),
        std::slice::from_ref(&good)
    );
    assert_eq!(journal.quarantined(10).unwrap(), std::slice::from_ref(&bad));
    // The process may end after an instance was recorded and before its series was.
    let known = |journal: &Journal| journal.known_instances().unwrap().len();
    assert_eq!(known(&journal), 1);
    journal.open_series(&new_series("1.2.3"), at(0)).unwrap();
    assert_eq!(known(&journal), 2);
    journal
        .forget_instances(&[good.sop_instance, bad.sop_instance])
        .unwrap();
    assert_eq!(known(&journal), 0);
}

#[test]
fn a_late_slice_that_was_recorded_before_its_series_reopened_is_noticed_at_the_next_start() {
    let (_dir, journal) = journal();
    let slice = |name: &str, series: &str| {
        journal
            .record_instance(&instance(name, Some(series)))
            .unwrap();
    };
    slice("1.2.3.1", "1.2.3");
    let series = segmenting(&journal, "1.2.3");
    slice("1.2.4.1", "1.2.4");
    let ignored = journal.open_series(&new_series("1.2.4"), at(0)).unwrap();
    let trouble = Trouble::new(TroubleKind::NotSegmentable, "a localizer");
    let reason = Some((&trouble, Remedy::Resend));
    journal
        .advance(&ignored.series, SeriesState::Ignored, reason, at(1))
        .unwrap();
    assert_eq!(journal.overtaken().unwrap(), []);

    // While it is segmented; that it is not done yet is known anyway.
    slice("1.2.3.2", "1.2.3");
    assert_eq!(journal.overtaken().unwrap(), []);
    segmented(&journal, &series, 1, &[], 3);
    slice("1.2.4.2", "1.2.4");
    let both = [series.clone(), ignored.series];
    assert_eq!(journal.overtaken().unwrap(), both);

    for series in &both {
        journal.reopen(series, at(4)).unwrap();
    }
    segment(&journal, &series, 5);
    segmented(&journal, &series, 2, &[], 6);
    assert_eq!(journal.overtaken().unwrap(), []);
}
