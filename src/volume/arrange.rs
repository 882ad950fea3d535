//! From the headers of a series to one stack, with everything that is odd about it in words.
//!
//! What is refused, because volumes or places would be wrong: fewer than three positions, mixed
//! sizes, pixel spacings, orientations or frames of reference, and images at one position that
//! nothing tells apart. What is segmented with a finding: a missing slice (volumes are then a lower
//! bound), uneven steps and a tilted gantry (volumes follow the true distances), two phases in one
//! series (one complete stack is taken and named), stations that overlap (joined, without the images
//! that are taken twice), images that are no slices (left out).

use serde::{Deserialize, Serialize};

use super::{
    findings::{GeometryError, GeometryFinding},
    geometry::VolumeGeometry,
    stations,
    steps::{Steps, tilt},
};
use crate::{
    dicom::{
        Plane, Uid,
        vector::{cross, dot},
    },
    series::{InstanceHeader, is_slice},
};

/// One slice's source: an instance and the frame in it, from 0.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FrameRef {
    pub sop_instance: Uid,
    pub frame: usize,
}

/// A series as a stack of slices, ordered by place along the normal of their planes.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Stack {
    pub geometry: VolumeGeometry,
    /// Which frame each slice of the geometry is.
    pub order: Vec<FrameRef>,
    pub findings: Vec<GeometryFinding>,
}

impl Stack {
    /// Slices are missing, or a large part of the series is left out: volumes are a lower bound.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.findings.iter().any(|finding| {
            matches!(
                finding,
                GeometryFinding::Gap { .. } | GeometryFinding::Beyond { .. }
            )
        })
    }

    /// Nothing speaks against this being the whole series: no gap, even steps, one stack.
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        self.findings.iter().all(|finding| {
            matches!(
                finding,
                GeometryFinding::Tilted { .. } | GeometryFinding::NotSlices { .. }
            )
        })
    }
}

/// Two slices have one distance and cannot show that a third is missing.
pub const MIN_SLICES: usize = 3;

/// One frame on its way into the stack.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    /// Index among the headers.
    pub(super) instance: usize,
    pub(super) frame: usize,
    pub(super) plane: Plane,
    /// Place along the common normal, millimetres.
    pub(super) along_mm: f64,
    pub(super) acquisition_number: Option<i32>,
    pub(super) temporal_position: Option<i64>,
    pub(super) instance_number: Option<i64>,
}

impl Candidate {
    pub(super) fn coincides_with(&self, other: &Self) -> bool {
        (self.along_mm - other.along_mm).abs() < COINCIDENT_MM
    }
}

/// Arranges the slices of one series.
pub fn arrange(headers: &[InstanceHeader]) -> Result<Stack, GeometryError> {
    let mut findings = Vec::new();
    let (mut candidates, left_out) = candidates(headers);
    if left_out > 0 {
        findings.push(GeometryFinding::NotSlices { left_out });
    }
    let Some(first) = candidates.first().copied() else {
        return Err(GeometryError::TooFewSlices(0));
    };
    check_uniform(headers, &candidates)?;

    let normal = cross(first.plane.row_cosines, first.plane.column_cosines);
    for candidate in &mut candidates {
        candidate.along_mm = dot(candidate.plane.position, normal);
    }
    candidates.sort_by(|a, b| {
        (a.along_mm.total_cmp(&b.along_mm))
            .then_with(|| (a.instance, a.frame).cmp(&(b.instance, b.frame)))
    });
    let candidates = one_stack(candidates, &mut findings)?;
    if candidates.len() < MIN_SLICES {
        return Err(GeometryError::TooFewSlices(candidates.len()));
    }

    let planes: Vec<Plane> = candidates.iter().map(|candidate| candidate.plane).collect();
    let steps = Steps::between(&candidates);
    steps.report(&planes, &mut findings);
    findings.extend(tilt(&planes, normal));
    let extent = headers
        .get(first.instance)
        .map_or((0, 0), |header| (header.rows.into(), header.columns.into()));
    let geometry = VolumeGeometry::new(extent, &planes, &steps.counted_mm(), steps.usual_mm)
        .ok_or(GeometryError::TooFewSlices(planes.len()))?;
    let order = candidates
        .iter()
        .filter_map(|candidate| {
            let header = headers.get(candidate.instance)?;
            Some(FrameRef {
                sop_instance: header.sop_instance.clone(),
                frame: candidate.frame,
            })
        })
        .collect();
    Ok(Stack {
        geometry,
        order,
        findings,
    })
}

