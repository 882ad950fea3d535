//! What is heard of the callers, besides their instances.

use jiff::Timestamp;

use super::{dispatcher::Dispatcher, trail};
use crate::{
    association::{self, Rejection},
    dicom::{sop_class, transfer_syntax},
    status::{self, metric_names},
};

impl Dispatcher {
    pub(super) fn association(&mut self, event: association::Event) {
        if let Some(event) = trail::of_association(&event) {
            self.audit.record(event);
        }
        match event {
            association::Event::Ended {
                association, how, ..
            } => {
                let released = how == association::Ended::Released;
                self.assembler.association_ended(association, released);
            }
            association::Event::Opened {
                source,
                implementation,
                accepted,
                proposed,
            } => {
                let classes = accepted.iter().map(|(class, _)| sop_class::name(class));
                let syntaxes = accepted.iter().map(|(_, syntax)| syntax);
                let caller = status::Seen {
                    calling_ae: source.calling_ae.to_string(),
                    address: source.peer,
                    called_ae: source.called_ae.to_string(),
                    implementation,
                    proposed,
                    accepted: accepted.len(),
                    sop_classes: classes.collect(),
                    transfer_syntaxes: syntaxes
                        .map(|syntax| transfer_syntax::name(syntax).to_owned())
                        .collect(),
                    last_seen: Timestamp::now(),
                    associations: 0,
                };
                self.facts.pin(|facts| facts.callers.accepted(caller));
            }
            association::Event::Refused {
                calling_ae,
                called_ae,
                peer,
                reason,
            } => {
                let words = reason.to_string();
                metrics::counter!(metric_names::REFUSALS, "reason" => words.clone()).increment(1);
                let caller = status::Refused {
                    calling_ae: calling_ae.trim().to_owned(),
                    address: peer,
                    called_ae: called_ae.trim().to_owned(),
                    reason: words.clone(),
                    unknown: matches!(reason, Rejection::CallingAeTitle | Rejection::CallerAddress),
                    last_seen: Timestamp::now(),
                    times: 0,
                };
                self.facts.pin(|facts| {
                    *facts.refused_callers.entry(words).or_default() += 1;
                    facts.callers.refused(caller);
                });
            }
            association::Event::Unheard { problem, .. } => {
                let words = format!("the peer {problem}");
                metrics::counter!(metric_names::REFUSALS, "reason" => "no TLS connection")
                    .increment(1);
                self.facts.pin(|facts| {
                    *facts.refused_callers.entry(words).or_default() += 1;
                });
            }
            association::Event::SetApart { source, .. } => self.facts.pin(|facts| {
                let sender = source.calling_ae.to_string();
                *facts.contradicted.entry(sender).or_default() += 1;
            }),
            association::Event::Reported {
                report,
                source,
                answer,
            } => {
                let heard = self.reports.hear(&source.calling_ae, report);
                // The peer may have gone; then it reports again, and hears the same.
                let _ = answer.send(heard.status);
                if heard.sends_again {
                    self.wake_deliverers();
                }
            }
            association::Event::Stored { .. } => {}
        }
    }
}
