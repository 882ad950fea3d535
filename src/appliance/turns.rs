//! Whose slices may be encoded, so that what waits in memory for its series is bounded.

use std::collections::BTreeMap;

use super::live::Live;
use crate::dicom::Uid;

/// What encoded slices that wait for the rest of their series may take in memory, all series
/// together, bytes. With the bundle that comes along that is 4096 slices: two of the longest series at
/// once, or thirteen ordinary ones.
pub(super) const HELD: usize = 512 << 20;

/// Whose slices are encoded now.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Turn {
    Everybody,
    /// Too many wait already, so the series nearest to its result goes on and gives back what it
    /// holds; the slices of the others are safe on disk and can wait there.
    Only(Uid),
}

impl Turn {
    pub(super) fn of(series: &BTreeMap<Uid, Live>, most: usize) -> Self {
        let held: usize = series.values().map(held_by).sum();
        let working = series.iter().filter(|(_, live)| live.retry_at.is_none());
        let nearest = working.max_by_key(|(_, live)| {
            let (begun, complete) = (live.segmenting, live.completed.is_some());
            (begun, complete, live.encoded.len())
        });
        match nearest {
            Some((series, _)) if held >= most => Self::Only(series.clone()),
            _ => Self::Everybody,
        }
    }

    pub(super) fn includes(&self, series: &Uid) -> bool {
        match self {
            Self::Everybody => true,
            Self::Only(one) => one == series,
        }
    }
}

/// Slices of one series went through one network, so they are of one size.
fn held_by(live: &Live) -> usize {
    let one = live.encoded.values().next();
    one.map_or(0, |slice| slice.log_odds.bytes()) * live.encoded.len()
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Instant};

    use ndarray::Array3;

    use super::*;
    use crate::{
        appliance::{EncodedSlice, live::Trust},
        engine::{Image, Logits, preprocess},
        mask::{HuHistogram, LogOdds, OrganSample},
        model::Bundle,
        series::Evidence,
        volume::HuSlice,
    };

    fn uid(text: &str) -> Uid {
        Uid::parse(text).unwrap()
    }

    fn slice() -> Arc<EncodedSlice> {
        let bundle = Bundle::embedded().unwrap();
        let hounsfield = HuSlice {
            rows: 2,
            columns: 2,
            hu: vec![0; 4],
        };
        let plane = crate::dicom::Plane {
            position: [0.0; 3],
            row_cosines: [1.0, 0.0, 0.0],
            column_cosines: [0.0, 1.0, 0.0],
            pixel_spacing: [100.0; 2],
        };
        let (_, placement): (Image, _) = preprocess(&hounsfield, &plane, &bundle.manifest.input);
        Arc::new(EncodedSlice {
            log_odds: LogOdds::of(&Logits(Array3::zeros((3, 2, 2))), &[1.0; 3]),
            organ_in_view: None,
            distance: None,
            placement,
            histogram: HuHistogram::default(),
            sample: OrganSample::default(),
        })
    }

    fn holding(slices: usize, slice: &Arc<EncodedSlice>) -> Live {
        let mut live = Live::new(Trust::New, Instant::now());
        for number in 0..slices {
            live.encoded
                .insert((uid("1.2.3"), number), Arc::clone(slice));
        }
        live
    }

    #[test]
    fn when_too_much_waits_in_memory_only_the_series_nearest_to_its_result_goes_on() {
        let slice = slice();
        let turn = |series: &_, slices| Turn::of(series, slices * slice.log_odds.bytes());
        let mut series = BTreeMap::from([
            (uid("1.1"), holding(3, &slice)),
            (uid("1.2"), holding(2, &slice)),
            (uid("1.3"), holding(0, &slice)),
        ]);
        assert_eq!(turn(&series, 6), Turn::Everybody);
        assert_eq!(turn(&series, 5), Turn::Only(uid("1.1")));

        // Complete comes before long, begun before complete, and what must wait before nothing.
        let complete = |live: &mut Live| live.completed = Some(Evidence::Quiet);
        complete(series.get_mut(&uid("1.2")).unwrap());
        assert_eq!(turn(&series, 5), Turn::Only(uid("1.2")));
        let begun = series.get_mut(&uid("1.3")).unwrap();
        complete(begun);
        begun.segmenting = true;
        assert_eq!(turn(&series, 5), Turn::Only(uid("1.3")));
        series.get_mut(&uid("1.3")).unwrap().retry_at = Some(Instant::now());
        let left = turn(&series, 5);
        assert!(left.includes(&uid("1.2")) && !left.includes(&uid("1.1")));
    }
}
