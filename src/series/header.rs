//! What one instance says about itself, up to its pixel data.
//!
//! Everything that decides on a series (eligibility, completion, geometry, the rescale to Hounsfield
//! units) reads this value and never the data set again. It is what the journal keeps of an
//! instance, so a restart rebuilds a series without reading a file.

#![warn(clippy::indexing_slicing)]

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use serde::{Deserialize, Serialize};

use super::{
    elements::{Element, ElementError},
    functional_groups::{self, FrameAttributes},
    part10::{Part10, Part10Error},
    values,
};
use crate::dicom::{
    Plane, PlaneText, Remedy, Uid,
    sop_class::{self, SopClassRole},
};

/// One instance, single-frame or enhanced.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct InstanceHeader {
    pub sop_class: Uid,
    pub sop_instance: Uid,
    pub study: Uid,
    pub series: Uid,
    pub frame_of_reference: Option<Uid>,
    pub transfer_syntax: Uid,
    pub modality: String,
    pub image_type: Vec<String>,
    pub series_description: Option<String>,
    pub series_number: Option<i32>,
    pub instance_number: Option<i32>,
    pub acquisition_number: Option<i32>,
    pub accession_number: Option<String>,
    /// NumberOfSeriesRelatedInstances: how many instances the sender says the series has.
    pub expected_in_series: Option<u32>,
    /// ImagesInAcquisition: how many images the scanner says one acquisition gave. A series can
    /// hold several acquisitions.
    pub expected_in_acquisition: Option<u32>,
    /// The pixels went through a lossy compression at some time (LossyImageCompression 01).
    pub lossy: bool,
    /// 0 if the instance is no image.
    pub rows: u16,
    /// 0 if the instance is no image.
    pub columns: u16,
    pub pixels: PixelFormat,
    /// One entry a frame, in the order of the pixel data; empty if the SOP class is not CT.
    pub frames: Vec<FrameHeader>,
}

/// How stored values are laid out. PS3.3 C.7.6.3.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct PixelFormat {
    pub samples_per_pixel: u16,
    pub photometric_interpretation: String,
    pub bits_allocated: u16,
    pub bits_stored: u16,
    pub high_bit: u16,
    pub signed: bool,
    /// Stored values in this range, ends included, are no measurement: PixelPaddingValue, and
    /// PixelPaddingRangeLimit if present (PS3.3 C.7.5.1.1.2).
    pub padding: Option<(i32, i32)>,
}

/// What can differ between the frames of one instance.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct FrameHeader {
    pub plane: Option<Plane>,
    /// What `plane` was read from; of no meaning where there is no plane.
    pub plane_text: PlaneText,
    pub slice_thickness_mm: Option<f64>,
    pub rescale: Option<Rescale>,
    /// The unit after the rescale; HU where it is absent (PS3.3 C.11.1.1.2).
    pub rescale_type: Option<String>,
    pub acquisition_number: Option<i32>,
    pub temporal_position: Option<i64>,
    /// FrameType of an enhanced image; empty otherwise.
    pub frame_type: Vec<String>,
}

/// Hounsfield units = slope x stored value + intercept.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Rescale {
    pub slope: f64,
    pub intercept: f64,
}

#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    #[error(transparent)]
    File(#[from] Part10Error),
    #[error("the data set cannot be read")]
    DataSet(#[from] ElementError),
    #[error("{0} is absent or not a valid UID")]
    Uid(&'static str),
    #[error("the data set is SOP instance {inside}, but it was sent as {outside}")]
    OtherInstance { inside: Uid, outside: Uid },
    #[error(
        "an image of {rows} rows and {columns} columns; 1 to {MAX_EXTENT} of each are possible"
    )]
    Extent { rows: u16, columns: u16 },
    #[error(
        "{bits_stored} bits stored in {bits_allocated} allocated, high bit {high_bit}: not CT pixels"
    )]
    Bits {
        bits_allocated: u16,
        bits_stored: u16,
        high_bit: u16,
    },
    #[error("{announced} frames are announced; 1 to {MAX_FRAMES} are possible")]
    FrameCount { announced: i32 },
    #[error("{announced} frames are announced, {described} are described")]
    FramesDiffer { announced: usize, described: usize },
}

impl HeaderError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Resend
    }
}

/// No CT scanner reconstructs more rows or columns; a flat panel's 4096 is the largest there is.
pub const MAX_EXTENT: u16 = 4096;
/// Ten times the longest enhanced CT seen.
pub const MAX_FRAMES: usize = 20_000;

