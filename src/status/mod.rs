//! What people see: the page, its JSON, the metrics.
//!
//! This stage reads and never acts: it is handed the journal and a [`FactsBoard`] of facts that the
//! running parts pin to it, and answers every request from those two. No patient name or
//! identifier passes through here.
//!
//! | path | answers |
//! |---|---|
//! | `/` | the page |
//! | `/series/{id}` | one series |
//! | `/series/{id}/seg.dcm`, `/series/{id}/result.json`, `/series/{id}/preview.png` | its results |
//! | `/api/status` | everything the page shows, as JSON |
//! | `/api/events` | a server-sent event whenever that changes |
//! | `/metrics` | Prometheus text form |
//! | `/healthz` | 200 while the process can answer |
//! | `/readyz` | 200 while instances can be received and kept, else 503 with the reason |

pub mod access;
mod assets;
mod clock;
mod facts;
mod frame;
mod language;
mod light;
mod metrics;
mod page;
mod series_row;
mod server;
mod snapshot;

pub use facts::{DestinationFacts, EngineFacts, Facts, FactsBoard};
pub use light::Light;
pub use metrics::{MetricsHandle, install as install_metrics, names as metric_names};
pub use server::{Pages, serve};
pub use snapshot::{SeriesView, Snapshot};
