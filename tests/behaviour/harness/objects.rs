//! What an auto-pushed study carries beside the series that matters, and what a broken sender makes
//! of a slice.

use std::{
    fs,
    path::{Path, PathBuf},
};

use dicom_core::{DataElement, PrimitiveValue, Tag, VR, value::Value};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{DefaultDicomObject, FileMetaTableBuilder, InMemDicomObject};

/// Rewrites one file of a series.
pub fn edit(file: &Path, change: impl FnOnce(&mut DefaultDicomObject)) {
    let mut object = dicom_object::open_file(file).unwrap();
    change(&mut object);
    object.write_to_file(file).unwrap();
}

/// A text element.
pub fn text(tag: Tag, vr: VR, value: &str) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, vr, Value::from(PrimitiveValue::from(value)))
}

/// Writes an object of any storage class without pixels, in a series of its own.
pub fn write(directory: &Path, sop_class: &str, modality: &str, number: u32) -> Other {
    let series = format!("2.25.77{number}");
    let sop_instance = format!("{series}.1");
    let object = InMemDicomObject::from_element_iter([
        text(tags::SOP_CLASS_UID, VR::UI, sop_class),
        text(tags::SOP_INSTANCE_UID, VR::UI, &sop_instance),
        text(tags::STUDY_INSTANCE_UID, VR::UI, "2.25.77"),
        text(tags::SERIES_INSTANCE_UID, VR::UI, &series),
        text(tags::MODALITY, VR::CS, modality),
    ]);
    let file = directory.join(format!("{sop_instance}.dcm"));
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
        .media_storage_sop_class_uid(sop_class)
        .media_storage_sop_instance_uid(&sop_instance);
    let object = object.with_meta(meta).unwrap();
    fs::create_dir_all(directory).unwrap();
    object.write_to_file(&file).unwrap();
    Other { series, file }
}

/// An object that is no slice of CT.
pub struct Other {
    pub series: String,
    pub file: PathBuf,
}