impl InstanceHeader {
    /// Reads the bytes of a Part 10 file up to its pixel data.
    ///
    /// Any storage object can be read; the pixel description is only insisted on where the SOP class
    /// says CT. SOPClassUID and SOPInstanceUID are taken from the file meta information where the
    /// data set leaves them empty, as some senders do.
    pub fn read(file: &[u8]) -> Result<Self, HeaderError> {
        let part10 = Part10::parse(file)?;
        let mut found = Found::default();
        for element in part10.elements() {
            let element = element?;
            // Everything from here on is pixels, or padding after them.
            if element.tag >= FIRST_PIXEL_TAG {
                break;
            }
            found.take(&element);
        }
        found.into_header(&part10)
    }

    /// Whether the SOP class is one of those that hold CT slices.
    #[must_use]
    pub fn is_ct_image(&self) -> bool {
        is_ct_image(&self.sop_class)
    }
}

/// FloatPixelData, the first element of group 7FE0 that can hold pixels besides the offset tables.
const FIRST_PIXEL_TAG: Tag = Tag(0x7FE0, 0x0001);

fn is_ct_image(sop_class: &Uid) -> bool {
    matches!(
        sop_class::role(sop_class),
        SopClassRole::CtImage | SopClassRole::EnhancedCt
    )
}

/// The elements of interest, while the data set is walked.
#[derive(Default)]
struct Found<'a> {
    character_set: Option<&'a str>,
    sop_class: Option<Uid>,
    sop_instance: Option<Uid>,
    study: Option<Uid>,
    series: Option<Uid>,
    frame_of_reference: Option<Uid>,
    modality: Option<&'a str>,
    image_type: Vec<String>,
    series_description: Option<String>,
    series_number: Option<i32>,
    instance_number: Option<i32>,
    accession_number: Option<String>,
    expected_in_series: Option<u32>,
    expected_in_acquisition: Option<u32>,
    lossy: bool,
    rows: u16,
    columns: u16,
    announced_frames: Option<i32>,
    pixels: PixelFormat,
    padding_value: Option<u16>,
    padding_limit: Option<u16>,
    frame: FrameAttributes,
    shared_groups: Option<Element<'a>>,
    per_frame_groups: Option<Element<'a>>,
}

impl<'a> Found<'a> {
    fn take(&mut self, element: &Element<'a>) {
        let count = || values::integer(element).and_then(|n| u32::try_from(n).ok());
        match element.tag {
            tags::SPECIFIC_CHARACTER_SET => {
                // The first of several is the one without code extensions (PS3.3 C.12.1.1.2).
                self.character_set = values::ascii(element).and_then(|text| {
                    text.split('\\')
                        .map(str::trim)
                        .find(|code| !code.is_empty())
                });
            }
            tags::SOP_CLASS_UID => self.sop_class = values::uid(element),
            tags::SOP_INSTANCE_UID => self.sop_instance = values::uid(element),
            tags::STUDY_INSTANCE_UID => self.study = values::uid(element),
            tags::SERIES_INSTANCE_UID => self.series = values::uid(element),
            tags::FRAME_OF_REFERENCE_UID => self.frame_of_reference = values::uid(element),
            tags::MODALITY => self.modality = values::ascii(element),
            tags::IMAGE_TYPE => self.image_type = values::codes(element),
            tags::SERIES_DESCRIPTION => {
                self.series_description = values::text(element, self.character_set);
            }
            tags::SERIES_NUMBER => self.series_number = values::integer(element),
            tags::INSTANCE_NUMBER => self.instance_number = values::integer(element),
            tags::ACCESSION_NUMBER => {
                self.accession_number = values::text(element, self.character_set);
            }
            tags::NUMBER_OF_SERIES_RELATED_INSTANCES => self.expected_in_series = count(),
            tags::IMAGES_IN_ACQUISITION => self.expected_in_acquisition = count(),
            tags::LOSSY_IMAGE_COMPRESSION => self.lossy = values::ascii(element) == Some("01"),
            tags::ROWS => self.rows = element.u16().unwrap_or_default(),
            tags::COLUMNS => self.columns = element.u16().unwrap_or_default(),
            tags::NUMBER_OF_FRAMES => self.announced_frames = values::integer(element),
            tags::SAMPLES_PER_PIXEL => {
                self.pixels.samples_per_pixel = element.u16().unwrap_or_default();
            }
            tags::PHOTOMETRIC_INTERPRETATION => {
                values::ascii(element)
                    .unwrap_or_default()
                    .clone_into(&mut self.pixels.photometric_interpretation);
            }
            tags::BITS_ALLOCATED => self.pixels.bits_allocated = element.u16().unwrap_or_default(),
            tags::BITS_STORED => self.pixels.bits_stored = element.u16().unwrap_or_default(),
            tags::HIGH_BIT => self.pixels.high_bit = element.u16().unwrap_or_default(),
            tags::PIXEL_REPRESENTATION => self.pixels.signed = element.u16() == Some(1),
            tags::PIXEL_PADDING_VALUE => self.padding_value = element.u16(),
            tags::PIXEL_PADDING_RANGE_LIMIT => self.padding_limit = element.u16(),
            tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE => self.shared_groups = Some(*element),
            tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE => self.per_frame_groups = Some(*element),
            _ => self.frame.take(element),
        }
    }

