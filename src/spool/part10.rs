//! The bytes around a received data set that make it a DICOM file (PS3.10 §7.1).
//!
//! The data set itself is stored exactly as it came. The file meta information in front of it is
//! ours, and it carries what the journal would otherwise be the only one to know: who sent the
//! instance, and a checksum by which a damaged file is recognised years later.

use std::net::IpAddr;

use dicom_dictionary_std::tags;
use dicom_object::FileMetaTableBuilder;
use serde::{Deserialize, Serialize};

use super::{Incoming, Source};
use crate::dicom::{AeTitle, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, Uid};

/// Says that PrivateInformation (0002,0102) is a [`Private`] in JSON. Drawn once under 2.25.
const PRIVATE_INFORMATION_CREATOR: &str = "2.25.48113967315263207826640917366471905213";

const PREAMBLE: usize = 128;

/// Where the first element after the group length begins.
const META: usize = PREAMBLE + 4 + 12;

/// Ours are under 1 KiB. A damaged length must not make us read pixel data as meta information.
const LONGEST_META: usize = 64 * 1024;

/// What PrivateInformation holds.
#[derive(Debug, Deserialize, Serialize)]
struct Private {
    peer: IpAddr,
    association: u64,
    data_set_bytes: u64,
    data_set_crc32: u32,
}

/// Why a file in the spool is not what was written there.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum DamageError {
    #[error("the file is {0} bytes long and has no DICOM preamble and file meta information")]
    NotDicom(usize),
    #[error("the file meta information breaks off or contradicts itself at byte {0}")]
    Meta(usize),
    #[error("the file meta information does not say who sent this; another program wrote the file")]
    Foreign,
    #[error("{expected} bytes of data set were received, the file has {found}")]
    Length { expected: u64, found: u64 },
    #[error("the data set's bytes changed after they were written (bad storage?)")]
    Checksum,
}

/// Preamble and file meta information of `incoming`.
pub(super) fn head(incoming: &Incoming, source: &Source) -> Vec<u8> {
    let mut crc = crc32fast::Hasher::new();
    for part in &incoming.data_set {
        crc.update(part);
    }
    let private = Private {
        peer: source.peer,
        association: source.association,
        data_set_bytes: incoming.data_set_bytes(),
        data_set_crc32: crc.finalize(),
    };
    let mut private = serde_json::to_vec(&private).expect("numbers and an address are JSON");
    if private.len() % 2 == 1 {
        private.push(b' ');
    }
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(incoming.sop_class.as_str())
        .media_storage_sop_instance_uid(incoming.sop_instance.as_str())
        .transfer_syntax(incoming.transfer_syntax.as_str())
        .implementation_class_uid(IMPLEMENTATION_CLASS_UID)
        .implementation_version_name(IMPLEMENTATION_VERSION_NAME)
        .source_application_entity_title(source.calling_ae.as_str())
        .sending_application_entity_title(source.calling_ae.as_str())
        .receiving_application_entity_title(source.called_ae.as_str())
        .private_information_creator_uid(PRIVATE_INFORMATION_CREATOR)
        .private_information(private)
        .build()
        .expect("the transfer syntax, the only thing that is checked, is given");
    let mut head = vec![0; PREAMBLE];
    head.extend_from_slice(b"DICM");
    meta.write(&mut head).expect("a vector takes any bytes");
    head
}

/// Whether `file` holds the same data set in the same transfer syntax, whoever sent it.
pub(super) fn holds(file: &[u8], incoming: &Incoming) -> bool {
    let Ok(parts) = Parts::of(file) else {
        return false;
    };
    if parts.text(tags::TRANSFER_SYNTAX_UID) != Some(incoming.transfer_syntax.as_str()) {
        return false;
    }
    let mut rest = parts.data_set;
    incoming.data_set.iter().all(|part| {
        rest.strip_prefix(&part[..])
            .map(|after| rest = after)
            .is_some()
    }) && rest.is_empty()
}

/// The data set in `file`; all of it where damage hides where the data set begins.
pub(super) fn data_set(file: &[u8]) -> &[u8] {
    Parts::of(file).map_or(file, |parts| parts.data_set)
}

/// Who sent the instance whose file this is.
pub fn read_source(file: &[u8]) -> Result<Source, DamageError> {
    let parts = Parts::of(file)?;
    let private = parts.private()?;
    let title = |tag| {
        let text = parts.text(tag).ok_or(DamageError::Foreign)?;
        AeTitle::parse(text).map_err(|_| DamageError::Foreign)
    };
    Ok(Source {
        calling_ae: title(tags::SOURCE_APPLICATION_ENTITY_TITLE)?,
        called_ae: title(tags::RECEIVING_APPLICATION_ENTITY_TITLE)?,
        peer: private.peer,
        association: private.association,
    })
}

/// The SOP class under which the instance in `file` was sent.
pub fn read_sop_class(file: &[u8]) -> Result<Uid, DamageError> {
    let parts = Parts::of(file)?;
    let text = parts.text(tags::MEDIA_STORAGE_SOP_CLASS_UID);
    let text = text.ok_or(DamageError::Foreign)?;
    Uid::parse(text).map_err(|_| DamageError::Foreign)
}

/// Whether the data set in `file` is the one that was received.
pub fn check_intact(file: &[u8]) -> Result<(), DamageError> {
    let parts = Parts::of(file)?;
    let private = parts.private()?;
    let found = parts.data_set.len() as u64;
    if found != private.data_set_bytes {
        let expected = private.data_set_bytes;
        return Err(DamageError::Length { expected, found });
    }
    if crc32fast::hash(parts.data_set) != private.data_set_crc32 {
        return Err(DamageError::Checksum);
    }
    Ok(())
}

