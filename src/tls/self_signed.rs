//! A certificate of our own making, for the first start.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use zeroize::Zeroizing;

use super::TlsError;

/// A new certificate and its key, both PEM.
pub struct SelfSigned {
    pub certificate: String,
    pub key: Zeroizing<String>,
}

/// Makes a key (ECDSA P-256) and a certificate for `names` (host names and addresses; the first is
/// the common name) that is valid for two years from the day before `now`.
///
/// Nobody vouches for it: those who connect must be given it, or its fingerprint.
pub fn self_signed(names: &[String], now: Timestamp) -> Result<SelfSigned, TlsError> {
    let set_up = |err: rcgen::Error| TlsError::SetUp(err.to_string());
    let mut params = CertificateParams::new(names.to_vec()).map_err(set_up)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    let name = names.first().map_or("hepar", |name| name);
    params.distinguished_name.push(DnType::CommonName, name);
    let day = |at: Timestamp| {
        let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
        let part = |number: i8| u8::try_from(number).unwrap_or(1);
        date_time_ymd(date.year().into(), part(date.month()), part(date.day()))
    };
    // A clock that is an hour behind ours must not find it not valid yet.
    params.not_before = day(now - DAY);
    params.not_after = day(now + LIFE);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let key = KeyPair::generate().map_err(set_up)?;
    let certificate = params.self_signed(&key).map_err(set_up)?;
    Ok(SelfSigned {
        certificate: certificate.pem(),
        key: Zeroizing::new(key.serialize_pem()),
    })
}

const DAY: Duration = Duration::from_hours(24);
/// Browsers refuse server certificates that are valid for longer than 825 days.
const LIFE: Duration = Duration::from_hours(730 * 24);
