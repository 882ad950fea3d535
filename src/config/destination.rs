use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{PeerTls, Problem};
pub use crate::encode::ObjectKind;
use crate::{deliver, dicom::AeTitle, tls::TlsError};

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Destination {
    pub name: String,
    pub ae_title: AeTitle,
    /// `host:port`.
    pub address: String,
    #[serde(default = "only_seg")]
    pub objects: Vec<ObjectKind>,
    /// Objects go deflated where it takes them so: a segmentation is mostly zeros.
    #[serde(default)]
    pub deflate: bool,
    /// It is asked to answer for what it stored, and nothing is removed here before it does.
    #[serde(default)]
    pub storage_commitment: bool,
    /// How long its report may take before it is asked again.
    #[serde(default = "an_hour", with = "humantime_serde")]
    pub storage_commitment_wait: Duration,
    /// Associations with it are encrypted; `None`: they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<PeerTls>,
}

fn only_seg() -> Vec<ObjectKind> {
    vec![ObjectKind::Seg]
}

/// Archives report within seconds, or once what they hold is on its second disk.
fn an_hour() -> Duration {
    Duration::from_hours(1)
}

/// An archive that reports later than this is not worth waiting for.
const LONGEST_WAIT: Duration = Duration::from_hours(7 * 24);

impl Destination {
    /// With everything else as it is by default.
    #[must_use]
    pub fn new(name: &str, ae_title: AeTitle, address: &str) -> Self {
        Self {
            name: name.to_owned(),
            ae_title,
            address: address.to_owned(),
            objects: only_seg(),
            deflate: false,
            storage_commitment: false,
            storage_commitment_wait: an_hour(),
            tls: None,
        }
    }

    /// `others`: the destinations named before this one.
    pub(super) fn check(&self, others: &[Self]) -> Result<(), Problem> {
        let name = &self.name;
        if others.iter().any(|d| d.name == *name) {
            return Err(Problem::DestinationNamedTwice(name.clone()));
        }
        check_address(name, &self.address)?;
        if let Some(tls) = &self.tls {
            tls.check(name)?;
        }
        if self.objects.is_empty() {
            return Err(Problem::WantsNothing(name.clone()));
        }
        let wait = self.storage_commitment_wait;
        if wait < Duration::from_secs(1) || wait > LONGEST_WAIT {
            return Err(Problem::CommitmentWait(name.clone()));
        }
        Ok(())
    }

    /// Ready to be called by `calling_ae`; reads certificates and keys.
    pub fn open(&self, calling_ae: AeTitle) -> Result<deliver::Destination, TlsError> {
        let tls = self.tls.as_ref().map(|tls| tls.load(&self.address));
        Ok(deliver::Destination {
            tls: tls.transpose()?,
            deflate: self.deflate,
            commitment: self
                .storage_commitment
                .then_some(self.storage_commitment_wait),
            ..deliver::Destination::new(
                &self.name,
                self.ae_title.clone(),
                &self.address,
                calling_ae,
            )
        })
    }
}

/// `whose`: what has this address, for the message.
pub(super) fn check_address(whose: &str, address: &str) -> Result<(), Problem> {
    let port = address.rsplit_once(':').map(|(_, port)| port);
    if port
        .and_then(|p| p.parse::<u16>().ok())
        .is_none_or(|p| p == 0)
    {
        return Err(Problem::NotHostAndPort {
            destination: whose.to_owned(),
            address: address.to_owned(),
        });
    }
    Ok(())
}