/// A file taken apart without copying.
///
/// Not `dicom_object::FileMetaTable`, whose reader reserves whatever a damaged length says before
/// it notices that the file is shorter.
struct Parts<'a> {
    elements: Vec<(dicom_core::Tag, &'a [u8])>,
    data_set: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(file: &'a [u8]) -> Result<Self, DamageError> {
        let not_dicom = DamageError::NotDicom(file.len());
        if file.get(PREAMBLE..PREAMBLE + 4) != Some(b"DICM") {
            return Err(not_dicom);
        }
        let length = match file.get(PREAMBLE + 4..META) {
            Some([2, 0, 0, 0, b'U', b'L', 4, 0, length @ ..]) => u32_of(length),
            _ => None,
        };
        let length = length.ok_or(not_dicom)? as usize;
        if length > LONGEST_META {
            return Err(DamageError::Meta(PREAMBLE + 4));
        }
        let (mut rest, data_set) = file
            .get(META..)
            .and_then(|after| after.split_at_checked(length))
            .ok_or(DamageError::Meta(file.len()))?;
        let mut elements = Vec::new();
        while !rest.is_empty() {
            let at = META + length - rest.len();
            let (tag, value, after) = element(rest).ok_or(DamageError::Meta(at))?;
            elements.push((tag, value));
            rest = after;
        }
        Ok(Self { elements, data_set })
    }

    fn value(&self, tag: dicom_core::Tag) -> Option<&'a [u8]> {
        let found = self.elements.iter().find(|(at, _)| *at == tag);
        found.map(|(_, value)| *value)
    }

    fn text(&self, tag: dicom_core::Tag) -> Option<&'a str> {
        let text = std::str::from_utf8(self.value(tag)?).ok()?;
        Some(text.trim_end_matches(['\0', ' ']))
    }

    fn private(&self) -> Result<Private, DamageError> {
        if self.text(tags::PRIVATE_INFORMATION_CREATOR_UID) != Some(PRIVATE_INFORMATION_CREATOR) {
            return Err(DamageError::Foreign);
        }
        let json = self.value(tags::PRIVATE_INFORMATION).unwrap_or_default();
        serde_json::from_slice(json).map_err(|_| DamageError::Foreign)
    }
}

/// The first element of explicit VR little endian `bytes`, and what follows it (PS3.5 §7.1.2).
fn element(bytes: &[u8]) -> Option<(dicom_core::Tag, &[u8], &[u8])> {
    let (header, rest) = bytes.split_at_checked(8)?;
    let &[g0, g1, e0, e1, v0, v1, l0, l1] = header else {
        return None;
    };
    let tag = dicom_core::Tag(u16::from_le_bytes([g0, g1]), u16::from_le_bytes([e0, e1]));
    let (length, rest) = match &[v0, v1] {
        b"OB" | b"OW" | b"UN" | b"UT" | b"UR" | b"UC" => {
            let (length, rest) = rest.split_at_checked(4)?;
            (u32_of(length)? as usize, rest)
        }
        _ => (usize::from(u16::from_le_bytes([l0, l1])), rest),
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((tag, value, rest))
}

fn u32_of(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        dicom::Uid,
        spool::tests::{instance, scanner},
    };

    fn file(data: &'static [u8]) -> Vec<u8> {
        let incoming = instance("1.2.3", data);
        let mut file = head(&incoming, &scanner(7));
        file.extend_from_slice(data);
        file
    }

    #[test]
    fn the_file_says_who_sent_it_and_another_reader_understands_it() {
        let file = file(b"data set");
        assert_eq!(read_source(&file), Ok(scanner(7)));
        assert_eq!(check_intact(&file), Ok(()));

        let meta = dicom_object::FileMetaTable::from_reader(file.get(PREAMBLE..).unwrap()).unwrap();
        assert_eq!(meta.media_storage_sop_instance_uid(), "1.2.3");
        assert_eq!(meta.source_application_entity_title(), Some("CT1"));
        assert_eq!(meta.receiving_application_entity_title(), Some("HEPAR"));
        assert_eq!(meta.implementation_class_uid(), IMPLEMENTATION_CLASS_UID);
    }

    #[test]
    fn the_private_creator_is_a_uid() {
        Uid::parse(PRIVATE_INFORMATION_CREATOR).unwrap();
    }

    #[test]
    fn the_same_data_set_is_recognised_however_it_was_cut_and_whoever_sent_it() {
        let mut again = instance("1.2.3", b"data ");
        again.data_set.push("set".into());
        assert!(holds(&file(b"data set"), &again));
        assert!(!holds(&file(b"data sets"), &again));
        assert!(!holds(&file(b"data se"), &again));
        again.transfer_syntax = Uid::parse("1.2.840.10008.1.2").unwrap();
        assert!(!holds(&file(b"data set"), &again));
    }

    #[test]
    fn a_changed_or_shortened_file_is_damaged() {
        let mut changed = file(b"data set");
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(check_intact(&changed), Err(DamageError::Checksum));
        let whole = file(b"data set");
        for length in 0..whole.len() {
            assert!(
                check_intact(whole.get(..length).unwrap()).is_err(),
                "{length} bytes"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_panic(at in 0usize..600, byte: u8, cut in 0usize..600) {
            let mut damaged = file(b"data set");
            if let Some(there) = damaged.get_mut(at) {
                *there = byte;
            }
            damaged.truncate(cut);
            let _ = read_source(&damaged);
            let _ = check_intact(&damaged);
        }
    }
}
