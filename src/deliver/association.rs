//! One association that we requested, over a blocking socket: how it comes about, what is asked on
//! it, and how it ends.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use dicom_dictionary_std::uids;
use dicom_ul::pdu::{
    self as ul, AbortRQServiceProviderReason, AssociationAC, AssociationRQ,
    PresentationContextProposed, PresentationContextResultReason, UserVariableItem,
};

use tokio_util::sync::CancellationToken;

use super::{
    DeliverError, Destination, Timeouts, class_name,
    connection::{Connection, Patience},
    object::{Object, is_plain},
};
use crate::{
    association::{
        dimse::{commitment_request, echo_request, store_request},
        negotiation::our_variables,
        pdu::{self, Fragments, Inbox, Pdu, Reject},
    },
    chain,
    dicom::{DimseStatus, Remedy, Uid},
    tls::Problem,
};

/// A presentation context to ask for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Proposal {
    pub abstract_syntax: Uid,
    pub transfer_syntaxes: Vec<Uid>,
}

impl Proposal {
    /// For a class of the standard in either plain encoding.
    pub fn plain(class: &str) -> Self {
        let uid = |text| Uid::parse(text).expect("the dictionary holds UIDs");
        Self::new(uid(class), &uid(uids::EXPLICIT_VR_LITTLE_ENDIAN))
    }

    /// For objects of `sop_class` in plain files, deflated on their way.
    pub fn deflated(sop_class: Uid) -> Self {
        let deflated = Uid::parse(uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN);
        Self {
            abstract_syntax: sop_class,
            transfer_syntaxes: deflated.into_iter().collect(),
        }
    }

    /// For objects of `sop_class` in files of `encoding`: either plain encoding serves a plain file.
    pub fn new(sop_class: Uid, encoding: &Uid) -> Self {
        let transfer_syntaxes = if is_plain(encoding) {
            [
                uids::EXPLICIT_VR_LITTLE_ENDIAN,
                uids::IMPLICIT_VR_LITTLE_ENDIAN,
            ]
            .iter()
            .filter_map(|uid| Uid::parse(uid).ok())
            .collect()
        } else {
            vec![encoding.clone()]
        };
        Self {
            abstract_syntax: sop_class,
            transfer_syntaxes,
        }
    }
}

/// What the peer said to a proposal.
type Answer = Result<Uid, PresentationContextResultReason>;

/// [`exchange`](super::exchange) has what is said on it.
#[derive(Debug)]
pub(super) struct Association {
    /// The destination, for messages.
    pub name: String,
    pub timeouts: Timeouts,
    pub stream: Connection,
    pub patience: Patience,
    pub inbox: Inbox,
    /// What is left of the PDU that was read last.
    pub fragments: Option<Fragments>,
    answers: BTreeMap<u8, (Proposal, Answer)>,
    pub peer_max: u32,
    pub implementation: Option<String>,
    pub message_id: u16,
}

impl Association {
    pub fn open(
        destination: &Destination,
        proposals: &[Proposal],
        stop: &CancellationToken,
    ) -> Result<Self, DeliverError> {
        let mut patience = Patience::new(&destination.name, stop);
        let stream = Connection::open(destination, &mut patience)?;
        let mut association = Self {
            name: destination.name.clone(),
            timeouts: destination.timeouts,
            stream,
            patience,
            inbox: Inbox::new(MAX_PDU),
            fragments: None,
            answers: BTreeMap::new(),
            peer_max: 0,
            implementation: None,
            message_id: 0,
        };
        let accept = association.request(destination, proposals)?;
        association.agree(proposals, &accept)?;
        Ok(association)
    }

