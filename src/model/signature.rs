//! Who made a bundle.
//!
//! Hashes say that the files belong together; they do not say who put them together. A network that
//! somebody exchanged would pass every hash and its own golden slice, and be wrong only about
//! patients. So the manifest, which names the hash of every file, is signed outside the box with
//! [minisign](https://jedisct1.github.io/minisign/) (Ed25519), and the box holds public keys only.

use minisign_verify::{Error, PublicKey, Signature};
use serde::{Deserialize, Serialize};

use crate::dicom::Remedy;

/// A public key whose bundles may run here, as minisign writes it: base64, beginning with `RW`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct TrustedKey {
    text: String,
    key: PublicKey,
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("is not a minisign public key (the line of the .pub file that begins with RW)")]
pub struct KeyError;

impl TryFrom<String> for TrustedKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        let key = PublicKey::from_base64(&text).map_err(|_| KeyError)?;
        Ok(Self { text, key })
    }
}

impl From<TrustedKey> for String {
    fn from(key: TrustedKey) -> Self {
        key.text
    }
}

/// Whose bundles are taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trust {
    pub keys: Vec<TrustedKey>,
    /// Bundles that none of the keys has signed are taken, too.
    pub allow_unsigned: bool,
}

/// Where a bundle comes from, as far as can be proven.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// Part of the binary, and as trustworthy as that.
    BuiltIn,
    Signed {
        /// The public key that proved it.
        by: String,
    },
    /// Nobody vouches for it; it was allowed by configuration.
    Unsigned,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::Signed { by } => write!(f, "signed by {by}"),
            Self::Unsigned => f.write_str("not signed by a trusted key"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    #[error("there is no {SIGNATURE}: unsigned bundles only run with model.allow-unsigned = true")]
    Missing,
    #[error("{SIGNATURE} is not a minisign signature")]
    Malformed(#[source] Error),
    #[error("{SIGNATURE} was not made with any of the {0} keys in model.trusted-keys")]
    UnknownKey(usize),
    #[error("the manifest is not the one that was signed: damaged or tampered with")]
    Tampered,
}

impl SignatureError {
    /// Somebody has to bring a bundle from a maker this box trusts, or add the maker's key.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Service
    }
}

/// The detached signature, beside the manifest.
pub(super) const SIGNATURE: &str = "bundle.toml.minisig";
/// Two comments and two base64 lines.
pub(super) const SIGNATURE_LIMIT: u64 = 4096;

impl Trust {
    /// Takes what it is given. For tools that a person points at a directory and whose results go to
    /// that person, not to a PACS.
    #[must_use]
    pub fn anyone() -> Self {
        Self {
            allow_unsigned: true,
            ..Self::default()
        }
    }

    /// Who signed `manifest`, or why that is not good enough.
    ///
    /// A signature by a trusted key over other bytes is refused even where unsigned bundles are
    /// allowed: it proves that somebody changed the manifest after it was signed.
    pub fn prove(
        &self,
        manifest: &[u8],
        signature: Option<&[u8]>,
    ) -> Result<Origin, SignatureError> {
        let Some(signature) = signature else {
            return self.unsigned(SignatureError::Missing);
        };
        let text = str::from_utf8(signature)
            .map_err(|_| SignatureError::Malformed(Error::InvalidEncoding))?;
        let signature = Signature::decode(text).map_err(SignatureError::Malformed)?;
        for TrustedKey { text, key } in &self.keys {
            match key.verify(manifest, &signature, false) {
                Ok(()) => return Ok(Origin::Signed { by: text.clone() }),
                Err(Error::UnexpectedKeyId) => {}
                Err(Error::InvalidSignature) => return Err(SignatureError::Tampered),
                Err(other) => return Err(SignatureError::Malformed(other)),
            }
        }
        self.unsigned(SignatureError::UnknownKey(self.keys.len()))
    }

    fn unsigned(&self, otherwise: SignatureError) -> Result<Origin, SignatureError> {
        if self.allow_unsigned {
            Ok(Origin::Unsigned)
        } else {
            Err(otherwise)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::Maker;

    const MANIFEST: &[u8] = b"name = \"liver\"";

    #[test]
    fn a_trusted_makers_bundle_names_its_maker() {
        let maker = Maker::new();
        let origin = maker.trust().prove(MANIFEST, Some(&maker.sign(MANIFEST)));
        let by = maker.key.clone().into();
        assert_eq!(origin.unwrap(), Origin::Signed { by });
    }

    #[test]
    fn a_changed_byte_is_tampering_even_where_unsigned_bundles_are_allowed() {
        let maker = Maker::new();
        let signature = maker.sign(MANIFEST);
        for allow_unsigned in [false, true] {
            let trust = Trust {
                allow_unsigned,
                ..maker.trust()
            };
            for at in 0..MANIFEST.len() {
                let mut changed = MANIFEST.to_vec();
                changed[at] ^= 1;
                let outcome = trust.prove(&changed, Some(&signature));
                assert!(
                    matches!(outcome, Err(SignatureError::Tampered)),
                    "byte {at}"
                );
            }
        }
    }

    #[test]
    fn nobodys_and_strangers_bundles_need_permission() {
        let (maker, stranger) = (Maker::new(), Maker::new());
        let strict = maker.trust();
        let missing = strict.prove(MANIFEST, None);
        assert!(matches!(missing, Err(SignatureError::Missing)));
        let foreign = strict.prove(MANIFEST, Some(&stranger.sign(MANIFEST)));
        assert!(matches!(foreign, Err(SignatureError::UnknownKey(1))));

        let lenient = Trust::anyone();
        for signature in [None, Some(stranger.sign(MANIFEST))] {
            let origin = lenient.prove(MANIFEST, signature.as_deref());
            assert_eq!(origin.unwrap(), Origin::Unsigned);
        }
    }

    #[test]
    fn a_signature_cut_short_anywhere_is_refused() {
        let maker = Maker::new();
        let signature = maker.sign(MANIFEST);
        let text = signature.trim_ascii_end();
        for length in 0..text.len() {
            let outcome = maker.trust().prove(MANIFEST, Some(&text[..length]));
            assert!(outcome.is_err(), "{length} bytes of {}", text.len());
        }
    }

    #[test]
    fn a_key_is_read_as_minisign_writes_it() {
        let key = String::from(Maker::new().key);
        assert!(key.starts_with("RW"), "{key}");
        assert!(TrustedKey::try_from(key.clone()).is_ok());
        assert_eq!(TrustedKey::try_from(key[1..].to_owned()), Err(KeyError));
    }
}
