//! What one instance says about itself, up to its pixel data.
//!
//! Everything that decides on a series (eligibility, completion, geometry, the rescale to Hounsfield
//! units) reads this value and never the data set again. It is what the journal keeps of an
//! instance, so a restart rebuilds a series without reading a file.

#![deny(clippy::indexing_slicing)]

use dicom_core::Tag;
use serde::{Deserialize, Serialize};

use super::{
    collect::Found,
    part10::{Part10, Part10Error},
};
use crate::dicom::{
    ElementError, Plane, PlaneText, Remedy, Uid,
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
        Ok(Self::read_until_pixels(file)?.0)
    }

    /// The same from the first bytes of a file. `None` unless its pixel data begins among them: only
    /// the whole file can tell then.
    #[must_use]
    pub fn read_head(head: &[u8]) -> Option<Self> {
        let (header, reached_pixels) = Self::read_until_pixels(head).ok()?;
        reached_pixels.then_some(header)
    }

    /// The header, and whether there was pixel data to end it.
    fn read_until_pixels(file: &[u8]) -> Result<(Self, bool), HeaderError> {
        let part10 = Part10::parse(file)?;
        let mut found = Found::default();
        let mut reached_pixels = false;
        for element in part10.elements() {
            let element = element?;
            // Everything from here on is pixels, or padding after them.
            if element.tag >= FIRST_PIXEL_TAG {
                reached_pixels = true;
                break;
            }
            found.take(&element);
        }
        Ok((found.into_header(&part10)?, reached_pixels))
    }

    /// Whether the SOP class is one of those that hold CT slices.
    #[must_use]
    pub fn is_ct_image(&self) -> bool {
        is_ct_image(&self.sop_class)
    }
}

/// FloatPixelData, the first element of group 7FE0 that can hold pixels besides the offset tables.
const FIRST_PIXEL_TAG: Tag = Tag(0x7FE0, 0x0001);

pub(super) fn is_ct_image(sop_class: &Uid) -> bool {
    matches!(
        sop_class::role(sop_class),
        SopClassRole::CtImage | SopClassRole::EnhancedCt
    )
}

#[cfg(test)]
#[allow(
    clippy::float_cmp,
    clippy::indexing_slicing,
    reason = "values are copied, not computed; a panic is a failed test"
)]
mod tests {
    use dicom_core::VR;
    use dicom_dictionary_std::{tags, uids};

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
    fn the_head_of_a_file_gives_its_whole_header_or_none() {
        let file = Sample::slice(3).file();
        let header = InstanceHeader::read(&file).unwrap();
        let pixels = sample::ROWS as usize * sample::COLUMNS as usize * 2;
        let begin =
            (0..=file.len()).find(|&length| InstanceHeader::read_head(&file[..length]).is_some());
        let begin = begin.unwrap();
        assert!(
            begin <= file.len() - pixels,
            "{begin} of {} bytes",
            file.len()
        );
        for length in begin..=file.len() {
            assert_eq!(
                InstanceHeader::read_head(&file[..length]).as_ref(),
                Some(&header)
            );
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
    fn images_without_study_and_series_are_one_series_by_their_frame_of_reference() {
        let anonymous = |number| {
            let sample = Sample::slice(number)
                .with(tags::STUDY_INSTANCE_UID, VR::UI, "")
                .with(tags::SERIES_INSTANCE_UID, VR::UI, "");
            InstanceHeader::read(&sample.file()).unwrap()
        };
        let (one, other) = (anonymous(1), anonymous(2));
        assert_eq!((&one.study, &one.series), (&other.study, &other.series));
        assert_ne!(one.study, one.series);
        let nowhere = Sample::slice(1)
            .without(tags::SERIES_INSTANCE_UID)
            .without(tags::FRAME_OF_REFERENCE_UID);
        assert!(matches!(
            InstanceHeader::read(&nowhere.file()),
            Err(HeaderError::Uid("SeriesInstanceUID"))
        ));
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
