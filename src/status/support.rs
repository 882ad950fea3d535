//! One file for whoever helps from afar: what runs, how it is set up, what went wrong.
//!
//! It leaves the hospital by mail, so it holds nothing about a patient and nothing that opens a door.
//! Descriptions and accession numbers are left out; UIDs are replaced by short marks that are the same
//! wherever the same UID stands; words that a peer sent are left out, because nobody knows what it put
//! into them; keys, passwords and tokens are removed from the configuration.

use std::{io::Write, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use flate2::{Compression, write::GzEncoder};
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};
use tracing::Level;

use super::{
    facts::Facts,
    logs,
    server::{PageError, Pages, off_runtime},
};
use crate::spool::journal::{DeliveryRecord, Journal, JournalError, SeriesRecord};

/// The latest series that are told of.
const SERIES: u32 = 200;

pub(super) fn routes() -> Router<Arc<Pages>> {
    Router::new().route("/support", get(download))
}

async fn download(State(pages): State<Arc<Pages>>) -> Result<Response, PageError> {
    let now = Timestamp::now();
    let bytes = off_runtime(move || {
        let configuration = toml::Value::try_from(&*pages.config).ok();
        let parts = Parts {
            configuration,
            facts: pages.facts.read(),
            now,
        };
        parts.bundle(&pages.journal)
    })
    .await?;
    let name = format!(
        "attachment; filename=\"hepar-support-{}.tar.gz\"",
        now.strftime("%Y%m%d-%H%M%S")
    );
    let headers = [
        (header::CONTENT_TYPE, "application/gzip"),
        (header::CONTENT_DISPOSITION, &name),
    ];
    Ok((headers, bytes).into_response())
}

/// What a bundle is made from, besides journal and log.
struct Parts {
    configuration: Option<toml::Value>,
    facts: Facts,
    now: Timestamp,
}

impl Parts {
    fn bundle(mut self, journal: &Journal) -> Result<Vec<u8>, PageError> {
        let series = journal.recent(SERIES, 0)?;
        if let Some(configuration) = &mut self.configuration {
            without_secrets(configuration);
        }
        let configuration = self.configuration.as_ref();
        let configuration = configuration.and_then(|value| toml::to_string_pretty(value).ok());
        let files = [
            ("about.txt", about(self.now)),
            ("configuration.toml", configuration.unwrap_or_default()),
            ("log.txt", log()),
            ("status.json", status(&self.facts, journal)?),
            ("series.json", told(&series)),
        ];
        archive(&files, self.now).map_err(PageError::Bundle)
    }
}

fn about(now: Timestamp) -> String {
    format!(
        "Hepar {}, support bundle of {now}\n\n\
         It holds no patient data: no descriptions, no accession numbers, no words of other\n\
         systems; UIDs are replaced by marks such as <uid 1a2b3c4d>, the same for the same UID.\n",
        env!("CARGO_PKG_VERSION")
    )
}

fn log() -> String {
    let lines = logs::lines(Level::TRACE, "", usize::MAX);
    let lines = lines
        .iter()
        .map(|line| format!("{} {:5} {}\n", line.at, line.level, scrubbed(&line.text)));
    lines.collect()
}

fn status(facts: &Facts, journal: &Journal) -> Result<String, JournalError> {
    let destinations: serde_json::Map<String, serde_json::Value> = facts
        .destinations
        .iter()
        .map(|(name, destination)| {
            let failing = destination.failing.as_ref();
            let failing = failing.map(|(since, why)| json!([since, scrubbed(&why.words)]));
            let told = json!({ "last_success": destination.last_success, "failing": failing });
            (name.clone(), told)
        })
        .collect();
    let not_receiving = facts.not_receiving.as_ref();
    let not_receiving = not_receiving.map(|reason| scrubbed(&reason.to_string()));
    let notices: Vec<String> = facts
        .notices
        .iter()
        .chain(&facts.journal_unusable)
        .map(|notice| scrubbed(&notice.to_string()))
        .collect();
    let status = json!({
        "not_receiving": not_receiving,
        "engine": facts.engine,
        "notices": notices,
        "destinations": destinations,
        "disk_free_bytes": facts.disk_free_bytes,
        "disk_total_bytes": facts.disk_total_bytes,
        "disk_hours_left": facts.disk_hours_left,
        "self_test": facts.self_test,
        "board": facts.board,
        "counts": journal.counts()?,
    });
    Ok(format!("{status:#}\n"))
}

/// What became of the latest series, and why, without saying whose they are.
fn told(series: &[SeriesRecord]) -> String {
    let told = series.iter().map(|series| {
        let sent = |delivery: &DeliveryRecord| {
            json!({
                "destination": delivery.destination,
                "state": delivery.state,
                "attempts": delivery.attempts,
                "last_error": delivery.last_error.as_ref().map(|it| scrubbed(&it.words)),
            })
        };
        let destinations: Vec<_> = series.destinations.iter().map(sent).collect();
        json!({
            "series": mark(series.series.as_str()),
            "state": series.state,
            "reason": series.reason.as_ref().map(|it| scrubbed(&it.words)),
            "remedy": series.remedy,
            "modality": series.modality,
            "revision": series.revision,
            "instances_received": series.instances_received,
            "instances_announced": series.announced,
            "slices_encoded": series.slices_encoded,
            "first_received_at": series.first_received_at,
            "last_received_at": series.last_received_at,
            "finished_at": series.finished_at,
            "destinations": destinations,
        })
    });
    let told = told.collect();
    format!("{:#}\n", serde_json::Value::Array(told))
}

