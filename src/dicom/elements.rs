//! A data set as a walk over borrowed bytes.
//!
//! The bytes come from a peer. A value is never copied and never allocated for, so a data set that
//! announces four gigabytes costs nothing: every length is compared with the bytes that are there.
//! (dicom-object reads owned values and reserves what a length field says, which is right for files
//! one trusts.) Nesting is bounded, because a delimiter can only be found by descending.

#![deny(clippy::indexing_slicing)]

use dicom_core::Tag;
use dicom_dictionary_std::tags;

/// How the elements of a data set are written. PS3.5 §7.1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Encoding {
    ImplicitLittle,
    ExplicitLittle,
    ExplicitBig,
}

/// Sequences nested deeper than this are refused; enhanced CT needs four levels.
const MAX_DEPTH: usize = 16;

const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_DELIMITATION: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_DELIMITATION: Tag = Tag(0xFFFE, 0xE0DD);
const UNDEFINED: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ElementError {
    #[error("the data set ends inside element {0}")]
    Truncated(Tag),
    #[error("element {0} is not followed by its delimiter")]
    Undelimited(Tag),
    #[error("sequences are nested more than {MAX_DEPTH} deep at element {0}")]
    TooDeep(Tag),
}

/// One element; `value` is the whole value field, without the delimiter where the length is
/// undefined.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) tag: Tag,
    /// `None` under implicit VR.
    pub(crate) vr: Option<[u8; 2]>,
    /// The length field says "until the delimiter": a sequence, or fragments of pixel data.
    pub(crate) delimited: bool,
    pub(crate) value: &'a [u8],
    encoding: Encoding,
}

/// The elements of one level, in the order of the bytes. Stops after the pixel data, whose value is
/// everything that is left where its length is undefined or too long; stops after an error.
#[derive(Clone, Debug)]
pub(crate) struct Elements<'a> {
    rest: &'a [u8],
    encoding: Encoding,
    depth: usize,
}

impl<'a> Elements<'a> {
    pub(crate) fn new(data_set: &'a [u8], encoding: Encoding) -> Self {
        Self {
            rest: data_set,
            encoding,
            depth: 0,
        }
    }

    /// The bytes that are not walked yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads tag, VR and length.
    fn header(&mut self) -> Result<(Tag, Option<[u8; 2]>, u32), ElementError> {
        let unfinished = ElementError::Truncated(peek_tag(self.rest, self.encoding));
        let tag = take_tag(&mut self.rest, self.encoding).ok_or(unfinished)?;
        self.vr_and_length(tag)
            .map(|(vr, length)| (tag, vr, length))
            .ok_or(unfinished)
    }

    fn vr_and_length(&mut self, tag: Tag) -> Option<(Option<[u8; 2]>, u32)> {
        let (rest, encoding) = (&mut self.rest, self.encoding);
        // Items and delimiters have no VR in any encoding (PS3.5 §7.5).
        if encoding == Encoding::ImplicitLittle || tag.group() == 0xFFFE {
            return Some((None, take_u32(rest, encoding)?));
        }
        let vr = take::<2>(rest)?;
        let length = if has_long_length(vr) {
            take::<2>(rest)?;
            take_u32(rest, encoding)?
        } else {
            u32::from(take_u16(rest, encoding)?)
        };
        Some((Some(vr), length))
    }

    fn element(&mut self) -> Result<Element<'a>, ElementError> {
        let (tag, vr, length) = self.header()?;
        let encoding = nested_encoding(self.encoding, vr);
        let delimited = length == UNDEFINED;
        let value = if tag == tags::PIXEL_DATA && self.depth == 0 {
            let announced = if delimited {
                usize::MAX
            } else {
                length as usize
            };
            let value = self.rest.get(..announced).unwrap_or(self.rest);
            self.rest = &[];
            value
        } else if delimited {
            let value = until_delimiter(self.rest, tag, encoding, self.depth)?;
            self.rest = self.rest.get(value.len() + 8..).unwrap_or_default();
            value
        } else {
            split(&mut self.rest, length as usize).ok_or(ElementError::Truncated(tag))?
        };
        Ok(Element {
            tag,
            vr,
            delimited,
            value,
            encoding,
        })
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, ElementError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let element = self.element();
        if element.is_err() {
            self.rest = &[];
        }
        Some(element)
    }
}

