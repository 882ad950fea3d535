//! Small pieces that every object is made of: elements, code sequences, references, numbers and
//! texts that keep to what their value representation allows (PS3.5 §6.2).

use dicom_core::{DataElement, PrimitiveValue, Tag, VR, value::DataSetSequence};
use dicom_dictionary_std::tags;
use dicom_object::{InMemDicomObject, mem::InMemElement};
use jiff::Zoned;

use crate::dicom::{Code, Uid};

/// A data set, or an item of a sequence in one.
pub(super) type Item = InMemDicomObject;

pub(super) fn item(elements: impl IntoIterator<Item = InMemElement>) -> Item {
    Item::from_element_iter(elements)
}

pub(super) fn text(tag: Tag, vr: VR, value: &str) -> InMemElement {
    DataElement::new(tag, vr, value)
}

pub(super) fn uid(tag: Tag, value: &Uid) -> InMemElement {
    DataElement::new(tag, VR::UI, value.as_str())
}

/// Unsigned shorts (VR US).
pub(super) fn shorts(tag: Tag, values: &[u16]) -> InMemElement {
    let values = PrimitiveValue::U16(values.iter().copied().collect());
    DataElement::new(tag, VR::US, values)
}

/// Unsigned longs (VR UL).
pub(super) fn longs(tag: Tag, values: &[u32]) -> InMemElement {
    let values = PrimitiveValue::U32(values.iter().copied().collect());
    DataElement::new(tag, VR::UL, values)
}

pub(super) fn sequence(tag: Tag, items: Vec<Item>) -> InMemElement {
    DataElement::new(tag, VR::SQ, DataSetSequence::from(items))
}

/// A code sequence of one item (PS3.3 §8.8).
pub(super) fn code(tag: Tag, (value, scheme, meaning): (&str, &str, &str)) -> InMemElement {
    let concept = item([
        text(tags::CODE_VALUE, VR::SH, value),
        text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, scheme),
        text(tags::CODE_MEANING, VR::LO, &printable(meaning, LONG_STRING)),
    ]);
    sequence(tag, vec![concept])
}

pub(super) fn parts(code: &Code) -> (&str, &str, &str) {
    (&code.value, &code.scheme, &code.meaning)
}

/// A reference to an instance (PS3.3 §10.8, SOP Instance Reference macro).
pub(super) fn reference(sop_class: &Uid, sop_instance: &Uid) -> Item {
    item([
        uid(tags::REFERENCED_SOP_CLASS_UID, sop_class),
        uid(tags::REFERENCED_SOP_INSTANCE_UID, sop_instance),
    ])
}

/// The longest LO, in characters.
pub(super) const LONG_STRING: usize = 64;
/// The longest ST, in characters.
pub(super) const SHORT_TEXT: usize = 1024;

/// Our own words, cut to `longest` characters of printable ASCII without backslash.
///
/// The object's character set is the source's, so that names can be repeated byte for byte; ASCII
/// means the same in every set the standard allows, save `\` and `~` in Japanese ones (ISO-IR 14).
pub(super) fn printable(words: &str, longest: usize) -> String {
    let allowed = |c: char| (' '..='}').contains(&c) && c != '\\';
    let cut = words.chars().map(|c| if allowed(c) { c } else { '?' });
    cut.take(longest).collect::<String>().trim().to_owned()
}

/// A decimal string (VR DS): at most 16 characters, the shortest that gives `value` back if one of
/// them does.
pub(super) fn decimal(value: f64) -> String {
    let shortest = value.to_string();
    if shortest.len() <= 16 {
        return shortest;
    }
    let rounded = (0..=15).rev().map(|digits| format!("{value:.digits$}"));
    let fitting = rounded.into_iter().find(|text| text.len() <= 16);
    // Without a fraction it may still be too long: then eight digits and an exponent.
    fitting.unwrap_or_else(|| format!("{value:.8e}"))
}

/// A date (VR DA) and a time (VR TM).
pub(super) fn date_and_time(at: &Zoned) -> (String, String) {
    let (date, time) = (at.strftime("%Y%m%d"), at.strftime("%H%M%S"));
    (date.to_string(), time.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_decimal_string_fits_and_says_the_number(value in any::<f64>().prop_filter("a measurable number", |v| v.is_finite())) {
            let text = decimal(value);
            prop_assert!(text.len() <= 16, "{text}");
            let read: f64 = text.parse().unwrap();
            prop_assert!((read - value).abs() <= value.abs() * 1e-8 + 1e-12, "{value} became {text}");
        }
    }

    #[test]
    fn short_numbers_are_written_as_they_are() {
        assert_eq!(decimal(2.5), "2.5");
        assert_eq!(decimal(-0.703_125), "-0.703125");
        assert_eq!(decimal(1.0 / 3.0), "0.33333333333333");
    }

    #[test]
    fn our_words_keep_to_ascii_and_length() {
        assert_eq!(printable("Leber\\Tumör\n", 64), "Leber?Tum?r?");
        assert_eq!(printable(&"long ".repeat(40), LONG_STRING).len(), 64);
    }
}
