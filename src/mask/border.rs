use super::{
    Labels,
    runs::{Components, Run, Runs},
};
use crate::{model::ORGAN, volume::VolumeGeometry};

/// For each component of the lesions, the share of its surface that lies against healthy organ and
/// not against what is neither. A lesion in the organ is all but enclosed; the gallbladder, the
/// stomach and the bowel merely touch it.
///
/// Faces at the edge of the volume, behind which nobody knows what is, do not count.
pub(super) fn shares_against_organ(
    labels: &Labels,
    lesions: &Runs,
    components: &Components,
    geometry: &VolumeGeometry,
) -> Vec<f64> {
    let organ = Runs::of(&labels.slices, |label| label == ORGAN);
    let labelled = Runs::of(&labels.slices, |label| label != 0);
    let mut surfaces = vec![[0.0; 2]; components.count];
    for (run, component) in lesions.all.iter().zip(&components.of_run) {
        let [against, outside] = &mut surfaces[*component as usize];
        for (beside, face_mm2) in neighbours(*run, geometry) {
            let free = beside.len() - labelled.overlap(beside);
            *against += f64::from(organ.overlap(beside)) * face_mm2;
            *outside += f64::from(free) * face_mm2;
        }
    }
    let shares = surfaces.into_iter().map(|[against, outside]| {
        let all = against + outside;
        if all > 0.0 { against / all } else { 1.0 }
    });
    shares.collect()
}

/// The voxels behind the faces of a run's voxels, with the area of such a face.
fn neighbours(run: Run, geometry: &VolumeGeometry) -> impl Iterator<Item = (Run, f64)> {
    let [between_slices, between_rows, between_columns] = geometry.spacing_mm();
    let last = |count: usize| count as u32 - 1;
    let columns = geometry.columns() as u32;
    let before = run.start.checked_sub(1).map(|start| Run {
        start,
        end: run.start,
        ..run
    });
    let behind = (run.end < columns).then_some(Run {
        start: run.end,
        end: run.end + 1,
        ..run
    });
    let in_row = |row| Run { row, ..run };
    let above = run.row.checked_sub(1).map(in_row);
    let below = (run.row < last(geometry.rows())).then_some(run.row + 1);
    let in_slice = |slice| Run { slice, ..run };
    let lower = run.slice.checked_sub(1).map(in_slice);
    let higher = (run.slice < last(geometry.n_slices())).then_some(run.slice + 1);
    [
        (before, between_slices * between_rows),
        (behind, between_slices * between_rows),
        (above, between_slices * between_columns),
        (below.map(in_row), between_slices * between_columns),
        (lower, between_rows * between_columns),
        (higher.map(in_slice), between_rows * between_columns),
    ]
    .into_iter()
    .filter_map(|(beside, face_mm2)| Some((beside?, face_mm2)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        mask::{
            runs::Connectivity,
            testing::{ball, fill, paint, stack},
        },
        model::LESION,
    };

    fn shares(labels: &Labels, geometry: &VolumeGeometry) -> Vec<f64> {
        let lesions = Runs::of(&labels.slices, |label| label == LESION);
        let components = lesions.components(Connectivity::Corners);
        shares_against_organ(labels, &lesions, &components, geometry)
    }

    #[test]
    fn faces_count_by_their_area() {
        // One voxel of 4 x 2 x 3 mm with organ before it and above it, and nothing elsewhere.
        let stack = stack([3, 3, 3], [4.0, 2.0, 3.0]);
        let mut labels = paint(&stack, |_| 0);
        fill(&mut labels, 1, [1..2, 1..2], 2);
        fill(&mut labels, 1, [1..2, 0..1], 1);
        fill(&mut labels, 2, [1..2, 1..2], 1);
        let all = 2.0 * (4.0 * 2.0 + 4.0 * 3.0 + 2.0 * 3.0);
        let expected = (4.0 * 2.0 + 2.0 * 3.0) / all;
        let [found] = shares(&labels, &stack.geometry)[..] else {
            panic!("one lesion was painted");
        };
        assert!((found - expected).abs() < 1e-9, "{found}");
    }

    #[test]
    fn an_enclosed_lesion_has_it_all_and_one_that_touches_little() {
        let stack = stack([40, 100, 100], [2.0, 1.0, 1.0]);
        let organ = ball([40.0, 40.0, 40.0], 30.0);
        let (inside, bulging, beside) = (
            ball([40.0, 40.0, 40.0], 8.0),
            ball([40.0, 40.0, 66.0], 8.0),
            ball([40.0, 75.0, 40.0], 8.0),
        );
        let labels = paint(&stack, |at| match (organ(at), inside(at) || bulging(at)) {
            (_, true) => 2,
            (true, _) => 1,
            _ if beside(at) => 2,
            _ => 0,
        });
        let mut found = shares(&labels, &stack.geometry);
        found.sort_by(f64::total_cmp);
        let [beside, bulging, inside] = found[..] else {
            panic!("three lesions were painted, not {found:?}");
        };
        assert!(beside < 0.4 && bulging > 0.6 && bulging < 0.9, "{found:?}");
        assert!((inside - 1.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn where_the_series_ends_nobody_knows_what_is_beside() {
        let stack = stack([1, 3, 3], [4.0, 2.0, 3.0]);
        let mut labels = paint(&stack, |_| 2);
        assert_eq!(shares(&labels, &stack.geometry), [1.0]);
        fill(&mut labels, 0, [0..1, 0..3], 0);
        assert_eq!(shares(&labels, &stack.geometry), [0.0]);
    }
}
