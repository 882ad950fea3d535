//! One association that we requested, over a blocking socket.
//!
//! Command and data set go in separate PDUs, because some archives break when they share one, and a
//! PDU is one write with Nagle's algorithm off, because archives that delay acknowledgements would
//! otherwise cost 40 ms each.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use dicom_dictionary_std::uids;
use dicom_ul::pdu::{
    self as ul, AbortRQServiceProviderReason, AssociationAC, AssociationRJ, AssociationRJResult,
    AssociationRQ, PresentationContextProposed, PresentationContextResultReason, UserVariableItem,
};

use tokio_util::sync::CancellationToken;

use super::{
    DeliverError, Destination, Timeouts, class_name,
    connection::{Connection, Patience, is_time_out},
    object::{Object, is_plain},
};
use crate::{
    association::{
        dimse::{Command, echo_request, store_request},
        negotiation::our_variables,
        pdu::{self, Inbox, Part, Pdu, PduError},
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

#[derive(Debug)]
pub(super) struct Association {
    /// The destination, for messages.
    name: String,
    timeouts: Timeouts,
    stream: Connection,
    patience: Patience,
    inbox: Inbox,
    answers: BTreeMap<u8, (Proposal, Answer)>,
    peer_max: u32,
    pub implementation: Option<String>,
    message_id: u16,
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
            Pdu::AssociateReject(reject) => Err(self.refused(&reject)),
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

        let step = "sent an object";
        let seconds = data_set.len() as u64 / self.timeouts.slowest_link.max(1);
        let deadline = Instant::now() + self.timeouts.write + Duration::from_secs(seconds);
        let command = pdu::command_pdus(context, &command, self.peer_max);
        self.write(&command, deadline, step)?;
        let room = pdu::fragment_room(self.peer_max);
        let mut chunks = data_set.chunks(room).peekable();
        let mut bytes = Vec::with_capacity(room.min(data_set.len()) + 12);
        while let Some(chunk) = chunks.next() {
            bytes.clear();
            let last = chunks.peek().is_none();
            pdu::push_data(&mut bytes, context, Part::DataSet, last, chunk);
            self.write(&bytes, deadline, step)?;
        }
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

    /// C-ECHO; how long the answer took.
    pub fn echo(&mut self, proposal: &Proposal) -> Result<Duration, DeliverError> {
        let (context, _) = self.context(proposal)?;
        self.message_id = self.message_id.wrapping_add(1);
        let command = echo_request(self.message_id);
        let start = Instant::now();
        let bytes = pdu::command_pdus(context, &command, self.peer_max);
        self.write(&bytes, start + self.timeouts.write, "sent an echo")?;
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
        let _ = self
            .stream
            .set_write_timeout(ABORT_PATIENCE)
            .and_then(|()| self.stream.write_all(&bytes))
            .and_then(|()| self.stream.flush());
        self.stream.close();
    }

    /// The response to the request just sent.
    fn response(
        &mut self,
        step: &'static str,
    ) -> Result<(DimseStatus, Option<String>), DeliverError> {
        let deadline = Instant::now() + self.timeouts.response;
        let mut command = Vec::new();
        loop {
            let fragments = match self.read(deadline, step)? {
                Pdu::Data(fragments) => fragments,
                other => return Err(self.unexpected(&other, step)),
            };
            for fragment in fragments {
                let fragment = fragment.map_err(|err| self.violation(step, &chain(&err)))?;
                command.extend_from_slice(&fragment.bytes);
                if fragment.part == Part::DataSet || command.len() > MAX_RESPONSE {
                    return Err(self.violation(step, "its answer is no command"));
                }
                if fragment.last {
                    return self.judge(&command, step);
                }
            }
        }
    }

    fn judge(
        &self,
        command: &[u8],
        step: &'static str,
    ) -> Result<(DimseStatus, Option<String>), DeliverError> {
        let response = Command::parse(command).map_err(|err| self.violation(step, &chain(&err)))?;
        match (response.responded_to, response.status) {
            (Some(id), Some(status)) if id == self.message_id && !response.is_request() => {
                Ok((status, response.error_comment))
            }
            _ => Err(self.violation(step, "it answered another request")),
        }
    }

    fn write(
        &mut self,
        mut bytes: &[u8],
        deadline: Instant,
        step: &'static str,
    ) -> Result<(), DeliverError> {
        while !bytes.is_empty() {
            let left = self.patience.left(deadline, step)?;
            self.stream
                .set_write_timeout(left)
                .map_err(|err| self.broken(err, step))?;
            match self.stream.write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(err) if is_time_out(&err) => {}
                Err(err) => return Err(self.last_words(err, step)),
            }
        }
        Ok(())
    }

    /// A peer that aborts closes at once, so the write fails before its A-ABORT is read.
    fn last_words(&mut self, err: io::Error, step: &'static str) -> DeliverError {
        match self.read(Instant::now() + ABORT_PATIENCE, step) {
            Err(said @ (DeliverError::Aborted { .. } | DeliverError::Tls { .. })) => said,
            _ => self.broken(err, step),
        }
    }

    /// The next PDU; an abort is an error.
    fn read(&mut self, deadline: Instant, step: &'static str) -> Result<Pdu, DeliverError> {
        loop {
            match self.inbox.take() {
                Ok(Some(Pdu::Abort(_))) => {
                    let name = self.name.clone();
                    return Err(DeliverError::Aborted { name, step });
                }
                Ok(Some(pdu)) => return Ok(pdu),
                Ok(None) => {}
                Err(PduError::UnknownType(TLS_ALERT)) => {
                    let (name, problem) = (self.name.clone(), Problem::OnlyTls);
                    return Err(DeliverError::Tls { name, problem });
                }
                Err(err) => return Err(self.violation(step, &chain(&err))),
            }
            let left = self.patience.left(deadline, step)?;
            self.stream
                .set_read_timeout(left)
                .map_err(|err| self.broken(err, step))?;
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(self.broken(io::ErrorKind::UnexpectedEof.into(), step)),
                Ok(read) => {
                    let received = bytes.get(..read).unwrap_or_default();
                    self.inbox.spare(read).extend_from_slice(received);
                }
                Err(err) if is_time_out(&err) => {}
                Err(err) => return Err(self.broken(err, step)),
            }
        }
    }

    fn broken(&self, err: io::Error, step: &'static str) -> DeliverError {
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

    fn unexpected(&self, pdu: &Pdu, step: &'static str) -> DeliverError {
        self.violation(step, &format!("unexpected {}", pdu.name()))
    }

    fn violation(&self, step: &'static str, violation: &str) -> DeliverError {
        DeliverError::Violation {
            name: self.name.clone(),
            step,
            violation: violation.to_owned(),
        }
    }

    fn refused(&self, reject: &AssociationRJ) -> DeliverError {
        let (remedy, lasting) = match reject.result {
            AssociationRJResult::Transient => (Remedy::Wait, "for now"),
            AssociationRJResult::Permanent => (Remedy::Service, "permanently"),
        };
        DeliverError::Refused {
            name: self.name.clone(),
            reason: format!("{} ({lasting})", reject.source),
            remedy,
        }
    }
}

/// Presentation context identifiers are odd; 128 of them fit.
fn numbered(proposals: &[Proposal]) -> impl Iterator<Item = (u8, &Proposal)> {
    (1..=255).step_by(2).zip(proposals)
}

/// How TLS answers what is no TLS (RFC 8446 §5.1).
const TLS_ALERT: u8 = 21;
/// Responses are small.
const MAX_PDU: u32 = 16_384;
const MAX_RESPONSE: usize = 16_384;
const LONGEST_FAREWELL: Duration = Duration::from_secs(5);
const ABORT_PATIENCE: Duration = Duration::from_millis(500);