    fn into_header(mut self, part10: &Part10<'_>) -> Result<InstanceHeader, HeaderError> {
        let sop_class = self
            .sop_class
            .take()
            .or_else(|| part10.sop_class.clone())
            .ok_or(HeaderError::Uid("SOPClassUID"))?;
        let sop_instance = match (self.sop_instance.take(), part10.sop_instance.clone()) {
            (Some(inside), Some(outside)) if inside != outside => {
                return Err(HeaderError::OtherInstance { inside, outside });
            }
            (inside, outside) => inside
                .or(outside)
                .ok_or(HeaderError::Uid("SOPInstanceUID"))?,
        };
        let frames = if is_ct_image(&sop_class) {
            self.check_image()?;
            self.frames()?
        } else {
            Vec::new()
        };
        self.pixels.padding = self.padding();
        Ok(InstanceHeader {
            sop_class,
            sop_instance,
            study: self.study.ok_or(HeaderError::Uid("StudyInstanceUID"))?,
            series: self.series.ok_or(HeaderError::Uid("SeriesInstanceUID"))?,
            frame_of_reference: self.frame_of_reference,
            transfer_syntax: part10.transfer_syntax.clone(),
            modality: self.modality.unwrap_or_default().to_owned(),
            image_type: self.image_type,
            series_description: self.series_description,
            series_number: self.series_number,
            instance_number: self.instance_number,
            acquisition_number: self.frame.acquisition_number,
            accession_number: self.accession_number,
            expected_in_series: self.expected_in_series,
            expected_in_acquisition: self.expected_in_acquisition,
            lossy: self.lossy,
            rows: self.rows,
            columns: self.columns,
            pixels: self.pixels,
            frames,
        })
    }

    /// Refuses what no CT can be, before anybody allocates for it.
    fn check_image(&self) -> Result<(), HeaderError> {
        let possible = 1..=MAX_EXTENT;
        if !possible.contains(&self.rows) || !possible.contains(&self.columns) {
            return Err(HeaderError::Extent {
                rows: self.rows,
                columns: self.columns,
            });
        }
        let PixelFormat {
            bits_allocated,
            bits_stored,
            high_bit,
            ..
        } = self.pixels;
        let fits = (2..=bits_allocated).contains(&bits_stored)
            && high_bit < bits_allocated
            && high_bit + 1 >= bits_stored;
        if !matches!(bits_allocated, 8 | 16) || !fits {
            return Err(HeaderError::Bits {
                bits_allocated,
                bits_stored,
                high_bit,
            });
        }
        Ok(())
    }

    fn frames(&self) -> Result<Vec<FrameHeader>, HeaderError> {
        let announced = self.announced_frames.unwrap_or(1);
        let count = usize::try_from(announced)
            .ok()
            .filter(|count| (1..=MAX_FRAMES).contains(count))
            .ok_or(HeaderError::FrameCount { announced })?;
        let shared = functional_groups::shared(self.frame.clone(), self.shared_groups.as_ref())?;
        let Some(sequence) = &self.per_frame_groups else {
            return Ok(vec![shared.into_frame(); count]);
        };
        let frames = functional_groups::per_frame(&shared, sequence, MAX_FRAMES)?;
        if frames.len() != count {
            return Err(HeaderError::FramesDiffer {
                announced: count,
                described: frames.len(),
            });
        }
        Ok(frames)
    }

    /// The padding values have the sign of the pixels; their VR, US or SS, is often wrong.
    fn padding(&self) -> Option<(i32, i32)> {
        let stored = |value: u16| {
            if self.pixels.signed {
                i32::from(value.cast_signed())
            } else {
                i32::from(value)
            }
        };
        let value = stored(self.padding_value?);
        let limit = self.padding_limit.map_or(value, stored);
        Some((value.min(limit), value.max(limit)))
    }
}

#[cfg(test)]
#[allow(
    clippy::float_cmp,
    clippy::indexing_slicing,
    reason = "values are copied, not computed; a panic is a failed test"
)]
mod tests {
    use dicom_core::VR;
    use dicom_dictionary_std::uids;

