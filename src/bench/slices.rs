//! Series to send: a phantom's slices under new names, as many as wanted.

use anyhow::{Context, Result};
use dicom_core::{DataElement, PrimitiveValue, VR, value::Value};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN;

use hepar::{
    dicom::Uid,
    phantom::{PhantomSpec, instances, synthesise},
};

/// A synthetic abdomen of 300 mm from which series of any length are cut.
pub struct Template {
    slices: Vec<InMemDicomObject>,
}

/// What a series is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// An axial CT that is segmented.
    Eligible,
    /// A localizer: received and kept like the other, then ignored.
    Ignored,
}

/// One slice as a scanner has it.
#[derive(Clone)]
pub struct Slice {
    pub sop_instance: Uid,
    /// Explicit VR little endian.
    pub data_set: Vec<u8>,
}

/// 512 x 512 x 16 bit.
pub const PIXEL_BYTES: usize = 512 * 512 * 2;

const SYNTHESISED: usize = 60;
const EXTENT_MM: f64 = 300.0;
/// Closer than scanners reconstruct a long series; longer series reach further instead.
const LEAST_STEP_MM: f64 = 0.6;

impl Template {
    pub fn synthesise() -> Result<Self> {
        let spec = PhantomSpec {
            slices: SYNTHESISED,
            slice_spacing: EXTENT_MM / SYNTHESISED as f64,
            slice_thickness: EXTENT_MM / SYNTHESISED as f64,
            ..PhantomSpec::default()
        };
        let phantom = synthesise(&spec)?;
        let slices = instances(&phantom, &spec)?
            .into_iter()
            .map(|instance| {
                let file = dicom_object::from_reader(instance.file.as_slice())?;
                Ok(file.into_inner())
            })
            .collect::<Result<_>>()?;
        Ok(Self { slices })
    }

    /// A series of `count` slices, head first. `name` makes its UIDs; the same name is the same
    /// series.
    ///
    /// Up to 500 slices divide the phantom's 300 mm; beyond that its lowest slices, which show no
    /// liver, go on downwards.
    pub fn series(
        &self,
        name: &str,
        count: usize,
        kind: Kind,
    ) -> impl Iterator<Item = Result<Slice>> {
        let step_mm = (EXTENT_MM / count as f64).max(LEAST_STEP_MM);
        let uid = |what: &str, number: usize| {
            Uid::derived("benchmark", &[name, what, &number.to_string()])
        };
        let (study, series) = (uid("study", 0), uid("series", 0));
        (0..count).map(move |number| {
            let below_mm = number as f64 * step_mm;
            let from = (below_mm / EXTENT_MM * SYNTHESISED as f64) as usize;
            let top = self.slices.first().context("the phantom is empty")?;
            let mut set = self.slices[from.min(SYNTHESISED - 1)].clone();
            let sop_instance = uid("instance", number);
            let [x, y, z] = position(top)?;
            for (tag, vr, text) in [
                (tags::STUDY_INSTANCE_UID, VR::UI, study.to_string()),
                (tags::SERIES_INSTANCE_UID, VR::UI, series.to_string()),
                (tags::SOP_INSTANCE_UID, VR::UI, sop_instance.to_string()),
                (tags::INSTANCE_NUMBER, VR::IS, (number + 1).to_string()),
                (tags::SLICE_THICKNESS, VR::DS, format!("{step_mm:.4}")),
                (
                    tags::IMAGE_POSITION_PATIENT,
                    VR::DS,
                    format!("{x}\\{y}\\{:.4}", z - below_mm),
                ),
                (tags::IMAGE_TYPE, VR::CS, kind.image_type().to_owned()),
            ] {
                set.put(DataElement::new(
                    tag,
                    vr,
                    Value::Primitive(PrimitiveValue::from(text)),
                ));
            }
            let mut data_set = Vec::with_capacity(PIXEL_BYTES + 4096);
            set.write_dataset_with_ts(&mut data_set, &EXPLICIT_VR_LITTLE_ENDIAN.erased())?;
            Ok(Slice {
                sop_instance,
                data_set,
            })
        })
    }
}

impl Kind {
    fn image_type(self) -> &'static str {
        match self {
            Self::Eligible => "ORIGINAL\\PRIMARY\\AXIAL",
            Self::Ignored => "ORIGINAL\\PRIMARY\\LOCALIZER",
        }
    }
}

fn position(set: &InMemDicomObject) -> Result<[f64; 3]> {
    let values = set
        .element(tags::IMAGE_POSITION_PATIENT)?
        .to_multi_float64()?;
    values
        .try_into()
        .ok()
        .context("a position has three coordinates")
}

#[cfg(test)]
mod tests {
    use dicom_core::dicom_value;

    use super::*;

    #[test]
    fn a_long_series_is_equidistant_and_its_names_are_its_own() {
        let template = Template {
            slices: vec![sample(0.0); SYNTHESISED],
        };
        let cut = |name: &str| -> Vec<(Uid, f64)> {
            let slices = template.series(name, 700, Kind::Eligible);
            slices
                .map(|slice| {
                    let slice = slice.unwrap();
                    let set = InMemDicomObject::read_dataset_with_ts(
                        slice.data_set.as_slice(),
                        &EXPLICIT_VR_LITTLE_ENDIAN.erased(),
                    );
                    (slice.sop_instance, position(&set.unwrap()).unwrap()[2])
                })
                .collect()
        };
        let slices = cut("a");
        for pair in slices.windows(2) {
            assert!((pair[0].1 - pair[1].1 - LEAST_STEP_MM).abs() < 1e-3);
        }
        assert_eq!(slices, cut("a"));
        assert_ne!(slices[0].0, cut("b")[0].0);
    }

    fn sample(z: f64) -> InMemDicomObject {
        InMemDicomObject::from_element_iter([DataElement::new(
            tags::IMAGE_POSITION_PATIENT,
            VR::DS,
            dicom_value!(Strs, ["-150", "-150", z.to_string()]),
        )])
    }
}
