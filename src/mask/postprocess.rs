//! What is known about livers and the network does not know: there is one, it has no holes, and its
//! tumours are in it. Each step is a number in the bundle and can be switched off there.

use serde::Serialize;

use super::{
    Labels,
    border::shares_against_organ,
    closing::Closed,
    runs::{Components, Connectivity, Run, Runs},
};
use crate::{
    model::{LESION, ORGAN, Postprocess},
    volume::VolumeGeometry,
};

/// What was changed after the network; part of the result, because a large change is a warning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Changes {
    /// Organ and lesions that were dropped because they lie away from or beside the organ, ml.
    pub dropped_ml: f64,
    /// Holes in the organ that were filled, ml.
    pub filled_ml: f64,
    /// Lesions below the smallest volume that became organ.
    pub small_lesions: usize,
    /// The share of the organ that was in its largest component before anything was dropped.
    pub largest_share: f64,
}

/// Cleans a label map in place.
///
/// # Panics
/// If the labels are not those of this geometry.
pub fn postprocess(labels: &mut Labels, geometry: &VolumeGeometry, rules: &Postprocess) -> Changes {
    labels.assert_fits(geometry);
    let mut changes = Changes::default();
    drop_distant(labels, geometry, rules, &mut changes);
    drop_outside(labels, geometry, rules, &mut changes);
    fill_holes(labels, geometry, rules, &mut changes);
    absorb_small_lesions(labels, geometry, rules, &mut changes);
    changes
}

/// Drops components of the organ that are small beside the largest one, all of them if they are too
/// small to be the organ, and lesions that lie neither in what is kept nor in a notch of it.
fn drop_distant(
    labels: &mut Labels,
    geometry: &VolumeGeometry,
    rules: &Postprocess,
    changes: &mut Changes,
) {
    let all = Runs::of(&labels.slices, |label| label != 0);
    let components = all.components(Connectivity::Corners);
    // A component counts by its organ voxels: lesions alone are no organ.
    let organ_ml = volumes(labels, geometry, &all, &components, ORGAN);
    let largest = organ_ml.iter().copied().fold(0.0, f64::max);
    let total: f64 = organ_ml.iter().sum();
    changes.largest_share = if total > 0.0 { largest / total } else { 0.0 };
    if rules.keep_share_of_largest == 0.0 && rules.minimum_organ_ml == 0.0 {
        return;
    }
    let large = |ml: f64| ml > 0.0 && ml >= rules.keep_share_of_largest * largest;
    let together: f64 = organ_ml.iter().filter(|ml| large(**ml)).sum();
    let is_organ = together >= rules.minimum_organ_ml;
    let kept = |run: usize| is_organ && large(organ_ml[components.of_run[run] as usize]);
    let (mut organ, mut distant) = (Vec::new(), Vec::new());
    for (index, run) in all.all.iter().enumerate() {
        if kept(index) {
            &mut organ
        } else {
            &mut distant
        }
        .push(*run);
    }

    let spacing = geometry.spacing_mm();
    let in_slice = |runs: &[Run], slice: u32| {
        let from = runs.partition_point(|run| run.slice < slice);
        from..runs.partition_point(|run| run.slice <= slice)
    };
    for distant in distant.chunk_by(|a, b| a.slice == b.slice) {
        let slice = distant[0].slice;
        let ml = geometry.voxel_ml(slice as usize);
        let nearby = &organ[in_slice(&organ, slice)];
        let holds_lesion = distant.iter().any(|run| labels.of(*run).contains(&LESION));
        let closed = (holds_lesion && !nearby.is_empty()).then(|| {
            Closed::of(
                nearby,
                geometry.rows(),
                [spacing[1], spacing[2]],
                rules.closing_mm,
            )
        });
        for run in distant {
            let before = labels.of(*run).to_vec();
            labels.of_mut(*run).fill(0);
            for [start, end] in closed.iter().flat_map(|closed| closed.inside(*run)) {
                let from = (start - run.start) as usize;
                let inside = labels.of_mut(Run { start, end, ..*run });
                for (label, before) in inside.iter_mut().zip(&before[from..]) {
                    if *before == LESION {
                        *label = LESION;
                    }
                }
            }
            changes.dropped_ml += labels.count(*run, 0) as f64 * ml;
        }
    }
}

/// Drops lesions that touch the organ more than they lie in it.
fn drop_outside(
    labels: &mut Labels,
    geometry: &VolumeGeometry,
    rules: &Postprocess,
    changes: &mut Changes,
) {
    if rules.lesion_border == 0.0 {
        return;
    }
    let lesions = Runs::of(&labels.slices, |label| label == LESION);
    let components = lesions.components(Connectivity::Corners);
    let shares = shares_against_organ(labels, &lesions, &components, geometry);
    for (run, component) in lesions.all.iter().zip(&components.of_run) {
        if shares[*component as usize] < rules.lesion_border {
            labels.of_mut(*run).fill(0);
            changes.dropped_ml += f64::from(run.len()) * geometry.voxel_ml(run.slice as usize);
        }
    }
}

