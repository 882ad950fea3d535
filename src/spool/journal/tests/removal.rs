use super::*;

#[test]
fn a_series_whose_files_were_removed_is_remembered_and_not_considered_again() {
    let (_dir, journal) = journal();
    let series = segmenting(&journal, "1.2.3");
    for number in 1..=3 {
        let name = format!("1.2.3.{number}");
        journal
            .record_instance(&instance(&name, Some("1.2.3")))
            .unwrap();
    }
    let candidate = || journal.retention_candidates(&[]).unwrap();
    assert_eq!(candidate()[0].bytes, 3 * 526_000);
    assert_eq!(candidate()[0].finished_at, None);

    segmented(&journal, &series, 1, &["pacs"], 3);
    assert!(candidate()[0].unsent);
    sent(&journal, 1, "pacs", 4);
    assert!(!candidate()[0].unsent);
    assert_eq!(candidate()[0].finished_at, Some(at(4)));

    let instances = journal.every_instance_of(&series).unwrap();
    assert_eq!(instances.len(), 3);
    journal.note_purged(&series, &instances, at(9)).unwrap();
    assert_eq!(candidate(), []);
    let record = journal.series(&series).unwrap().unwrap();
    assert_eq!(record.state, SeriesState::Delivered);
    assert_eq!(record.purged_at, Some(at(9)));
    assert_eq!(journal.known_instances().unwrap().len(), 0);

    // Sent again after all.
    journal.note_received(&series, 1, None, at(10)).unwrap();
    assert_eq!(candidate().len(), 1);
}
