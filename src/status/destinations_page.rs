//! Where results go and who sends: the page for setting either up.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Html};
use jiff::Timestamp;

use super::{
    callers::{Refused, Seen},
    clock,
    facts::DestinationFacts,
    frame::Frame,
    server::{PageError, Pages, off_runtime},
    trouble::Told,
};

/// One destination: as it is configured, and how it answers.
struct Line {
    name: String,
    ae_title: String,
    address: String,
    /// `ok`, `bad`, or `off` while nothing was sent yet.
    mark: &'static str,
    state: String,
    last_success: String,
    /// The latest reason, while it fails.
    error: Told,
    waiting: u64,
    /// What stands in the way of its commitments; empty: nothing, or it is not asked.
    commitment: String,
}

#[derive(Template)]
#[template(path = "destinations.html", config = ".askama.toml")]
struct DestinationsPage<'a> {
    destinations: Vec<Line>,
    seen: Vec<&'a Seen>,
    refused: Vec<&'a Refused>,
    chunking: Vec<&'a str>,
    anyone_may_send: bool,
    ae_title: &'a str,
    frame: Frame,
}

impl DestinationsPage<'_> {
    fn sends_in_pieces(&self, caller: &Seen) -> bool {
        self.chunking.contains(&&*caller.calling_ae)
    }

    fn called_otherwise(&self, caller: &Refused) -> bool {
        caller.called_ae.trim() != self.ae_title
    }
}

pub(super) async fn destinations_page(
    State(pages): State<Arc<Pages>>,
    frame: Frame,
) -> Result<Html<String>, PageError> {
    off_runtime(move || {
        let facts = pages.facts.read();
        let waiting = pages.journal.waiting_by_destination()?;
        let destinations = pages.config.destinations.iter();
        let destinations = destinations
            .map(|destination| {
                let known = facts.destinations.get(&destination.name);
                let known = known.cloned().unwrap_or_default();
                Line {
                    ae_title: destination.ae_title.to_string(),
                    address: destination.address.clone(),
                    mark: mark(&known),
                    state: state(&known, &frame),
                    last_success: known.last_success.as_ref().map_or(String::new(), moment),
                    error: known.failing.map_or_else(Told::default, |(_, reason)| {
                        Told::new(&reason, frame.language)
                    }),
                    commitment: known
                        .commitment
                        .map_or_else(String::new, |notice| notice.words(frame.language)),
                    waiting: waiting.get(&destination.name).copied().unwrap_or(0),
                    name: destination.name.clone(),
                }
            })
            .collect();
        let page = DestinationsPage {
            destinations,
            seen: facts.callers.all_seen(),
            refused: facts.callers.all_refused(),
            chunking: facts.chunking_callers.iter().map(String::as_str).collect(),
            anyone_may_send: pages.anyone_may_send,
            ae_title: pages.config.listener.ae_title.as_str(),
            frame,
        };
        Ok(Html(page.render()?))
    })
    .await
}

fn mark(known: &DestinationFacts) -> &'static str {
    match (&known.failing, known.last_success) {
        (Some(_), _) => "bad",
        (None, Some(_)) => "ok",
        (None, None) => "off",
    }
}

fn state(known: &DestinationFacts, frame: &Frame) -> String {
    match (&known.failing, known.last_success) {
        (Some((since, _)), _) => {
            let since = clock::beginning(since);
            frame.tell("destination-failing", &[("since", since.into())])
        }
        (None, Some(_)) => frame.say("destination-works"),
        (None, None) => frame.say("destination-untried"),
    }
}

fn moment(time: &Timestamp) -> String {
    clock::date_and_time(time)
}