fn archive(files: &[(&str, String)], now: Timestamp) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(now.as_second().unsigned_abs());
        archive.append_data(
            &mut header,
            format!("hepar-support/{name}"),
            text.as_bytes(),
        )?;
    }
    let mut gzip = archive.into_inner()?;
    gzip.flush()?;
    gzip.finish()
}

/// Parts of names whose values open doors.
const SECRET: [&str; 6] = ["password", "secret", "token", "key", "credential", "hash"];

fn without_secrets(value: &mut toml::Value) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                let is_secret = SECRET.iter().any(|word| name.to_lowercase().contains(word));
                if is_secret {
                    *value = toml::Value::String("(removed)".to_owned());
                } else {
                    without_secrets(value);
                }
            }
        }
        toml::Value::Array(values) => values.iter_mut().for_each(without_secrets),
        toml::Value::String(text) => {
            // A user and a password may stand in a URL.
            if let Some((scheme, rest)) = text.split_once("://")
                && let Some((_, place)) = rest.split_once('@')
            {
                *text = format!("{scheme}://(removed)@{place}");
            }
        }
        _ => {}
    }
}

/// Where words begin that somebody else chose.
const QUOTED: [&str; 4] = ["saying \"", "description=", "comment=", "called_ae="];

/// A sentence of ours without UIDs and without the words of peers.
fn scrubbed(text: &str) -> String {
    let mut scrubbed = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(start) = QUOTED.iter().find(|start| rest.starts_with(**start)) {
            scrubbed.push_str(start);
            scrubbed.push_str("(removed)");
            // To the end: what a peer quotes may look like ours.
            break;
        }
        let length = uid_length(rest);
        if length > 0 {
            let (uid, after) = rest.split_at(length);
            scrubbed.push_str(&mark(uid));
            rest = after;
            continue;
        }
        let mut characters = rest.chars();
        scrubbed.extend(characters.next());
        rest = characters.as_str();
    }
    scrubbed
}

/// The length of the UID that `text` begins with: five numbers or more, so that neither an address
/// nor a version is one. 0 if it begins otherwise. Names and identifiers never stand in our own
/// sentences, but numbers of peers may: digits in a row that are too many for a count go as well.
fn uid_length(text: &str) -> usize {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (mut length, mut numbers) = (digits(text), 1);
    if length == 0 {
        return 0;
    }
    while let Some(after) = text.get(length..).and_then(|rest| rest.strip_prefix('.')) {
        match digits(after) {
            0 => break,
            more => length += 1 + more,
        }
        numbers += 1;
    }
    let is_uid = numbers >= 5 || text.starts_with("2.25.") || (numbers == 1 && length >= LONG);
    if is_uid { length } else { 0 }
}

/// Digits that no count of ours has.
const LONG: usize = 20;

/// The same for the same UID, and no way back.
fn mark(uid: &str) -> String {
    let digest = Sha256::digest(uid.as_bytes());
    let short = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    format!("<uid {short:08x}>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_become_marks_and_addresses_and_figures_stay() {
        let text = "series=1.2.840.113619.2.55 from 10.0.0.5:104, hepar 0.1.0, 12.5 s, 2.25.77";
        let scrubbed = scrubbed(text);
        assert!(!scrubbed.contains("113619") && !scrubbed.contains("2.25.77"));
        for kept in ["10.0.0.5:104", "0.1.0", "12.5 s", "<uid "] {
            assert!(scrubbed.contains(kept), "{scrubbed}");
        }
        assert_eq!(
            super::scrubbed("a 1.2.3.4.5"),
            super::scrubbed("a 1.2.3.4.5")
        );
        assert_ne!(mark("1.2.3.4.5"), mark("1.2.3.4.6"));
    }

    #[test]
    fn what_a_peer_said_is_left_out() {
        let text = "pacs answered with status A900, saying \"MEIER^ANNA is unknown\"";
        assert!(!scrubbed(text).contains("MEIER"));
        assert!(scrubbed(text).contains("status A900"));
    }

    #[test]
    fn what_opens_a_door_is_removed_wherever_it_stands() {
        let mut value: toml::Value = toml::from_str(
            "[status]\ntoken-file = \"/t\"\n[[destination]]\nname = \"a\"\n\
             address = \"https://me:open@pacs/x\"\n[destination.tls]\nprivate-key = \"open\"\n",
        )
        .unwrap();
        without_secrets(&mut value);
        let text = toml::to_string(&value).unwrap();
        assert!(!text.contains("open"), "{text}");
        assert!(
            text.contains("name = \"a\"") && text.contains("@pacs/x"),
            "{text}"
        );
    }
}
