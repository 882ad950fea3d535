//! Certificates for tests: an authority, and what it issues.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

use super::Identity;
use crate::secrets;

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// Files of an issued certificate.
pub(crate) struct Issued {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone, Copy)]
pub(crate) enum Life {
    Valid,
    Expired,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    pub(crate) fn file(&self, directory: &Path, name: &str) -> PathBuf {
        let path = directory.join(name);
        std::fs::write(&path, &self.pem).unwrap();
        path
    }

    /// A certificate for `localhost`, 127.0.0.1 and the common name `name`.
    pub(crate) fn issue(&self, directory: &Path, name: &str, life: Life) -> Issued {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        if let Life::Expired = life {
            params.not_after = date_time_ymd(2001, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let issued = params.signed_by(&key, &self.issuer).unwrap();
        let certificate = directory.join(format!("{name}.crt"));
        let file = directory.join(format!("{name}.key"));
        std::fs::write(&certificate, issued.pem()).unwrap();
        secrets::create(&file, key.serialize_pem().as_bytes()).unwrap();
        Issued {
            certificate,
            key: file,
        }
    }
}

impl Issued {
    pub(crate) fn identity(&self) -> Identity {
        Identity::load(&self.certificate, &self.key.as_path().into()).unwrap()
    }
}
