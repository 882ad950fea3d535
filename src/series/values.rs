//! Values of elements as Rust values. A value that cannot be read is `None`: what that means is for
//! whoever needs it to say.

#![deny(clippy::indexing_slicing)]

use dicom_encoding::text::{DefaultCharacterSetCodec, SpecificCharacterSet, TextCodec};

use crate::dicom::{Uid, elements::Element};

/// Longer text than any VR here allows (64 characters of up to four bytes) is not looked at.
const MAX_TEXT_BYTES: usize = 1024;

/// The text of an ASCII value representation (CS, DS, IS, UI), without its padding.
pub(crate) fn ascii<'a>(element: &Element<'a>) -> Option<&'a str> {
    let value = element
        .value
        .get(..element.value.len().min(MAX_TEXT_BYTES))?;
    let text = std::str::from_utf8(value).ok()?.trim_matches([' ', '\0']);
    (!text.is_empty()).then_some(text)
}

/// Text in the data set's character set, without its padding and without control characters.
pub(crate) fn text(element: &Element<'_>, character_set: Option<&str>) -> Option<String> {
    let value = element
        .value
        .get(..element.value.len().min(MAX_TEXT_BYTES))?;
    let decoded = character_set
        .and_then(SpecificCharacterSet::from_code)
        .and_then(|codec| codec.decode(value).ok())
        .or_else(|| DefaultCharacterSetCodec.decode(value).ok())?;
    let printable = decoded.replace(char::is_control, " ");
    let text = printable.trim_matches([' ', '\0']);
    (!text.is_empty()).then(|| text.to_owned())
}

pub(crate) fn uid(element: &Element<'_>) -> Option<Uid> {
    Uid::parse(ascii(element)?).ok()
}

/// The values of a multi-valued code string.
pub(crate) fn codes(element: &Element<'_>) -> Vec<String> {
    ascii(element)
        .map(|text| {
            text.split('\\')
                .map(|code| code.trim().to_owned())
                .collect()
        })
        .unwrap_or_default()
}

/// An integer string. Some writers put a decimal point.
pub(crate) fn integer(element: &Element<'_>) -> Option<i32> {
    let text = first(ascii(element)?);
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        let whole = number.fract() == 0.0 && number.abs() < f64::from(i32::MAX);
        whole.then_some(number as i32)
    })
}

/// One decimal string; of several, the first. Never infinite, never NaN.
pub(crate) fn decimal(element: &Element<'_>) -> Option<f64> {
    finite(first(ascii(element)?))
}

/// Exactly `N` decimal strings, all finite.
pub(crate) fn decimals<const N: usize>(element: &Element<'_>) -> Option<[f64; N]> {
    let mut values = [0.0; N];
    let mut texts = ascii(element)?.split('\\');
    for value in &mut values {
        *value = finite(texts.next()?.trim())?;
    }
    texts.next().is_none().then_some(values)
}

fn first(text: &str) -> &str {
    text.split('\\').next().unwrap_or_default().trim()
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}
