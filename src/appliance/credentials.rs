//! Certificates, keys and doors, before anything is opened that could be lost.

use std::sync::Arc;

use jiff::Timestamp;

use super::{StartError, listen};
use crate::{
    association::Door,
    config::Config,
    deliver,
    status::{CertificateFacts, CertificateUse, FactsBoard},
    tls::{self, Certificate},
};

/// Everything that the configuration names certificates and keys for, read and ready.
pub(super) struct Credentials {
    pub listener: Option<tls::Server>,
    pub destinations: Vec<deliver::Destination>,
    pub syslog: Option<tls::Client>,
}

impl Credentials {
    /// Reads them all, and pins to `facts` until when ours are valid.
    pub(super) fn load(config: &Config, facts: &Arc<FactsBoard>) -> Result<Self, StartError> {
        let failed = |what: String| move |source| StartError::Tls { what, source };
        let note = |used_for, certificate: Option<&Certificate>| {
            if let Some(certificate) = certificate {
                note(facts, used_for, certificate);
            }
        };
        let listener = match &config.listener.tls {
            Some(tls) => Some(tls.load().map_err(failed("[listener.tls]".to_owned()))?),
            None => None,
        };
        let own = listener.as_ref().map(|server| &server.certificate);
        note(CertificateUse::Listener, own);

        let mut destinations = Vec::with_capacity(config.destinations.len());
        for destination in &config.destinations {
            let name = format!("destination {:?}", destination.name);
            let opened = destination
                .open(config.listener.ae_title.clone())
                .map_err(failed(name.clone()))?;
            let own = opened.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
            note(CertificateUse::Destination(destination.name.clone()), own);
            destinations.push(opened);
        }

        let syslog = match (&config.audit.syslog, &config.audit.tls) {
            (Some(address), Some(tls)) => Some(
                tls.load(address)
                    .map_err(failed("[audit.tls]".to_owned()))?,
            ),
            _ => None,
        };
        let own = syslog.as_ref().and_then(|tls| tls.certificate.as_ref());
        note(CertificateUse::Syslog, own);

        Ok(Self {
            listener,
            destinations,
            syslog,
        })
    }
}

/// Pins until when a certificate of ours is valid, and says it in the log if that is soon.
pub(super) fn note(facts: &FactsBoard, used_for: CertificateUse, certificate: &Certificate) {
    let certificate = CertificateFacts::new(used_for, certificate);
    if let Some(notice) = certificate.notice(Timestamp::now()) {
        tracing::warn!("{notice}");
    }
    facts.pin(|facts| facts.certificates.push(certificate));
}

/// Opens the doors that the configuration has, the plain one first.
pub(super) async fn doors(
    config: &Config,
    tls: Option<tls::Server>,
) -> Result<Vec<Door>, StartError> {
    let mut doors = Vec::new();
    if config.listener.plain {
        let listener = listen(config.listener.address, "DICOM").await?;
        doors.push(Door::from(listener));
    }
    if let (Some(settings), Some(server)) = (&config.listener.tls, tls) {
        let listener = listen(settings.address, "DICOM over TLS").await?;
        doors.push(Door {
            listener,
            tls: Some(server.config),
        });
    }
    Ok(doors)
}
