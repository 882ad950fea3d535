//! Whole flows, measured from outside: what a scanner, a PACS and the box's owner would notice.
//!
//! Every figure comes from processes that talk over loopback, `hepar serve` among them, and stands
//! beside what the same machine gives in the same run: other receivers, the disk alone, the engine
//! alone, our own parts run one after the other.

mod children;
mod cost;
mod disk;
mod engine;
mod flow;
mod peers;
mod receive;
mod scanner;
mod slices;
mod table;
mod timeline;

pub use children::Build;
pub use cost::{cost, footprint};
pub use flow::flows;
pub use peers::Peer;
pub use receive::receive;
pub use slices::Template;
pub use table::{Table, machine};
pub use timeline::draw;
