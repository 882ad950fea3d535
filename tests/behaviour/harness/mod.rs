//! What stands around the appliance in a department: scanners, a PACS, and somebody who waits.
//!
//! The appliance under test is the real binary with a configuration file, a state directory and
//! loopback ports of its own; its neighbours are DCMTK, pynetdicom and Orthanc, so that no part of
//! a conversation is played by our own code. Where a neighbour must break the rules, [`wire`]
//! speaks to the socket directly.

pub mod appliance;
pub mod browser;
pub mod certificates;
pub mod cli;
pub mod figures;
pub mod kept;
pub mod modality;
pub mod objects;
pub mod pacs;
pub mod phantoms;
pub mod place;
pub mod process;
pub mod rude_pacs;
pub mod small_disk;
pub mod wire;

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long a condition may take to come true. Generous, because it is only spent on failure: two
/// cores may be shared by several appliances that segment at the same time.
const PATIENCE: Duration = Duration::from_mins(2);

/// Polls until `attempt` gives something, and says in vain for what it waited.
pub fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "waited {} s in vain for {what}",
            PATIENCE.as_secs()
        );
        thread::sleep(Duration::from_millis(20));
    }
}