    use super::*;
    use crate::{
        dicom::transfer_syntax::EXPLICIT_VR_BIG_ENDIAN,
        series::sample::{self, Sample},
    };

    #[test]
    fn a_header_reads_the_same_under_every_encoding_of_the_data_set() {
        let slice = Sample::slice(3);
        let expected = InstanceHeader::read(&slice.file()).unwrap();
        assert_eq!(expected.sop_instance, slice.sop_instance());
        assert_eq!(
            (expected.rows, expected.columns),
            (sample::ROWS, sample::COLUMNS)
        );
        let plane = expected.frames[0].plane.unwrap();
        assert_eq!(plane.position, [-100.0, -120.0, 7.5]);
        assert_eq!(plane.column_cosines, [0.0, 1.0, 0.0]);
        assert_eq!(plane.pixel_spacing, [0.8, 0.7]);
        for syntax in [
            uids::IMPLICIT_VR_LITTLE_ENDIAN,
            EXPLICIT_VR_BIG_ENDIAN,
            uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        ] {
            let mut header =
                InstanceHeader::read(&slice.clone().written_as(syntax).file()).unwrap();
            assert_eq!(header.transfer_syntax.as_str(), syntax);
            header.transfer_syntax = expected.transfer_syntax.clone();
            assert_eq!(header, expected, "{syntax}");
        }
    }

    #[test]
    fn an_empty_sop_class_is_taken_from_the_file_meta_information() {
        let slice = Sample::slice(1);
        for file in [
            slice.clone().with(tags::SOP_CLASS_UID, VR::UI, "").file(),
            slice.without(tags::SOP_CLASS_UID).file(),
        ] {
            let header = InstanceHeader::read(&file).unwrap();
            assert_eq!(header.sop_class.as_str(), uids::CT_IMAGE_STORAGE);
        }
    }

    #[test]
    fn a_data_set_of_another_instance_is_refused() {
        let file = Sample::slice(1)
            .with(tags::SOP_INSTANCE_UID, VR::UI, "1.9")
            .file();
        assert!(matches!(
            InstanceHeader::read(&file),
            Err(HeaderError::OtherInstance { .. })
        ));
    }

    #[test]
    fn absurd_images_are_refused_with_their_numbers() {
        let refused = |tag, value: u16| {
            let file = Sample::slice(1).with(tag, VR::US, value).file();
            InstanceHeader::read(&file).unwrap_err().to_string()
        };
        assert_eq!(
            refused(tags::ROWS, 0),
            "an image of 0 rows and 4 columns; 1 to 4096 of each are possible"
        );
        assert!(refused(tags::COLUMNS, 65535).contains("65535 columns"));
        assert!(refused(tags::BITS_ALLOCATED, 1).contains("in 1 allocated"));
        assert!(refused(tags::BITS_STORED, 17).starts_with("17 bits stored"));
        let frames = Sample::slice(1)
            .with(tags::NUMBER_OF_FRAMES, VR::IS, "2000000000")
            .file();
        assert!(matches!(
            InstanceHeader::read(&frames),
            Err(HeaderError::FrameCount { .. })
        ));
    }

    #[test]
    fn objects_that_are_no_images_have_a_header_too() {
        let mut report = Sample::slice(1).with(
            tags::SOP_CLASS_UID,
            VR::UI,
            uids::X_RAY_RADIATION_DOSE_SR_STORAGE,
        );
        for image_tag in [
            tags::ROWS,
            tags::COLUMNS,
            tags::BITS_ALLOCATED,
            tags::PIXEL_DATA,
        ] {
            report = report.without(image_tag);
        }
        let header = InstanceHeader::read(&report.file()).unwrap();
        assert!(!header.is_ct_image());
        assert_eq!((header.rows, header.frames.len()), (0, 0));
    }

    #[test]
    fn no_cut_and_no_flipped_byte_panics() {
        let file = Sample::slice(1)
            .with(tags::PIXEL_PADDING_VALUE, VR::US, 0_u16)
            .file();
        for length in 0..file.len() {
            let _ = InstanceHeader::read(&file[..length]);
        }
        for at in 0..file.len() {
            for bits in [0x01, 0x80, 0xFF] {
                let mut damaged = file.clone();
                damaged[at] ^= bits;
                let _ = InstanceHeader::read(&damaged);
            }
        }
    }

    #[test]
    fn the_journal_gives_back_the_header_it_was_given() {
        let header = InstanceHeader::read(&Sample::slice(1).file()).unwrap();
        let kept = serde_json::to_value(&header).unwrap();
        assert_eq!(
            serde_json::from_value::<InstanceHeader>(kept).unwrap(),
            header
        );
    }
}
