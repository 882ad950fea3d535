//! Fragments in, messages out, and the answer that each request is owed.
//!
//! A scanner that hears nothing waits until its queue times out, and one that hears two answers takes
//! the second for that of the next slice. So every request leaves here as exactly one [`Turn`]: a
//! ready [`Reply`], or a [`Store`] with the [`Ticket`] that becomes one. Nothing is opened, sent or
//! timed here; every order of fragments can be played in a test.

use std::{collections::BTreeMap, sync::Arc};

use dicom_dictionary_std::uids;
use dicom_ul::pdu::AbortRQServiceProviderReason;

use super::{
    claims::Claims,
    data_set::{Budget, Charge, Joiner},
    dimse::{Command, CommandError, ReportStatus, StoreStatus, field},
    negotiation::Context,
    pdu::{Fragment, Part},
};
use crate::{
    dicom::{
        DimseStatus, Uid,
        commitment::{LONGEST_REPORT, Report, ReportError},
        sop_class::SopClassRole,
    },
    spool::Incoming,
};

/// One association's messages.
#[derive(Debug)]
pub struct Conversation {
    contexts: BTreeMap<u8, Context>,
    max_data_set: u64,
    budget: Arc<Budget>,
    state: State,
}

/// What a finished message asks of us.
#[derive(Debug)]
pub enum Turn {
    Reply(Reply),
    Store(Box<Store>),
    Report(Box<Reported>),
}

/// A response, ready to be sent.
#[derive(Debug, Eq, PartialEq)]
pub struct Reply {
    pub context: u8,
    pub status: DimseStatus,
    pub command: Vec<u8>,
}

/// An instance to keep; then its ticket must be answered.
#[derive(Debug)]
pub struct Store {
    pub ticket: Ticket,
    pub incoming: Incoming,
    /// How the data set contradicts the command. Such an instance is kept, but apart, and refused.
    pub contradiction: Option<&'static str>,
    /// The memory it holds.
    pub charge: Charge,
}

/// A report on a commitment; its ticket must be answered once what it says is recorded.
#[derive(Debug)]
pub struct Reported {
    pub ticket: Ticket,
    pub report: Result<Report, ReportError>,
}

/// A request's claim to one response.
#[derive(Debug)]
pub struct Ticket {
    context: u8,
    request: Command,
}

impl Ticket {
    #[must_use]
    pub fn answer(self, status: StoreStatus, comment: Option<&str>) -> Reply {
        self.reply(status.status(), comment)
    }

    #[must_use]
    pub fn answer_report(self, status: ReportStatus) -> Reply {
        self.reply(status.status(), status.comment())
    }

    fn reply(self, status: DimseStatus, comment: Option<&str>) -> Reply {
        Reply {
            context: self.context,
            status,
            command: self.request.response(status, comment),
        }
    }
}

/// A message that cannot be answered: its boundaries, or what to answer, are unknown. The
/// association is aborted.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    #[error("presentation context {0} was not accepted")]
    UnknownContext(u8),
    #[error("a fragment of presentation context {got} came inside a message of context {open}")]
    MixedContexts { open: u8, got: u8 },
    #[error("a data set came without a command before it")]
    DataSetWithoutCommand,
    #[error("a command came inside a data set")]
    CommandInsideDataSet,
    #[error("the command set exceeds {MAX_COMMAND} bytes")]
    CommandTooLong,
    #[error("the command set cannot be read")]
    Command(#[from] CommandError),
    #[error("the request has no Message ID")]
    NoMessageId,
}

impl Violation {
    /// The reason to give in the A-ABORT (PS3.8 Table 9-26).
    pub fn abort_reason(&self) -> AbortRQServiceProviderReason {
        match self {
            Self::DataSetWithoutCommand | Self::CommandInsideDataSet => {
                AbortRQServiceProviderReason::UnexpectedPduParameter
            }
            _ => AbortRQServiceProviderReason::InvalidPduParameter,
        }
    }
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Command {
        context: u8,
        bytes: Vec<u8>,
    },
    DataSet {
        context: u8,
        purpose: Purpose,
    },
}

#[derive(Debug)]
enum Purpose {
    Keep(Box<Keep>),
    Hear(Box<Hear>),
    /// Read to its end, so that the next message is found; then this is said, if anything.
    Discard(Option<Reply>),
}

