//! The box itself: how hot, how busy, how full, and what slows it down.
//!
//! A box in a cupboard that is slowed by dust in its fan gives its results late and says nothing,
//! unless somebody looks. [`Board`] looks; it reads small files of the kernel below a root that tests
//! replace by a made-up tree. Looking may block on a sensor's bus and is done off the async runtime.

mod disk_trend;
mod jetson;
mod linux;
mod nodes;
mod reading;
pub mod service_manager;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use disk_trend::DiskTrend;
pub use jetson::Jetson;
pub use linux::Linux;
pub use reading::{Interface, Reading};

use nodes::Nodes;

/// A machine that can be asked how it is.
pub trait Board: Send {
    /// Looks once. What changes between two looks, such as load, is known from the second on.
    fn look(&mut self) -> Reading;
}

/// The machine whose kernel's files lie below `root`.
#[must_use]
pub fn board(root: &Path) -> Box<dyn Board> {
    let nodes = Nodes::below(root);
    if Jetson::is_there(&nodes) {
        Box::new(Jetson::new(nodes))
    } else {
        Box::new(Linux::new(nodes))
    }
}
