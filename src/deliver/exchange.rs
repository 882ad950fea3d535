//! Messages on an association that we requested.
//!
//! Command and data set go in separate PDUs, because some archives break when they share one, and a
//! PDU is one write with Nagle's algorithm off, because archives that delay acknowledgements would
//! otherwise cost 40 ms each. What a peer says is small, and is read only up to its greatest length.

#![deny(clippy::indexing_slicing)]

use std::{
    io::{self, Read, Write},
    time::{Duration, Instant},
};

use super::{
    DeliverError,
    association::{ABORT_PATIENCE, Association},
    connection::is_time_out,
};
use crate::{
    association::{
        dimse::{Command, field},
        pdu::{self, Fragment, Part, Pdu, PduError},
    },
    chain,
    dicom::{DimseStatus, commitment::LONGEST_REPORT},
    tls::Problem,
};

/// What a peer said.
pub(super) struct Message {
    pub context: u8,
    pub command: Command,
    /// Empty where none came.
    pub data_set: Vec<u8>,
}

impl Association {
    /// Sends a message; without a data set where that is empty.
    pub fn send(
        &mut self,
        context: u8,
        command: &[u8],
        data_set: &[u8],
        step: &'static str,
    ) -> Result<(), DeliverError> {
        let seconds = data_set.len() as u64 / self.timeouts.slowest_link.max(1);
        let deadline = Instant::now() + self.timeouts.write + Duration::from_secs(seconds);
        let command = pdu::command_pdus(context, command, self.peer_max);
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
        Ok(())
    }

    /// The response to the request just sent.
    pub fn response(
        &mut self,
        step: &'static str,
    ) -> Result<(DimseStatus, Option<String>), DeliverError> {
        let deadline = Instant::now() + self.timeouts.response;
        let message = self.message(deadline, step)?;
        self.judge(message.command, step)
    }

    /// What the peer says to the request just sent.
    pub fn judge(
        &self,
        response: Command,
        step: &'static str,
    ) -> Result<(DimseStatus, Option<String>), DeliverError> {
        match (response.responded_to, response.status) {
            (Some(id), Some(status)) if id == self.message_id && !response.is_request() => {
                Ok((status, response.error_comment))
            }
            _ => Err(self.violation(step, "it answered another request")),
        }
    }

    /// The next message, whatever it is.
    pub fn message(
        &mut self,
        deadline: Instant,
        step: &'static str,
    ) -> Result<Message, DeliverError> {
        let mut bytes = Vec::new();
        let (context, command) = loop {
            let fragment = self.fragment(deadline, step)?;
            bytes.extend_from_slice(&fragment.bytes);
            if fragment.part == Part::DataSet || bytes.len() > MAX_COMMAND {
                return Err(self.violation(step, "its answer is no command"));
            }
            if fragment.last {
                let command = Command::parse(&bytes);
                let command = command.map_err(|err| self.violation(step, &chain(&err)))?;
                break (fragment.context, command);
            }
        };
        let mut data_set = Vec::new();
        let mut last = !brings_data_set(&command);
        while !last {
            let fragment = self.fragment(deadline, step)?;
            if fragment.part == Part::Command || fragment.context != context {
                return Err(self.violation(step, "a message came inside another"));
            }
            last = fragment.last;
            // One byte too many tells whoever reads it that it was too long.
            let room = (LONGEST_REPORT + 1).saturating_sub(data_set.len());
            data_set.extend_from_slice(fragment.bytes.get(..room).unwrap_or(&fragment.bytes));
        }
        Ok(Message {
            context,
            command,
            data_set,
        })
    }

    /// Whether the peer begins to say something within that time.
    pub fn speaks(&mut self, within: Duration, step: &'static str) -> Result<bool, DeliverError> {
        let has_more = self.fragments.as_ref().is_some_and(|rest| !rest.is_empty());
        if has_more || !self.inbox.is_empty() {
            return Ok(true);
        }
        match self.fill(Instant::now() + within, step) {
            Ok(()) => Ok(true),
            Err(DeliverError::TimedOut { .. }) => Ok(false),
            Err(err) => Err(err),
        }
    }

    fn fragment(
        &mut self,
        deadline: Instant,
        step: &'static str,
    ) -> Result<Fragment, DeliverError> {
        loop {
            if let Some(fragment) = self.fragments.as_mut().and_then(Iterator::next) {
                return fragment.map_err(|err| self.violation(step, &chain(&err)));
            }
            match self.read(deadline, step)? {
                Pdu::Data(fragments) => self.fragments = Some(fragments),
                other => return Err(self.unexpected(&other, step)),
            }
        }
    }

    pub fn write(
        &mut self,
        mut bytes: &[u8],
        deadline: Instant,
        step: &'static str,
    ) -> Result<(), DeliverError> {
        while !bytes.is_empty() {
            let left = self.patience.left(deadline, step)?;
            self.stream.allow(left);
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
    pub fn read(&mut self, deadline: Instant, step: &'static str) -> Result<Pdu, DeliverError> {
        loop {
            match self.inbox.take() {
                Ok(Some(Pdu::Abort)) => {
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
            self.fill(deadline, step)?;
        }
    }

    /// Waits for bytes of the peer.
    fn fill(&mut self, deadline: Instant, step: &'static str) -> Result<(), DeliverError> {
        loop {
            let left = self.patience.left(deadline, step)?;
            self.stream.allow(left);
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(self.broken(io::ErrorKind::UnexpectedEof.into(), step)),
                Ok(read) => {
                    let received = bytes.get(..read).unwrap_or_default();
                    self.inbox.spare(read).extend_from_slice(received);
                    return Ok(());
                }
                Err(err) if is_time_out(&err) => {}
                Err(err) => return Err(self.broken(err, step)),
            }
        }
    }
}

/// Whether a data set follows. Archives announce one with responses of services that have none.
fn brings_data_set(command: &Command) -> bool {
    const REPLY: u16 = field::N_ACTION | field::RESPONSE;
    command.has_data_set && (command.is_request() || command.field == REPLY)
}

/// How TLS answers what is no TLS (RFC 8446 §5.1).
const TLS_ALERT: u8 = 21;
/// A real command set is about 200 bytes.
const MAX_COMMAND: usize = 16_384;
