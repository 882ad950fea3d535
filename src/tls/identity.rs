//! A certificate chain with its private key.

use std::{fmt, path::Path, sync::Arc};

use jiff::Timestamp;
use rustls::{
    Error, InconsistentKeys,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use zeroize::Zeroize;

use super::{Certificate, TlsError, certificate::read_chain, provider};
use crate::secrets::{Secret, SecretPlace};

/// Who we are to a peer. Cannot be built with a key that does not belong to the certificate.
#[derive(Clone)]
pub struct Identity {
    pub(super) key: Arc<CertifiedKey>,
    certificate: Certificate,
}

impl Identity {
    /// Reads the chain (PEM, our certificate first) and the key (PEM, PKCS#8, PKCS#1 or SEC1) from
    /// files; the key's file must be readable to us alone.
    pub fn load(certificate: &Path, key: &SecretPlace) -> Result<Self, TlsError> {
        let chain = read_chain(certificate)?;
        let place = key.to_string();
        let secret = Secret::read(key).map_err(|source| TlsError::Key {
            place: place.clone(),
            source,
        })?;
        let mut private = PrivateKeyDer::from_pem_slice(secret.bytes()).map_err(|_| {
            // The parser's own words could hold a piece of the file.
            TlsError::NoKey {
                place: place.clone(),
            }
        })?;
        let signing = provider()
            .key_provider
            .load_private_key(private.clone_key());
        private.zeroize();
        let signing = signing.map_err(|err| TlsError::UnusableKey {
            place: place.clone(),
            reason: err.to_string(),
        })?;
        let malformed = |reason| TlsError::Malformed {
            path: certificate.to_owned(),
            reason,
        };
        let parsed = match chain.first() {
            Some(own) => Certificate::parse(own).map_err(malformed)?,
            None => {
                return Err(TlsError::NoCertificate {
                    path: certificate.to_owned(),
                });
            }
        };
        let key = CertifiedKey::new(chain, signing);
        match key.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(_) => {
                return Err(TlsError::KeyMismatch {
                    place,
                    certificate: certificate.to_owned(),
                });
            }
        }
        Ok(Self {
            key: Arc::new(key),
            certificate: parsed,
        })
    }

    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// When the certificate ceases to be valid.
    pub fn expires(&self) -> Timestamp {
        self.certificate.expires
    }

    pub(super) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.key.cert
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("certificate", &self.certificate)
            .field("chain", &self.chain().len())
            .finish_non_exhaustive()
    }
}
