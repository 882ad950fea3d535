//! What people see: the page, its JSON, the metrics.
//!
//! This stage reads: it is handed the journal, the spool and a [`FactsBoard`] of facts that the
//! running parts pin to it, and answers every request from those. What a person orders it hands to
//! the owner of the series as a [`Request`]. No patient name or identifier passes through here.
//!
//! | path | answers |
//! |---|---|
//! | `/` | the page |
//! | `/series/{id}` | one series |
//! | `/series/{id}/slices/{n}.png` | one of its slices, with outlines |
//! | `/series/{id}/again/send-again`, `.../segment-again` | asks first, then does it |
//! | `/destinations` | where results go, and who sends |
//! | `/series/{id}/seg.dcm`, `/series/{id}/result.json`, `/series/{id}/preview.png` | its results |
//! | `/api/status` | everything the page shows, as JSON |
//! | `/api/events` | a server-sent event whenever that changes |
//! | `/login`, `/logout`, `/password` | the pages by which users come and go |
//! | `/box`, `/box/self-test` | the box itself; asks for a self-test |
//! | `/destinations/{name}/test` | tries a destination out |
//! | `/users` | who may log in |
//! | `/log` | the last lines of the log |
//! | `/support` | a bundle for whoever helps from afar |
//! | `/metrics` | Prometheus text form |
//! | `/healthz` | 200 while the process can answer |
//! | `/readyz` | 200 while instances can be received and kept, else 503 with the reason |

pub mod access;
mod actions;
mod assets;
mod box_page;
mod callers;
mod clock;
mod destination_test;
mod destinations_page;
mod doors;
mod facts;
mod frame;
mod language;
mod light;
mod log_page;
pub mod logs;
mod metrics;
mod notice;
mod page;
mod series_findings;
mod series_page;
mod series_row;
mod series_slices;
mod server;
mod snapshot;
mod support;
mod trouble;

pub use actions::{ORDERS, Order, Orders, Request};
pub use callers::{Callers, Refused, Seen};
pub use destination_test::{TrialReport, TrialRequest};
pub use facts::{
    CertificateFacts, DestinationFacts, EngineFacts, Facts, FactsBoard, SelfTestFacts,
};
pub use light::Light;
pub use metrics::{
    MetricsHandle, expect_destination, install as install_metrics, names as metric_names,
};
pub use notice::{CertificateUse, NotReceiving, Notice};
pub use series_slices::Viewed;
pub use server::{Pages, serve};
pub use snapshot::{SeriesView, Snapshot};
