//! CT instances for tests, written by dicom-object so that reader and writer share no code.

use dicom_core::{DataElement, PrimitiveValue, VR, value::DataSetSequence};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

use super::InstanceHeader;
use crate::dicom::Uid;

/// What can be said about a sample; the rest is an abdominal slice of 3 rows and 4 columns.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) data_set: InMemDicomObject,
    pub(crate) transfer_syntax: &'static str,
    pub(crate) sop_class: &'static str,
    sop_instance: String,
}

pub(crate) const ROWS: u16 = 3;
pub(crate) const COLUMNS: u16 = 4;

impl Sample {
    /// Slice `number` of a series, at z = 2.5 mm times the number.
    pub(crate) fn slice(number: i32) -> Self {
        let sop_instance = format!("1.2.3.4.{}", 1000 + number);
        let mut data_set = InMemDicomObject::new_empty();
        let mut sample = |tag, vr, value: PrimitiveValue| {
            data_set.put(DataElement::new(tag, vr, value));
        };
        let text = PrimitiveValue::from;
        sample(tags::IMAGE_TYPE, VR::CS, text("ORIGINAL\\PRIMARY\\AXIAL"));
        sample(tags::SOP_CLASS_UID, VR::UI, text(uids::CT_IMAGE_STORAGE));
        sample(tags::SOP_INSTANCE_UID, VR::UI, text(sop_instance.as_str()));
        sample(tags::MODALITY, VR::CS, text("CT"));
        sample(tags::STUDY_INSTANCE_UID, VR::UI, text("1.2.3"));
        sample(tags::SERIES_INSTANCE_UID, VR::UI, text("1.2.3.4"));
        sample(tags::FRAME_OF_REFERENCE_UID, VR::UI, text("1.2.3.5"));
        sample(tags::INSTANCE_NUMBER, VR::IS, number.to_string().into());
        sample(
            tags::IMAGE_ORIENTATION_PATIENT,
            VR::DS,
            text("1\\0\\0\\0\\1\\0"),
        );
        sample(tags::PIXEL_SPACING, VR::DS, text("0.8\\0.7"));
        sample(tags::SAMPLES_PER_PIXEL, VR::US, 1_u16.into());
        sample(
            tags::PHOTOMETRIC_INTERPRETATION,
            VR::CS,
            text("MONOCHROME2"),
        );
        sample(tags::ROWS, VR::US, ROWS.into());
        sample(tags::COLUMNS, VR::US, COLUMNS.into());
        sample(tags::BITS_ALLOCATED, VR::US, 16_u16.into());
        sample(tags::BITS_STORED, VR::US, 16_u16.into());
        sample(tags::HIGH_BIT, VR::US, 15_u16.into());
        sample(tags::PIXEL_REPRESENTATION, VR::US, 0_u16.into());
        sample(tags::RESCALE_INTERCEPT, VR::DS, text("-1024"));
        sample(tags::RESCALE_SLOPE, VR::DS, text("1"));
        let stored: Vec<u16> = (0..ROWS * COLUMNS).map(|at| 1000 + at).collect();
        sample(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(stored.into()));
        Self {
            data_set,
            transfer_syntax: uids::EXPLICIT_VR_LITTLE_ENDIAN,
            sop_class: uids::CT_IMAGE_STORAGE,
            sop_instance,
        }
        .at([-100.0, -120.0, 2.5 * f64::from(number)])
    }

    pub(crate) fn with(
        mut self,
        tag: dicom_core::Tag,
        vr: VR,
        value: impl Into<PrimitiveValue>,
    ) -> Self {
        self.data_set.put(DataElement::new(tag, vr, value.into()));
        self
    }

    /// Renames the instance, inside and outside.
    pub(crate) fn of_instance(mut self, sop_instance: &str) -> Self {
        sop_instance.clone_into(&mut self.sop_instance);
        self.with(tags::SOP_INSTANCE_UID, VR::UI, sop_instance)
    }

    pub(crate) fn without(mut self, tag: dicom_core::Tag) -> Self {
        self.data_set.remove_element(tag);
        self
    }

    pub(crate) fn at(self, [x, y, z]: [f64; 3]) -> Self {
        self.with(
            tags::IMAGE_POSITION_PATIENT,
            VR::DS,
            format!("{x}\\{y}\\{z}"),
        )
    }

    pub(crate) fn sequence(mut self, tag: dicom_core::Tag, items: Vec<InMemDicomObject>) -> Self {
        self.data_set
            .put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
        self
    }

    pub(crate) fn written_as(mut self, transfer_syntax: &'static str) -> Self {
        self.transfer_syntax = transfer_syntax;
        self
    }

    pub(crate) fn sop_instance(&self) -> Uid {
        Uid::parse(&self.sop_instance).unwrap()
    }

    /// The bytes of the Part 10 file.
    pub(crate) fn file(&self) -> Vec<u8> {
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(self.transfer_syntax)
            .media_storage_sop_class_uid(self.sop_class)
            .media_storage_sop_instance_uid(self.sop_instance.as_str());
        let file = self.data_set.clone().with_exact_meta(meta.build().unwrap());
        let mut bytes = Vec::new();
        file.write_all(&mut bytes).unwrap();
        bytes
    }
}

/// A data set of these elements, for items of sequences.
pub(crate) fn item(elements: &[(dicom_core::Tag, VR, PrimitiveValue)]) -> InMemDicomObject {
    InMemDicomObject::from_element_iter(
        elements
            .iter()
            .map(|(tag, vr, value)| DataElement::new(*tag, *vr, value.clone())),
    )
}

/// A sequence of one item, as an element of another item.
pub(crate) fn nested(
    tag: dicom_core::Tag,
    inner: InMemDicomObject,
) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, VR::SQ, DataSetSequence::from(vec![inner]))
}

/// The headers of these instances.
pub(crate) fn series(samples: impl IntoIterator<Item = Sample>) -> Vec<InstanceHeader> {
    samples
        .into_iter()
        .map(|sample| InstanceHeader::read(&sample.file()).unwrap())
        .collect()
}

/// Headers of a series with slices at these z.
pub(crate) fn at_z(z: impl IntoIterator<Item = f64>) -> Vec<InstanceHeader> {
    series(
        (1..)
            .zip(z)
            .map(|(number, z)| Sample::slice(number).at([-100.0, -120.0, z])),
    )
}