/// Fills what the organ encloses in a slice, if it is small: with the label beside it.
fn fill_holes(
    labels: &mut Labels,
    geometry: &VolumeGeometry,
    rules: &Postprocess,
    changes: &mut Changes,
) {
    if rules.fill_holes_cm2 == 0.0 {
        return;
    }
    let organ = Runs::of(&labels.slices, |label| label != 0);
    let (gaps, rectangles) = organ.gaps_in_rectangle(labels.slices.len());
    let components = gaps.components(Connectivity::FacesInSlice);
    let [_, between_rows, between_columns] = geometry.spacing_mm();
    let pixel_cm2 = between_rows * between_columns / 100.0;
    let mut area_cm2 = vec![0.0; components.count];
    for (run, component) in gaps.all.iter().zip(&components.of_run) {
        let open = rectangles[run.slice as usize].is_touched_by(*run);
        let area = if open {
            f64::INFINITY
        } else {
            f64::from(run.len()) * pixel_cm2
        };
        area_cm2[*component as usize] += area;
    }
    for (run, component) in gaps.all.iter().zip(&components.of_run) {
        if area_cm2[*component as usize] < rules.fill_holes_cm2 {
            // A hole that is not open starts behind a voxel of the organ.
            let beside = Run {
                start: run.start - 1,
                end: run.start,
                ..*run
            };
            let beside = labels.of(beside)[0];
            labels.of_mut(*run).fill(beside);
            changes.filled_ml += f64::from(run.len()) * geometry.voxel_ml(run.slice as usize);
        }
    }
}

/// Lesions below the smallest volume become organ.
fn absorb_small_lesions(
    labels: &mut Labels,
    geometry: &VolumeGeometry,
    rules: &Postprocess,
    changes: &mut Changes,
) {
    let lesions = Runs::of(&labels.slices, |label| label == LESION);
    let components = lesions.components(Connectivity::Corners);
    let ml = volumes(labels, geometry, &lesions, &components, LESION);
    for (run, component) in lesions.all.iter().zip(&components.of_run) {
        if ml[*component as usize] < rules.minimum_lesion_ml {
            labels.of_mut(*run).fill(ORGAN);
        }
    }
    changes.small_lesions = ml
        .iter()
        .filter(|ml| **ml < rules.minimum_lesion_ml)
        .count();
}

