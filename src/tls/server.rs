//! The accepting side.

use std::sync::Arc;

use rustls::{
    RootCertStore, ServerConfig,
    server::{NoServerSessionStorage, WebPkiClientVerifier},
    sign::SingleCertAndKey,
};
use serde::{Deserialize, Serialize};

use super::{Certificate, Identity, TlsError, VERSIONS, provider};

/// What is asked of clients.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// None is asked for.
    #[default]
    Off,
    /// One is asked for; if there is one, it must be good.
    Optional,
    /// Without a good one there is no connection.
    Required,
}

/// An encrypted way in, ready for use.
#[derive(Clone, Debug)]
pub struct Server {
    pub config: Arc<ServerConfig>,
    /// Ours.
    pub certificate: Certificate,
}

/// For accepting connections as `identity`. `authorities` are those whose client certificates are
/// good; without them no certificate is asked for, and [`ClientCertificates::Off`] asks for none.
pub fn server_config(
    identity: &Identity,
    authorities: Option<RootCertStore>,
    clients: ClientCertificates,
) -> Result<Arc<ServerConfig>, TlsError> {
    let set_up = |reason: String| TlsError::SetUp(reason);
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&VERSIONS)
        .map_err(|err| set_up(err.to_string()))?;
    let builder = match (authorities, clients) {
        (_, ClientCertificates::Off) => builder.with_no_client_auth(),
        (None, _) => {
            return Err(set_up(
                "client certificates are asked for, but no authority is given to judge them by"
                    .to_owned(),
            ));
        }
        (Some(roots), clients) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
            let verifier = match clients {
                ClientCertificates::Required => verifier,
                _ => verifier.allow_unauthenticated(),
            };
            builder
                .with_client_cert_verifier(verifier.build().map_err(|err| set_up(err.to_string()))?)
        }
    };
    let mut config =
        builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&identity.key))));
    // A resumed session would skip the client's certificate; associations are few and long.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
