//! A file as it goes over the wire: without preamble and file meta information, in a transfer syntax
//! that the peer took.

use std::{
    fs::File,
    io::{self, Read, Write},
    sync::Arc,
};

use dicom_dictionary_std::uids;
use dicom_object::{FileMetaTable, InMemDicomObject};
use dicom_transfer_syntax_registry::entries::{
    EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN,
};
use flate2::{Compression, write::DeflateEncoder};

use super::{DeliverError, Outgoing};
use crate::dicom::Uid;

pub(super) struct Object {
    outgoing: Outgoing,
    encoding: Uid,
    file: Vec<u8>,
    /// Where in `file` the data set begins.
    data_set: usize,
}

impl Object {
    pub fn read(outgoing: &Outgoing) -> Result<Self, DeliverError> {
        let file = std::fs::read(&outgoing.path).map_err(|err| unreadable(outgoing, err))?;
        let (encoding, data_set) = meta(outgoing, &file)?;
        Ok(Self {
            outgoing: outgoing.clone(),
            encoding,
            file,
            data_set,
        })
    }

    /// The transfer syntax of the file, without reading more than its head.
    pub fn encoding(outgoing: &Outgoing) -> Result<Uid, DeliverError> {
        let mut head = Vec::with_capacity(HEAD);
        File::open(&outgoing.path)
            .and_then(|file| file.take(HEAD as u64).read_to_end(&mut head))
            .map_err(|err| unreadable(outgoing, err))?;
        Ok(meta(outgoing, &head)?.0)
    }

    pub fn sop_class(&self) -> &Uid {
        &self.outgoing.sop_class
    }

    pub fn sop_instance(&self) -> &Uid {
        &self.outgoing.sop_instance
    }

    pub fn own_encoding(&self) -> &Uid {
        &self.encoding
    }

    /// The data set in `transfer_syntax`: the file's own, or of a plain file one of the two plain
    /// encodings or the deflated one. Values stay the same every way.
    pub fn data_set(mut self, transfer_syntax: &Uid) -> Result<Vec<u8>, DeliverError> {
        let deflate = transfer_syntax.as_str() == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
            && is_plain(&self.encoding);
        let plain = if deflate {
            uids::EXPLICIT_VR_LITTLE_ENDIAN
        } else {
            transfer_syntax.as_str()
        };
        let mut data_set = self.file.split_off(self.data_set);
        if plain != self.encoding.as_str() {
            let syntax = |uid: &str| match uid {
                uids::EXPLICIT_VR_LITTLE_ENDIAN => Ok(EXPLICIT_VR_LITTLE_ENDIAN.erased()),
                uids::IMPLICIT_VR_LITTLE_ENDIAN => Ok(IMPLICIT_VR_LITTLE_ENDIAN.erased()),
                other => Err(format!("{other} cannot be transcoded")),
            };
            let transcoded = syntax(self.encoding.as_str()).and_then(|from| {
                let object = InMemDicomObject::read_dataset_with_ts(&data_set[..], &from)
                    .map_err(|err| err.to_string())?;
                let mut bytes = Vec::with_capacity(data_set.len());
                object
                    .write_dataset_with_ts(&mut bytes, &syntax(plain)?)
                    .map_err(|err| err.to_string())?;
                Ok(bytes)
            });
            data_set = transcoded.map_err(|reason| not_sendable(&self.outgoing, reason))?;
        }
        if deflate {
            data_set =
                deflated(&data_set).map_err(|err| not_sendable(&self.outgoing, err.to_string()))?;
        }
        // A fragment has even length (PS3.8 Annex E); some encoders of deflated files forget.
        if data_set.len() % 2 == 1 {
            data_set.push(0);
        }
        Ok(data_set)
    }
}

/// Whether a data set in this transfer syntax can be written in any other of the plain ones.
pub(super) fn is_plain(transfer_syntax: &Uid) -> bool {
    [
        uids::EXPLICIT_VR_LITTLE_ENDIAN,
        uids::IMPLICIT_VR_LITTLE_ENDIAN,
    ]
    .contains(&transfer_syntax.as_str())
}

/// A data set as PS3.5 §A.5 has it: deflated as a whole (RFC 1951, without a zlib header).
fn deflated(data_set: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data_set)?;
    encoder.finish()
}

/// Transfer syntax, and where the data set begins.
fn meta(outgoing: &Outgoing, head: &[u8]) -> Result<(Uid, usize), DeliverError> {
    let reject = |reason: String| not_sendable(outgoing, reason);
    let after_preamble = head
        .get(PREAMBLE..)
        .ok_or_else(|| reject("shorter than a preamble".to_owned()))?;
    let meta = FileMetaTable::from_reader(after_preamble).map_err(|err| reject(err.to_string()))?;
    let encoding = Uid::parse(meta.transfer_syntax()).map_err(|err| reject(err.to_string()))?;
    // The magic code, the group length element, and the group.
    let data_set = PREAMBLE + 4 + 12 + meta.information_group_length as usize;
    if data_set > head.len() {
        return Err(reject("it ends in its file meta information".to_owned()));
    }
    Ok((encoding, data_set))
}

fn unreadable(outgoing: &Outgoing, err: io::Error) -> DeliverError {
    DeliverError::Unreadable {
        path: outgoing.path.clone(),
        source: Arc::new(err),
    }
}

fn not_sendable(outgoing: &Outgoing, reason: String) -> DeliverError {
    DeliverError::NotSendable {
        path: outgoing.path.clone(),
        reason,
    }
}

const PREAMBLE: usize = 128;
/// File meta information is some 500 bytes; private information may add to it.
const HEAD: usize = 16 * 1024;
