//! A Part 10 file taken apart: what its meta information says, and the bytes of its data set.
//!
//! The file meta information is the spool's own writing and is trusted no further than the rest: a
//! file can be damaged, and `segment` reads files from anywhere.

#![deny(clippy::indexing_slicing)]

use std::{borrow::Cow, io::Read};

use dicom_dictionary_std::{tags, uids};
use flate2::read::DeflateDecoder;

use crate::dicom::{
    Remedy, Uid,
    elements::{ElementError, Elements, Encoding},
    transfer_syntax,
};

/// A file's parts, borrowed from its bytes except where the data set had to be inflated.
#[derive(Debug)]
pub(crate) struct Part10<'a> {
    pub(crate) transfer_syntax: Uid,
    pub(crate) sop_class: Option<Uid>,
    pub(crate) sop_instance: Option<Uid>,
    pub(crate) encoding: Encoding,
    pub(crate) data_set: Cow<'a, [u8]>,
}

#[derive(Debug, thiserror::Error)]
pub enum Part10Error {
    #[error("not a DICOM file: the prefix \"DICM\" is missing")]
    NotPart10,
    #[error("the file meta information cannot be read")]
    Meta(#[source] ElementError),
    #[error("the file meta information names no transfer syntax")]
    NoTransferSyntax,
    #[error("the deflated data set cannot be inflated")]
    Inflate(#[source] std::io::Error),
    #[error("the deflated data set is larger than {} MiB", MAX_INFLATED >> 20)]
    InflatesTooFar,
}

impl Part10Error {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Resend
    }
}

/// An enhanced CT of 2000 frames of 512 x 512 x 2 bytes inflates to this much.
const MAX_INFLATED: u64 = 1 << 30;

const PREAMBLE: usize = 128;

impl<'a> Part10<'a> {
    pub(crate) fn parse(file: &'a [u8]) -> Result<Self, Part10Error> {
        let after_preamble = file.get(PREAMBLE..).ok_or(Part10Error::NotPart10)?;
        let body = after_preamble
            .strip_prefix(b"DICM")
            .ok_or(Part10Error::NotPart10)?;

        let (mut transfer_syntax, mut sop_class, mut sop_instance) = (None, None, None);
        let mut meta = Elements::new(body, Encoding::ExplicitLittle);
        let mut data_set = body;
        while peeked_group(data_set) == Some(0x0002) {
            let Some(element) = meta.next().transpose().map_err(Part10Error::Meta)? else {
                break;
            };
            data_set = meta.rest();
            let uid = || {
                std::str::from_utf8(element.value)
                    .ok()
                    .and_then(|text| Uid::parse(text).ok())
            };
            match element.tag {
                tags::TRANSFER_SYNTAX_UID => transfer_syntax = uid(),
                tags::MEDIA_STORAGE_SOP_CLASS_UID => sop_class = uid(),
                tags::MEDIA_STORAGE_SOP_INSTANCE_UID => sop_instance = uid(),
                _ => {}
            }
        }
        let transfer_syntax = transfer_syntax.ok_or(Part10Error::NoTransferSyntax)?;

        let encoding = match transfer_syntax.as_str() {
            uids::IMPLICIT_VR_LITTLE_ENDIAN => Encoding::ImplicitLittle,
            transfer_syntax::EXPLICIT_VR_BIG_ENDIAN => Encoding::ExplicitBig,
            _ => Encoding::ExplicitLittle,
        };
        let data_set = if transfer_syntax.as_str() == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
            Cow::Owned(inflate(data_set, MAX_INFLATED)?)
        } else {
            Cow::Borrowed(data_set)
        };
        Ok(Self {
            transfer_syntax,
            sop_class,
            sop_instance,
            encoding,
            data_set,
        })
    }

    pub(crate) fn elements(&self) -> Elements<'_> {
        Elements::new(&self.data_set, self.encoding)
    }
}

/// File meta information is explicit little endian whatever follows it (PS3.10 §7.1).
fn peeked_group(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|group| u16::from_le_bytes(*group))
}

fn inflate(bytes: &[u8], limit: u64) -> Result<Vec<u8>, Part10Error> {
    let mut inflated = Vec::new();
    DeflateDecoder::new(bytes)
        .take(limit + 1)
        .read_to_end(&mut inflated)
        .map_err(Part10Error::Inflate)?;
    if inflated.len() as u64 > limit {
        return Err(Part10Error::InflatesTooFar);
    }
    Ok(inflated)
}