/// Every frame that is an axial slice, and how many images are not.
fn candidates(headers: &[InstanceHeader]) -> (Vec<Candidate>, usize) {
    let mut candidates = Vec::new();
    let mut left_out = 0;
    for (instance, header) in headers.iter().enumerate() {
        for (frame, described) in header.frames.iter().enumerate() {
            let Some(plane) = described.plane.filter(|_| is_slice(header, described)) else {
                left_out += 1;
                continue;
            };
            candidates.push(Candidate {
                instance,
                frame,
                plane,
                along_mm: 0.0,
                acquisition_number: described.acquisition_number,
                temporal_position: described.temporal_position,
                instance_number: header.instance_number.map(i64::from),
            });
        }
    }
    (candidates, left_out)
}

/// All slices must share what a grid has once: size, spacing, orientation, frame of reference.
fn check_uniform(
    headers: &[InstanceHeader],
    candidates: &[Candidate],
) -> Result<(), GeometryError> {
    let source = |candidate: &Candidate| headers.get(candidate.instance);
    let Some((first, reference)) = candidates.first().and_then(|c| Some((c, source(c)?))) else {
        return Ok(());
    };
    for candidate in candidates {
        let Some(header) = source(candidate) else {
            continue;
        };
        let (ours, theirs) = (
            [reference.rows, reference.columns],
            [header.rows, header.columns],
        );
        if ours != theirs {
            return Err(GeometryError::MixedSizes(ours, theirs));
        }
        if header.frame_of_reference != reference.frame_of_reference {
            return Err(GeometryError::MixedFramesOfReference);
        }
        let (a, b) = (&first.plane, &candidate.plane);
        let differs = |a: f64, b: f64| (a - b).abs() > SPACING_TOLERANCE * a;
        if differs(a.pixel_spacing[0], b.pixel_spacing[0])
            || differs(a.pixel_spacing[1], b.pixel_spacing[1])
        {
            return Err(GeometryError::MixedSpacings(
                a.pixel_spacing,
                b.pixel_spacing,
            ));
        }
        let parallel =
            dot(a.row_cosines, b.row_cosines).min(dot(a.column_cosines, b.column_cosines));
        if parallel < 1.0 - COSINE_TOLERANCE {
            return Err(GeometryError::Rotated {
                degrees: parallel.clamp(-1.0, 1.0).acos().to_degrees(),
            });
        }
    }
    Ok(())
}

/// The one stack to segment, with no two slices in one place.
fn one_stack(
    sorted: Vec<Candidate>,
    findings: &mut Vec<GeometryFinding>,
) -> Result<Vec<Candidate>, GeometryError> {
    let coincident = |sorted: &[Candidate]| {
        pairs(sorted)
            .find(|(a, b)| a.coincides_with(b))
            .map(|(a, _)| a.plane.position)
    };
    let twice = coincident(&sorted);
    let everywhere_the_same = sorted
        .first()
        .zip(sorted.last())
        .is_some_and(|(first, last)| first.coincides_with(last));
    if everywhere_the_same {
        return Err(GeometryError::TooFewSlices(1));
    }
    if twice.is_none() && !stations::interleaved(&sorted) {
        return Ok(sorted);
    }
    match (stations::select(&sorted), twice) {
        (Some(selection), _) => {
            findings.push(GeometryFinding::OneOfSeveral {
                left_out: selection.left_out,
                which: selection.which,
            });
            findings.extend(selection.beyond_mm.map(|mm| GeometryFinding::Beyond { mm }));
            Ok(selection.kept)
        }
        (None, Some(position)) => Err(GeometryError::Coincident(position)),
        (None, None) => Ok(sorted),
    }
}

/// Each with the one after it.
pub(super) fn pairs<T>(items: &[T]) -> impl Iterator<Item = (&T, &T)> {
    items.iter().zip(items.iter().skip(1))
}

/// 0.8 degrees.
const COSINE_TOLERANCE: f64 = 1e-4;
/// Of the pixel spacing; senders round to four digits and more.
const SPACING_TOLERANCE: f64 = 1e-3;
/// Positions are written to 0.01 mm at worst; the thinnest slices are 0.2 mm apart.
pub(super) const COINCIDENT_MM: f64 = 0.02;

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "positions are copied, not computed")]
mod tests {
    use dicom_core::{PrimitiveValue, VR};
    use dicom_dictionary_std::{tags, uids};

    use super::*;
    use crate::series::sample::{Sample, at_z, item, nested, series};

