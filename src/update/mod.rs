//! The system is exchanged whole, and the box comes back to work whatever happens on the way.
//!
//! There are two system slots. An update is written to the one that does not run, the box starts
//! from it on trial, and only when the new system has proven itself is it marked good. A box that a
//! hospital cannot use after an update is worse than one without the update, so every doubt ends at
//! the old system: firmware that gives up on the new one, a network that does not compute, a PACS
//! that answered before and does not now, power lost anywhere.
//!
//! RAUC writes and verifies bundles (X.509 signature, verity for every block read), the firmware's
//! `nvbootctrl` switches slots, and this module decides. `plan` holds all of the deciding and does
//! nothing itself; what it wants done is a list of [`Effect`]s, each of which may be the last one
//! before the power fails.
//!
//! ```text
//!   install: Writing ---- written ----> Trial ---- restart ----> examined ---- passes ----> Confirmed
//!               |                         |                         |
//!               | power lost              | firmware gives up       | fails: back to the old slot
//!               v                         v                         v
//!          Interrupted                RolledBack  <---------   GoingBack
//! ```

mod nvbootctrl;
mod plan;
mod rauc;
mod record;
mod slots;

pub use nvbootctrl::Nvbootctrl;
pub use plan::{
    Decision, Effect, Outcome, Plan, Record, after_examination, at_boot, before_writing, written,
};
pub use rauc::{BundleFacts, Rauc, RaucError};
pub use record::{RecordError, RecordFile};
pub use slots::{Slot, Slots, SlotsError, View};
