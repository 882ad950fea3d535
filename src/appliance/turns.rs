//! Whose slices may be encoded while there is no place for what waits.

use std::collections::BTreeMap;

use super::live::Live;
use crate::dicom::Uid;

/// Whose slices are encoded now.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Turn {
    Everybody,
    /// Too many wait already, so the series nearest to its result goes on and gives back what it
    /// holds; the slices of the others are safe on disk and can wait there.
    Only(Uid),
}

impl Turn {
    /// `full`: memory holds all that it may, and the disk does not take the rest.
    pub(super) fn of(series: &BTreeMap<Uid, Live>, full: bool) -> Self {
        let working = series.iter().filter(|(_, live)| live.retry_at.is_none());
        let nearest = working.max_by_key(|(_, live)| {
            let (begun, complete) = (live.segmenting, live.completed.is_some());
            (begun, complete, live.encoded.len())
        });
        match nearest {
            Some((series, _)) if full => Self::Only(series.clone()),
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
            log_odds: LogOdds::of(&Logits(Array3::zeros((3, 2, 2))), &[1.0; 3]).into(),
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
    fn when_nothing_more_can_wait_only_the_series_nearest_to_its_result_goes_on() {
        let slice = slice();
        let mut series = BTreeMap::from([
            (uid("1.1"), holding(3, &slice)),
            (uid("1.2"), holding(2, &slice)),
            (uid("1.3"), holding(0, &slice)),
        ]);
        assert_eq!(Turn::of(&series, false), Turn::Everybody);
        assert_eq!(Turn::of(&series, true), Turn::Only(uid("1.1")));

        // Complete comes before long, begun before complete, and what must wait before nothing.
        let complete = |live: &mut Live| live.completed = Some(Evidence::Quiet);
        complete(series.get_mut(&uid("1.2")).unwrap());
        assert_eq!(Turn::of(&series, true), Turn::Only(uid("1.2")));
        let begun = series.get_mut(&uid("1.3")).unwrap();
        complete(begun);
        begun.segmenting = true;
        assert_eq!(Turn::of(&series, true), Turn::Only(uid("1.3")));
        series.get_mut(&uid("1.3")).unwrap().retry_at = Some(Instant::now());
        let left = Turn::of(&series, true);
        assert!(left.includes(&uid("1.2")) && !left.includes(&uid("1.1")));
    }
}