impl<'a> Element<'a> {
    /// The items of a sequence, each as its own walk. An item that is cut short ends the iteration.
    pub(crate) fn items(&self) -> impl Iterator<Item = Elements<'a>> + use<'a> {
        let encoding = self.encoding;
        raw_items(self.value, encoding).map(move |item| Elements {
            rest: item.value,
            encoding,
            depth: 1,
        })
    }

    /// The items of encapsulated pixel data: the basic offset table, then the fragments
    /// (PS3.5 §A.4). Ends at the delimiter; the last one says whether it is cut short.
    pub(crate) fn fragments(&self) -> impl Iterator<Item = RawItem<'a>> + use<'a> {
        raw_items(self.value, self.encoding)
    }

    /// The value as unsigned 16-bit number; of several, the first.
    pub(crate) fn u16(&self) -> Option<u16> {
        take_u16(&mut { self.value }, self.encoding)
    }

    /// The value as unsigned 32-bit number; of several, the first.
    pub(crate) fn u32(&self) -> Option<u32> {
        take_u32(&mut { self.value }, self.encoding)
    }
}

/// One item of a sequence or of pixel data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawItem<'a> {
    pub(crate) value: &'a [u8],
    /// The item announced more bytes than there are.
    pub(crate) truncated: bool,
    /// How many bytes it announced, if it did.
    pub(crate) announced: usize,
}

fn raw_items(value: &[u8], encoding: Encoding) -> impl Iterator<Item = RawItem<'_>> + use<'_> {
    let mut rest = value;
    std::iter::from_fn(move || {
        let tag = take_tag(&mut rest, encoding)?;
        let length = take_u32(&mut rest, encoding)?;
        if tag != ITEM {
            rest = &[];
            return None;
        }
        if length == UNDEFINED {
            let value = until_delimiter(rest, tag, encoding, 0).ok();
            let truncated = value.is_none();
            let value = value.unwrap_or(rest);
            rest = rest.get(value.len() + 8..).unwrap_or_default();
            let announced = value.len();
            return Some(RawItem {
                value,
                truncated,
                announced,
            });
        }
        let value = split(&mut rest, length as usize);
        let truncated = value.is_none();
        let value = value.unwrap_or_else(|| std::mem::take(&mut rest));
        Some(RawItem {
            value,
            truncated,
            announced: length as usize,
        })
    })
}

/// What lies before the delimiter that ends `tag`: a sequence delimiter, or an item delimiter if
/// `tag` is an item.
fn until_delimiter(
    bytes: &[u8],
    tag: Tag,
    encoding: Encoding,
    depth: usize,
) -> Result<&[u8], ElementError> {
    if depth >= MAX_DEPTH {
        return Err(ElementError::TooDeep(tag));
    }
    let end = if tag == ITEM {
        ITEM_DELIMITATION
    } else {
        SEQUENCE_DELIMITATION
    };
    let mut walk = Elements {
        rest: bytes,
        encoding,
        depth: depth + 1,
    };
    loop {
        let before = walk.rest;
        if before.is_empty() {
            return Err(ElementError::Undelimited(tag));
        }
        let (inner, vr, length) = walk.header()?;
        if inner == end {
            let length = bytes.len() - before.len();
            return bytes.get(..length).ok_or(ElementError::Undelimited(tag));
        }
        if length == UNDEFINED {
            let inner_encoding = nested_encoding(encoding, vr);
            let value = until_delimiter(walk.rest, inner, inner_encoding, depth + 1)?;
            walk.rest = walk.rest.get(value.len() + 8..).unwrap_or_default();
        } else {
            split(&mut walk.rest, length as usize).ok_or(ElementError::Truncated(inner))?;
        }
    }
}

/// VRs whose length field has 32 bits after two reserved bytes. PS3.5 §7.1.2.
fn has_long_length(vr: [u8; 2]) -> bool {
    matches!(
        &vr,
        b"OB"
            | b"OD"
            | b"OF"
            | b"OL"
            | b"OV"
            | b"OW"
            | b"SQ"
            | b"SV"
            | b"UC"
            | b"UN"
            | b"UR"
            | b"UT"
            | b"UV"
    )
}

/// A sequence whose VR the writer did not know is written in implicit VR (PS3.5 §6.2.2, note 2).
fn nested_encoding(outer: Encoding, vr: Option<[u8; 2]>) -> Encoding {
    if vr == Some(*b"UN") {
        Encoding::ImplicitLittle
    } else {
        outer
    }
}

