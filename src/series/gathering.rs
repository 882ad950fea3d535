//! What is known of one series while it is being received.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use super::{Evidence, InstanceHeader, contiguity, is_slice};
use crate::dicom::{AeTitle, Plane, Uid};

/// What is known of one series.
pub(super) struct Series {
    pub(super) caller: AeTitle,
    /// Slices' planes, by instance.
    planes: BTreeMap<Uid, Vec<Plane>>,
    /// Every instance, slice or not.
    instances: BTreeSet<Uid>,
    expected: Option<u32>,
    /// Announced for, and arrived of, each acquisition; `None` once an instance announced nothing.
    acquisitions: Option<BTreeMap<Option<i32>, (u32, u32)>>,
    /// Associations that brought instances, and how they stand.
    associations: BTreeMap<u64, Association>,
    pub(super) last_arrival: Instant,
    pub(super) evidence: Option<Evidence>,
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Association {
    Open,
    Released,
    /// Aborted, broken or timed out: the sender will come again.
    Cut,
}

impl Series {
    pub(super) fn new(caller: &AeTitle, now: Instant) -> Self {
        Self {
            caller: caller.clone(),
            planes: BTreeMap::new(),
            instances: BTreeSet::new(),
            expected: None,
            acquisitions: Some(BTreeMap::new()),
            associations: BTreeMap::new(),
            last_arrival: now,
            evidence: None,
        }
    }

    pub(super) fn take(&mut self, header: &InstanceHeader, association: u64, now: Instant) {
        if !self.associations.contains_key(&association) {
            // Whoever was cut off has come again.
            self.associations
                .retain(|_, state| *state != Association::Cut);
        }
        self.associations.insert(association, Association::Open);
        self.last_arrival = now;
        self.evidence = None;
        self.note(header);
        if self.count_is_reached() {
            self.evidence = Some(Evidence::CountReached);
        }
    }

    /// An association brings more after the others ended in order. After a cut one it is the sender
    /// trying again, which says nothing about its habits.
    pub(super) fn continues_elsewhere(&self, association: u64) -> bool {
        let released = |state: &Association| *state == Association::Released;
        !self.associations.is_empty()
            && !self.associations.contains_key(&association)
            && self.associations.values().all(released)
    }

    pub(super) fn note(&mut self, header: &InstanceHeader) {
        if !self.instances.insert(header.sop_instance.clone()) {
            return;
        }
        let planes: Vec<Plane> = header
            .frames
            .iter()
            .filter(|frame| is_slice(header, frame))
            .filter_map(|frame| frame.plane)
            .collect();
        if planes.is_empty() {
            // A localizer among the slices is in no acquisition's count.
            return;
        }
        self.planes.insert(header.sop_instance.clone(), planes);
        self.expected = header.expected_in_series.or(self.expected);
        match (header.expected_in_acquisition, &mut self.acquisitions) {
            (Some(announced), Some(acquisitions)) => {
                let counts = acquisitions.entry(header.acquisition_number).or_default();
                *counts = (announced, counts.1 + 1);
            }
            (None, acquisitions) => *acquisitions = None,
            _ => {}
        }
    }

    /// The count of a series is taken at its word. The count of an acquisition is not a series', so
    /// every acquisition must be there and no hole among the slices.
    fn count_is_reached(&self) -> bool {
        if let Some(expected) = self.expected {
            return self.instances.len() as u64 >= u64::from(expected) && expected > 0;
        }
        let every_acquisition = self.acquisitions.as_ref().is_some_and(|acquisitions| {
            !acquisitions.is_empty()
                && acquisitions
                    .values()
                    .all(|(announced, arrived)| arrived == announced)
        });
        every_acquisition && self.is_contiguous()
    }

    /// How many instances the sender says there are: of the series, or else of the acquisitions seen
    /// so far.
    pub(super) fn announced(&self) -> Option<u32> {
        let acquisitions = || {
            let announced = self
                .acquisitions
                .as_ref()?
                .values()
                .map(|(count, _)| *count);
            Some(announced.fold(0, u32::saturating_add))
        };
        self.expected
            .or_else(acquisitions)
            .filter(|count| *count > 0)
    }

    /// Notes how an association ended; `false` if it brought nothing of this series.
    pub(super) fn end(&mut self, association: u64, how: Association) -> bool {
        let state = self.associations.get_mut(&association);
        state.map(|state| *state = how).is_some()
    }

    /// Every association ended in order, and the slices have no hole.
    pub(super) fn is_released_whole(&self) -> bool {
        let released = |state: &Association| *state == Association::Released;
        self.associations.values().all(released) && self.is_contiguous()
    }

    fn is_contiguous(&self) -> bool {
        contiguity::is_contiguous(self.planes.values().flatten())
    }
}
