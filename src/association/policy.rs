//! Who may send, how much, and how long they may take.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::caller::CallerRule;
use crate::dicom::AeTitle;

/// What an acceptor allows. [`Policy::new`] gives every limit a value that suits one department.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Ours: what callers must call, unless [`Self::called`] says otherwise.
    pub ae_title: AeTitle,
    pub called: CalledRule,
    /// Who may send; empty means anyone.
    pub callers: Vec<CallerRule>,
    /// Who may report on commitments, and verify, caller or not: the destinations that are asked for
    /// them. That alone lets nobody store. Empty: Storage Commitment is not accepted at all.
    pub committing: Vec<AeTitle>,
    pub max_associations: usize,
    /// Longest P-DATA PDU we take and announce; 0 announces no limit.
    pub max_pdu_length: u32,
    /// A larger data set is read to its end and answered 0xA700.
    pub max_data_set: u64,
    /// Memory in unfinished data sets, all associations together, beyond 4 MiB for each.
    pub receive_memory: u64,
    /// From the connection to the end of the TLS handshake where there is one, and from there to the
    /// end of the association request (ARTIM, PS3.8 §9.1.4).
    pub request_timeout: Duration,
    /// An association is cut that in this time neither finishes a message nor brings 32 KiB.
    pub idle_timeout: Duration,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CalledRule {
    /// The called AE title must be ours.
    Ours,
    Any,
}

/// Whether more can be kept; the appliance watches the disk and says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Admission {
    Open,
    /// Above the high watermark: associations that would store are refused for now, open ones go on.
    NoSpace,
    /// The reserve is touched: open associations hear 0xA700 as well.
    ReserveTouched,
    /// Nothing can be written: as with [`Self::NoSpace`], and open ones hear what comes of trying.
    CannotWrite,
}

impl Policy {
    pub fn new(ae_title: AeTitle) -> Self {
        Self {
            ae_title,
            called: CalledRule::Ours,
            callers: Vec::new(),
            committing: Vec::new(),
            max_associations: 32,
            max_pdu_length: 131_072,
            // An enhanced CT of 2000 slices of 512×512×16 bit is 1000 MiB.
            max_data_set: 1 << 30,
            receive_memory: 1 << 30,
            request_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_mins(1),
        }
    }

    /// How many of [`Self::max_associations`] one caller (AE title and address) may hold: half, so
    /// that a sender that never releases cannot shut the others out.
    pub fn max_associations_per_caller(&self) -> usize {
        (self.max_associations / 2).clamp(1, MOST_OF_ONE_CALLER)
    }
}

/// More than any scanner opens that is in order.
const MOST_OF_ONE_CALLER: usize = 16;

/// Counts the associations that are open.
#[derive(Debug)]
pub(super) struct Slots {
    total: usize,
    per_caller: usize,
    taken: Mutex<HashMap<(AeTitle, IpAddr), usize>>,
}

/// An open association's place; free again when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    caller: (AeTitle, IpAddr),
}

impl Slots {
    pub(super) fn new(policy: &Policy) -> Arc<Self> {
        Arc::new(Self {
            total: policy.max_associations,
            per_caller: policy.max_associations_per_caller(),
            taken: Mutex::default(),
        })
    }

    /// `None` when all places, or this caller's, are taken.
    pub(super) fn take(self: &Arc<Self>, caller: &AeTitle, peer: IpAddr) -> Option<Slot> {
        let caller = (caller.clone(), peer.to_canonical());
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.values().sum::<usize>() >= self.total
            || taken.get(&caller).copied().unwrap_or(0) >= self.per_caller
        {
            return None;
        }
        *taken.entry(caller.clone()).or_default() += 1;
        drop(taken);
        Some(Slot {
            slots: Arc::clone(self),
            caller,
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let slots = &self.slots;
        let mut taken = slots.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title(text: &str) -> AeTitle {
        AeTitle::parse(text).unwrap()
    }

    #[test]
    fn a_caller_cannot_take_every_place_and_places_come_back() {
        let policy = Policy {
            max_associations: 4,
            ..Policy::new(title("HEPAR"))
        };
        let (slots, here) = (Slots::new(&policy), IpAddr::from([127, 0, 0, 1]));
        let first = slots.take(&title("BAD"), here).unwrap();
        let second = slots.take(&title("BAD"), here).unwrap();
        assert!(slots.take(&title("BAD"), here).is_none());
        let good = ["GOOD", "BETTER"].map(|caller| slots.take(&title(caller), here).unwrap());
        assert!(slots.take(&title("OTHER"), here).is_none(), "all are taken");
        drop((first, second));
        assert!(slots.take(&title("BAD"), here).is_some());
        drop(good);
        assert!(slots.taken.lock().unwrap().is_empty());
    }

    #[test]
    fn one_caller_has_half_of_the_places_at_least_one_and_never_more_than_sixteen() {
        for (all, one_caller) in [(1, 1), (2, 1), (3, 1), (4, 2), (8, 4), (32, 16), (100, 16)] {
            let policy = Policy {
                max_associations: all,
                ..Policy::new(title("HEPAR"))
            };
            assert_eq!(policy.max_associations_per_caller(), one_caller, "of {all}");
        }
    }
}