    fn request(
        &mut self,
        destination: &Destination,
        proposals: &[Proposal],
    ) -> Result<Box<AssociationAC>, DeliverError> {
        const STEP: &str = "asked for an association";
        let request = ul::Pdu::AssociationRQ(AssociationRQ {
            protocol_version: 1,
            calling_ae_title: destination.calling_ae.to_string(),
            called_ae_title: destination.ae_title.to_string(),
            application_context_name: uids::DICOM_APPLICATION_CONTEXT.to_owned(),
            presentation_contexts: numbered(proposals)
                .map(|(id, proposal)| PresentationContextProposed {
                    id,
                    abstract_syntax: proposal.abstract_syntax.to_string(),
                    transfer_syntaxes: proposal
                        .transfer_syntaxes
                        .iter()
                        .map(Uid::to_string)
                        .collect(),
                })
                .collect(),
            user_variables: our_variables(MAX_PDU),
        });
        let bytes = pdu::encode(&request).map_err(|err| self.violation(STEP, &chain(&err)))?;
        let deadline = Instant::now() + self.timeouts.negotiation;
        self.write(&bytes, deadline, STEP)?;
        match self.read(deadline, STEP)? {
            Pdu::AssociateAccept(accept) => Ok(accept),
            Pdu::AssociateReject(reject) => Err(self.refused(reject)),
            other => Err(self.unexpected(&other, STEP)),
        }
    }