    fn sentences(stack: &Stack) -> Vec<String> {
        stack.findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn slices_are_ordered_by_position_however_they_arrive() {
        let mut headers = at_z([0.0, 2.5, 5.0, 7.5, 10.0]);
        let expected = arrange(&headers).unwrap();
        headers.reverse();
        headers.swap(0, 2);
        let stack = arrange(&headers).unwrap();
        assert_eq!(stack, expected);
        assert!(stack.is_contiguous() && stack.findings.is_empty());
        assert_eq!(stack.geometry.n_slices(), 5);
        assert_eq!(stack.geometry.spacing_mm(), [2.5, 0.8, 0.7]);
        assert!((stack.geometry.voxel_ml(0) - 2.5 * 0.8 * 0.7 / 1000.0).abs() < 1e-12);
        assert_eq!(
            stack.geometry.position_lps([1.5, 10.0, 100.0]),
            [-100.0 + 70.0, -120.0 + 8.0, 3.75]
        );
    }

    #[test]
    fn of_two_phases_one_complete_stack_is_taken_and_named() {
        let phases = (0..10).map(|number| {
            Sample::slice(number)
                .at([0.0, 0.0, 5.0 * f64::from(number % 5)])
                .with(
                    tags::ACQUISITION_NUMBER,
                    VR::IS,
                    (3 + number / 5).to_string(),
                )
        });
        let stack = arrange(&series(phases)).unwrap();
        assert_eq!(
            sentences(&stack),
            ["stacks overlap: acquisition 3 is segmented, 5 images are left out"]
        );
        assert_eq!(stack.geometry.n_slices(), 5);
        assert!(
            stack
                .order
                .iter()
                .all(|frame| frame.sop_instance.as_str() < "1.2.3.4.1005")
        );
    }

    #[test]
    fn phases_without_acquisition_numbers_are_told_apart_by_the_run_of_instance_numbers() {
        let phases =
            (0..10).map(|number| Sample::slice(number).at([0.0, 0.0, 5.0 * f64::from(number % 5)]));
        let stack = arrange(&series(phases)).unwrap();
        assert_eq!(
            sentences(&stack),
            ["stacks overlap: pass 1 is segmented, 5 images are left out"]
        );
    }

    /// One enhanced image with its frames at these z.
    fn enhanced(z: impl IntoIterator<Item = f64>) -> Sample {
        let frames: Vec<_> = z
            .into_iter()
            .map(|z| {
                let position = PrimitiveValue::from(format!("0\\0\\{z}"));
                let position = item(&[(tags::IMAGE_POSITION_PATIENT, VR::DS, position)]);
                let mut groups = item(&[]);
                groups.put(nested(tags::PLANE_POSITION_SEQUENCE, position));
                groups
            })
            .collect();
        Sample::slice(1)
            .with(tags::SOP_CLASS_UID, VR::UI, uids::ENHANCED_CT_IMAGE_STORAGE)
            .with(tags::NUMBER_OF_FRAMES, VR::IS, frames.len().to_string())
            .sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames)
    }

