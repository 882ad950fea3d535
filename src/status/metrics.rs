//! Counters and histograms in Prometheus' text form. Never a label that could name a patient.

use metrics::{describe_counter, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Renders what has been counted; `None` in processes that count nothing.
pub type MetricsHandle = PrometheusHandle;

/// Names of everything counted, with what each means.
pub mod names {
    pub const INSTANCES: &str = "hepar_instances_received_total";
    pub const BYTES: &str = "hepar_received_bytes_total";
    pub const REFUSALS: &str = "hepar_refused_callers_total";
    pub const DELIVERED: &str = "hepar_objects_delivered_total";
    pub const SERIES: &str = "hepar_series_finished_total";
    pub const RECEIVE_GAP: &str = "hepar_receive_gap_seconds";
    pub const ENCODE: &str = "hepar_encode_seconds";
    pub const LAST_SLICE_TO_SEG: &str = "hepar_last_slice_to_seg_seconds";
    pub const SEG_TO_STORED: &str = "hepar_seg_to_stored_seconds";
}

const SECONDS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0,
];

/// Installs the process-wide recorder. Fails when one is installed already.
pub fn install() -> Result<MetricsHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()?;
    describe_counter!(names::INSTANCES, "Instances acknowledged to senders");
    describe_counter!(names::BYTES, "Bytes of acknowledged instances");
    describe_counter!(names::REFUSALS, "Associations refused, by reason");
    describe_counter!(names::DELIVERED, "Objects stored by destinations");
    describe_counter!(names::SERIES, "Series that reached a final state, by state");
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
    Ok(handle)
}
