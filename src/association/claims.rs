//! What a data set says it is, read from its first bytes.
//!
//! A sender that files one patient's image under another instance's UID does so by sending a command
//! and a data set that disagree. The disagreement is seen here, before the instance counts as ours.
//! This is not a parser: it reads (0008,0016) and (0008,0018) if they are where they must be, gives
//! up at the first surprise, and then leaves judgement to those who read the instance later.

use bytes::{Buf, Bytes};
use dicom_dictionary_std::uids;

use crate::dicom::transfer_syntax::EXPLICIT_VR_BIG_ENDIAN;

/// SOP Class UID and SOP Instance UID as the data set has them; `None` where absent, empty or out of
/// reach. Real scanners send an empty SOP Class UID, so absence contradicts nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Claims {
    pub sop_class: Option<String>,
    pub sop_instance: Option<String>,
}

impl Claims {
    /// Reads at most the first 4 KiB. A deflated data set claims nothing: inflating hostile
    /// bytes is not for here.
    pub fn of(data_set: &[Bytes], transfer_syntax: &str) -> Self {
        let (explicit, big_endian) = match transfer_syntax {
            uids::IMPLICIT_VR_LITTLE_ENDIAN => (false, false),
            EXPLICIT_VR_BIG_ENDIAN => (true, true),
            uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
            | uids::JPIP_REFERENCED_DEFLATE
            | uids::JPIPHTJ2K_REFERENCED_DEFLATE => return Self::default(),
            _ => (true, false),
        };
        let mut start = Vec::with_capacity(REACH);
        for part in data_set {
            let room = REACH - start.len();
            start.extend_from_slice(part.get(..room).unwrap_or(part));
        }
        let mut claims = Self::default();
        let mut elements = Elements {
            bytes: &start,
            explicit,
            big_endian,
        };
        while let Some((tag, value)) = elements.next_element() {
            match tag {
                (0x0008, 0x0016) => claims.sop_class = uid(value),
                (0x0008, 0x0018) => claims.sop_instance = uid(value),
                beyond if beyond > (0x0008, 0x0018) => break,
                _ => {}
            }
        }
        claims
    }

    /// How the claims contradict what the command said, in words.
    pub fn contradiction(&self, sop_class: &str, sop_instance: &str) -> Option<&'static str> {
        let differs =
            |claim: &Option<String>, said: &str| claim.as_deref().is_some_and(|uid| uid != said);
        if differs(&self.sop_instance, sop_instance) {
            Some("SOP Instance UID differs between command and data set")
        } else if differs(&self.sop_class, sop_class) {
            Some("SOP Class UID differs between command and data set")
        } else {
            None
        }
    }
}

struct Elements<'a> {
    bytes: &'a [u8],
    explicit: bool,
    big_endian: bool,
}

impl<'a> Elements<'a> {
    /// Tag and value of the next element; `None` when it is not wholly in reach.
    fn next_element(&mut self) -> Option<((u16, u16), &'a [u8])> {
        let tag = (self.u16()?, self.u16()?);
        let length = if self.explicit {
            let (vr, rest) = self.bytes.split_at_checked(2)?;
            self.bytes = rest;
            match vr {
                b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN"
                | b"UR" | b"UT" | b"UV" => {
                    self.u16()?;
                    self.u32()?
                }
                _ => u32::from(self.u16()?),
            }
        } else {
            self.u32()?
        };
        let (value, rest) = self.bytes.split_at_checked(length as usize)?;
        self.bytes = rest;
        Some((tag, value))
    }

    fn u16(&mut self) -> Option<u16> {
        let read = if self.big_endian {
            self.bytes.try_get_u16()
        } else {
            self.bytes.try_get_u16_le()
        };
        read.ok()
    }

    fn u32(&mut self) -> Option<u32> {
        let read = if self.big_endian {
            self.bytes.try_get_u32()
        } else {
            self.bytes.try_get_u32_le()
        };
        read.ok()
    }
}

fn uid(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let text = text.trim_matches(['\0', ' ']);
    (!text.is_empty()).then(|| text.to_owned())
}

/// Enough for group 0008 up to the UIDs, with an identifying group before it.
const REACH: usize = 4096;

#[cfg(test)]
mod tests {
    use dicom_core::{DataElement, VR};
    use dicom_dictionary_std::tags;
    use dicom_object::InMemDicomObject;
    use dicom_transfer_syntax_registry::{TransferSyntaxIndex, TransferSyntaxRegistry};
    use proptest::prelude::*;

    use super::*;

    fn data_set(class: &str, instance: &str, syntax: &str) -> Vec<u8> {
        let element = |tag, vr, text: &str| DataElement::new(tag, vr, text);
        let object = InMemDicomObject::from_element_iter([
            element(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 100"),
            element(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL"),
            element(tags::SOP_CLASS_UID, VR::UI, class),
            element(tags::SOP_INSTANCE_UID, VR::UI, instance),
            element(tags::STUDY_DATE, VR::DA, "20250101"),
        ]);
        let mut bytes = Vec::new();
        let syntax = TransferSyntaxRegistry.get(syntax).unwrap();
        object.write_dataset_with_ts(&mut bytes, syntax).unwrap();
        bytes
    }

    #[test]
    fn claims_are_read_in_every_encoding_and_across_fragments() {
        for syntax in [
            uids::IMPLICIT_VR_LITTLE_ENDIAN,
            uids::EXPLICIT_VR_LITTLE_ENDIAN,
            EXPLICIT_VR_BIG_ENDIAN,
        ] {
            let bytes = data_set(uids::CT_IMAGE_STORAGE, "1.2.345", syntax);
            let parts: Vec<Bytes> = bytes.chunks(7).map(Bytes::copy_from_slice).collect();
            let claims = Claims::of(&parts, syntax);
            assert_eq!(claims.sop_class.as_deref(), Some(uids::CT_IMAGE_STORAGE));
            assert_eq!(claims.sop_instance.as_deref(), Some("1.2.345"), "{syntax}");
        }
    }

    #[test]
    fn only_a_contradiction_counts_absence_does_not() {
        let claims = |class: &str, instance: &str| Claims {
            sop_class: uid(class.as_bytes()),
            sop_instance: uid(instance.as_bytes()),
        };
        assert_eq!(claims("1.1", "1.2").contradiction("1.1", "1.2"), None);
        assert_eq!(claims("", "1.2").contradiction("1.1", "1.2"), None);
        assert_eq!(claims("", "\0").contradiction("1.1", "1.2"), None);
        assert!(claims("1.1", "1.3").contradiction("1.1", "1.2").is_some());
        assert!(claims("1.9", "1.2").contradiction("1.1", "1.2").is_some());
    }

    #[test]
    fn a_deflated_data_set_claims_nothing() {
        let bytes = Bytes::from_static(&[0; 64]);
        let claims = Claims::of(&[bytes], uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN);
        assert_eq!(claims, Claims::default());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
            let parts = [Bytes::from(bytes)];
            for syntax in ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"] {
                let _ = Claims::of(&parts, syntax);
            }
        }
    }
}