/// Millilitres of one label in each component.
fn volumes(
    labels: &Labels,
    geometry: &VolumeGeometry,
    runs: &Runs,
    components: &Components,
    label: u8,
) -> Vec<f64> {
    let mut ml = vec![0.0; components.count];
    for (run, component) in runs.all.iter().zip(&components.of_run) {
        ml[*component as usize] +=
            labels.count(*run, label) as f64 * geometry.voxel_ml(run.slice as usize);
    }
    ml
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        mask::testing::{ball, fill, paint, stack},
        volume::Stack,
    };

    const OFF: Postprocess = Postprocess {
        z_smoothing_mm: 0.0,
        minimum_view: 0.0,
        keep_share_of_largest: 0.0,
        minimum_organ_ml: 0.0,
        fill_holes_cm2: 0.0,
        closing_mm: 0.0,
        lesion_border: 0.0,
        minimum_lesion_ml: 0.0,
        minimum_lesion_certainty: 0.0,
    };

    fn count(labels: &Labels, label: u8) -> usize {
        labels.slices.iter().map(|slice| slice.count(label)).sum()
    }

    /// A liver of 45 mm radius in a stack of 2 mm slices.
    fn liver() -> (Stack, Labels) {
        let stack = stack([50, 120, 120], [2.0, 1.0, 1.0]);
        let organ = ball([50.0, 60.0, 50.0], 45.0);
        let labels = paint(&stack, |at| u8::from(organ(at)));
        (stack, labels)
    }

    #[test]
    fn with_every_rule_off_nothing_changes() {
        let (stack, mut labels) = liver();
        fill(&mut labels, 3, [2..3, 2..3], 2);
        let before = labels.clone();
        postprocess(&mut labels, &stack.geometry, &OFF);
        assert_eq!(labels, before);
    }

    #[test]
    fn small_components_go_and_a_second_large_one_stays() {
        let (stack, mut labels) = liver();
        let clean = labels.clone();
        // 1 % of the liver, away from it.
        fill(&mut labels, 10, [100..119, 100..119], 1);
        let rules = Postprocess {
            keep_share_of_largest: 0.05,
            ..OFF
        };
        let changes = postprocess(&mut labels, &stack.geometry, &rules);
        assert_eq!(labels, clean);
        assert!((changes.dropped_ml - 19.0 * 19.0 * 0.002).abs() < 1e-9);
        assert!((0.99..1.0).contains(&changes.largest_share), "{changes:?}");

        for slice in 0..45 {
            fill(&mut labels, slice, [100..119, 100..119], 1);
        }
        let with_both = labels.clone();
        postprocess(&mut labels, &stack.geometry, &rules);
        assert_eq!(labels, with_both);
    }

    #[test]
    fn a_lesion_in_a_notch_of_the_organ_stays_and_one_beside_it_goes() {
        let (stack, mut labels) = liver();
        // A notch 6 mm wide and 8 mm deep in the middle slice; the lesion touches nothing.
        // Also in the slices around it, so that nothing touches across slices.
        for slice in 24..27 {
            fill(&mut labels, slice, [57..63, 87..96], 0);
        }
        fill(&mut labels, 25, [59..61, 90..92], 2);
        fill(&mut labels, 25, [59..61, 105..107], 2);
        let rules = Postprocess {
            keep_share_of_largest: 0.05,
            closing_mm: 5.0,
            ..OFF
        };
        postprocess(&mut labels, &stack.geometry, &rules);
        let middle = labels.slices[25].whole();
        assert_eq!(middle[[59, 90]], 2, "in the notch");
        assert_eq!(middle[[59, 105]], 0, "beside the organ");
        assert_eq!(count(&labels, 2), 4);
    }

    #[test]
    fn a_lesion_that_only_touches_the_organ_goes_and_one_that_bulges_stays() {
        let stack = stack([50, 120, 120], [2.0, 1.0, 1.0]);
        let organ = ball([50.0, 60.0, 50.0], 30.0);
        let bulging = ball([50.0, 60.0, 76.0], 8.0);
        let touching = ball([50.0, 96.0, 50.0], 8.0);
        let labels = paint(&stack, |at| {
            match (organ(at), bulging(at) || touching(at)) {
                (_, true) => 2,
                (inside, _) => u8::from(inside),
            }
        });
        let rules = Postprocess {
            lesion_border: 0.5,
            ..OFF
        };
        let mut cleaned = labels.clone();
        let changes = postprocess(&mut cleaned, &stack.geometry, &rules);
        let expected = paint(&stack, |at| match (organ(at), bulging(at)) {
            (_, true) => 2,
            _ if touching(at) => 0,
            (inside, _) => u8::from(inside),
        });
        assert_eq!(cleaned, expected);
        let dropped = count(&labels, 2) - count(&expected, 2);
        assert!((changes.dropped_ml - dropped as f64 * 0.002).abs() < 1e-9);
    }

    #[test]
    fn what_is_too_small_to_be_a_liver_is_none() {
        let stack = stack([20, 60, 60], [2.0, 1.0, 1.0]);
        let scrap = ball([20.0, 30.0, 30.0], 15.0);
        let spot = ball([20.0, 30.0, 30.0], 5.0);
        let labels = paint(&stack, |at| if spot(at) { 2 } else { u8::from(scrap(at)) });
        for (minimum_organ_ml, left) in [(10.0, true), (20.0, false)] {
            let rules = Postprocess {
                minimum_organ_ml,
                ..OFF
            };
            let mut cleaned = labels.clone();
            postprocess(&mut cleaned, &stack.geometry, &rules);
            assert_eq!(count(&cleaned, 1) > 0, left);
            assert_eq!(count(&cleaned, 2) > 0, left);
        }
    }

    #[test]
    fn lesions_without_an_organ_are_no_finding() {
        let stack = stack([5, 20, 20], [2.0, 1.0, 1.0]);
        let lesion = ball([4.0, 10.0, 10.0], 4.0);
        let mut labels = paint(&stack, |at| if lesion(at) { 2 } else { 0 });
        postprocess(&mut labels, &stack.geometry, &Postprocess::default());
        assert_eq!(count(&labels, 2), 0);
    }

    #[test]
    fn small_holes_are_filled_with_what_is_beside_them_and_large_ones_are_not() {
        let (stack, mut labels) = liver();
        let clean = labels.clone();
        fill(&mut labels, 25, [60..66, 40..46], 0);
        let rules = Postprocess {
            fill_holes_cm2: 1.0,
            ..OFF
        };
        let changes = postprocess(&mut labels, &stack.geometry, &rules);
        assert_eq!(labels, clean);
        assert!((changes.filled_ml - 36.0 * 0.002).abs() < 1e-9);

        fill(&mut labels, 25, [50..70, 40..60], 0);
        let large = labels.clone();
        postprocess(&mut labels, &stack.geometry, &rules);
        assert_eq!(labels, large);

        // A bay that is open to the outside is no hole.
        let mut labels = clean.clone();
        fill(&mut labels, 25, [60..62, 90..120], 0);
        let bay = labels.clone();
        postprocess(&mut labels, &stack.geometry, &rules);
        assert_eq!(labels, bay);
    }

    #[test]
    fn lesions_too_small_to_mean_anything_become_organ() {
        let (stack, mut labels) = liver();
        let clean = labels.clone();
        fill(&mut labels, 25, [60..63, 40..43], 2);
        let rules = Postprocess {
            minimum_lesion_ml: 0.03,
            ..OFF
        };
        // 9 voxels of 2 mm3 are 0.018 ml.
        let changes = postprocess(&mut labels, &stack.geometry, &rules);
        assert_eq!((changes.small_lesions, &labels), (1, &clean));

        fill(&mut labels, 25, [60..64, 40..44], 2);
        postprocess(&mut labels, &stack.geometry, &rules);
        assert_eq!(count(&labels, 2), 16);
    }
}