    #[test]
    fn phases_within_one_enhanced_image_are_told_apart_by_the_run_of_frames() {
        let phases = enhanced((0..10).map(|frame| 5.0 * f64::from(frame % 5)));
        let stack = arrange(&series([phases])).unwrap();
        let frames: Vec<usize> = stack.order.iter().map(|slice| slice.frame).collect();
        assert_eq!(frames, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn phases_that_lie_between_each_other_are_not_mixed() {
        let phases = (0..10).map(|number| {
            let (phase, slice) = (number / 5, number % 5);
            Sample::slice(number)
                .at([0.0, 0.0, 5.0 * f64::from(slice) + 2.5 * f64::from(phase)])
                .with(tags::ACQUISITION_NUMBER, VR::IS, phase.to_string())
        });
        let stack = arrange(&series(phases)).unwrap();
        assert_eq!(stack.geometry.n_slices(), 5);
        assert_eq!(stack.geometry.spacing_mm()[0], 5.0);
    }

    #[test]
    fn stations_one_above_the_other_are_one_stack() {
        let stations = (0..10).map(|number| {
            Sample::slice(number)
                .at([0.0, 0.0, 5.0 * f64::from(number)])
                .with(tags::ACQUISITION_NUMBER, VR::IS, (number / 4).to_string())
        });
        let stack = arrange(&series(stations)).unwrap();
        assert_eq!(stack.geometry.n_slices(), 10);
        assert!(stack.findings.is_empty());
    }

    /// Two acquisitions of 60 slices, the second with its first slice at `z`.
    fn two_stations(z: f64) -> Stack {
        let stations = (0..120).map(|number| {
            let (station, slice) = (number / 60, number % 60);
            Sample::slice(number)
                .at([0.0, 0.0, 2.5 * f64::from(slice) + z * f64::from(station)])
                .with(tags::ACQUISITION_NUMBER, VR::IS, (1 + station).to_string())
        });
        arrange(&series(stations)).unwrap()
    }

    #[test]
    fn stations_that_overlap_a_little_are_one_stack_without_what_is_taken_twice() {
        let sharing_one = two_stations(59.0 * 2.5);
        assert_eq!(sharing_one.geometry.n_slices(), 119);
        assert_eq!(
            sentences(&sharing_one),
            ["stacks overlap: acquisition 1, 2 is segmented, 1 images are left out"]
        );
        // Four slices of the second lie between those of the first.
        let overlapping = two_stations(59.0 * 2.5 - 8.75);
        assert_eq!(overlapping.geometry.n_slices(), 116);
        assert_eq!(
            sentences(&overlapping),
            [
                "stacks overlap: acquisition 1, 2 is segmented, 4 images are left out",
                "slices are unevenly spaced, 1.25 to 2.50 mm",
            ]
        );
        assert!(!overlapping.is_partial());
    }

    #[test]
    fn where_a_large_part_of_the_series_is_left_out_the_stack_is_partial() {
        let stack = two_stations(30.0 * 2.5);
        assert_eq!(
            sentences(&stack),
            [
                "stacks overlap: acquisition 1 is segmented, 60 images are left out",
                "the series reaches 75 mm beyond what is segmented",
            ]
        );
        assert!(stack.is_partial());
    }

    #[test]
    fn coincident_images_that_nothing_tells_apart_are_refused() {
        // Each image twice, numbered alike.
        let samples = (0..10).map(|number| {
            Sample::slice(number)
                .at([0.0, 0.0, 5.0 * f64::from(number / 2)])
                .with(tags::INSTANCE_NUMBER, VR::IS, (number / 2).to_string())
        });
        assert_eq!(
            arrange(&series(samples)).unwrap_err().to_string(),
            "images at z=0.0 coincide and nothing tells them apart"
        );
    }

    #[test]
    fn a_localizer_in_the_series_is_left_out_and_counted() {
        let localizer =
            Sample::slice(0).with(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\LOCALIZER");
        let stack = arrange(&series((1..5).map(Sample::slice).chain([localizer]))).unwrap();
        assert_eq!(stack.geometry.n_slices(), 4);
        assert_eq!(
            sentences(&stack),
            ["1 images that are no axial slices are left out"]
        );
    }

    #[test]
    fn mixtures_are_refused_with_what_is_mixed() {
        let refused = |odd: Sample| {
            arrange(&series((1..5).map(Sample::slice).chain([odd])))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            refused(Sample::slice(9).with(tags::ROWS, VR::US, 2_u16)),
            "slices of 3x4 and of 2x4 pixels are mixed"
        );
        assert_eq!(
            refused(Sample::slice(9).with(tags::PIXEL_SPACING, VR::DS, "0.5\\0.5")),
            "pixel spacings of 0.8000x0.7000 and 0.5000x0.5000 mm are mixed"
        );
        assert_eq!(
            refused(Sample::slice(9).with(
                tags::IMAGE_ORIENTATION_PATIENT,
                VR::DS,
                "0.98480775\\0.17364818\\0\\-0.17364818\\0.98480775\\0"
            )),
            "slices are rotated by 10.0 degrees against each other"
        );
        assert_eq!(
            refused(Sample::slice(9).with(tags::FRAME_OF_REFERENCE_UID, VR::UI, "1.2.9")),
            "slices belong to several frames of reference"
        );
        assert_eq!(
            arrange(&at_z([0.0, 5.0])).unwrap_err(),
            GeometryError::TooFewSlices(2)
        );
    }

    #[test]
    fn under_all_eight_axial_flips_slices_follow_the_normal() {
        let axes = [[1, 0], [-1, 0], [0, 1], [0, -1]];
        for row in axes {
            for column in axes {
                if row[0] * column[0] + row[1] * column[1] != 0 {
                    continue;
                }
                let headers = series((0..4).map(|number| {
                    let cosines =
                        format!("{}\\{}\\0\\{}\\{}\\0", row[0], row[1], column[0], column[1]);
                    Sample::slice(number).with(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, cosines)
                }));
                let stack = arrange(&headers).unwrap();
                let geometry = &stack.geometry;
                assert!(stack.findings.is_empty());
                assert!(geometry.along_normal_mm(0) < geometry.along_normal_mm(3));
                let upwards = geometry.normal()[2] > 0.0;
                let rises = geometry.slice_position(0)[2] < geometry.slice_position(3)[2];
                assert_eq!(upwards, rises, "{row:?} {column:?}");
            }
        }
    }
}
