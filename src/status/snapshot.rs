//! One consistent picture of the appliance, for the page and for `/api/status`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    callers::{Refused, Seen},
    facts::{CertificateFacts, DestinationFacts, EngineFacts, Facts, SelfTestFacts},
    language::Language,
    light::{Cause, Light},
    notice::Notice,
};
use crate::{
    device::Reading,
    dicom::{Remedy, Trouble, Uid},
    encode::ObjectKind,
    spool::journal::{
        CommitmentRecord, CommitmentState, DeliveryState, GateOutcome, GateSummary, InstanceRecord,
        InstanceState, Journal, JournalError, SeriesRecord, SeriesState, Summary,
    },
};

/// Everything the page shows. The field names are an interface: others parse them.
#[derive(Debug, Serialize)]
pub struct Snapshot {
    pub name: String,
    pub version: &'static str,
    /// Whether instances can be received and kept.
    pub ready: bool,
    pub light: Light,
    /// The traffic light in words, in English.
    pub headline: String,
    /// What went wrong in the words of the part in trouble, where the headline has no room for it.
    pub detail: Option<String>,
    #[serde(skip)]
    pub(super) cause: Cause,
    /// In English.
    pub notices: Vec<Notice>,
    pub anyone_may_send: bool,
    pub engine: Option<EngineFacts>,
    pub series: Vec<SeriesView>,
    pub counts: BTreeMap<SeriesState, u64>,
    /// Instances that were kept but cannot be read, newest first.
    pub quarantined: Vec<QuarantineView>,
    pub destinations: BTreeMap<String, DestinationFacts>,
    /// Callers turned away, by reason.
    pub refused_callers: BTreeMap<String, u64>,
    /// Who called lately, latest first, and who was turned away.
    pub callers: Vec<Seen>,
    pub refused: Vec<Refused>,
    /// Certificates of this box, with their expiry.
    pub certificates: Vec<CertificateFacts>,
    pub disk: Disk,
    pub board: Reading,
    pub self_test: Option<SelfTestFacts>,
}

#[derive(Debug, Serialize)]
pub struct Disk {
    pub free_bytes: u64,
    pub total_bytes: u64,
    /// At the rate of the last hours; `None` while it does not fill, or too little is known.
    pub hours_left: Option<f64>,
}

/// One series, in the words and numbers a technician needs.
#[derive(Debug, Serialize)]
pub struct SeriesView {
    pub id: Uid,
    pub state: SeriesState,
    pub reason: Option<Trouble>,
    pub remedy: Option<Remedy>,
    pub calling_ae: String,
    pub description: Option<String>,
    pub accession_number: Option<String>,
    pub instances_received: u32,
    /// How many the sender says there are; `None`: it never said.
    pub instances_announced: Option<u32>,
    pub slices_encoded: u32,
    pub received_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// Last slice durable to SEG durable.
    pub seconds_to_seg: Option<f64>,
    pub destinations: Vec<DeliveryView>,
    /// Every gate that was asked, in order.
    pub gates: Vec<GateSummary>,
    /// Those of them that refused an answer.
    pub refused_by: Vec<RefusedBy>,
    pub lesions: Option<u32>,
    pub liver_ml: Option<f64>,
    pub tumour_ml: Option<f64>,
}

#[derive(Debug, Serialize)]
pub struct DeliveryView {
    /// The destination.
    pub name: String,
    /// What is sent there; `None` for a class that this version does not make.
    pub object: Option<ObjectKind>,
    pub state: DeliveryState,
    pub attempts: u32,
    pub last_error: Option<Trouble>,
    /// `None`: it is not asked to answer for keeping the object, or was not yet.
    pub commitment: Option<CommitmentView>,
}

/// Whether a destination answers for keeping an object.
#[derive(Debug, Serialize)]
pub struct CommitmentView {
    pub state: CommitmentState,
    pub since: Timestamp,
    /// Requests in a row that came to nothing, and what the last of them came to.
    pub tries: u32,
    pub last_error: Option<Trouble>,
    /// Who has to act.
    pub remedy: Option<Remedy>,
}

impl From<CommitmentRecord> for CommitmentView {
    fn from(record: CommitmentRecord) -> Self {
        Self {
            state: record.state,
            since: record.since,
            tries: record.tries,
            remedy: record.remedy(),
            last_error: record.trouble,
        }
    }
}

/// A gate that refused an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RefusedBy {
    pub code: String,
    pub measured: f64,
}

fn refusing(gates: &[GateSummary]) -> Vec<RefusedBy> {
    let refusing = gates
        .iter()
        .filter(|gate| gate.outcome == GateOutcome::Refuse);
    refusing
        .map(|gate| RefusedBy {
            code: gate.code.clone(),
            measured: gate.measured,
        })
        .collect()
}

