//! From the elements of a data set to an instance's header.

#![deny(clippy::indexing_slicing)]

use dicom_dictionary_std::tags;

use super::{
    FrameHeader, HeaderError, InstanceHeader, PixelFormat,
    functional_groups::{self, FrameAttributes},
    header::{MAX_EXTENT, MAX_FRAMES, is_ct_image},
    part10::Part10,
    values,
};
use crate::dicom::{Uid, elements::Element};

/// The elements of interest, while the data set is walked.
#[derive(Default)]
pub(super) struct Found<'a> {
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
    pub(super) fn take(&mut self, element: &Element<'a>) {
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

    pub(super) fn into_header(
        mut self,
        part10: &Part10<'_>,
    ) -> Result<InstanceHeader, HeaderError> {
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
        let study = self
            .study
            .take()
            .or_else(|| self.stand_in("study"))
            .ok_or(HeaderError::Uid("StudyInstanceUID"))?;
        let series = self
            .series
            .take()
            .or_else(|| self.stand_in("series"))
            .ok_or(HeaderError::Uid("SeriesInstanceUID"))?;
        Ok(InstanceHeader {
            sop_class,
            sop_instance,
            study,
            series,
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

    /// Some anonymisers empty the UIDs of study and series. What was scanned in one frame of
    /// reference then passes for one series, under a UID that is the same for each of its images.
    fn stand_in(&self, purpose: &str) -> Option<Uid> {
        let frame_of_reference = self.frame_of_reference.as_ref()?;
        Some(Uid::derived(purpose, &[frame_of_reference.as_str()]))
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