fn peek_tag(bytes: &[u8], encoding: Encoding) -> Tag {
    take_tag(&mut { bytes }, encoding).unwrap_or(Tag(0, 0))
}

fn take_tag(rest: &mut &[u8], encoding: Encoding) -> Option<Tag> {
    Some(Tag(take_u16(rest, encoding)?, take_u16(rest, encoding)?))
}

fn take_u16(rest: &mut &[u8], encoding: Encoding) -> Option<u16> {
    take::<2>(rest).map(|bytes| match encoding {
        Encoding::ExplicitBig => u16::from_be_bytes(bytes),
        _ => u16::from_le_bytes(bytes),
    })
}

fn take_u32(rest: &mut &[u8], encoding: Encoding) -> Option<u32> {
    take::<4>(rest).map(|bytes| match encoding {
        Encoding::ExplicitBig => u32::from_be_bytes(bytes),
        _ => u32::from_le_bytes(bytes),
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn split<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: Tag, vr: [u8; 2], length: u32, value: &[u8]) -> Vec<u8> {
        let mut bytes = [tag.group().to_le_bytes(), tag.element().to_le_bytes()].concat();
        bytes.extend(vr);
        if has_long_length(vr) {
            bytes.extend([0, 0]);
            bytes.extend(length.to_le_bytes());
        } else {
            bytes.extend((length as u16).to_le_bytes());
        }
        bytes.extend(value);
        bytes
    }

    fn delimiter(tag: Tag) -> Vec<u8> {
        let [group, element] = [tag.group().to_le_bytes(), tag.element().to_le_bytes()];
        [group, element, [0; 2], [0; 2]].concat()
    }

    fn errors(bytes: &[u8]) -> Vec<ElementError> {
        Elements::new(bytes, Encoding::ExplicitLittle)
            .filter_map(Result::err)
            .collect()
    }

    #[test]
    fn a_length_beyond_the_bytes_is_an_error_and_costs_nothing() {
        let bytes = element(tags::ICC_PROFILE, *b"OB", u32::MAX - 1, &[1, 2]);
        assert_eq!(errors(&bytes), [ElementError::Truncated(tags::ICC_PROFILE)]);
    }

    #[test]
    fn a_sequence_without_its_delimiter_is_an_error() {
        let bytes = element(tags::SOURCE_IMAGE_SEQUENCE, *b"SQ", UNDEFINED, &[]);
        assert_eq!(
            errors(&bytes),
            [ElementError::Undelimited(tags::SOURCE_IMAGE_SEQUENCE)]
        );
    }

    #[test]
    fn nesting_is_bounded() {
        let nest = |depth: usize| {
            let sequence = element(tags::SOURCE_IMAGE_SEQUENCE, *b"SQ", UNDEFINED, &[]);
            let mut item = delimiter(ITEM);
            item.splice(4.., UNDEFINED.to_le_bytes());
            let mut bytes = [sequence, item].concat().repeat(depth);
            let ends = [
                delimiter(ITEM_DELIMITATION),
                delimiter(SEQUENCE_DELIMITATION),
            ]
            .concat();
            bytes.extend(ends.repeat(depth));
            bytes
        };
        assert_eq!(errors(&nest(4)), []);
        assert!(matches!(
            errors(&nest(100_000)).as_slice(),
            [ElementError::TooDeep(_)]
        ));
    }

    #[test]
    fn a_sequence_of_unknown_representation_is_read_as_implicit() {
        // Inside: an item with (0008,1150) in implicit VR.
        let mut implicit = vec![0x08, 0x00, 0x50, 0x11, 4, 0, 0, 0];
        implicit.extend(b"1.2\0");
        let mut item = delimiter(ITEM);
        item.splice(4.., (implicit.len() as u32).to_le_bytes());
        let value = [item, implicit, delimiter(SEQUENCE_DELIMITATION)].concat();
        let bytes = element(tags::SOURCE_IMAGE_SEQUENCE, *b"UN", UNDEFINED, &value);
        let sequence = Elements::new(&bytes, Encoding::ExplicitLittle)
            .next()
            .unwrap()
            .unwrap();
        let inner: Vec<_> = sequence.items().flatten().map(Result::unwrap).collect();
        let [reference] = inner.as_slice() else {
            panic!("{inner:?}");
        };
        assert_eq!(reference.tag, tags::REFERENCED_SOP_CLASS_UID);
        assert_eq!(reference.value, b"1.2\0");
    }
}