impl SeriesView {
    #[must_use]
    pub fn new(record: SeriesRecord, facts: &Facts) -> Self {
        let encoded = facts.slices_encoded.get(&record.series).copied();
        let Summary {
            liver_ml,
            lesions,
            tumour_ml,
            seconds_to_seg,
            gates,
        } = record.summary;
        Self {
            refused_by: refusing(&gates),
            gates,
            lesions,
            liver_ml,
            tumour_ml,
            seconds_to_seg,
            slices_encoded: encoded.unwrap_or(record.slices_encoded),
            id: record.series,
            state: record.state,
            reason: record.reason,
            remedy: record.remedy,
            calling_ae: record.calling_ae.to_string(),
            description: record.description,
            accession_number: record.accession_number,
            instances_received: record.instances_received,
            instances_announced: record.announced,
            received_at: record.first_received_at,
            finished_at: record.finished_at,
            destinations: record
                .destinations
                .into_iter()
                .map(|delivery| DeliveryView {
                    object: ObjectKind::of(&delivery.object_sop_class),
                    name: delivery.destination,
                    state: delivery.state,
                    attempts: delivery.attempts,
                    last_error: delivery.last_error,
                    commitment: delivery.commitment.map(CommitmentView::from),
                })
                .collect(),
        }
    }
}

#[cfg(test)]
impl SeriesView {
    /// With nothing in it yet.
    pub(super) fn for_tests(state: SeriesState) -> Self {
        Self {
            id: Uid::derived("series", &[]),
            state,
            reason: None,
            remedy: None,
            calling_ae: "CT1".to_owned(),
            description: None,
            accession_number: None,
            instances_received: 0,
            instances_announced: None,
            slices_encoded: 0,
            received_at: Timestamp::UNIX_EPOCH,
            finished_at: None,
            seconds_to_seg: None,
            destinations: Vec::new(),
            gates: Vec::new(),
            refused_by: Vec::new(),
            lesions: None,
            liver_ml: None,
            tumour_ml: None,
        }
    }
}

/// An instance that was kept but cannot be used, and why.
#[derive(Debug, Serialize)]
pub struct QuarantineView {
    pub instance: Uid,
    pub calling_ae: String,
    pub received_at: Timestamp,
    pub reason: String,
}

/// How many quarantined instances the page and `/api/status` list.
const QUARANTINED: u32 = 20;

/// How many series the page and `/api/status` list.
const RECENT: u32 = 50;

impl Snapshot {
    /// Reads the journal once; call it off the async runtime.
    pub fn take(
        name: &str,
        anyone_may_send: bool,
        facts: Facts,
        journal: &Journal,
    ) -> Result<Self, JournalError> {
        let recent = journal.recent(RECENT, 0)?;
        let series: Vec<_> = recent
            .into_iter()
            .map(|record| SeriesView::new(record, &facts))
            .collect();
        let counts = journal.counts()?;
        let quarantined = journal.quarantined(QUARANTINED)?;
        let waiting = counts.get(&SeriesState::Delivering).copied().unwrap_or(0);
        let cause = Cause::of(&facts, waiting);
        Ok(Self {
            name: name.to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            ready: facts.not_receiving.is_none(),
            light: cause.light(),
            headline: cause.words(Language::english()),
            detail: cause.detail(Language::english()),
            cause,
            notices: notices(&facts),
            anyone_may_send,
            engine: facts.engine.and_then(Result::ok),
            series,
            counts,
            quarantined: quarantined
                .into_iter()
                .filter_map(quarantine_view)
                .collect(),
            callers: facts.callers.all_seen().into_iter().cloned().collect(),
            refused: facts.callers.all_refused().into_iter().cloned().collect(),
            destinations: facts.destinations,
            refused_callers: facts.refused_callers,
            certificates: facts.certificates,
            disk: Disk {
                free_bytes: facts.disk_free_bytes,
                total_bytes: facts.disk_total_bytes,
                hours_left: facts.disk_hours_left,
            },
            board: facts.board,
            self_test: facts.self_test,
        })
    }
}

pub(super) fn quarantine_view(record: InstanceRecord) -> Option<QuarantineView> {
    let InstanceState::Quarantined { reason } = record.state else {
        return None;
    };
    Some(QuarantineView {
        instance: record.sop_instance,
        calling_ae: record.source.calling_ae.to_string(),
        received_at: record.received_at,
        reason,
    })
}

/// What a person should know that the light does not say.
fn notices(facts: &Facts) -> Vec<Notice> {
    let now = Timestamp::now();
    let destinations = facts.destinations.values();
    let declines = destinations.clone().flat_map(|it| &it.declines);
    let commitments = destinations.filter_map(|it| it.commitment.as_ref());
    let certificates = facts.certificates.iter();
    let chunking = facts.chunking_callers.iter();
    let contradicted = facts.contradicted.iter();
    facts
        .notices
        .iter()
        .chain(&facts.journal_unusable)
        .chain(declines)
        .chain(commitments)
        .cloned()
        .chain(certificates.filter_map(|certificate| certificate.notice(now)))
        .chain(facts.audit_not_sent.clone())
        .chain(chunking.map(|caller| Notice::SendsInPieces {
            caller: caller.clone(),
        }))
        .chain(
            contradicted.map(|(caller, &instances)| Notice::Contradicts {
                caller: caller.clone(),
                instances,
            }),
        )
        .collect()
}
