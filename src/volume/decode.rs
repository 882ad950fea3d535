//! Frames of one instance, decoded to Hounsfield units.
//!
//! The pixel data come from a peer: nothing is allocated before the sizes agree with each other, and
//! a frame never costs more than its rows and columns, which the header has bounded. Uncompressed
//! pixels go from the file's bytes to Hounsfield units in one pass.

#![deny(clippy::indexing_slicing)]

use std::{borrow::Cow, ops::Range};

use dicom_dictionary_std::tags;

use super::{
    compressed::{self, CodecError},
    fragments::{Fragments, offsets, range_in},
    hounsfield::ToHounsfield,
};
use crate::{
    dicom::{
        Remedy, Uid,
        elements::{ElementError, Encoding},
        transfer_syntax,
    },
    series::{FrameHeader, InstanceHeader, Part10Error, part10::Part10},
};

/// One frame in Hounsfield units, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct HuSlice {
    pub rows: usize,
    pub columns: usize,
    /// `rows` x `columns` values; what lies beyond an `i16` is clamped.
    pub hu: Vec<i16>,
}

#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error(transparent)]
    File(#[from] Part10Error),
    #[error("the data set cannot be read")]
    DataSet(#[from] ElementError),
    #[error("transfer syntax {0} cannot be decoded")]
    TransferSyntax(Uid),
    #[error("the instance has no pixel data")]
    NoPixelData,
    #[error("the pixel data are colour ({0})")]
    Colour(String),
    #[error("frame {frame} has no rescale to Hounsfield units")]
    NoRescale { frame: usize },
    #[error("the pixel data are truncated: {got} bytes where {needed} are needed")]
    Truncated { got: usize, needed: usize },
    #[error(
        "the pixel data hold {fragments} fragments for {frames} frames, and no table says which belongs where"
    )]
    Fragments { fragments: usize, frames: usize },
    #[error("frame {frame} is not in the instance, which has {frames}")]
    NoSuchFrame { frame: usize, frames: usize },
    #[error("frame {frame} cannot be decoded")]
    Codec {
        frame: usize,
        #[source]
        source: CodecError,
    },
}

impl DecodeError {
    /// Only other bytes can help.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Resend
    }
}

/// Decodes every frame of a Part 10 file. For an enhanced instance of many frames prefer
/// [`FrameSource`], which holds one at a time.
pub fn decode(file: &[u8], header: &InstanceHeader) -> Result<Vec<HuSlice>, DecodeError> {
    let source = FrameSource::open(file, header)?;
    (0..header.frames.len())
        .map(|frame| source.frame(frame))
        .collect()
}

/// The frames of one Part 10 file, decoded one by one.
pub struct FrameSource<'a> {
    part10: Part10<'a>,
    header: &'a InstanceHeader,
    layout: Layout,
}

/// Where frames lie in the data set, as byte ranges of it.
enum Layout {
    /// Back to back, uncompressed.
    Native(Range<usize>),
    /// The fragments of each frame.
    Encapsulated(Vec<Vec<Range<usize>>>),
}

impl<'a> FrameSource<'a> {
    pub fn open(file: &'a [u8], header: &'a InstanceHeader) -> Result<Self, DecodeError> {
        if transfer_syntax::preference(header.transfer_syntax.as_str()).is_none() {
            return Err(DecodeError::TransferSyntax(header.transfer_syntax.clone()));
        }
        let format = &header.pixels;
        if format.samples_per_pixel != 1
            || !format.photometric_interpretation.starts_with("MONOCHROME")
        {
            return Err(DecodeError::Colour(
                format.photometric_interpretation.clone(),
            ));
        }
        let part10 = Part10::parse(file)?;
        let layout = Layout::find(&part10, header)?;
        Ok(Self {
            part10,
            header,
            layout,
        })
    }

