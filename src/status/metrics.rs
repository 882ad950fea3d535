//! Counters, gauges and histograms in Prometheus' text form.
//!
//! Labels come from the configuration or from lists in this program, never from a peer: no label can
//! name a patient, and nobody can make more of them by sending. What can be counted stands at 0 from
//! the start, so that the first event is seen as a change; what is not measured is NaN.

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::{association::Rejection, spool::journal::SeriesState};

/// Renders what has been counted; `None` in processes that count nothing.
pub type MetricsHandle = PrometheusHandle;

/// Names of everything counted, with what each means.
pub mod names {
    pub const INSTANCES: &str = "hepar_instances_received_total";
    pub const BYTES: &str = "hepar_received_bytes_total";
    pub const REFUSALS: &str = "hepar_refused_callers_total";
    pub const DELIVERED: &str = "hepar_objects_delivered_total";
    pub const DELIVERY_FAILURES: &str = "hepar_delivery_failures_total";
    pub const DECLINED: &str = "hepar_objects_declined_total";
    pub const COMMITTED: &str = "hepar_objects_committed_total";
    pub const COMMITMENT_FAILURES: &str = "hepar_commitment_failures_total";
    pub const REPORTS_REFUSED: &str = "hepar_commitment_reports_refused_total";
    pub const DESTINATION_FAILING: &str = "hepar_destination_failing";
    pub const SERIES: &str = "hepar_series_finished_total";
    pub const WAITING: &str = "hepar_waiting_slices_bytes";
    pub const QUEUE: &str = "hepar_queue_series";
    pub const RECEIVE_GAP: &str = "hepar_receive_gap_seconds";
    pub const ENCODE: &str = "hepar_encode_seconds";
    pub const LAST_SLICE_TO_SEG: &str = "hepar_last_slice_to_seg_seconds";
    pub const SEG_TO_STORED: &str = "hepar_seg_to_stored_seconds";
    pub const SEG_TO_COMMITTED: &str = "hepar_seg_to_committed_seconds";
    pub const RECEIVING: &str = "hepar_receiving";
    pub const JOURNAL_USABLE: &str = "hepar_journal_usable";
    pub const ENGINE_READY: &str = "hepar_engine_ready";
    pub const SELF_TEST_PASSED: &str = "hepar_self_test_passed";
    pub const DISK_FREE: &str = "hepar_disk_free_bytes";
    pub const DISK_TOTAL: &str = "hepar_disk_total_bytes";
    pub const DISK_LASTS: &str = "hepar_disk_lasts_seconds";
    pub const CPU_LOAD: &str = "hepar_cpu_load_ratio";
    pub const GPU_LOAD: &str = "hepar_gpu_load_ratio";
    pub const HOTTEST: &str = "hepar_hottest_celsius";
    pub const SLOWED: &str = "hepar_slowed_down";
    pub const MEMORY_AVAILABLE: &str = "hepar_memory_available_bytes";
    pub const PROCESS_MEMORY: &str = "hepar_process_resident_bytes";
    pub const CLOCK_SYNCHRONISED: &str = "hepar_clock_synchronised";
}

const SECONDS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0,
];

/// An archive may commit at once, or at night.
const UP_TO_A_DAY: [f64; 8] = [1.0, 10.0, 60.0, 600.0, 3600.0, 14400.0, 43200.0, 86400.0];

/// Installs the process-wide recorder. Fails when one is installed already.
pub fn install() -> Result<MetricsHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(
            Matcher::Full(names::SEG_TO_COMMITTED.to_owned()),
            &UP_TO_A_DAY,
        )?
        .install_recorder()?;
    describe();
    for name in [names::INSTANCES, names::BYTES, names::REPORTS_REFUSED] {
        counter!(name).absolute(0);
    }
    for reason in Rejection::ALL {
        counter!(names::REFUSALS, "reason" => reason.to_string()).absolute(0);
    }
    for state in SeriesState::ALL {
        if state.is_settled() {
            counter!(names::SERIES, "state" => state.as_str()).absolute(0);
        }
    }
    for name in [
        names::ENGINE_READY,
        names::SELF_TEST_PASSED,
        names::GPU_LOAD,
    ] {
        gauge!(name).set(f64::NAN);
    }
    Ok(handle)
}

