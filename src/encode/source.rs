//! What a result repeats of the images it was made from: who the patient is, which study it belongs
//! to, which scanner made them.
//!
//! A name re-spelled on the way through us is another patient to the PACS. Values are therefore
//! copied as the bytes that were sent, undecoded, together with the SpecificCharacterSet that
//! explains them; combinations of character sets that no decoder here knows survive too. Inside
//! the program such bytes travel as text with one character a byte (ISO-IR 100); dicom-rs writes
//! text that way as long as it is not told of another character set.

#![deny(clippy::indexing_slicing)]

use dicom_core::{DataElement, PrimitiveValue, Tag, VR, dictionary::DataDictionary};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_object::mem::InMemElement;

use super::{
    EncodeError,
    elements::{Item, sequence, text, uid},
    modules::{COPIED, NEVER_ABSENT},
};
use crate::{
    dicom::{
        Uid,
        elements::{Element, ElementError, Elements},
    },
    series::part10::Part10,
};

/// The attributes of one source instance that results repeat or look up, values as sent.
pub(super) struct Source {
    attributes: Item,
}

impl Source {
    /// Reads a Part 10 file up to its pixel description.
    pub(super) fn read(file: &[u8]) -> Result<Self, EncodeError> {
        let part10 = Part10::parse(file).map_err(EncodeError::Template)?;
        let attributes = item(part10.elements(), 0).map_err(EncodeError::TemplateDataSet)?;
        Ok(Self { attributes })
    }

    /// The value of a text attribute, or `None` where it is absent or empty.
    pub(super) fn text(&self, tag: Tag) -> Option<String> {
        let value = self.attributes.get(tag)?.to_str().ok()?;
        let value = value.trim_matches([' ', '\0']);
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// Puts those of `tags` that the source has into `object`, as sent.
    pub(super) fn copy(&self, tags: &[Tag], object: &mut Item) {
        for element in tags.iter().filter_map(|tag| self.attributes.get(*tag)) {
            object.put(element.clone());
        }
    }

    /// The Patient, Clinical Trial Subject, General Study, Patient Study and Clinical Trial Study
    /// modules, and the character set they are written in. What the standard wants present
    /// although empty (type 2) is there even if the source left it out; `study` is the study that
    /// the source was filed under, which some sources leave empty.
    pub(super) fn copy_patient_and_study(&self, study: &Uid, object: &mut Item) {
        for (tag, vr) in NEVER_ABSENT {
            object.put(text(tag, vr, ""));
        }
        self.copy(&COPIED, object);
        object.put(uid(tags::STUDY_INSTANCE_UID, study));
    }
}

/// What fits the length field of every VR in explicit form. A longer value can only be sent in
/// implicit VR, and says nothing about a patient that the standard knows.
const LONGEST_VALUE: usize = 0xFFFE;
/// Deeper sequences say nothing about a patient.
const DEEPEST: usize = 8;
/// No attribute that is copied or looked up comes later.
const LAST: Tag = tags::REASON_FOR_PERFORMED_PROCEDURE_CODE_SEQUENCE;

fn item(elements: Elements<'_>, depth: usize) -> Result<Item, ElementError> {
    let mut item = Item::new_empty();
    for element in elements {
        let element = element?;
        if depth == 0 && element.tag > LAST {
            break;
        }
        if let Some(copy) = as_sent(&element, depth)? {
            item.put(copy);
        }
    }
    Ok(item)
}

/// `None` for what is never copied: private elements, group lengths, and binary values (of the
/// copied attributes only PregnancyStatus), whose byte order would have to be turned.
fn as_sent(element: &Element<'_>, depth: usize) -> Result<Option<InMemElement>, ElementError> {
    let Some(vr) = value_representation(element) else {
        return Ok(None);
    };
    let value = element.value;
    if vr != VR::SQ && value.len() > LONGEST_VALUE {
        return Ok(None);
    }
    let copy = if vr == VR::SQ {
        if depth == DEEPEST {
            return Ok(None);
        }
        let items = element.items().map(|inner| item(inner, depth + 1));
        sequence(element.tag, items.collect::<Result<_, _>>()?)
    } else if element.tag == tags::SPECIFIC_CHARACTER_SET {
        if value.trim_ascii().is_empty() {
            return Ok(None);
        }
        // As bytes: dicom-rs takes text here as the order to write in that character set, and
        // every value after it would be encoded twice.
        let padding = (value.len() % 2 == 1).then_some(b' ');
        let names = value.iter().copied().chain(padding).collect();
        DataElement::new(element.tag, vr, PrimitiveValue::U8(names))
    } else if is_text(vr) {
        let characters: String = value.iter().copied().map(char::from).collect();
        text(element.tag, vr, &characters)
    } else {
        return Ok(None);
    };
    Ok(Some(copy))
}

/// As written, or as the dictionary knows it where the sender used implicit VR or did not know.
fn value_representation(element: &Element<'_>) -> Option<VR> {
    if element.tag.group() % 2 == 1 || element.tag.element() == 0 {
        return None;
    }
    let written = element.vr.and_then(VR::from_binary);
    match written {
        Some(vr) if vr != VR::UN => Some(vr),
        _ => StandardDataDictionary
            .by_tag(element.tag)
            .map(|entry| entry.vr.relaxed()),
    }
}

fn is_text(vr: VR) -> bool {
    use VR::{AE, AS, CS, DA, DS, DT, IS, LO, LT, PN, SH, ST, TM, UC, UI, UR, UT};
    matches!(
        vr,
        AE | AS | CS | DA | DS | DT | IS | LO | LT | PN | SH | ST | TM | UC | UI | UR | UT
    )
}

#[cfg(test)]
mod tests {
    use dicom_dictionary_std::uids;

