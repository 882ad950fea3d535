//! A file as it goes over the wire: without preamble and file meta information, in a transfer syntax
//! that the peer took.

use std::{fs::File, io::Read, sync::Arc};

use dicom_dictionary_std::uids;
use dicom_object::{FileMetaTable, InMemDicomObject};
use dicom_transfer_syntax_registry::entries::{
    EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN,
};

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

    /// The data set in `transfer_syntax`: the file's own, or one of the two plain encodings of a
    /// plain file. Values stay the same either way.
    pub fn data_set(mut self, transfer_syntax: &Uid) -> Result<Vec<u8>, DeliverError> {
        let mut data_set = self.file.split_off(self.data_set);
        if *transfer_syntax != self.encoding {
            let syntax = |uid: &Uid| match uid.as_str() {
                uids::EXPLICIT_VR_LITTLE_ENDIAN => Ok(EXPLICIT_VR_LITTLE_ENDIAN.erased()),
                uids::IMPLICIT_VR_LITTLE_ENDIAN => Ok(IMPLICIT_VR_LITTLE_ENDIAN.erased()),
                other => Err(format!("{other} cannot be transcoded")),
            };
            let transcoded = syntax(&self.encoding).and_then(|from| {
                let object = InMemDicomObject::read_dataset_with_ts(&data_set[..], &from)
                    .map_err(|err| err.to_string())?;
                let mut bytes = Vec::with_capacity(data_set.len());
                object
                    .write_dataset_with_ts(&mut bytes, &syntax(transfer_syntax)?)
                    .map_err(|err| err.to_string())?;
                Ok(bytes)
            });
            data_set = transcoded.map_err(|reason| not_sendable(&self.outgoing, reason))?;
        }
        // A fragment has even length (PS3.8 Annex E); some encoders of deflated files forget.
        if data_set.len() % 2 == 1 {
            data_set.push(0);
        }
        Ok(data_set)
    }
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

fn unreadable(outgoing: &Outgoing, err: std::io::Error) -> DeliverError {
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
