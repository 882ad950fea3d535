//! A scanner that costs as little as it can, so that what is measured is the receiver.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use dicom_dictionary_std::uids;
use dicom_ul::pdu::{AssociationRQ, Pdu as Ul, PresentationContextProposed, UserVariableItem};

use hepar::{
    association::{
        dimse::{Command, store_request},
        negotiation::our_variables,
        pdu::{self, Inbox, Part, Pdu},
    },
    dicom::{DimseStatus, Uid},
};

use super::slices::Slice;

/// An association over which CT slices are sent. Nagle's algorithm is off, and a slice with its
/// command is one write.
pub struct Scanner {
    stream: TcpStream,
    inbox: Inbox,
    peer_max: u32,
    message_id: u16,
    buffer: Vec<u8>,
    ct: Uid,
}

const CONTEXT: u8 = 1;
const MAX_PDU: u32 = 16_384;
/// A receiver that says nothing for so long is stuck.
const PATIENCE: Duration = Duration::from_mins(1);

impl Scanner {
    pub fn open(address: SocketAddr, called_ae: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut scanner = Self {
            stream,
            inbox: Inbox::new(MAX_PDU),
            peer_max: 0,
            message_id: 0,
            buffer: Vec::new(),
            ct: Uid::parse(uids::CT_IMAGE_STORAGE)?,
        };
        let request = pdu::encode(&Ul::AssociationRQ(AssociationRQ {
            protocol_version: 1,
            calling_ae_title: "BENCH_CT".to_owned(),
            called_ae_title: called_ae.to_owned(),
            application_context_name: uids::DICOM_APPLICATION_CONTEXT.to_owned(),
            presentation_contexts: vec![PresentationContextProposed {
                id: CONTEXT,
                abstract_syntax: uids::CT_IMAGE_STORAGE.to_owned(),
                transfer_syntaxes: vec![uids::EXPLICIT_VR_LITTLE_ENDIAN.to_owned()],
            }],
            user_variables: our_variables(MAX_PDU),
        }))?;
        scanner.stream.write_all(&request)?;
        let Pdu::AssociateAccept(accept) = scanner.receive()? else {
            bail!("{called_ae} at {address} refuses the association");
        };
        for variable in &accept.user_variables {
            if let UserVariableItem::MaxLength(length) = variable {
                scanner.peer_max = *length;
            }
        }
        Ok(scanner)
    }

    /// Sends a slice and waits until the receiver says that it has it.
    pub fn send(&mut self, slice: &Slice) -> Result<()> {
        self.message_id = self.message_id.wrapping_add(1);
        let command = store_request(self.message_id, &self.ct, &slice.sop_instance);
        self.buffer.clear();
        self.buffer
            .extend(pdu::command_pdus(CONTEXT, &command, self.peer_max));
        let mut chunks = slice
            .data_set
            .chunks(pdu::fragment_room(self.peer_max))
            .peekable();
        while let Some(chunk) = chunks.next() {
            let last = chunks.peek().is_none();
            pdu::push_data(&mut self.buffer, CONTEXT, Part::DataSet, last, chunk);
        }
        self.stream.write_all(&self.buffer)?;
        let mut answer = Vec::new();
        loop {
            let Pdu::Data(fragments) = self.receive()? else {
                bail!("the receiver ended the association");
            };
            for fragment in fragments {
                let fragment = fragment?;
                answer.extend_from_slice(&fragment.bytes);
                if fragment.last {
                    let status = Command::parse(&answer)?.status;
                    ensure!(
                        status == Some(DimseStatus::SUCCESS),
                        "the receiver does not keep a slice: {status:?}"
                    );
                    return Ok(());
                }
            }
        }
    }

    pub fn release(mut self) -> Result<()> {
        self.stream.write_all(&pdu::RELEASE_REQUEST)?;
        self.receive()?;
        Ok(())
    }

    fn receive(&mut self) -> Result<Pdu> {
        loop {
            if let Some(pdu) = self.inbox.take()? {
                return Ok(pdu);
            }
            let mut bytes = [0; 4096];
            let read = self.stream.read(&mut bytes);
            let read = read.context("the receiver does not answer")?;
            ensure!(read > 0, "the receiver closed the connection");
            self.inbox
                .spare(read)
                .extend_from_slice(bytes.get(..read).unwrap_or_default());
        }
    }
}
