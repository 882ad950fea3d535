use std::ops::Range;

use serde::Serialize;

use super::{
    Labels,
    runs::{Connectivity, Run, Runs},
};
use crate::{
    model::{LESION, ORGAN},
    volume::{Stack, VolumeGeometry},
};

/// What a radiologist is told in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Findings {
    /// The liver without its tumours: the volume of the first segment.
    pub liver_ml: f64,
    /// All tumours: the volume of the second segment.
    pub tumour_ml: f64,
    /// Largest first.
    pub lesions: Vec<Lesion>,
    /// False if slices are missing or left out: volumes are then a lower bound.
    pub complete: bool,
    /// From the lowest to the highest slice with liver, along the stack, mm; 0 without liver.
    pub liver_extent_mm: f64,
    /// Whether the liver reaches the first or last slice, or the edge of what was seen of one.
    pub liver_cut: bool,
    /// Centre of mass of the liver with its tumours, patient coordinates.
    pub liver_centroid_lps: Option<[f64; 3]>,
}

/// One connected lesion (26 neighbours).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lesion {
    pub volume_ml: f64,
    /// The longest straight line between two points of its outline in one slice.
    pub longest_axial_mm: f64,
    /// Centre of mass, patient coordinates.
    pub centroid_lps: [f64; 3],
    /// First and last slice, indices of the stack.
    pub slices: [usize; 2],
    /// The SEG's segment it is part of.
    pub segment: u8,
}

/// Measures a label map with the geometry its series arrived with. `seen` are the rows and columns of each
/// slice that could be given a label.
///
/// # Panics
/// If the labels are not those of this stack.
#[must_use]
pub fn measure(labels: &Labels, stack: &Stack, seen: &[Range<usize>; 2]) -> Findings {
    let geometry = &stack.geometry;
    labels.assert_fits(geometry);
    let organ = Runs::of(&labels.slices, |label| label != 0);
    let (mut whole, mut liver_ml) = (Mass::default(), 0.0);
    for run in &organ.all {
        whole.add(*run, geometry);
        liver_ml += labels.count(*run, ORGAN) as f64 * geometry.voxel_ml(run.slice as usize);
    }
    let lesions = lesions(labels, geometry);
    // A sum of nothing is -0.0 in the standard library.
    let tumour_ml = lesions
        .iter()
        .fold(0.0, |sum, lesion| sum + lesion.volume_ml);
    let along = |run: Option<&Run>| run.map(|run| geometry.along_normal_mm(run.slice as usize));
    let extent = along(organ.all.first()).zip(along(organ.all.last()));
    Findings {
        liver_ml,
        tumour_ml,
        lesions,
        complete: !stack.is_partial(),
        liver_extent_mm: extent.map_or(0.0, |(first, last)| (last - first).abs()),
        liver_cut: organ.all.iter().any(|run| is_at_edge(*run, geometry, seen)),
        liver_centroid_lps: whole.centroid(),
    }
}

fn is_at_edge(run: Run, geometry: &VolumeGeometry, [rows, columns]: &[Range<usize>; 2]) -> bool {
    let [slice, row, start, end] = [run.slice, run.row, run.start, run.end].map(|at| at as usize);
    let reaches = |within: &Range<usize>, first: usize, end: usize| {
        first <= within.start || end >= within.end
    };
    reaches(&(0..geometry.n_slices()), slice, slice + 1)
        || reaches(rows, row, row + 1)
        || reaches(columns, start, end)
}

fn lesions(labels: &Labels, geometry: &VolumeGeometry) -> Vec<Lesion> {
    let runs = Runs::of(&labels.slices, |label| label == LESION);
    let components = runs.components(Connectivity::Corners);
    // Runs of one lesion together, still in the order of slices.
    let mut by_lesion: Vec<(u32, Run)> = components.of_run.iter().copied().zip(runs.all).collect();
    by_lesion.sort_by_key(|(component, _)| *component);
    let mut lesions: Vec<Lesion> = by_lesion
        .chunk_by(|a, b| a.0 == b.0)
        .filter_map(|members| {
            let runs: Vec<Run> = members.iter().map(|(_, run)| *run).collect();
            lesion(&runs, geometry)
        })
        .collect();
    lesions.sort_by(|a, b| b.volume_ml.total_cmp(&a.volume_ml));
    lesions
}

