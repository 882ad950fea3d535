//! What the functional groups of an enhanced image say about its frames.
//!
//! A group stands in the shared sequence when it holds for every frame and in the per-frame sequence
//! otherwise (PS3.3 C.7.6.16); a frame is therefore the shared groups overlaid with its own.

#![deny(clippy::indexing_slicing)]

use dicom_dictionary_std::tags;

use super::{FrameHeader, Rescale, values};
use crate::dicom::{
    Plane, PlaneText,
    elements::{Element, ElementError, Elements},
};

/// The attributes of a frame while they are being collected, in any order and from any place.
#[derive(Clone, Debug, Default)]
pub(super) struct FrameAttributes {
    pub(super) written: PlaneText,
    pub(super) position: Option<[f64; 3]>,
    pub(super) orientation: Option<[f64; 6]>,
    pub(super) pixel_spacing: Option<[f64; 2]>,
    pub(super) slice_thickness_mm: Option<f64>,
    pub(super) slope: Option<f64>,
    pub(super) intercept: Option<f64>,
    pub(super) rescale_type: Option<String>,
    pub(super) acquisition_number: Option<i32>,
    pub(super) temporal_position: Option<i64>,
    pub(super) frame_type: Vec<String>,
}

impl FrameAttributes {
    /// Takes the element if it is one that describes a frame.
    pub(super) fn take(&mut self, element: &Element<'_>) {
        let written = || values::ascii(element).unwrap_or_default().to_owned();
        match element.tag {
            tags::IMAGE_POSITION_PATIENT => {
                self.position = values::decimals(element);
                self.written.position = written();
            }
            tags::IMAGE_ORIENTATION_PATIENT => {
                self.orientation = values::decimals(element);
                self.written.orientation = written();
            }
            tags::PIXEL_SPACING => {
                self.pixel_spacing = values::decimals(element);
                self.written.pixel_spacing = written();
            }
            tags::SLICE_THICKNESS => {
                self.slice_thickness_mm = values::decimal(element);
                self.written.slice_thickness = self.slice_thickness_mm.map(|_| written());
            }
            tags::RESCALE_SLOPE => self.slope = values::decimal(element),
            tags::RESCALE_INTERCEPT => self.intercept = values::decimal(element),
            tags::RESCALE_TYPE => self.rescale_type = values::ascii(element).map(str::to_owned),
            tags::ACQUISITION_NUMBER => self.acquisition_number = values::integer(element),
            tags::FRAME_ACQUISITION_NUMBER => {
                self.acquisition_number = element.u16().map(i32::from);
            }
            tags::TEMPORAL_POSITION_IDENTIFIER => {
                self.temporal_position = values::integer(element).map(i64::from);
            }
            tags::TEMPORAL_POSITION_INDEX => self.temporal_position = element.u32().map(i64::from),
            tags::FRAME_TYPE => self.frame_type = values::codes(element),
            _ => {}
        }
    }

    /// Takes what the macros inside one item of a functional groups sequence say.
    fn take_groups(&mut self, item: Elements<'_>) -> Result<(), ElementError> {
        for group in item {
            let group = group?;
            if DESCRIBING_MACROS.contains(&group.tag)
                && let Some(contents) = group.items().next()
            {
                for element in contents {
                    self.take(&element?);
                }
            }
        }
        Ok(())
    }

    pub(super) fn into_frame(self) -> FrameHeader {
        let plane = match (self.position, self.orientation, self.pixel_spacing) {
            (Some(position), Some([a, b, c, d, e, f]), Some(pixel_spacing)) => Some(Plane {
                position,
                row_cosines: [a, b, c],
                column_cosines: [d, e, f],
                pixel_spacing,
            }),
            _ => None,
        };
        let rescale = match (self.slope, self.intercept) {
            (Some(slope), Some(intercept)) => Some(Rescale { slope, intercept }),
            _ => None,
        };
        FrameHeader {
            plane,
            plane_text: self.written,
            slice_thickness_mm: self.slice_thickness_mm,
            rescale,
            rescale_type: self.rescale_type,
            acquisition_number: self.acquisition_number,
            temporal_position: self.temporal_position,
            frame_type: self.frame_type,
        }
    }
}

const DESCRIBING_MACROS: [dicom_core::Tag; 6] = [
    tags::PLANE_POSITION_SEQUENCE,
    tags::PLANE_ORIENTATION_SEQUENCE,
    tags::PIXEL_MEASURES_SEQUENCE,
    tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
    tags::FRAME_CONTENT_SEQUENCE,
    tags::CT_IMAGE_FRAME_TYPE_SEQUENCE,
];

