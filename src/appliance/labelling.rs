//! What the slices of a series say together: the label of every voxel, and what the gates ask about.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    io,
    num::NonZero,
    panic::resume_unwind,
    thread,
};

use super::finish::EncodedSlice;
use crate::{
    mask::{
        self, Changes, HuHistogram, LabelSlice, Labels, OrganSample, Probabilities, Said, View,
    },
    model::Postprocess,
    volume::Stack,
};

/// The label map of every slice, on all cores: slices do not depend on each other.
pub(super) fn label(
    slices: &[&EncodedSlice],
    along_mm: &[f64],
    view: &View,
    rules: &Postprocess,
) -> io::Result<Labels> {
    // Neighbours of one slice are those of the next, too, so each is unpacked once.
    let label_one = |unpacked: &mut BTreeMap<usize, Probabilities>, slice: usize| {
        let placement = &slices[slice].placement;
        if !view.may_show_organ(slice, rules) {
            let size = (placement.rows, placement.columns);
            return Ok(LabelSlice::background(size));
        }
        let near = mask::neighbours(along_mm, slice, rules.z_smoothing_mm);
        unpacked.retain(|at, _| near.contains(at));
        for at in near {
            if let Entry::Vacant(place) = unpacked.entry(at) {
                place.insert(Probabilities::of(&*slices[at].log_odds.get()?));
            }
        }
        let smooth = Probabilities::mean(unpacked.values());
        let smooth = smooth.expect("a slice is its own neighbour");
        Ok(mask::label_slice(&smooth, placement).into())
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let indices: Vec<usize> = (0..slices.len()).collect();
    let slices = thread::scope(|scope| {
        let running: Vec<_> = indices
            .chunks(slices.len().div_ceil(cores).max(1))
            .map(|share| {
                let label_one = &label_one;
                scope.spawn(move || {
                    let mut unpacked = BTreeMap::new();
                    let labelled = share.iter().map(|slice| label_one(&mut unpacked, *slice));
                    labelled.collect::<Vec<io::Result<LabelSlice>>>()
                })
            })
            .collect();
        let joined = running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        joined.flatten().collect::<io::Result<_>>()
    });
    slices.map(|slices| Labels { slices })
}

/// What the bundle says is done to the labels before they are measured.
pub(super) fn clean(
    labels: &mut Labels,
    slices: &[&EncodedSlice],
    stack: &Stack,
    rules: &Postprocess,
) -> io::Result<Changes> {
    let changes = mask::postprocess(labels, &stack.geometry, rules);
    let said = |slice: usize| {
        let slice = slices[slice];
        let log_odds = slice.log_odds.get();
        log_odds.map(|log_odds| Said {
            log_odds,
            placement: &slice.placement,
        })
    };
    mask::absorb_uncertain_lesions(labels, said, rules)?;
    Ok(changes)
}

/// The brightness of everything, and of what the network called organ where it may be.
pub(super) fn appearance(
    slices: &[&EncodedSlice],
    view: &View,
    rules: &Postprocess,
) -> (HuHistogram, OrganSample) {
    let mut histogram = HuHistogram::default();
    let mut sample = OrganSample::default();
    for (at, slice) in slices.iter().enumerate() {
        histogram.add(&slice.histogram);
        if view.may_show_organ(at, rules) {
            sample.add(&slice.sample);
        }
    }
    (histogram, sample)
}

/// How far the middle one of the slices that hold organ lies from those of training; `None` without
/// organ, and where the encoder does not say.
pub(super) fn distance(slices: &[&EncodedSlice], labels: &Labels) -> Option<f64> {
    let mut distances: Vec<f64> = slices
        .iter()
        .zip(&labels.slices)
        .filter(|(_, labels)| !labels.is_background())
        .filter_map(|(slice, _)| slice.distance.map(f64::from))
        .collect();
    distances.sort_by(f64::total_cmp);
    distances.get(distances.len() / 2).copied()
}