/// `runs` are all those of one lesion, in the order of slices; `None` without any.
fn lesion(runs: &[Run], geometry: &VolumeGeometry) -> Option<Lesion> {
    let mut mass = Mass::default();
    for run in runs {
        mass.add(*run, geometry);
    }
    let slices = runs.chunk_by(|a, b| a.slice == b.slice);
    Some(Lesion {
        volume_ml: mass.ml,
        longest_axial_mm: slices
            .map(|slice| longest_mm(slice, geometry.spacing_mm()))
            .fold(0.0, f64::max),
        centroid_lps: mass.centroid()?,
        slices: [runs.first()?.slice as usize, runs.last()?.slice as usize],
        segment: LESION,
    })
}

/// Volume and its moment.
#[derive(Default)]
struct Mass {
    ml: f64,
    moment: [f64; 3],
}

impl Mass {
    fn add(&mut self, run: Run, geometry: &VolumeGeometry) {
        let ml = f64::from(run.len()) * geometry.voxel_ml(run.slice as usize);
        let middle = f64::from(run.start + run.end - 1) / 2.0;
        let place = geometry.position_lps([f64::from(run.slice), f64::from(run.row), middle]);
        self.ml += ml;
        for (moment, place) in self.moment.iter_mut().zip(place) {
            *moment += ml * place;
        }
    }

    fn centroid(&self) -> Option<[f64; 3]> {
        (self.ml > 0.0).then(|| self.moment.map(|moment| moment / self.ml))
    }
}

/// The longest distance within the outline of one slice's runs, millimetres.
///
/// The outline runs half-way between a voxel of the lesion and the one beside it, so a single voxel
/// is one pixel long and a disc is as long as it is wide.
fn longest_mm(runs: &[Run], [_, between_rows, between_columns]: [f64; 3]) -> f64 {
    let mut outline = Vec::with_capacity(runs.len() * 6);
    for run in runs {
        let (row, first, last) = (
            f64::from(run.row),
            f64::from(run.start),
            f64::from(run.end - 1),
        );
        outline.extend(
            [
                (row, first - 0.5),
                (row, last + 0.5),
                (row - 0.5, first),
                (row - 0.5, last),
                (row + 0.5, first),
                (row + 0.5, last),
            ]
            .map(|(row, column)| [row * between_rows, column * between_columns]),
        );
    }
    let hull = convex_hull(outline);
    let mut longest = 0.0_f64;
    for (i, a) in hull.iter().enumerate() {
        for b in &hull[i + 1..] {
            longest = longest.max((a[0] - b[0]).hypot(a[1] - b[1]));
        }
    }
    longest
}