/// Attributes that hold for every frame, from the shared sequence, over those of the data set.
pub(super) fn shared(
    data_set: FrameAttributes,
    sequence: Option<&Element<'_>>,
) -> Result<FrameAttributes, ElementError> {
    let mut attributes = data_set;
    if let Some(item) = sequence.and_then(|sequence| sequence.items().next()) {
        attributes.take_groups(item)?;
    }
    Ok(attributes)
}

/// One header a frame, at most `limit` of them.
pub(super) fn per_frame(
    shared: &FrameAttributes,
    sequence: &Element<'_>,
    limit: usize,
) -> Result<Vec<FrameHeader>, ElementError> {
    sequence
        .items()
        .take(limit)
        .map(|item| {
            let mut attributes = shared.clone();
            attributes.take_groups(item)?;
            Ok(attributes.into_frame())
        })
        .collect()
}

#[cfg(test)]
#[allow(
    clippy::float_cmp,
    clippy::indexing_slicing,
    reason = "values are copied, not computed; a panic is a failed test"
)]
mod tests {
    use dicom_core::{PrimitiveValue, VR};
    use dicom_dictionary_std::{tags, uids};

    use crate::{
        dicom::transfer_syntax::EXPLICIT_VR_BIG_ENDIAN,
        series::{
            HeaderError, InstanceHeader,
            sample::{Sample, item, nested},
        },
    };

    #[test]
    fn frames_of_an_enhanced_image_take_shared_groups_and_their_own() {
        let ds = |text: &str| PrimitiveValue::from(text);
        let mut shared = item(&[]);
        shared.put(nested(
            tags::PLANE_ORIENTATION_SEQUENCE,
            item(&[(
                tags::IMAGE_ORIENTATION_PATIENT,
                VR::DS,
                ds("1\\0\\0\\0\\1\\0"),
            )]),
        ));
        shared.put(nested(
            tags::PIXEL_MEASURES_SEQUENCE,
            item(&[(tags::PIXEL_SPACING, VR::DS, ds("0.9\\0.8"))]),
        ));
        let frames: Vec<_> = (0..3)
            .map(|frame| {
                let mut groups = item(&[]);
                groups.put(nested(
                    tags::PLANE_POSITION_SEQUENCE,
                    item(&[(
                        tags::IMAGE_POSITION_PATIENT,
                        VR::DS,
                        ds(&format!("0\\0\\{frame}")),
                    )]),
                ));
                groups.put(nested(
                    tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
                    item(&[
                        (tags::RESCALE_INTERCEPT, VR::DS, ds(&format!("-{frame}"))),
                        (tags::RESCALE_SLOPE, VR::DS, ds("0.5")),
                    ]),
                ));
                groups
            })
            .collect();
        let mut enhanced = Sample::slice(1)
            .with(tags::SOP_CLASS_UID, VR::UI, uids::ENHANCED_CT_IMAGE_STORAGE)
            .with(tags::NUMBER_OF_FRAMES, VR::IS, "3")
            .sequence(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared])
            .sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames);
        for tag in [
            tags::IMAGE_POSITION_PATIENT,
            tags::IMAGE_ORIENTATION_PATIENT,
            tags::PIXEL_SPACING,
            tags::RESCALE_INTERCEPT,
            tags::RESCALE_SLOPE,
        ] {
            enhanced = enhanced.without(tag);
        }
        for syntax in [
            uids::EXPLICIT_VR_LITTLE_ENDIAN,
            uids::IMPLICIT_VR_LITTLE_ENDIAN,
            EXPLICIT_VR_BIG_ENDIAN,
        ] {
            let file = enhanced.clone().written_as(syntax).file();
            let header = InstanceHeader::read(&file).unwrap();
            assert_eq!(header.frames.len(), 3, "{syntax}");
            let last = &header.frames[2];
            assert_eq!(last.plane.unwrap().position, [0.0, 0.0, 2.0]);
            assert_eq!(last.plane.unwrap().pixel_spacing, [0.9, 0.8]);
            let rescale = last.rescale.unwrap();
            assert_eq!((rescale.slope, rescale.intercept), (0.5, -2.0));
        }
        let short = enhanced.with(tags::NUMBER_OF_FRAMES, VR::IS, "4").file();
        assert!(matches!(
            InstanceHeader::read(&short),
            Err(HeaderError::FramesDiffer {
                announced: 4,
                described: 3
            })
        ));
    }
}