/// What is counted of a destination, from the start.
pub fn expect_destination(name: &str) {
    for counted in [
        names::DELIVERED,
        names::DELIVERY_FAILURES,
        names::DECLINED,
        names::COMMITTED,
        names::COMMITMENT_FAILURES,
    ] {
        counter!(counted, "destination" => name.to_owned()).absolute(0);
    }
    gauge!(names::DESTINATION_FAILING, "destination" => name.to_owned()).set(0.0);
}

fn describe() {
    describe_counter!(names::INSTANCES, "Instances acknowledged to senders");
    describe_counter!(names::BYTES, "Bytes of acknowledged instances");
    describe_counter!(names::REFUSALS, "Associations refused, by reason");
    describe_counter!(names::DELIVERED, "Objects stored by destinations");
    describe_counter!(
        names::DELIVERY_FAILURES,
        "Attempts to store an object at a destination that failed"
    );
    describe_counter!(
        names::DECLINED,
        "Reports and pictures that a destination does not take"
    );
    describe_counter!(
        names::COMMITTED,
        "Objects that destinations committed to keep"
    );
    describe_counter!(
        names::COMMITMENT_FAILURES,
        "Requests to commit to an object that failed or were refused"
    );
    describe_counter!(
        names::REPORTS_REFUSED,
        "Reports on commitments that were not understood, or that nobody had asked for"
    );
    describe_gauge!(
        names::DESTINATION_FAILING,
        "1 while the last attempt to store at the destination failed"
    );
    describe_counter!(names::SERIES, "Series that reached a final state, by state");
    describe_gauge!(names::QUEUE, "Series in work, by stage");
    describe_gauge!(
        names::WAITING,
        "Encoded slices that wait for the rest of their series, by place"
    );
    describe_histogram!(names::RECEIVE_GAP, "Time between two instances of a series");
    describe_histogram!(names::ENCODE, "Decoding and encoding of one slice");
    describe_histogram!(
        names::LAST_SLICE_TO_SEG,
        "Last slice durable to SEG durable"
    );
    describe_histogram!(
        names::SEG_TO_STORED,
        "SEG durable to stored by the destination"
    );
    describe_histogram!(
        names::SEG_TO_COMMITTED,
        "SEG durable to committed by the destination"
    );
    describe_gauge!(
        names::RECEIVING,
        "1 while instances can be received and kept"
    );
    describe_gauge!(
        names::JOURNAL_USABLE,
        "1 while the journal can be written, 0 while work waits for it"
    );
    describe_gauge!(
        names::ENGINE_READY,
        "1 once the engine passed its check, 0 if it did not"
    );
    describe_gauge!(
        names::SELF_TEST_PASSED,
        "1 if the last self-test passed, else 0"
    );
    describe_gauge!(names::DISK_FREE, "Free space where the state is kept");
    describe_gauge!(names::DISK_TOTAL, "Size of the disk the state is kept on");
    describe_gauge!(
        names::DISK_LASTS,
        "How long the free space lasts at the rate of the last hours"
    );
    describe_gauge!(names::CPU_LOAD, "Load of all cores, 0 to 1");
    describe_gauge!(names::GPU_LOAD, "Load of the accelerator, 0 to 1");
    describe_gauge!(names::HOTTEST, "Temperature of the hottest sensor");
    describe_gauge!(
        names::SLOWED,
        "1 while something is slowed down because of heat or power"
    );
    describe_gauge!(
        names::MEMORY_AVAILABLE,
        "Memory that could still be had without swapping"
    );
    describe_gauge!(names::PROCESS_MEMORY, "Resident memory of the service");
    describe_gauge!(
        names::CLOCK_SYNCHRONISED,
        "1 while a time server sets the clock, 0 while none does"
    );
}