/// Andrew's monotone chain.
fn convex_hull(mut points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    let turns_left = |o: [f64; 2], a: [f64; 2], b: [f64; 2]| {
        (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]) > 0.0
    };
    let mut hull: Vec<[f64; 2]> = Vec::new();
    let mut half = |points: &mut dyn Iterator<Item = [f64; 2]>| {
        let base = hull.len();
        for point in points {
            while let [.., o, a] = hull[base..]
                && !turns_left(o, a, point)
            {
                hull.pop();
            }
            hull.push(point);
        }
        // The last point of one half is the first of the other.
        hull.pop();
    };
    half(&mut points.iter().copied());
    half(&mut points.iter().rev().copied());
    hull
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;
    use crate::mask::testing::{ball, fill, paint, stack, whole};

    fn near(found: f64, expected: f64, share: f64) -> bool {
        (found - expected).abs() <= share * expected
    }

    #[test]
    fn a_ball_of_known_millilitres_in_a_known_place_is_found_there() {
        let stack = stack([60, 100, 110], [2.0, 1.2, 0.9]);
        let (liver, tumour) = (
            ball([58.0, 60.0, 50.0], 40.0),
            ball([50.0, 66.0, 45.0], 11.0),
        );
        let labels = paint(&stack, |at| match (liver(at), tumour(at)) {
            (_, true) => 2,
            (true, _) => 1,
            _ => 0,
        });
        let findings = measure(&labels, &stack, &whole(&stack));
        let ml = |radius: f64| 4.0 / 3.0 * PI * radius.powi(3) / 1000.0;
        assert!(near(findings.tumour_ml, ml(11.0), 0.02), "{findings:?}");
        assert!(
            near(findings.liver_ml, ml(40.0) - ml(11.0), 0.01),
            "{findings:?}"
        );
        assert!(findings.complete);
        assert!((findings.liver_extent_mm - 78.0).abs() <= 2.0);

        let [lesion] = findings.lesions.as_slice() else {
            panic!("one lesion: {findings:?}");
        };
        assert!(
            (lesion.longest_axial_mm - 22.0).abs() < 1.2,
            "within a pixel: {lesion:?}"
        );
        // (slice, row, column) from the first voxel become (column, row, slice) from its place.
        let expected = [-100.0 + 45.0, -120.0 + 66.0, 40.0 + 50.0];
        for (found, expected) in lesion.centroid_lps.iter().zip(expected) {
            assert!((found - expected).abs() < 0.3, "{lesion:?}");
        }
        assert_eq!(lesion.slices, [20, 30]);
    }

    #[test]
    fn lesions_that_touch_at_a_corner_are_one_and_the_largest_comes_first() {
        let stack = stack([3, 8, 8], [1.0, 1.0, 1.0]);
        let mut labels = paint(&stack, |_| 1);
        for voxel in [(0, 1, 1), (1, 2, 2), (2, 6, 6)] {
            let (slice, row, column) = voxel;
            fill(&mut labels, slice, [row..row + 1, column..column + 1], 2);
        }
        let findings = measure(&labels, &stack, &whole(&stack));
        let volumes: Vec<f64> = findings.lesions.iter().map(|l| l.volume_ml).collect();
        assert_eq!(volumes, [0.002, 0.001]);
    }

    #[test]
    fn the_longest_diameter_is_taken_in_one_slice_and_in_millimetres() {
        let stack = stack([4, 20, 20], [5.0, 0.5, 2.0]);
        let mut labels = paint(&stack, |_| 0);
        for slice in 0..4 {
            fill(&mut labels, slice, [3..4, 3..4], 2);
        }
        fill(&mut labels, 2, [3..4, 3..8], 2);
        let lesion = &measure(&labels, &stack, &whole(&stack)).lesions[0];
        // Five pixels of 2 mm in a row, not the 20 mm through the slices.
        assert!((lesion.longest_axial_mm - 10.0).abs() < 1e-9, "{lesion:?}");
    }

    #[test]
    fn nothing_found_is_an_answer() {
        let stack = stack([3, 4, 4], [1.0, 1.0, 1.0]);
        let findings = measure(&paint(&stack, |_| 0), &stack, &whole(&stack));
        assert_eq!((findings.liver_ml, findings.tumour_ml), (0.0, 0.0));
        assert!(findings.lesions.is_empty());
        assert_eq!(findings.liver_centroid_lps, None);
    }

    #[test]
    fn a_liver_at_the_edge_of_what_was_seen_is_cut() {
        let stack = stack([5, 300, 300], [5.0, 2.0, 2.0]);
        // 500 of 600 mm.
        let seen = [25..275, 25..275];
        let cut = |rows, columns| {
            let mut labels = paint(&stack, |_| 0);
            fill(&mut labels, 2, [rows, columns], 1);
            measure(&labels, &stack, &seen).liver_cut
        };
        assert!(!cut(26..274, 26..274));
        for (rows, columns) in [
            (25..100, 30..100),
            (200..275, 30..100),
            (30..100, 25..100),
            (30..100, 200..275),
        ] {
            assert!(cut(rows.clone(), columns.clone()), "{rows:?} {columns:?}");
        }
    }
}
