//! Asking a destination to answer for what it stored (Storage Commitment Push Model, PS3.4 Annex J).
//!
//! A destination that is asked answers twice: at once, that it takes the request, and some time
//! later, what became of it. The report comes on the same association while that is open, or on one
//! that the destination opens to our listener. Which, nobody can know, so both are heard.

#![deny(clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use dicom_dictionary_std::uids;
use tokio_util::sync::CancellationToken;

use super::{
    DeliverError, Destination,
    association::{Association, Proposal},
    exchange::Message,
};
use crate::{
    association::{
        dimse::{ReportStatus, field},
        pdu,
    },
    dicom::{
        DimseStatus, Uid,
        commitment::{self, Referenced, Report, ReportError},
    },
};

/// Does what a report says and answers it. A report is answered with success only once what it says
/// is durable, since the destination will not repeat it.
pub type Hear<'a> = dyn FnMut(Result<Report, ReportError>) -> ReportStatus + 'a;

/// An association for requests to commit.
#[derive(Debug)]
pub struct Commitments {
    association: Association,
    context: u8,
    transfer_syntax: Uid,
}

impl Commitments {
    pub fn open(destination: &Destination, stop: &CancellationToken) -> Result<Self, DeliverError> {
        let proposal = Proposal::plain(uids::STORAGE_COMMITMENT_PUSH_MODEL);
        let association = Association::open(destination, std::slice::from_ref(&proposal), stop)?;
        match association.context(&proposal) {
            Ok((context, transfer_syntax)) => Ok(Self {
                association,
                context,
                transfer_syntax,
            }),
            Err(err) => {
                association.release();
                Err(err)
            }
        }
    }

    /// Asks for the commitment to `objects`. `Ok`: the destination took the request, and will report.
    pub fn ask(
        &mut self,
        transaction: &Uid,
        objects: &[Referenced],
        hear: &mut Hear<'_>,
    ) -> Result<(), DeliverError> {
        const STEP: &str = "waited for the answer to a request to commit";
        let data_set = commitment::request(transaction, objects, &self.transfer_syntax);
        self.association.ask_to_commit(self.context, &data_set)?;
        let deadline = Instant::now() + self.association.timeouts.response;
        loop {
            let message = self.association.message(deadline, STEP)?;
            // Some report before they answer.
            if message.command.is_request() {
                self.answer(message, hear)?;
                continue;
            }
            let (status, comment) = self.association.judge(message.command, STEP)?;
            return if status == DimseStatus::SUCCESS {
                Ok(())
            } else {
                let name = self.association.name.clone();
                Err(DeliverError::Status {
                    name,
                    status,
                    comment,
                })
            };
        }
    }

    /// Hears what the destination has to report within that time; `false`: nothing.
    pub fn listen(&mut self, within: Duration, hear: &mut Hear<'_>) -> Result<bool, DeliverError> {
        const STEP: &str = "waited for a report";
        if !self.association.speaks(within, STEP)? {
            return Ok(false);
        }
        let deadline = Instant::now() + self.association.timeouts.negotiation;
        let message = self.association.message(deadline, STEP)?;
        self.answer(message, hear)?;
        Ok(true)
    }

    fn answer(&mut self, message: Message, hear: &mut Hear<'_>) -> Result<(), DeliverError> {
        const STEP: &str = "answered a report";
        let command = &message.command;
        if command.field != field::N_EVENT_REPORT || command.message_id.is_none() {
            let violation = format!("it came with command {:04X}H", command.field);
            return Err(self.association.violation(STEP, &violation));
        }
        let (instance, event) = (command.sop_instance.as_deref(), command.event_type);
        let report = Report::read(instance, event, &message.data_set, &self.transfer_syntax);
        let status = hear(report);
        let response = command.response(status.status(), status.comment());
        let response = pdu::command_pdus(message.context, &response, self.association.peer_max);
        let deadline = Instant::now() + self.association.timeouts.write;
        self.association.write(&response, deadline, STEP)
    }

    /// Ends the association, after `result` if that was an error.
    pub fn leave(self, result: &Result<(), DeliverError>) {
        match result {
            Ok(()) => self.association.release(),
            Err(err) => self.association.leave_after(err),
        }
    }
}