    fn agree(
        &mut self,
        proposals: &[Proposal],
        accept: &AssociationAC,
    ) -> Result<(), DeliverError> {
        for (id, proposal) in numbered(proposals) {
            let result = accept.presentation_contexts.iter().find(|r| r.id == id);
            let answer = match result.map(|result| (&result.reason, &result.transfer_syntax)) {
                Some((PresentationContextResultReason::Acceptance, syntax)) => {
                    let taken = proposal
                        .transfer_syntaxes
                        .iter()
                        .find(|uid| uid.as_str() == syntax.trim_end_matches(['\0', ' ']));
                    Ok(taken.cloned().ok_or_else(|| {
                        let violation = format!("it chose {syntax:?}, which was not proposed");
                        self.violation("asked for an association", &violation)
                    })?)
                }
                Some((reason, _)) => Err(reason.clone()),
                None => Err(PresentationContextResultReason::NoReason),
            };
            self.answers.insert(id, (proposal.clone(), answer));
        }
        for variable in &accept.user_variables {
            match variable {
                UserVariableItem::MaxLength(length) => self.peer_max = *length,
                UserVariableItem::ImplementationVersionName(name) => {
                    self.implementation = Some(name.clone());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Sends one object and waits for what the peer makes of it.
    pub fn store(&mut self, object: Object) -> Result<DimseStatus, DeliverError> {
        let proposal = Proposal::new(object.sop_class().clone(), object.own_encoding());
        let deflated = Proposal::deflated(object.sop_class().clone());
        let (context, syntax) = match self.context(&deflated) {
            Ok(accepted) if is_plain(object.own_encoding()) => accepted,
            _ => self.context(&proposal)?,
        };
        self.message_id = self.message_id.wrapping_add(1);
        let command = store_request(self.message_id, object.sop_class(), object.sop_instance());
        let data_set = object.data_set(&syntax)?;
        self.send(context, &command, &data_set, "sent an object")?;
        let (status, comment) = self.response("waited for the answer to an object")?;
        if status.peer_has_the_instance() {
            Ok(status)
        } else {
            Err(DeliverError::Status {
                name: self.name.clone(),
                status,
                comment,
            })
        }
    }

    /// Asks the peer to commit to what `data_set` names; the answer is another message.
    pub fn ask_to_commit(&mut self, context: u8, data_set: &[u8]) -> Result<(), DeliverError> {
        self.message_id = self.message_id.wrapping_add(1);
        let command = commitment_request(self.message_id);
        self.send(context, &command, data_set, "sent a request to commit")
    }

    /// C-ECHO; how long the answer took.
    pub fn echo(&mut self, proposal: &Proposal) -> Result<Duration, DeliverError> {
        let (context, _) = self.context(proposal)?;
        self.message_id = self.message_id.wrapping_add(1);
        let command = echo_request(self.message_id);
        let start = Instant::now();
        self.send(context, &command, &[], "sent an echo")?;
        let (status, comment) = self.response("waited for the answer to an echo")?;
        if status == DimseStatus::SUCCESS {
            Ok(start.elapsed())
        } else {
            Err(DeliverError::Status {
                name: self.name.clone(),
                status,
                comment,
            })
        }
    }

    /// The accepted context for a proposal, and its transfer syntax.
    pub fn context(&self, proposal: &Proposal) -> Result<(u8, Uid), DeliverError> {
        use PresentationContextResultReason as Reason;
        let answer = self.answers.iter().find(|(_, (p, _))| p == proposal);
        let reason = match answer {
            Some((id, (_, Ok(syntax)))) => return Ok((*id, syntax.clone())),
            Some((_, (_, Err(Reason::AbstractSyntaxNotSupported)))) => "class not supported",
            Some((_, (_, Err(Reason::TransferSyntaxesNotSupported)))) => {
                "transfer syntax not supported"
            }
            Some((_, (_, Err(Reason::UserRejection)))) => "rejected by its configuration",
            Some((_, (_, _))) => "refused without a reason",
            None => "more classes wait than one association can carry",
        };
        Err(DeliverError::NoPresentationContext {
            name: self.name.clone(),
            class: class_name(&proposal.abstract_syntax),
            reason,
        })
    }

    /// Says goodbye. What was stored stays stored, so nothing that fails here matters.
    pub fn release(mut self) {
        const STEP: &str = "released";
        let deadline = Instant::now() + self.timeouts.negotiation.min(LONGEST_FAREWELL);
        if self.write(&pdu::RELEASE_REQUEST, deadline, STEP).is_err() {
            return;
        }
        while let Ok(pdu) = self.read(deadline, STEP) {
            match pdu {
                // Both sides asked at once: the requestor answers first (PS3.8 §7.2.2.7).
                Pdu::ReleaseRequest => {
                    let _ = self.write(&pdu::RELEASE_REPLY, deadline, STEP);
                }
                _ => return,
            }
        }
    }

    /// Ends the association in the way that `err` leaves open.
    pub fn leave_after(self, err: &DeliverError) {
        if err.ends_the_association() {
            self.abort();
        } else {
            self.release();
        }
    }

    /// Gives up on a message that the peer may have received in part.
    pub fn abort(mut self) {
        let bytes = pdu::abort(AbortRQServiceProviderReason::ReasonNotSpecified);
        // The peer may be gone; then nobody needs to hear it.
        self.stream.allow(ABORT_PATIENCE);
        let written = self.stream.write_all(&bytes);
        let _ = written.and_then(|()| self.stream.flush());
        self.stream.close();
    }

    pub fn broken(&self, err: io::Error, step: &'static str) -> DeliverError {
        if let Some(problem) = Problem::behind(&err) {
            let name = self.name.clone();
            return DeliverError::Tls { name, problem };
        }
        DeliverError::Broken {
            name: self.name.clone(),
            step,
            source: Arc::new(err),
        }
    }

    pub fn unexpected(&self, pdu: &Pdu, step: &'static str) -> DeliverError {
        self.violation(step, &format!("unexpected {}", pdu.name()))
    }

    pub fn violation(&self, step: &'static str, violation: &str) -> DeliverError {
        DeliverError::Violation {
            name: self.name.clone(),
            step,
            violation: violation.to_owned(),
        }
    }

    fn refused(&self, reject: Reject) -> DeliverError {
        let (remedy, lasting) = if reject.is_transient() {
            (Remedy::Wait, "for now")
        } else {
            (Remedy::Service, "permanently")
        };
        DeliverError::Refused {
            name: self.name.clone(),
            reason: format!("{reject} ({lasting})"),
            remedy,
        }
    }
}

/// Presentation context identifiers are odd; 128 of them fit.
fn numbered(proposals: &[Proposal]) -> impl Iterator<Item = (u8, &Proposal)> {
    (1..=255).step_by(2).zip(proposals)
}

/// Responses are small.
const MAX_PDU: u32 = 16_384;
const LONGEST_FAREWELL: Duration = Duration::from_secs(5);
pub(super) const ABORT_PATIENCE: Duration = Duration::from_millis(500);
