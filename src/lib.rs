//! Hepar segments the liver and liver tumours in CT series that scanners push to it, and returns
//! DICOM SEG to the PACS. Nobody clicks anything for a result to appear.
//!
//! # The story of one series
//!
//! ```text
//! association -> spool -> series -> volume -> engine -> mask -> encode -> deliver
//!                journal (SQLite) knows where every series is      status, device: what people see
//! ```
//!
//! A scanner opens an [`association`] and sends one C-STORE per slice. The [`spool`] makes each
//! instance durable before the scanner hears success. [`series`] decides whether the series is ours
//! and when it is complete; [`volume`] decodes slices to Hounsfield units and places them in the
//! patient; the [`engine`] encodes every slice as it arrives and runs the head once the series is
//! complete; [`mask`] turns logits into labels on the source grid, components and millilitres;
//! [`encode`] writes what the radiologist opens; [`deliver`] sends it until the PACS has it.
//!
//! # Invariants
//!
//! 1. C-STORE success is only sent for an instance whose bytes *and* directory entry are on stable
//!    storage ([`spool::Spooled`] is the receipt; only a commit makes one).
//! 2. Received bytes are persisted before they are parsed; an object we cannot read is quarantined,
//!    never a dropped association.
//! 3. Work is in the journal before it starts; killing the process at any instant loses nothing
//!    acknowledged and delivers nothing twice.
//! 4. A mask has the geometry value of the series it came from; nothing recomputes it; nothing
//!    reorients voxels.
//! 5. Same instances, same bundle and same configuration give the same output UIDs, so a retry is a
//!    retry.
//! 6. CPU work never runs on the async runtime; every queue is bounded; every task is tracked and
//!    drained.
//! 7. No patient identifier in a log line, a metric or (by default) the page.
//! 8. A series that crashed the process twice is failed with a reason, not retried for ever.
//!
//! # Who may use whom
//!
//! `dicom`, `model` and `spool` are ground that any stage may stand on; apart from those, a stage
//! knows the stages before it and never the ones after. `appliance` alone knows all of them and
//! hands values across.

pub mod appliance;
pub mod association;
pub mod audit;
mod chain;
pub mod config;
pub mod conformance;
pub mod deliver;
pub mod device;
pub mod dicom;
pub mod encode;
pub mod engine;
pub mod evaluate;
pub mod mask;
pub mod model;
pub mod phantom;
pub mod provision;
pub mod secrets;
pub mod series;
pub mod spool;
pub mod status;
pub mod tls;
pub mod update;
pub mod volume;

pub(crate) use chain::chain;
