//! Synthetic CT with a known truth: patients who do not exist.
//!
//! Tests, the demo and training need CT in which every voxel of liver and tumour is known, in any
//! geometry a scanner can produce, without a patient in the repository. A phantom is a list of
//! solid shapes in millimetres (`Anatomy`) seen by a scanner with slice
//! thickness, blur and noise. It is a function of its [`PhantomSpec`] alone.
//!
//! It looks like CT to a network trained on CT, but it is nobody's anatomy: a figure measured on
//! phantoms says nothing about patients.
//!
//! Conventions: LPS millimetres; arrays are [slice, row, column] with slices ascending along the
//! normal (row cosines x column cosines), the order in which a segmentation of them is stored.

mod anatomy;
mod bones;
mod export;
mod instances;
mod liver;
mod organs;
mod regions;
mod scanner;
mod shape;
mod spec;
mod structure;
mod texture;
mod trunk;

use ndarray::Array3;
use serde::Serialize;

use crate::dicom::Plane;

pub use export::{ExportError, write};
pub use instances::{EncodeError, Instance, instances};
pub use spec::{
    Encoding, Honesty, Orientation, PatientPosition, PhantomSpec, Phase, Region, Rescale,
    SpecError, Stacking, Stored, Tumour, TumourKind,
};

/// A scanned phantom and what is truly in it.
#[derive(Clone, Debug)]
pub struct Phantom {
    /// Hounsfield units.
    pub volume: Array3<i16>,
    /// 0 background, 1 liver, 2 tumour; what lies at the centre of each voxel.
    pub truth: Array3<u8>,
    /// One per slice of the arrays.
    pub planes: Vec<Plane>,
    /// In the order of the specification.
    pub tumours: Vec<TumourTruth>,
    /// Between slices, rows and columns; a gap does not count.
    pub spacing_mm: [f64; 3],
}

/// One tumour as scanned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TumourTruth {
    pub spec: Tumour,
    pub volume_ml: f64,
    /// Mean position of its voxels; `None` if it fell between the voxels.
    pub centroid_lps: Option<[f64; 3]>,
}

/// Synthesises and scans the phantom of a specification.
pub fn synthesise(spec: &PhantomSpec) -> Result<Phantom, SpecError> {
    spec.validate()?;
    let half_stack = 0.5 * spec.slices as f64 * spec.slice_spacing;
    let anatomy = anatomy::Anatomy::of(spec, half_stack as f32)?;
    let planes = scanner::planes(spec, anatomy.centre);
    let (volume, mut truth) = scanner::scan(&anatomy, spec, &planes);
    let spacing_mm = scanner::spacing_mm(spec, &planes[0]);
    let tumours = measured(spec, &truth, &planes, voxel_ml(spacing_mm));
    truth.mapv_inplace(|code| code.min(2));
    Ok(Phantom {
        volume,
        truth,
        planes,
        tumours,
        spacing_mm,
    })
}

impl Phantom {
    /// Liver without tumours, as the segment of that name is.
    #[must_use]
    pub fn liver_ml(&self) -> f64 {
        self.class_ml(1)
    }

    #[must_use]
    pub fn tumour_ml(&self) -> f64 {
        self.class_ml(2)
    }

    fn class_ml(&self, class: u8) -> f64 {
        let voxels = self.truth.iter().filter(|voxel| **voxel == class).count();
        voxels as f64 * voxel_ml(self.spacing_mm)
    }
}

fn voxel_ml(spacing_mm: [f64; 3]) -> f64 {
    spacing_mm.iter().product::<f64>() / 1000.0
}

