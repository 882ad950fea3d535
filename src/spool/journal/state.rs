use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a series is on its way through the appliance. This is what the journal persists.
///
/// ```text
///            +---------------------- late slice ----------------------+
///            v                                                        |
///        Receiving -> Queued -> Segmenting -> Delivering -> Delivered |
///            |          |  ^        |              |                  |
///            |          |  +restart-+              v                  |
///            +----------+-----------+-----> Ignored, Refused, Failed -+
/// ```
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SeriesState {
    /// Instances are arriving.
    Receiving,
    /// Complete, waiting for the engine.
    Queued,
    Segmenting,
    /// The result is in the spool; only the network stands between it and the PACS.
    Delivering,
    /// Every destination has the result, or there is no destination.
    Delivered,
    /// Not for us: a localizer, a dose report, another modality.
    Ignored,
    /// Ours, but no result can be right: tilted, a gap, too few slices.
    Refused,
    /// Something broke: the engine, a destination, a bug.
    Failed,
}

impl SeriesState {
    pub const ALL: [Self; 8] = [
        Self::Receiving,
        Self::Queued,
        Self::Segmenting,
        Self::Delivering,
        Self::Delivered,
        Self::Ignored,
        Self::Refused,
        Self::Failed,
    ];

    /// The whole state machine, as a table.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        use SeriesState::{
            Delivered, Delivering, Failed, Ignored, Queued, Receiving, Refused, Segmenting,
        };
        match (self, next) {
            (Receiving, Queued | Ignored | Refused | Failed) => true,
            (Queued, Segmenting | Ignored | Refused | Failed) => true,
            (Segmenting, Queued) => true, // the process ended before the work did
            (Segmenting, Delivering | Delivered | Ignored | Refused | Failed) => true,
            (Delivering, Delivered | Failed) => true,
            // A person asked for it to be segmented, or its result to be sent, again.
            (Delivered | Ignored | Refused | Failed, Queued) => true,
            (Delivered | Failed, Delivering) => true,
            (Receiving, Receiving) => false,
            (_, Receiving) => true, // a late slice
            _ => false,
        }
    }

    /// What happens from here on is decided by the instances that segmenting began with.
    pub(super) fn has_result(self) -> bool {
        matches!(self, Self::Segmenting | Self::Delivering)
    }

    /// Nothing more happens by itself.
    #[must_use]
    pub fn is_settled(self) -> bool {
        matches!(
            self,
            Self::Delivered | Self::Ignored | Self::Refused | Self::Failed
        )
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Queued => "queued",
            Self::Segmenting => "segmenting",
            Self::Delivering => "delivering",
            Self::Delivered => "delivered",
            Self::Ignored => "ignored",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for SeriesState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where one result object is on its way to one destination.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    Waiting,
    Delivered,
    /// Given up; the series says why.
    Failed,
    /// The destination does not take objects of this kind; what it takes it was sent.
    Declined,
    /// Never sent, because more slices came and a newer result takes its place.
    Superseded,
}

impl DeliveryState {
    pub const ALL: [Self; 5] = [
        Self::Waiting,
        Self::Delivered,
        Self::Failed,
        Self::Declined,
        Self::Superseded,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Declined => "declined",
            Self::Superseded => "superseded",
        }
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the commitment of one destination to one object stands (PS3.4 Annex J). A destination that
/// was never asked has none.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CommitmentState {
    /// It could not be asked; it is tried again.
    Due,
    /// It was asked, and has not reported.
    Asked,
    /// It answers for keeping the object.
    Committed,
    /// It reported that it does not keep the object; it gets it again where that can help, and is
    /// asked again.
    Refused,
}

impl CommitmentState {
    pub const ALL: [Self; 4] = [Self::Due, Self::Asked, Self::Committed, Self::Refused];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Asked => "asked",
            Self::Committed => "committed",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for CommitmentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_but_the_settled_ones_can_be_left_without_a_person_or_a_late_slice() {
        for state in SeriesState::ALL {
            let ways_out = SeriesState::ALL
                .into_iter()
                .filter(|next| *next != SeriesState::Receiving && state.may_become(*next))
                .count();
            let by_itself = !state.is_settled();
            assert!(!by_itself || ways_out > 0, "{state} is a dead end");
            assert!(!state.may_become(state), "{state} to itself is no step");
        }
    }

    #[test]
    fn a_late_slice_reopens_every_series() {
        for state in SeriesState::ALL {
            let open = state == SeriesState::Receiving;
            assert_eq!(state.may_become(SeriesState::Receiving), !open, "{state}");
        }
    }

    #[test]
    fn nothing_is_delivered_that_was_not_segmented() {
        for state in SeriesState::ALL {
            let may = state.may_become(SeriesState::Delivered);
            let made = [SeriesState::Segmenting, SeriesState::Delivering].contains(&state);
            assert_eq!(may, made, "{state}");
        }
    }

    #[test]
    fn words_are_the_same_in_the_journal_and_on_the_page() {
        for state in SeriesState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for state in DeliveryState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for state in CommitmentState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }
}