    /// Decodes one frame, counted from 0.
    pub fn frame(&self, frame: usize) -> Result<HuSlice, DecodeError> {
        let header = self.header;
        let missing = || DecodeError::NoSuchFrame {
            frame,
            frames: header.frames.len(),
        };
        let described = header.frames.get(frame).ok_or_else(missing)?;
        let to_hounsfield = to_hounsfield(header, described, frame)?;
        let hu = match &self.layout {
            Layout::Native(range) => {
                let length = frame_bytes(header);
                let bytes = self.bytes(range);
                let truncated = || DecodeError::Truncated {
                    got: bytes.len(),
                    needed: length * header.frames.len(),
                };
                let start = frame * length;
                let bytes = bytes.get(start..start + length).ok_or_else(truncated)?;
                self.convert_native(bytes, to_hounsfield)
            }
            Layout::Encapsulated(frames) => {
                let compressed = match frames.get(frame).ok_or_else(missing)?.as_slice() {
                    [fragment] => Cow::Borrowed(self.bytes(fragment)),
                    fragments => Cow::Owned(
                        fragments
                            .iter()
                            .flat_map(|fragment| self.bytes(fragment))
                            .copied()
                            .collect(),
                    ),
                };
                let stored = compressed::decode(&compressed, header)
                    .map_err(|source| DecodeError::Codec { frame, source })?;
                to_hounsfield.convert(stored.into_iter())
            }
        };
        Ok(HuSlice {
            rows: header.rows.into(),
            columns: header.columns.into(),
            hu,
        })
    }

    fn bytes(&self, range: &Range<usize>) -> &[u8] {
        self.part10.data_set.get(range.clone()).unwrap_or_default()
    }

    fn convert_native(&self, bytes: &[u8], to_hounsfield: ToHounsfield) -> Vec<i16> {
        if self.header.pixels.bits_allocated == 8 {
            return to_hounsfield.convert(bytes.iter().map(|value| u16::from(*value)));
        }
        let (pairs, _) = bytes.as_chunks::<2>();
        if self.part10.encoding == Encoding::ExplicitBig {
            to_hounsfield.convert(pairs.iter().map(|pair| u16::from_be_bytes(*pair)))
        } else {
            to_hounsfield.convert(pairs.iter().map(|pair| u16::from_le_bytes(*pair)))
        }
    }
}

/// Bytes of one uncompressed frame: at most 32 MiB, because the header bounds rows and columns.
fn frame_bytes(header: &InstanceHeader) -> usize {
    let bytes_per_pixel = usize::from(header.pixels.bits_allocated / 8);
    usize::from(header.rows) * usize::from(header.columns) * bytes_per_pixel
}

fn to_hounsfield(
    header: &InstanceHeader,
    described: &FrameHeader,
    frame: usize,
) -> Result<ToHounsfield, DecodeError> {
    let rescale = described.rescale.ok_or(DecodeError::NoRescale { frame })?;
    Ok(ToHounsfield::new(&header.pixels, rescale))
}

