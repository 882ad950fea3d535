//! Fragments become a data set, in bounded memory and without copying what is large.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::{Bytes, BytesMut};

/// A data set while its fragments arrive.
///
/// A large fragment is kept as the slice of the receive buffer that it is. Small ones are copied
/// together, so that a sender of two-byte fragments cannot make us keep a handle for each.
#[derive(Debug, Default)]
pub struct Joiner {
    parts: Vec<Bytes>,
    tail: BytesMut,
}

impl Joiner {
    pub fn push(&mut self, fragment: Bytes) {
        if fragment.len() < WORTH_A_HANDLE {
            self.tail.extend_from_slice(&fragment);
            if self.tail.len() >= TAIL {
                self.flush();
            }
        } else {
            self.flush();
            self.parts.push(fragment);
        }
    }

    pub fn finish(mut self) -> Vec<Bytes> {
        self.flush();
        self.parts
    }

    fn flush(&mut self) {
        if !self.tail.is_empty() {
            self.parts.push(self.tail.split().freeze());
        }
    }
}

/// Memory that all associations together may hold in unfinished data sets, beyond the allowance
/// that each has to itself.
///
/// An ordinary CT slice fits the allowance, so a sender of huge objects can exhaust the shared part
/// for other senders of huge objects only.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    used: AtomicU64,
}

impl Budget {
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicU64::new(0),
        })
    }

    fn take(&self, bytes: u64) -> bool {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|sum| *sum <= self.limit)
            })
            .is_ok()
    }
}

/// What one data set holds of the [`Budget`]; given back when dropped.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    bytes: u64,
    taken: u64,
}

impl Charge {
    pub fn new(budget: &Arc<Budget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            bytes: 0,
            taken: 0,
        }
    }

    /// Whether `bytes` more may be held.
    pub fn grow(&mut self, bytes: u64) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        let needed = self.bytes.saturating_sub(ALLOWANCE);
        if needed <= self.taken {
            return true;
        }
        // In steps, so that the shared counter is not touched for every fragment.
        let step = (needed - self.taken).next_multiple_of(STEP);
        let granted = self.budget.take(step);
        if granted {
            self.taken += step;
        }
        granted
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

/// The fragment size from which a handle of its own is cheaper than a copy.
const WORTH_A_HANDLE: usize = 2048;
/// Small fragments are collected into parts of about this size.
const TAIL: usize = 64 * 1024;
/// Held by each association without asking: several times a 512×512×16 bit slice.
pub const ALLOWANCE: u64 = 4 << 20;
const STEP: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_large_fragment_is_not_copied() {
        let fragment = Bytes::from(vec![7; 16 * 1024]);
        let mut joiner = Joiner::default();
        joiner.push(fragment.clone());
        assert_eq!(joiner.finish()[0].as_ptr(), fragment.as_ptr());
    }

    #[test]
    fn the_shared_budget_is_for_what_exceeds_the_allowance_and_is_given_back() {
        let budget = Budget::new(2 * STEP);
        let mut huge = Charge::new(&budget);
        assert!(huge.grow(ALLOWANCE) && huge.grow(2 * STEP));
        assert!(!huge.grow(1), "the budget is spent");

        let mut slice = Charge::new(&budget);
        assert!(slice.grow(ALLOWANCE), "an ordinary slice needs no budget");
        assert!(!slice.grow(1));

        drop(huge);
        assert!(slice.grow(1));
        drop(slice);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    proptest! {
        #[test]
        fn joined_fragments_are_the_data_set_in_few_parts(
            sizes in prop::collection::vec(prop_oneof![0usize..9, 0usize..9000], 0..200),
        ) {
            let mut byte = 0u8;
            let (mut joiner, mut sent) = (Joiner::default(), Vec::new());
            for size in sizes {
                let fragment: Vec<u8> = (0..size)
                    .map(|_| {
                        byte = byte.wrapping_add(1);
                        byte
                    })
                    .collect();
                sent.extend_from_slice(&fragment);
                joiner.push(fragment.into());
            }
            let parts = joiner.finish();
            prop_assert!(parts.len() <= 2 * (sent.len() / WORTH_A_HANDLE) + 1);
            prop_assert!(parts.iter().all(|part| !part.is_empty()));
            prop_assert_eq!(parts.concat(), sent);
        }
    }
}