#[derive(Debug)]
struct Keep {
    ticket: Ticket,
    sop_class: Uid,
    sop_instance: Uid,
    transfer_syntax: Uid,
    joiner: Joiner,
    length: u64,
    charge: Charge,
}

/// A report while its data set arrives. It is small, and is not read beyond its greatest length.
#[derive(Debug)]
struct Hear {
    ticket: Ticket,
    transfer_syntax: Uid,
    data_set: Vec<u8>,
}

impl Conversation {
    pub fn new(contexts: BTreeMap<u8, Context>, max_data_set: u64, budget: &Arc<Budget>) -> Self {
        Self {
            contexts,
            max_data_set,
            budget: Arc::clone(budget),
            state: State::Idle,
        }
    }

    /// Whether a message has begun and not ended.
    pub fn is_in_message(&self) -> bool {
        !matches!(self.state, State::Idle)
    }

    /// Takes the next fragment; it may be the last of a message.
    pub fn fragment(&mut self, fragment: Fragment) -> Result<Option<Turn>, Violation> {
        match std::mem::take(&mut self.state) {
            State::Idle if fragment.part == Part::DataSet => Err(Violation::DataSetWithoutCommand),
            State::Idle if !self.contexts.contains_key(&fragment.context) => {
                Err(Violation::UnknownContext(fragment.context))
            }
            State::Idle => self.command(Vec::new(), &fragment),
            State::Command { context, .. } | State::DataSet { context, .. }
                if context != fragment.context =>
            {
                Err(Violation::MixedContexts {
                    open: context,
                    got: fragment.context,
                })
            }
            State::Command { .. } if fragment.part == Part::DataSet => {
                Err(Violation::DataSetWithoutCommand)
            }
            State::Command { bytes, .. } => self.command(bytes, &fragment),
            State::DataSet { .. } if fragment.part == Part::Command => {
                Err(Violation::CommandInsideDataSet)
            }
            State::DataSet { purpose, .. } => Ok(self.data_set(purpose, fragment)),
        }
    }

    fn command(
        &mut self,
        mut bytes: Vec<u8>,
        fragment: &Fragment,
    ) -> Result<Option<Turn>, Violation> {
        if bytes.len() + fragment.bytes.len() > MAX_COMMAND {
            return Err(Violation::CommandTooLong);
        }
        bytes.extend_from_slice(&fragment.bytes);
        let context = fragment.context;
        if !fragment.last {
            self.state = State::Command { context, bytes };
            return Ok(None);
        }
        let request = Command::parse(&bytes)?;
        let has_data_set = request.has_data_set;
        let purpose = self.judge(context, request)?;
        if has_data_set {
            self.state = State::DataSet { context, purpose };
            return Ok(None);
        }
        Ok(match purpose {
            Purpose::Discard(reply) => reply.map(Turn::Reply),
            Purpose::Hear(hear) => Some(hear.finish()),
            Purpose::Keep(keep) => Some(Turn::Reply(
                keep.ticket
                    .answer(StoreStatus::CANNOT_UNDERSTAND, Some(NO_DATA_SET)),
            )),
        })
    }

    fn judge(&self, context: u8, mut request: Command) -> Result<Purpose, Violation> {
        let accepted = self
            .contexts
            .get(&context)
            .ok_or(Violation::UnknownContext(context))?;
        if !request.is_request() {
            // We ask for nothing, so a response answers nothing; a cancellation comes too late.
            return Ok(Purpose::Discard(None));
        }
        if request.message_id.is_none() {
            return Err(Violation::NoMessageId);
        }
        let of_this_context =
            request.sop_class.as_deref() == Some(accepted.abstract_syntax.as_str());
        let refusal = match request.field {
            field::C_ECHO => {
                request
                    .sop_class
                    .get_or_insert_with(|| uids::VERIFICATION.to_owned());
                (DimseStatus::SUCCESS, None)
            }
            field::N_EVENT_REPORT
                if accepted.role == SopClassRole::Commitment && of_this_context =>
            {
                return Ok(Purpose::Hear(Box::new(Hear {
                    ticket: Ticket { context, request },
                    transfer_syntax: accepted.transfer_syntax.clone(),
                    data_set: Vec::new(),
                })));
            }
            field::C_STORE if !accepted.role.is_storage() || !of_this_context => (
                StoreStatus::SOP_CLASS_NOT_SUPPORTED.status(),
                Some("not the SOP class of the presentation context"),
            ),
            field::C_STORE => match Uid::parse(request.sop_instance.as_deref().unwrap_or("")) {
                Ok(sop_instance) => {
                    return Ok(Purpose::Keep(Box::new(Keep {
                        ticket: Ticket { context, request },
                        sop_class: accepted.abstract_syntax.clone(),
                        sop_instance,
                        transfer_syntax: accepted.transfer_syntax.clone(),
                        joiner: Joiner::default(),
                        length: 0,
                        charge: Charge::new(&self.budget),
                    })));
                }
                Err(_) => (
                    StoreStatus::INVALID_SOP_INSTANCE.status(),
                    Some("Affected SOP Instance UID is no UID"),
                ),
            },
            _ if request.sop_class.is_some() && !of_this_context => {
                (StoreStatus::SOP_CLASS_NOT_SUPPORTED.status(), None)
            }
            _ => (UNRECOGNISED_OPERATION, None),
        };
        let (status, comment) = refusal;
        let reply = Ticket { context, request }.reply(status, comment);
        Ok(Purpose::Discard(Some(reply)))
    }

