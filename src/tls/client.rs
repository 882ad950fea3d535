//! The requesting side: a peer is believed because an authority vouches for its name, because its
//! certificate is the very one that was pinned, or both.

use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::SingleCertAndKey,
};

use super::{Certificate, Fingerprint, Identity, TlsError, VERSIONS, provider};

/// Which peer is the right one. What is given must all hold; at least one must be given.
#[derive(Clone, Debug, Default)]
pub struct PeerRule {
    /// Authorities, one of which must vouch for the peer's name.
    pub authorities: Option<RootCertStore>,
    /// The peer's certificate must be this one.
    pub pin: Option<Fingerprint>,
}

/// An encrypted way out to one peer, ready for use.
#[derive(Clone, Debug)]
pub struct Client {
    pub config: Arc<ClientConfig>,
    /// The name that the peer's certificate must bear.
    pub name: ServerName<'static>,
    /// Ours, where we have one to show.
    pub certificate: Option<Certificate>,
}

/// For connecting to a peer that satisfies `rule`, as `identity` where the peer asks who we are.
pub fn client_config(
    rule: PeerRule,
    identity: Option<&Identity>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let set_up = |reason: String| TlsError::SetUp(reason);
    if rule.authorities.is_none() && rule.pin.is_none() {
        return Err(set_up(
            "neither an authority nor a pin is given to judge the peer by".to_owned(),
        ));
    }
    let chain = match rule.authorities {
        Some(roots) => Some(
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
                .build()
                .map_err(|err| set_up(err.to_string()))?,
        ),
        None => None,
    };
    let verifier = Verifier {
        chain,
        pin: rule.pin,
        provider: provider(),
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&VERSIONS)
        .map_err(|err| set_up(err.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        Some(identity) => builder
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&identity.key)))),
        None => builder.with_no_client_auth(),
    };
    // Each association is judged by the certificate of today.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// The name that a peer's certificate must bear: a host name or an address.
pub fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned())
        .map_err(|_| TlsError::SetUp(format!("{host:?} is neither a host name nor an address")))
}

/// The pin did not hold; carried inside rustls' error to [`Problem`](super::Problem).
#[derive(Debug, thiserror::Error)]
#[error("the certificate's fingerprint is {presented}, not the pinned {pinned}")]
pub(super) struct PinDiffers {
    pub pinned: Fingerprint,
    pub presented: Fingerprint,
}

#[derive(Debug)]
struct Verifier {
    chain: Option<Arc<WebPkiServerVerifier>>,
    pin: Option<Fingerprint>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(pinned) = self.pin {
            let presented = Fingerprint::of(end_entity);
            if presented != pinned {
                let differs = PinDiffers { pinned, presented };
                return Err(CertificateError::Other(OtherError(Arc::new(differs))).into());
            }
        }
        match &self.chain {
            Some(chain) => {
                chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => is_in_date(end_entity, now),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A pinned certificate needs nobody to vouch for it, but it does not outlive itself.
fn is_in_date(end_entity: &CertificateDer<'_>, now: UnixTime) -> Result<ServerCertVerified, Error> {
    let certificate =
        Certificate::parse(end_entity).map_err(|_| Error::from(CertificateError::BadEncoding))?;
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if seconds > certificate.expires.as_second() {
        return Err(CertificateError::Expired.into());
    }
    if seconds < certificate.starts.as_second() {
        return Err(CertificateError::NotValidYet.into());
    }
    Ok(ServerCertVerified::assertion())
}
