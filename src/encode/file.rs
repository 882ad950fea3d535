//! A data set as a Part 10 file in Explicit VR Little Endian.

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use dicom_object::FileMetaTableBuilder;

use super::{
    EncodeError,
    elements::{Item, text},
};
use crate::dicom::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, Uid};

/// The file without pixel data. The SOP Common identifiers are put into the data set here, so that
/// they cannot differ from the file meta information.
pub(super) fn encode(
    sop_class: &str,
    sop_instance: &Uid,
    mut data_set: Item,
) -> Result<Vec<u8>, EncodeError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| EncodeError::Write(source);
    data_set.put(text(tags::SOP_CLASS_UID, VR::UI, sop_class));
    data_set.put(text(tags::SOP_INSTANCE_UID, VR::UI, sop_instance.as_str()));
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
        .media_storage_sop_class_uid(sop_class)
        .media_storage_sop_instance_uid(sop_instance.as_str())
        .implementation_class_uid(IMPLEMENTATION_CLASS_UID)
        .implementation_version_name(IMPLEMENTATION_VERSION_NAME)
        .build()
        .map_err(|error| failed(Box::new(error)))?;
    let mut bytes = Vec::new();
    data_set
        .with_exact_meta(meta)
        .write_all(&mut bytes)
        .map_err(|error| failed(Box::new(error)))?;
    Ok(bytes)
}

/// A SOP class of the dictionary.
pub(super) fn class(uid: &str) -> Uid {
    Uid::parse(uid).expect("the dictionary's UIDs are well formed")
}

/// The file with room for `length` zeroed bytes of pixel data behind it, and where they begin. One
/// allocation: a mask of 300 slices is 20 MB and is packed where it will be sent from.
pub(super) fn with_pixel_data(file: &[u8], length: u32) -> (Vec<u8>, usize) {
    let tag = tags::PIXEL_DATA;
    let mut header = [0; 12];
    header[0..2].copy_from_slice(&tag.group().to_le_bytes());
    header[2..4].copy_from_slice(&tag.element().to_le_bytes());
    header[4..6].copy_from_slice(b"OB");
    header[8..12].copy_from_slice(&length.to_le_bytes());

    let begin = file.len() + header.len();
    let mut whole = vec![0; begin + length as usize];
    whole[..file.len()].copy_from_slice(file);
    whole[file.len()..begin].copy_from_slice(&header);
    (whole, begin)
}