    fn data_set(&mut self, purpose: Purpose, fragment: Fragment) -> Option<Turn> {
        let (context, last) = (fragment.context, fragment.last);
        let purpose = match purpose {
            Purpose::Keep(keep) => self.keep(keep, fragment),
            Purpose::Hear(mut hear) => {
                hear.take(&fragment);
                Purpose::Hear(hear)
            }
            discard @ Purpose::Discard(_) => discard,
        };
        if !last {
            self.state = State::DataSet { context, purpose };
            return None;
        }
        match purpose {
            Purpose::Discard(reply) => reply.map(Turn::Reply),
            Purpose::Keep(keep) => Some(keep.finish()),
            Purpose::Hear(hear) => Some(hear.finish()),
        }
    }

    fn keep(&self, mut keep: Box<Keep>, fragment: Fragment) -> Purpose {
        keep.length += fragment.bytes.len() as u64;
        // What the fragment cost on the wire: that much of the receive buffer it may keep alive.
        let cost = fragment.bytes.len() as u64 + WIRE_OVERHEAD;
        let refusal = if keep.length > self.max_data_set {
            "the data set is larger than is accepted"
        } else if !keep.charge.grow(cost) {
            "too many large data sets at once"
        } else {
            keep.joiner.push(fragment.bytes);
            return Purpose::Keep(keep);
        };
        let reply = keep
            .ticket
            .answer(StoreStatus::OUT_OF_RESOURCES, Some(refusal));
        Purpose::Discard(Some(reply))
    }
}

impl Hear {
    fn take(&mut self, fragment: &Fragment) {
        let room = (LONGEST_REPORT + 1).saturating_sub(self.data_set.len());
        let taken = fragment.bytes.get(..room).unwrap_or(&fragment.bytes);
        self.data_set.extend_from_slice(taken);
    }

    fn finish(self) -> Turn {
        let command = &self.ticket.request;
        let (instance, event) = (command.sop_instance.as_deref(), command.event_type);
        let report = Report::read(instance, event, &self.data_set, &self.transfer_syntax);
        Turn::Report(Box::new(Reported {
            ticket: self.ticket,
            report,
        }))
    }
}

impl Keep {
    fn finish(self) -> Turn {
        if self.length == 0 {
            let status = StoreStatus::CANNOT_UNDERSTAND;
            return Turn::Reply(self.ticket.answer(status, Some(NO_DATA_SET)));
        }
        let data_set = self.joiner.finish();
        let contradiction = Claims::of(&data_set, self.transfer_syntax.as_str())
            .contradiction(self.sop_class.as_str(), self.sop_instance.as_str());
        Turn::Store(Box::new(Store {
            ticket: self.ticket,
            incoming: Incoming {
                sop_class: self.sop_class,
                sop_instance: self.sop_instance,
                transfer_syntax: self.transfer_syntax,
                data_set,
            },
            contradiction,
            charge: self.charge,
        }))
    }
}

/// A real command set is about 200 bytes.
const MAX_COMMAND: usize = 16 * 1024;
/// PDU and presentation data value headers.
const WIRE_OVERHEAD: u64 = 12;
const NO_DATA_SET: &str = "no data set came with the request";
const UNRECOGNISED_OPERATION: DimseStatus = DimseStatus(0x0211);

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