impl Layout {
    fn find(part10: &Part10<'_>, header: &InstanceHeader) -> Result<Self, DecodeError> {
        let mut extended_offsets = Vec::new();
        for element in part10.elements() {
            let element = element?;
            match element.tag {
                tags::EXTENDED_OFFSET_TABLE => {
                    extended_offsets = offsets::<8>(element.value, |bytes| {
                        usize::try_from(u64::from_le_bytes(bytes)).unwrap_or(usize::MAX)
                    });
                }
                tags::PIXEL_DATA if element.delimited => {
                    let fragments = Fragments::of(&element, part10, extended_offsets)?;
                    return fragments
                        .by_frame(header.frames.len())
                        .map(Self::Encapsulated);
                }
                tags::PIXEL_DATA => {
                    let needed = frame_bytes(header) * header.frames.len();
                    if element.value.len() < needed {
                        return Err(DecodeError::Truncated {
                            got: element.value.len(),
                            needed,
                        });
                    }
                    return Ok(Self::Native(range_in(&part10.data_set, element.value)));
                }
                _ => {}
            }
        }
        Err(DecodeError::NoPixelData)
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a panic is a failed test")]
mod tests {
    use dicom_core::{PrimitiveValue, VR};
    use dicom_dictionary_std::uids;

    use super::*;
    use crate::{
        dicom::transfer_syntax::EXPLICIT_VR_BIG_ENDIAN,
        series::sample::{COLUMNS, ROWS, Sample, item, nested},
        volume::AIR_HU,
    };

    fn decoded(sample: &Sample) -> Result<Vec<HuSlice>, DecodeError> {
        let file = sample.file();
        decode(&file, &InstanceHeader::read(&file).unwrap())
    }

    fn hu(sample: &Sample) -> Vec<i16> {
        decoded(sample).unwrap().remove(0).hu
    }

    fn stored(values: &[u16]) -> Sample {
        let mut all = values.to_vec();
        all.resize(usize::from(ROWS * COLUMNS), 0);
        Sample::slice(1).with(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(all.into()))
    }

    #[test]
    fn every_uncompressed_encoding_gives_the_same_hounsfield_units() {
        let expected: Vec<i16> = (0..12).map(|at| 1000 + at - 1024).collect();
        for syntax in [
            uids::EXPLICIT_VR_LITTLE_ENDIAN,
            uids::IMPLICIT_VR_LITTLE_ENDIAN,
            EXPLICIT_VR_BIG_ENDIAN,
            uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        ] {
            let slices = decoded(&Sample::slice(1).written_as(syntax)).unwrap();
            assert_eq!(slices.len(), 1);
            assert_eq!((slices[0].rows, slices[0].columns), (3, 4), "{syntax}");
            assert_eq!(slices[0].hu, expected, "{syntax}");
        }
    }

    #[test]
    fn signed_values_of_twelve_bits_keep_their_sign_and_lose_what_lies_above() {
        let slice = stored(&[0x0FFF, 0x0800, 0x07FF, 0xF001])
            .with(tags::BITS_STORED, VR::US, 12_u16)
            .with(tags::HIGH_BIT, VR::US, 11_u16)
            .with(tags::PIXEL_REPRESENTATION, VR::US, 1_u16)
            .with(tags::RESCALE_INTERCEPT, VR::DS, "0");
        assert_eq!(hu(&slice)[..4], [-1, -2048, 2047, 1]);
        let unsigned = slice.with(tags::PIXEL_REPRESENTATION, VR::US, 0_u16);
        assert_eq!(hu(&unsigned)[..4], [4095, 2048, 2047, 1]);
        let fractional = unsigned.with(tags::RESCALE_SLOPE, VR::DS, "0.5");
        assert_eq!(hu(&fractional)[..4], [2048, 1024, 1024, 1]);
    }

    #[test]
    fn values_stored_in_the_upper_bits_are_brought_down() {
        let slice = stored(&[0x1230, 0xFFF0])
            .with(tags::BITS_STORED, VR::US, 12_u16)
            .with(tags::HIGH_BIT, VR::US, 15_u16);
        assert_eq!(hu(&slice)[..2], [0x123 - 1024, 0xFFF - 1024]);
    }

    #[test]
    fn a_fractional_rescale_is_rounded_and_what_leaves_the_range_is_clamped() {
        let slice = stored(&[0, 1, 2, 3, 65535])
            .with(tags::RESCALE_SLOPE, VR::DS, "1.25")
            .with(tags::RESCALE_INTERCEPT, VR::DS, "-1000.5");
        assert_eq!(hu(&slice)[..5], [-1001, -999, -998, -997, i16::MAX]);
        let whole = stored(&[65535]).with(tags::RESCALE_INTERCEPT, VR::DS, "0");
        assert_eq!(hu(&whole)[0], i16::MAX);
    }

    #[test]
    fn padding_becomes_air_alone_or_as_a_range_and_with_the_sign_of_the_pixels() {
        let slice = stored(&[63536, 0, 5, 24]);
        let signed = slice
            .clone()
            .with(tags::PIXEL_REPRESENTATION, VR::US, 1_u16)
            .with(tags::RESCALE_INTERCEPT, VR::DS, "0")
            // -2000, written with the wrong VR.
            .with(tags::PIXEL_PADDING_VALUE, VR::US, 63536_u16);
        assert_eq!(hu(&signed)[..4], [AIR_HU, 0, 5, 24]);
        let range = slice
            .with(tags::RESCALE_INTERCEPT, VR::DS, "0")
            .with(tags::PIXEL_PADDING_VALUE, VR::US, 9_u16)
            .with(tags::PIXEL_PADDING_RANGE_LIMIT, VR::US, 0_u16);
        assert_eq!(hu(&range)[..4], [i16::MAX, AIR_HU, AIR_HU, 24]);
    }

    #[test]
    fn frames_of_one_instance_are_decoded_each_with_its_rescale() {
        let text = |text: &str| PrimitiveValue::from(text);
        let frames = ["-10", "-20"].map(|intercept| {
            let mut groups = item(&[]);
            groups.put(nested(
                tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
                item(&[
                    (tags::RESCALE_INTERCEPT, VR::DS, text(intercept)),
                    (tags::RESCALE_SLOPE, VR::DS, text("2")),
                ]),
            ));
            groups
        });
        let stored: Vec<u16> = (0..2 * ROWS * COLUMNS).collect();
        for syntax in [uids::EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN] {
            let enhanced = Sample::slice(1)
                .with(tags::SOP_CLASS_UID, VR::UI, uids::ENHANCED_CT_IMAGE_STORAGE)
                .with(tags::NUMBER_OF_FRAMES, VR::IS, "2")
                .with(
                    tags::PIXEL_DATA,
                    VR::OW,
                    PrimitiveValue::U16(stored.clone().into()),
                )
                .sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames.to_vec())
                .written_as(syntax);
            let file = enhanced.file();
            let header = InstanceHeader::read(&file).unwrap();
            let source = FrameSource::open(&file, &header).unwrap();
            assert_eq!(source.frame(0).unwrap().hu[..3], [-10, -8, -6]);
            assert_eq!(source.frame(1).unwrap().hu[..3], [4, 6, 8]);
            assert!(matches!(
                source.frame(2),
                Err(DecodeError::NoSuchFrame {
                    frame: 2,
                    frames: 2
                })
            ));
        }
    }

    #[test]
    fn truncated_pixel_data_are_named_with_both_numbers() {
        let short = Sample::slice(1).with(
            tags::PIXEL_DATA,
            VR::OW,
            PrimitiveValue::U16(vec![7_u16; 5].into()),
        );
        let message = decoded(&short).unwrap_err().to_string();
        assert_eq!(
            message,
            "the pixel data are truncated: 10 bytes where 24 are needed"
        );
        let file = Sample::slice(1).file();
        let cut = &file[..file.len() - 4];
        let header = InstanceHeader::read(cut).unwrap();
        assert!(matches!(
            decode(cut, &header),
            Err(DecodeError::Truncated {
                got: 20,
                needed: 24
            })
        ));
    }

    #[test]
    fn what_cannot_be_hounsfield_units_is_refused_with_the_reason() {
        let none = Sample::slice(1).without(tags::PIXEL_DATA);
        assert!(matches!(decoded(&none), Err(DecodeError::NoPixelData)));
        let colour = Sample::slice(1).with(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
        assert!(matches!(decoded(&colour), Err(DecodeError::Colour(_))));
        let bare = Sample::slice(1).without(tags::RESCALE_INTERCEPT);
        assert!(matches!(
            decoded(&bare),
            Err(DecodeError::NoRescale { frame: 0 })
        ));
    }
}
