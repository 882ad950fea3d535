//! Whom an attempt that was cut off counts against.

use super::*;
use crate::dicom::{Trouble, TroubleKind};

/// A journal with one series in work, as a run under `boot` left it.
fn cut_off(boot: &str) -> (tempfile::TempDir, Journal, Uid) {
    let (dir, journal) = journal();
    assert_eq!(journal.begin_run(boot).unwrap(), LastRun::Unknown);
    let series = segmenting(&journal, "1.2.3");
    (dir, journal, series)
}

fn counted(journal: &Journal, series: &Uid) -> (u32, u32) {
    let record = journal.series(series).unwrap().unwrap();
    (record.attempts, record.interruptions)
}

#[test]
fn a_process_that_died_alone_counts_against_what_it_worked_on() {
    let (_dir, journal, series) = cut_off("boot 1");
    assert_eq!(journal.begin_run("boot 1").unwrap(), LastRun::Died);
    assert_eq!(counted(&journal, &series), (1, 0));
}

#[test]
fn a_power_cut_is_not_the_series_doing_and_is_counted_apart() {
    let (_dir, journal, series) = cut_off("boot 1");
    for cut in 1..=5 {
        let last = journal.begin_run(&format!("boot {}", cut + 1)).unwrap();
        assert_eq!(last, LastRun::WentDownWithTheMachine);
        assert_eq!(counted(&journal, &series), (0, cut));
        segment(&journal, &series, 3);
    }
}

#[test]
fn a_stop_in_order_counts_for_nothing() {
    let (_dir, journal, series) = cut_off("boot 1");
    journal.end_run().unwrap();
    assert_eq!(journal.begin_run("boot 1").unwrap(), LastRun::Stopped);
    assert_eq!(counted(&journal, &series), (0, 0));
}

#[test]
fn only_what_was_in_work_is_judged() {
    let (_dir, journal, series) = cut_off("boot 1");
    let trouble = Trouble::new(TroubleKind::EndedTheProcess, "it ended the process");
    let failed = Some((&trouble, Remedy::Service));
    journal
        .advance(&series, SeriesState::Failed, failed, at(3))
        .unwrap();
    journal.begin_run("boot 2").unwrap();
    assert_eq!(counted(&journal, &series), (1, 0));
}

#[test]
fn an_attempt_that_came_back_with_a_reason_has_not_ended_the_process() {
    let (_dir, journal, series) = cut_off("boot 1");
    let trouble = Trouble::new(TroubleKind::DiskFull, "no space left on the device");
    let full = Some((&trouble, Remedy::Wait));
    for _ in 0..3 {
        let back = journal
            .advance(&series, SeriesState::Queued, full, at(3))
            .unwrap();
        assert_eq!(back.attempts, 0);
        journal
            .advance(&series, SeriesState::Segmenting, None, at(4))
            .unwrap();
    }
}