    use super::*;
    use crate::{encode::file, series::sample::Sample};

    /// A result that repeats what `file` says, as a file again.
    fn repeated(file: &[u8]) -> Result<Vec<u8>, EncodeError> {
        let mut object = Item::new_empty();
        let study = Uid::parse("1.2.3").unwrap();
        Source::read(file)?.copy_patient_and_study(&study, &mut object);
        let instance = Uid::derived("test", &[]);
        file::encode(uids::SEGMENTATION_STORAGE, &instance, object)
    }

    #[test]
    fn names_are_repeated_byte_for_byte_in_character_sets_nobody_here_decodes() {
        let name = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7";
        let bytes = |bytes: &[u8]| PrimitiveValue::U8(bytes.into());
        let sample = Sample::slice(1)
            .with(
                tags::SPECIFIC_CHARACTER_SET,
                VR::CS,
                bytes(b"\\ISO 2022 IR 149"),
            )
            .with(tags::PATIENT_NAME, VR::PN, bytes(name));
        let copy = repeated(&sample.file()).unwrap();
        let has = |part: &[u8]| copy.windows(part.len()).any(|window| window == part);
        assert!(has(name));
        assert!(has(b"\\ISO 2022 IR 149"));
    }

    #[test]
    fn a_value_too_long_for_its_length_field_is_left_out() {
        let mut sample = Sample::slice(1).with(tags::PATIENT_ID, VR::LO, "A".repeat(70_000));
        sample.transfer_syntax = uids::IMPLICIT_VR_LITTLE_ENDIAN;
        let copy = Source::read(&repeated(&sample.file()).unwrap()).unwrap();
        assert_eq!(copy.text(tags::PATIENT_ID), None);
        assert_eq!(
            copy.text(tags::STUDY_INSTANCE_UID).as_deref(),
            Some("1.2.3")
        );
    }

    #[test]
    fn no_cut_and_no_flipped_byte_panics() {
        let file = Sample::slice(1)
            .with(tags::PATIENT_NAME, VR::PN, "A^B")
            .file();
        for length in 0..file.len() {
            let _ = repeated(&file[..length]);
        }
        for at in 0..file.len() {
            for bits in [0x01, 0x80, 0xFF] {
                let mut damaged = file.clone();
                damaged[at] ^= bits;
                let _ = repeated(&damaged);
            }
        }
    }
}
