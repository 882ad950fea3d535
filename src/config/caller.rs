use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

use super::{Destination, ListenerTls, Problem};
use crate::{
    association::{CallerRule, CertificateRule, Network},
    dicom::AeTitle,
    tls::ClientCertificates,
};

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Caller {
    /// What it calls itself; `None`: anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ae_title: Option<AeTitle>,
    /// Where it must call from, an address or a network; `None`: anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Network>,
    /// Which client certificate it must show: SHA-256 fingerprint, common name or alternative
    /// name; `None`: none in particular.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateRule>,
    /// Names of destinations for this caller's results; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destinations: Option<Vec<String>>,
}

impl Caller {
    /// `before`: the callers named before this one. `tls`: the listener's, where client certificates
    /// come from.
    pub(super) fn check(
        &self,
        before: &[Self],
        destinations: &[Destination],
        tls: Option<&ListenerTls>,
    ) -> Result<(), Problem> {
        if self.ae_title.is_none() && self.address.is_none() && self.certificate.is_none() {
            return Err(Problem::CallerIsAnyone);
        }
        let asked = tls.is_some_and(|tls| tls.client_certificates != ClientCertificates::Off);
        if self.certificate.is_some() && !asked {
            return Err(Problem::CertificateNotAsked(self.to_string()));
        }
        for name in self.destinations.iter().flatten() {
            if destinations.iter().all(|d| d.name != *name) {
                return Err(Problem::UnknownDestination {
                    caller: self.to_string(),
                    name: name.clone(),
                });
            }
        }
        match before.iter().find(|caller| caller.decides_for(self)) {
            Some(caller) if caller.destinations != self.destinations => {
                Err(Problem::NeverDecides {
                    caller: self.to_string(),
                    before: caller.to_string(),
                })
            }
            _ => Ok(()),
        }
    }

    /// Whether results go where this rule says: a series is known by its caller's title and address,
    /// and of its certificate no more than that it was good.
    pub(super) fn takes(&self, title: &AeTitle, peer: IpAddr) -> bool {
        self.ae_title.as_ref().is_none_or(|own| own == title)
            && self.address.is_none_or(|network| network.contains(peer))
    }

    /// Whether it takes every caller that `later` takes.
    fn decides_for(&self, later: &Self) -> bool {
        (self.ae_title.is_none() || self.ae_title == later.ae_title)
            && self
                .address
                .is_none_or(|wide| later.address.is_some_and(|narrow| wide.covers(narrow)))
    }

    #[must_use]
    pub fn rule(&self) -> CallerRule {
        CallerRule {
            ae_title: self.ae_title.clone(),
            address: self.address,
            certificate: self.certificate.clone(),
        }
    }
}

/// What it is known by, for messages.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.ae_title, &self.address, &self.certificate) {
            (Some(title), _, _) => write!(f, "{title}"),
            (None, Some(network), _) => write!(f, "{network}"),
            (None, None, Some(rule)) => f.write_str(&String::from(rule.clone())),
            (None, None, None) => f.write_str("anyone"),
        }
    }
}
