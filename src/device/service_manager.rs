//! What systemd is told: ready, how it stands, still alive, stopping (sd_notify(3)).
//!
//! Outside systemd every message is dropped; a message that cannot be sent never stops a working
//! appliance.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::status::Facts;

/// Instances can be received and kept from now on.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// The drain has begun.
pub fn stopping() {
    tell(NotifyState::Status("draining: finishing what is in hand"));
    tell(NotifyState::Stopping);
}

/// The pipeline moved just now.
pub fn alive() {
    tell(NotifyState::Watchdog);
}

/// The line that `systemctl status` shows.
pub fn stands(line: &str) {
    tell(NotifyState::Status(line));
}

/// How long the manager waits for [`alive`]; `None` if it does not.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero())
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}

/// One line about everything that somebody at the console would ask first.
#[must_use]
pub fn line(facts: &Facts) -> String {
    let mut line = match (&facts.not_receiving, &facts.engine) {
        (Some(reason), _) => format!("not receiving: {reason}"),
        (None, _) if facts.journal_unusable.is_some() => {
            "receiving, not segmenting or sending: the journal cannot be written".to_owned()
        }
        (None, None) => "receiving; the model is being loaded".to_owned(),
        (None, Some(Err(reason))) => format!("receiving, not segmenting: {reason}"),
        (None, Some(Ok(engine))) => format!(
            "receiving and segmenting with {} {} on {}",
            engine.model, engine.version, engine.name
        ),
    };
    let failing = facts
        .destinations
        .iter()
        .filter(|(_, it)| it.failing.is_some());
    let failing: Vec<&str> = failing.map(|(name, _)| name.as_str()).collect();
    if !failing.is_empty() {
        line.push_str("; not delivering to ");
        line.push_str(&failing.join(", "));
    }
    // The protocol is a line a variable.
    line.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::dicom::{Trouble, TroubleKind};
    use crate::status::{DestinationFacts, NotReceiving, Notice};

    #[test]
    fn the_line_says_what_is_wrong_before_what_is_right() {
        let mut facts = Facts::default();
        assert_eq!(line(&facts), "receiving; the model is being loaded");
        facts.engine = Some(Err(Trouble::new(
            TroubleKind::Model,
            "encoder.onnx\nis damaged",
        )));
        assert_eq!(
            line(&facts),
            "receiving, not segmenting: encoder.onnx is damaged"
        );
        let failing = DestinationFacts {
            failing: Some((
                Timestamp::UNIX_EPOCH,
                Trouble::new(TroubleKind::AssociationRefused, "refused"),
            )),
            ..DestinationFacts::default()
        };
        facts.destinations.insert("pacs".to_owned(), failing);
        let why = "locked".to_owned();
        facts.journal_unusable = Some(Notice::JournalUnusable { why });
        let waits = line(&facts);
        assert!(waits.ends_with("cannot be written; not delivering to pacs"));
        facts.not_receiving = Some(NotReceiving::DiskFull { free_bytes: 0 });
        let line = line(&facts);
        assert!(
            line.starts_with("not receiving: the disk is full"),
            "{line}"
        );
        assert!(line.ends_with("; not delivering to pacs"), "{line}");
    }
}
