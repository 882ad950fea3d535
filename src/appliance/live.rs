//! Series in work, in memory. All of it can be rebuilt from the journal and the instance files.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use super::{engine_room::EngineRoom, finish::EncodedSlice, waiting::Overflow};
use crate::{
    dicom::{Trouble, TroubleKind, Uid},
    engine::Urgency,
    series::{Eligibility, Evidence, InstanceHeader, eligibility},
};

/// How far a series is trusted not to end the process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Trust {
    /// Its slices are encoded while it is still arriving.
    New,
    /// It was in work when a run ended: only counted attempts touch its slices.
    TakenUp,
    /// The process died while it was being segmented. It is segmented alone, so that if the process
    /// dies again it is known of which series.
    Suspect,
}

/// One series between its first instance and its result.
#[derive(Debug)]
pub(super) struct Live {
    /// Tells it from an earlier one of the same series, whose slices may still come from the engine.
    pub number: u64,
    pub headers: BTreeMap<Uid, InstanceHeader>,
    /// By instance and frame.
    pub encoded: HashMap<(Uid, usize), Arc<EncodedSlice>>,
    /// Where those of them wait that memory has no room for.
    pub overflow: Arc<Overflow>,
    /// Frames of instances that have not been given to the engine yet, oldest first.
    pub to_encode: VecDeque<(Uid, Range<usize>)>,
    pub in_flight: usize,
    /// What its slices go through. Fixed with the first slice: a mask comes from one model, so a
    /// series in work stays with the one it began with when another is chosen.
    pub engine: Option<Arc<EngineRoom>>,
    /// Instances that could not be decoded or computed, with the reason.
    pub unreadable: BTreeMap<Uid, Trouble>,
    pub trust: Trust,
    /// The evidence on which the series counts as complete; instances that come later re-open it.
    pub completed: Option<Evidence>,
    /// The series was found complete again while its result was being made.
    pub completed_again: Option<Evidence>,
    /// The journal has counted this attempt.
    pub segmenting: bool,
    pub making_result: bool,
    /// The last attempt failed for want of something that may come back.
    pub retry_at: Option<Instant>,
    pub last_durable: Instant,
}

impl Live {
    /// Of its jobs at the engine.
    pub(super) fn urgency(&self) -> Urgency {
        match self.trust {
            Trust::New => Urgency::Live,
            Trust::TakenUp | Trust::Suspect => Urgency::Rerun,
        }
    }

    pub(super) fn new(trust: Trust, now: Instant) -> Self {
        static CREATED: AtomicU64 = AtomicU64::new(0);
        Self {
            number: CREATED.fetch_add(1, Ordering::Relaxed),
            headers: BTreeMap::new(),
            encoded: HashMap::new(),
            overflow: Arc::default(),
            to_encode: VecDeque::new(),
            in_flight: 0,
            engine: None,
            unreadable: BTreeMap::new(),
            trust,
            completed: None,
            completed_again: None,
            segmenting: false,
            making_result: false,
            retry_at: None,
            last_durable: now,
        }
    }

    /// The same series from the beginning: nothing of it has been through the engine.
    pub(super) fn anew(self) -> Self {
        let mut anew = Self::new(Trust::TakenUp, self.last_durable);
        for header in self.headers.into_values() {
            anew.add(header, self.last_durable);
        }
        anew.completed = self.completed;
        anew.completed_again = self.completed_again;
        anew
    }

    pub(super) fn add(&mut self, header: InstanceHeader, now: Instant) {
        // What is not an axial CT slice costs nothing beyond its header.
        if eligibility(&header) == Eligibility::Eligible {
            let frames = header.frames.len();
            for from in (0..frames).step_by(EngineRoom::FRAMES) {
                let to = frames.min(from + EngineRoom::FRAMES);
                self.to_encode
                    .push_back((header.sop_instance.clone(), from..to));
            }
        }
        self.headers.insert(header.sop_instance.clone(), header);
        self.last_durable = now;
    }

    /// Whether it is complete, and nothing but the word to begin is missing.
    pub(super) fn waits_to_begin(&self) -> bool {
        self.completed.is_some() && !self.segmenting && self.retry_at.is_none()
    }

    /// Why the network gave no numbers for one of its images, if there is one. That is no gap in what
    /// the scanner sent: an answer without it would hide that the engine is broken.
    pub(super) fn not_computed(&self) -> Option<&Trouble> {
        let mut reasons = self.unreadable.values();
        reasons.find(|reason| reason.kind == Some(TroubleKind::Engine))
    }

    /// Whether every slice has been through the engine, or could not be.
    pub(super) fn encoded_all(&self) -> bool {
        self.to_encode.is_empty() && self.in_flight == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_cannot_be_decoded_is_a_gap_and_one_that_cannot_be_computed_is_not() {
        let mut live = Live::new(Trust::New, Instant::now());
        let fails = |live: &mut Live, uid, kind, words| {
            let uid = Uid::parse(uid).unwrap();
            live.unreadable.insert(uid, Trouble::new(kind, words));
        };
        fails(
            &mut live,
            "1.2.1",
            TroubleKind::UnreadableSlices,
            "cut short",
        );
        fails(
            &mut live,
            "1.2.2",
            TroubleKind::Crashed,
            "crashed the decoder",
        );
        assert_eq!(live.not_computed(), None);
        fails(&mut live, "1.2.3", TroubleKind::Engine, "not finite");
        assert_eq!(live.not_computed().unwrap().words, "not finite");
    }
}
