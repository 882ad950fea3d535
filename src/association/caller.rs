//! Who may send: by AE title, by where it calls from, by its certificate.
//!
//! An AE title is only what a caller says of itself, and an address what its network says; a
//! certificate is the one thing that a stranger cannot claim. What a rule names must all hold.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Rejection;
use crate::{
    dicom::AeTitle,
    tls::{Certificate, Fingerprint},
};

/// One sender, or a group of them, that is allowed. What is `None` may be anything.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CallerRule {
    pub ae_title: Option<AeTitle>,
    pub address: Option<Network>,
    pub certificate: Option<CertificateRule>,
}

/// An address, or all addresses of a network: `10.0.0.5`, `10.0.0.0/24`, `fd00::/8`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

/// Which client certificate: by its SHA-256 fingerprint, or by a name it bears (subject common name
/// or alternative name), whoever renewed it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum CertificateRule {
    Fingerprint(Fingerprint),
    Name(String),
}

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RuleError {
    #[error("{0:?} is neither an address (10.0.0.5) nor a network (10.0.0.0/24)")]
    Network(String),
    #[error("an empty name is no certificate's")]
    NoName,
}

/// Whether a caller may send; `Err` says which of its claims is in the way. No rule at all lets
/// everyone in.
pub(super) fn judge(
    rules: &[CallerRule],
    title: &AeTitle,
    peer: IpAddr,
    certificate: Option<&Certificate>,
) -> Result<(), Rejection> {
    if rules.is_empty() {
        return Ok(());
    }
    // The rule that comes closest says what is wrong.
    let mut reason = Rejection::CallingAeTitle;
    for rule in rules {
        if rule.ae_title.as_ref().is_some_and(|known| known != title) {
            continue;
        }
        if !rule.address.is_none_or(|network| network.contains(peer)) {
            if reason == Rejection::CallingAeTitle {
                reason = Rejection::CallerAddress;
            }
            continue;
        }
        match &rule.certificate {
            Some(wanted) if !certificate.is_some_and(|shown| wanted.admits(shown)) => {
                reason = Rejection::CallerCertificate;
            }
            _ => return Ok(()),
        }
    }
    Err(reason)
}

impl Network {
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Whether every address of `other` is one of ours.
    pub fn covers(self, other: Self) -> bool {
        self.0.contains(&other.0)
    }
}

impl FromStr for Network {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let single = || Some(IpNet::from(text.parse::<IpAddr>().ok()?.to_canonical()));
        let network = text.parse::<IpNet>().ok().map(|net| net.trunc());
        let parsed = network.or_else(single);
        parsed
            .map(Self)
            .ok_or_else(|| RuleError::Network(text.to_owned()))
    }
}

impl TryFrom<String> for Network {
    type Error = RuleError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            write!(f, "{}", self.0.addr())
        } else {
            write!(f, "{}", self.0)
        }
    }
}

impl CertificateRule {
    pub fn admits(&self, certificate: &Certificate) -> bool {
        match self {
            Self::Fingerprint(fingerprint) => certificate.fingerprint == *fingerprint,
            Self::Name(name) => certificate.is_named(name),
        }
    }
}

impl TryFrom<String> for CertificateRule {
    type Error = RuleError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.parse() {
            Ok(fingerprint) => Ok(Self::Fingerprint(fingerprint)),
            Err(_) if text.trim().is_empty() => Err(RuleError::NoName),
            Err(_) => Ok(Self::Name(text)),
        }
    }
}

impl From<CertificateRule> for String {
    fn from(rule: CertificateRule) -> Self {
        match rule {
            CertificateRule::Fingerprint(fingerprint) => fingerprint.to_string(),
            CertificateRule::Name(name) => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn title(text: &str) -> AeTitle {
        AeTitle::parse(text).unwrap()
    }

    fn certificate(name: &str) -> Certificate {
        Certificate {
            fingerprint: Fingerprint::of(name.as_bytes()),
            common_name: Some(name.to_owned()),
            names: vec![format!("{name}.example")],
            starts: Timestamp::UNIX_EPOCH,
            expires: Timestamp::MAX,
        }
    }

    fn rule(ae_title: Option<&str>, address: Option<&str>, shown: Option<&str>) -> CallerRule {
        CallerRule {
            ae_title: ae_title.map(title),
            address: address.map(|text| text.parse().unwrap()),
            certificate: shown.map(|text| text.to_owned().try_into().unwrap()),
        }
    }

    #[test]
    fn without_rules_everyone_may_call() {
        let peer = IpAddr::from([10, 0, 0, 6]);
        assert_eq!(judge(&[], &title("ANY"), peer, None), Ok(()));
    }

    #[test]
    fn a_caller_is_known_by_everything_its_rule_names() {
        let rules = [
            rule(Some("CT1"), Some("10.0.0.5"), None),
            rule(Some("CT2"), Some("10.1.0.0/16"), None),
            rule(None, Some("fd00::/8"), None),
            rule(Some("CT3"), None, Some("ct3.example")),
        ];
        let call = |name: &str, from: &str, shown: Option<&str>| {
            let shown = shown.map(certificate);
            judge(&rules, &title(name), from.parse().unwrap(), shown.as_ref())
        };
        assert_eq!(call("CT1", "10.0.0.5", None), Ok(()));
        assert_eq!(call("CT1", "::ffff:10.0.0.5", None), Ok(()));
        assert_eq!(call("CT2", "10.1.255.9", None), Ok(()));
        assert_eq!(call("ANY", "fd12::1", None), Ok(()));
        assert_eq!(call("CT3", "192.0.2.1", Some("ct3")), Ok(()));

        assert_eq!(call("CT1", "10.0.0.6", None), Err(Rejection::CallerAddress));
        assert_eq!(call("CT2", "10.2.0.1", None), Err(Rejection::CallerAddress));
        let stranger = call("CT3", "192.0.2.1", Some("ct4"));
        assert_eq!(stranger, Err(Rejection::CallerCertificate));
        let bare = call("CT3", "192.0.2.1", None);
        assert_eq!(bare, Err(Rejection::CallerCertificate));
    }

    #[test]
    fn an_unknown_title_is_what_is_wrong_where_every_rule_names_one() {
        let rules = [rule(Some("CT1"), Some("10.0.0.5"), None)];
        let peer = IpAddr::from([10, 0, 0, 5]);
        let refused = judge(&rules, &title("CT9"), peer, None);
        assert_eq!(refused, Err(Rejection::CallingAeTitle));
    }

    #[test]
    fn a_certificate_is_known_by_fingerprint_or_by_any_of_its_names() {
        let shown = certificate("ct1");
        let fingerprint = Fingerprint::of(b"ct1").to_string();
        for text in [&*fingerprint, "CT1", "ct1.example"] {
            let rule = CertificateRule::try_from(text.to_owned()).unwrap();
            assert!(rule.admits(&shown), "{text}");
            assert_eq!(String::from(rule), text);
        }
        let other = CertificateRule::try_from("ct".to_owned()).unwrap();
        assert!(!other.admits(&shown), "a name counts whole");
        assert!(CertificateRule::try_from(" ".to_owned()).is_err());
    }

    #[test]
    fn networks_are_read_and_written_as_people_do() {
        for (text, written) in [
            ("10.0.0.5", "10.0.0.5"),
            ("10.0.0.7/24", "10.0.0.0/24"),
            ("::1", "::1"),
        ] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), written);
        }
        for wrong in ["10.0.0", "10.0.0.0/33", "ct1", ""] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
