//! How patients are named in the trail.

use std::{fs::File, io::BufReader, path::Path};

use dicom_dictionary_std::tags;
use dicom_object::OpenFileOptions;
use rand::RngCore;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::AuditError;
use crate::secrets::{self, Secret};

/// How patients are named.
pub enum Patients {
    /// By a keyed hash of the Patient ID.
    Pseudonyms(Secret),
    /// By the Patient ID itself.
    Ids,
}

impl Patients {
    /// Pseudonyms with the key at `path`, which is made if there is none.
    pub fn pseudonyms(path: &Path) -> Result<Self, AuditError> {
        if !path.exists() {
            let mut key = Zeroizing::new([0; KEY]);
            rand::rngs::StdRng::fill_bytes(
                &mut rand::SeedableRng::from_os_rng(),
                key.as_mut_slice(),
            );
            secrets::create(path, key.as_slice())?;
        }
        let key = Secret::read(&path.into())?;
        if key.bytes().len() != KEY {
            return Err(AuditError::KeyLength {
                path: path.to_owned(),
                length: key.bytes().len(),
            });
        }
        Ok(Self::Pseudonyms(key))
    }

    /// What stands for the patient of a DICOM file; `None` where it has no readable Patient ID.
    pub(super) fn of_file(&self, path: &Path) -> Option<String> {
        let file = BufReader::new(File::open(path).ok()?);
        let object = OpenFileOptions::new()
            .read_until(tags::PATIENT_BIRTH_DATE)
            .from_reader(file)
            .ok()?;
        let id = object.element_opt(tags::PATIENT_ID).ok()??.to_str().ok()?;
        let id = id.trim_matches([' ', '\0']);
        (!id.is_empty()).then(|| self.name(id))
    }

    fn name(&self, patient_id: &str) -> String {
        use std::fmt::Write as _;
        match self {
            Self::Ids => patient_id.to_owned(),
            Self::Pseudonyms(key) => {
                let mut name = "pseudonym-".to_owned();
                // Half of it: no two patients of a hospital will share 128 bits.
                for byte in &hmac_sha256(key.bytes(), patient_id.as_bytes())[..16] {
                    let _ = write!(name, "{byte:02x}");
                }
                name
            }
        }
    }
}

/// Bytes of the key. A file that was cut off has fewer, and with an empty key anybody can check whose
/// a pseudonym is.
pub(super) const KEY: usize = 32;

/// RFC 2104 over SHA-256.
fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let mut padded = Zeroizing::new([0; BLOCK]);
    if key.len() > BLOCK {
        padded[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        padded[..key.len()].copy_from_slice(key);
    }
    let keyed = |mask: u8| Zeroizing::new(padded.map(|byte| byte ^ mask));
    let inner = Sha256::new()
        .chain_update(keyed(0x36).as_slice())
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(keyed(0x5c).as_slice())
        .chain_update(inner)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test cases 2 and 6.
    #[test]
    fn the_keyed_hash_is_hmac() {
        let hex = |bytes: [u8; 32]| bytes.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(
            hex(hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(hmac_sha256(
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First"
            )),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn a_pseudonym_is_lasting_and_says_nothing() {
        let home = tempfile::tempdir().unwrap();
        let key = home.path().join("key");
        let name = |id| Patients::pseudonyms(&key).unwrap().name(id);
        let first = name("12345");
        assert_eq!(first, name("12345"), "the key is kept");
        assert_ne!(first, name("12346"));
        assert!(!first.contains("12345"));
        let other = Patients::pseudonyms(&home.path().join("other")).unwrap();
        assert_ne!(first, other.name("12345"), "another box, another pseudonym");
    }

    #[test]
    fn a_key_that_was_cut_off_is_no_key_and_is_named() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("pseudonym.key");
        secrets::create(&path, b"").unwrap();
        let refused = Patients::pseudonyms(&path).err().unwrap().to_string();
        assert!(refused.contains("pseudonym.key holds 0 bytes"), "{refused}");
        assert!(refused.contains("remove it"), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }
}