/// Volume and place of each tumour; in `codes` the n-th tumour is 2 + n.
fn measured(
    spec: &PhantomSpec,
    codes: &Array3<u8>,
    planes: &[Plane],
    voxel_ml: f64,
) -> Vec<TumourTruth> {
    let mut sums = vec![(0_usize, [0.0; 3]); spec.tumours.len()];
    for ((slice, row, column), code) in codes.indexed_iter() {
        let Some((voxels, sum)) = code
            .checked_sub(2)
            .and_then(|tumour| sums.get_mut(usize::from(tumour)))
        else {
            continue;
        };
        let plane = &planes[slice];
        *voxels += 1;
        for (axis, total) in sum.iter_mut().enumerate() {
            *total += plane.position[axis]
                + column as f64 * plane.pixel_spacing[1] * plane.row_cosines[axis]
                + row as f64 * plane.pixel_spacing[0] * plane.column_cosines[axis];
        }
    }
    spec.tumours
        .iter()
        .zip(sums)
        .map(|(tumour, (voxels, sum))| TumourTruth {
            spec: *tumour,
            volume_ml: voxels as f64 * voxel_ml,
            centroid_lps: (voxels > 0).then(|| sum.map(|total| total / voxels as f64)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> PhantomSpec {
        PhantomSpec {
            slices: 24,
            rows: 96,
            columns: 96,
            slice_spacing: 8.0,
            slice_thickness: 5.0,
            ..PhantomSpec::default()
        }
    }

    #[test]
    fn equal_specifications_give_equal_voxels_and_another_seed_another_patient() {
        let (first, second) = (synthesise(&small()).unwrap(), synthesise(&small()).unwrap());
        assert_eq!(first.volume, second.volume);
        assert_eq!(first.truth, second.truth);
        let other = PhantomSpec { seed: 2, ..small() };
        assert_ne!(synthesise(&other).unwrap().truth, first.truth);
    }

    #[test]
    fn the_liver_is_the_size_of_a_liver_and_lies_on_the_right() {
        for seed in 0..6 {
            let phantom = synthesise(&PhantomSpec { seed, ..small() }).unwrap();
            let liver = phantom.liver_ml() + phantom.tumour_ml();
            assert!((900.0..2400.0).contains(&liver), "seed {seed}: {liver} ml");
            let right = phantom
                .truth
                .indexed_iter()
                .filter(|((_, _, column), voxel)| **voxel == 1 && *column < 48)
                .count();
            assert!(
                right as f64 * voxel_ml(phantom.spacing_mm) > 0.7 * liver,
                "seed {seed}"
            );
        }
    }

    #[test]
    fn tumours_have_about_the_volume_their_diameter_says() {
        let spec = PhantomSpec {
            slices: 60,
            slice_spacing: 3.0,
            slice_thickness: 1.0,
            rows: 200,
            columns: 200,
            noise_hu: 0.0,
            ..PhantomSpec::default()
        };
        let phantom = synthesise(&spec).unwrap();
        for tumour in &phantom.tumours {
            let radius = tumour.spec.diameter_mm / 2.0;
            let sphere = 4.0 / 3.0 * std::f64::consts::PI * radius.powi(3) / 1000.0;
            let ratio = tumour.volume_ml / sphere;
            assert!((0.5..1.6).contains(&ratio), "{tumour:?} against {sphere}");
            assert!(tumour.centroid_lps.unwrap()[0] < 60.0);
        }
        let total: f64 = phantom.tumours.iter().map(|tumour| tumour.volume_ml).sum();
        assert!((total - phantom.tumour_ml()).abs() < 1e-9);
    }

    #[test]
    fn every_axial_view_shows_the_same_patient() {
        let seen = |orientation| {
            let spec = PhantomSpec {
                orientation,
                noise_hu: 0.0,
                ..small()
            };
            let phantom = synthesise(&spec).unwrap();
            (phantom.tumours[0].centroid_lps.unwrap(), phantom.liver_ml())
        };
        let (centroid, liver_ml) = seen(Orientation::Lp);
        for orientation in Orientation::ALL {
            let (other, ml) = seen(orientation);
            assert!((ml - liver_ml).abs() < 0.01 * liver_ml, "{orientation:?}");
            for axis in 0..3 {
                assert!(
                    (other[axis] - centroid[axis]).abs() < 1.5,
                    "{orientation:?}"
                );
            }
        }
    }

    #[test]
    fn tissues_have_their_hounsfield_units() {
        let spec = PhantomSpec {
            noise_hu: 0.0,
            tumours: Vec::new(),
            ..small()
        };
        let mean_of_liver = |phase| {
            let phantom = synthesise(&PhantomSpec {
                phase,
                ..spec.clone()
            })
            .unwrap();
            let liver: Vec<f64> = phantom
                .truth
                .iter()
                .zip(&phantom.volume)
                .filter(|(voxel, _)| **voxel == 1)
                .map(|(_, hu)| f64::from(*hu))
                .collect();
            liver.iter().sum::<f64>() / liver.len() as f64
        };
        assert!((50.0..70.0).contains(&mean_of_liver(Phase::Native)));
        assert!((95.0..125.0).contains(&mean_of_liver(Phase::PortalVenous)));
        let phantom = synthesise(&spec).unwrap();
        assert!(phantom.volume.iter().any(|hu| *hu < -990), "air");
        assert!(phantom.volume.iter().any(|hu| *hu > 300), "bone");
    }

    #[test]
    fn other_regions_have_no_liver_but_a_body() {
        for region in [
            Region::Head,
            Region::Chest,
            Region::Pelvis,
            Region::Limb,
            Region::Cylinder,
        ] {
            let spec = PhantomSpec {
                slices: 4,
                tumours: Vec::new(),
                region,
                ..small()
            };
            let phantom = synthesise(&spec).unwrap();
            assert!(phantom.truth.iter().all(|voxel| *voxel == 0), "{region:?}");
            let tissue = phantom.volume.iter().filter(|hu| **hu > -50).count();
            assert!(tissue > phantom.volume.len() / 20, "{region:?}: {tissue}");
        }
    }

    #[test]
    fn a_missing_slice_is_missing_and_the_others_do_not_move() {
        let whole = synthesise(&small()).unwrap();
        let spec = PhantomSpec {
            missing: vec![10],
            ..small()
        };
        let holed = synthesise(&spec).unwrap();
        assert_eq!(holed.planes.len(), 23);
        assert_eq!(holed.planes[9], whole.planes[9]);
        assert_eq!(holed.planes[10], whole.planes[11]);
        let slice = |phantom: &Phantom, index| {
            phantom
                .volume
                .index_axis(ndarray::Axis(0), index)
                .to_owned()
        };
        assert_eq!(slice(&holed, 10), slice(&whole, 11));
    }

    #[test]
    fn a_lesion_that_does_not_fit_is_refused_in_words() {
        let spec = PhantomSpec {
            tumours: vec![
                Tumour {
                    diameter_mm: 90.0,
                    kind: TumourKind::Hypodense
                };
                9
            ],
            ..small()
        };
        let error = synthesise(&spec).unwrap_err();
        assert!(error.to_string().contains("no room"), "{error}");
    }
}
