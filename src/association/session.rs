//! One connection from its first byte to its last.
//!
//! The shell around [`negotiation`](super::negotiation) and [`conversation`](super::conversation):
//! it waits for one thing at a time, asks them what to do, and does it. The next message is not
//! looked at before the one in hand is answered, so answers come in order and a sender is held back
//! by the disk, never by memory.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use dicom_ul::pdu::{AbortRQServiceProviderReason as AbortReason, AssociationRQ};
use rustls::ServerConfig;
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use super::{
    Ended, Event,
    conversation::{Conversation, Reply, Reported, Store, Turn, Violation},
    data_set::Budget,
    dimse::ReportStatus,
    keeping::{Kept, keep},
    negotiation::{Acceptance, Context, Rejection, negotiate},
    pdu::{self, Fragments, Pdu, PduError},
    policy::{Admission, Policy, Slot, Slots},
    stream::{Mute, Stream},
    wire::{Wire, WireError},
};
use crate::{
    chain,
    spool::{Disk, Source, Spool},
    tls::{Certificate, Problem},
};

/// What all associations share.
pub(super) struct Acceptor<D: Disk> {
    pub policy: Arc<Policy>,
    pub spool: Arc<Spool<D>>,
    pub admission: watch::Receiver<Admission>,
    pub events: mpsc::Sender<Event>,
    pub tracker: TaskTracker,
    pub stop: CancellationToken,
    pub slots: Arc<Slots>,
    pub budget: Arc<Budget>,
    pub opened: AtomicU64,
}

impl<D: Disk + 'static> Acceptor<D> {
    /// Attends to a connection until it is closed.
    pub(super) async fn attend(
        &self,
        stream: TcpStream,
        peer: IpAddr,
        tls: Option<Arc<ServerConfig>>,
    ) {
        let Some(config) = tls else {
            return self.listen(Stream::Plain(stream), peer, None).await;
        };
        let handshake = timeout(
            self.policy.request_timeout,
            Stream::encrypted(stream, config, peer),
        );
        let shaken = tokio::select! {
            biased;
            () = self.stop.cancelled() => return,
            shaken = handshake => shaken.unwrap_or(Err(Mute::Problem(Problem::TimedOut))),
        };
        match shaken {
            Ok((stream, certificate)) => self.listen(stream, peer, certificate).await,
            Err(Mute::Silent) => tracing::debug!(%peer, "connected and said nothing"),
            Err(Mute::Problem(problem)) => self.unheard(peer, problem),
        }
    }

    /// Dropped when the queue is full, as refusals are.
    fn unheard(&self, peer: IpAddr, problem: Problem) {
        tracing::warn!(%peer, "the peer {problem}");
        let _ = self.events.try_send(Event::Unheard { peer, problem });
    }

    async fn listen(&self, stream: Stream, peer: IpAddr, certificate: Option<Certificate>) {
        // Announcing no limit still means that no PDU is longer than a data set may be.
        let max_data_pdu = match self.policy.max_pdu_length {
            0 => u32::try_from(self.policy.max_data_set).unwrap_or(u32::MAX),
            some => some,
        };
        let mut wire = Wire::new(stream, max_data_pdu, self.policy.idle_timeout);
        let first = tokio::select! {
            biased;
            () = self.stop.cancelled() => return,
            first = timeout(self.policy.request_timeout, wire.receive()) => first,
        };
        match first {
            Ok(Ok(Some(Pdu::AssociateRequest(request)))) => {
                self.admit(wire, &request, peer, certificate.as_ref()).await;
            }
            // Monitoring systems probe the port like this. Nobody answers an abort.
            Ok(Ok(None | Some(Pdu::Abort))) => {
                tracing::debug!(%peer, "connected and asked for nothing");
            }
            Ok(Ok(Some(other))) => {
                let pdu = other.name();
                tracing::warn!(%peer, pdu, "the first PDU was no association request");
                wire.abort(AbortReason::UnexpectedPdu).await;
            }
            Ok(Err(WireError::Pdu(PduError::UnknownType(TLS_HANDSHAKE)))) => {
                self.unheard(peer, Problem::OnlyTls);
            }
            Ok(Err(WireError::Pdu(err))) => {
                tracing::warn!(%peer, err = chain(&err), "not an association request");
                wire.abort(err.abort_reason()).await;
            }
            Ok(Err(WireError::Broken(err))) => {
                // With TLS 1.3 the end of a handshake shows itself with the first bytes.
                if let Some(problem) = Problem::behind(&err) {
                    return self.unheard(peer, problem);
                }
                tracing::debug!(%peer, %err, "broke before it asked for an association");
            }
            Ok(Err(WireError::TimedOut)) | Err(_) => {
                tracing::warn!(%peer, "no association request in time");
                wire.abort(AbortReason::ReasonNotSpecified).await;
            }
        }
    }

    async fn admit(
        &self,
        mut wire: Wire,
        request: &AssociationRQ,
        peer: IpAddr,
        certificate: Option<&Certificate>,
    ) {
        let admission = *self.admission.borrow();
        let judged = negotiate(request, peer, certificate, &self.policy, admission);
        let admitted = judged.and_then(|acceptance| {
            let slot = self.slots.take(&acceptance.calling_ae, peer);
            Ok((acceptance, slot.ok_or(Rejection::TooManyAssociations)?))
        });
        match admitted {
            Ok((acceptance, slot)) => self.converse(wire, acceptance, slot, peer).await,
            Err(rejection) => {
                let calling_ae = printable(&request.calling_ae_title);
                let called_ae = printable(&request.called_ae_title);
                tracing::warn!(%peer, calling_ae, called_ae, reason = %rejection, "association refused");
                if let Ok(bytes) = pdu::encode(&rejection.pdu()) {
                    // A peer that does not listen is refused all the same.
                    let _ = wire.send(&bytes).await;
                }
                wire.close().await;
                // Dropped when the queue is full: a flood of refusals must not hold up the rest.
                let _ = self.events.try_send(Event::Refused {
                    calling_ae,
                    called_ae,
                    peer,
                    reason: rejection,
                });
            }
        }
    }

    async fn converse(&self, wire: Wire, acceptance: Acceptance, slot: Slot, peer: IpAddr) {
        let source = Source {
            calling_ae: acceptance.calling_ae.clone(),
            called_ae: acceptance.called_ae.clone(),
            peer,
            association: self.opened.fetch_add(1, Ordering::Relaxed) + 1,
        };
        let span = tracing::info_span!(
            "association",
            number = source.association,
            calling_ae = %source.calling_ae,
            %peer,
        );
        let mut association = Association {
            conversation: Conversation::new(
                acceptance.contexts.clone(),
                self.policy.max_data_set,
                &self.budget,
            ),
            acceptor: self,
            wire,
            peer_max: acceptance.peer_max_pdu_length,
            source,
            stored: 0,
        };
        async {
            let end = association.run(&acceptance).await;
            association.conclude(end, slot).await;
        }
        .instrument(span)
        .await;
    }

    /// A full queue holds the association back; without a listener there is nobody to tell.
    async fn tell(&self, event: Event) {
        if self.events.send(event).await.is_err() {
            tracing::debug!("nobody listens to association events");
        }
    }
}

struct Association<'a, D: Disk> {
    acceptor: &'a Acceptor<D>,
    wire: Wire,
    conversation: Conversation,
    peer_max: u32,
    source: Source,
    stored: u32,
}

/// Why there are no more messages.
enum End {
    Release,
    PeerAborted,
    Closed,
    Stop,
    Unexpected(&'static str),
    Wire(WireError),
    Violation(Violation),
}

impl From<WireError> for End {
    fn from(err: WireError) -> Self {
        Self::Wire(err)
    }
}

impl<D: Disk + 'static> Association<'_, D> {
    async fn run(&mut self, acceptance: &Acceptance) -> End {
        let contexts = acceptance.contexts.len();
        let implementation = acceptance.implementation.as_deref().unwrap_or("");
        tracing::info!(contexts, implementation, "association accepted");
        let accepted = acceptance.contexts.values();
        let opened = Event::Opened {
            source: self.source.clone(),
            implementation: acceptance.implementation.clone(),
            accepted: accepted
                .map(|context| {
                    let Context {
                        abstract_syntax,
                        transfer_syntax,
                        ..
                    } = context.clone();
                    (abstract_syntax, transfer_syntax)
                })
                .collect(),
            proposed: acceptance.proposed(),
        };
        self.acceptor.tell(opened).await;
        let accept = match pdu::encode(&acceptance.pdu()) {
            Ok(bytes) => bytes,
            Err(err) => return End::Wire(WireError::Broken(std::io::Error::other(err))),
        };
        if let Err(err) = self.wire.send(&accept).await {
            return err.into();
        }
        self.wire.widen();
        loop {
            if let Err(end) = self.step().await {
                return end;
            }
        }
    }

    /// Takes the next PDU and does what it asks for. `Err` ends the association.
    async fn step(&mut self) -> Result<(), End> {
        let received = tokio::select! {
            biased;
            // A message that has begun is finished first.
            () = self.acceptor.stop.cancelled(), if !self.conversation.is_in_message() => {
                return Err(End::Stop);
            }
            received = self.wire.receive() => received?,
        };
        match received {
            Some(Pdu::Data(fragments)) => self.data(fragments).await,
            Some(Pdu::ReleaseRequest) if self.conversation.is_in_message() => {
                Err(End::Unexpected("A-RELEASE-RQ inside a message"))
            }
            Some(Pdu::ReleaseRequest) => Err(End::Release),
            Some(Pdu::Abort) => Err(End::PeerAborted),
            Some(other) => Err(End::Unexpected(other.name())),
            None => Err(End::Closed),
        }
    }

    async fn data(&mut self, fragments: Fragments) -> Result<(), End> {
        for fragment in fragments {
            let fragment = fragment.map_err(WireError::Pdu)?;
            let turn = self
                .conversation
                .fragment(fragment)
                .map_err(End::Violation)?;
            match turn {
                Some(Turn::Reply(reply)) => self.reply(&reply).await?,
                Some(Turn::Store(store)) => self.store(*store).await?,
                Some(Turn::Report(reported)) => self.report(*reported).await?,
                None => continue,
            }
            self.wire.message_done();
        }
        Ok(())
    }

    async fn reply(&mut self, reply: &Reply) -> Result<(), End> {
        if !reply.status.peer_has_the_instance() {
            tracing::warn!(status = %reply.status, "request refused");
        }
        let bytes = pdu::command_pdus(reply.context, &reply.command, self.peer_max);
        Ok(self.wire.send(&bytes).await?)
    }

    async fn store(&mut self, store: Store) -> Result<(), End> {
        let kept = if *self.acceptor.admission.borrow() == Admission::ReserveTouched {
            Kept::NoSpace
        } else {
            let (spool, source) = (Arc::clone(&self.acceptor.spool), self.source.clone());
            let (incoming, contradiction) = (store.incoming, store.contradiction);
            let charge = store.charge;
            self.acceptor
                .tracker
                .spawn_blocking(move || {
                    let _held_until_durable = charge;
                    keep(&spool, incoming, contradiction, &source)
                })
                .await
                .unwrap_or_else(|panic| {
                    tracing::error!(%panic, "keeping an instance panicked");
                    Kept::Failed
                })
        };
        let (status, comment) = kept.status();
        let answered = self.reply(&store.ticket.answer(status, comment)).await;
        // Kept is kept, whether or not the sender could still be told.
        if let Some(event) = kept.event(&self.source) {
            self.stored += u32::from(matches!(event, Event::Stored { .. }));
            self.acceptor.tell(event).await;
        }
        answered
    }

    /// What is said is recorded before it is answered; who records it says how that went.
    async fn report(&mut self, reported: Reported) -> Result<(), End> {
        let (answer, answered) = oneshot::channel();
        let event = Event::Reported {
            report: reported.report,
            source: self.source.clone(),
            answer,
        };
        self.acceptor.tell(event).await;
        let status = match timeout(RECORDING, answered).await {
            Ok(Ok(status)) => status,
            Ok(Err(_)) | Err(_) => ReportStatus::NOT_RECORDED,
        };
        self.reply(&reported.ticket.answer_report(status)).await
    }

    async fn conclude(mut self, end: End, slot: Slot) {
        let how = match &end {
            End::Release => Ended::Released,
            End::PeerAborted => Ended::Aborted,
            End::Stop => Ended::Stopped,
            End::Wire(WireError::TimedOut) => Ended::TimedOut,
            End::Closed => Ended::Broken("the connection was closed without release".to_owned()),
            End::Unexpected(pdu) => Ended::Broken(format!("unexpected {pdu}")),
            End::Wire(err) => Ended::Broken(chain(err)),
            End::Violation(err) => Ended::Broken(chain(err)),
        };
        // Before the farewell: a sender that comes back at once finds its place free.
        drop(slot);
        if let End::Release = end {
            // What was stored stays stored, whether or not the peer hears this.
            let _ = self.wire.send(&pdu::RELEASE_REPLY).await;
        }
        let stored = self.stored;
        match &how {
            Ended::Released | Ended::Stopped => tracing::info!(stored, %how, "association ended"),
            _ => tracing::warn!(stored, %how, "association ended"),
        }
        self.acceptor
            .tell(Event::Ended {
                association: self.source.association,
                calling_ae: self.source.calling_ae,
                how,
                stored,
            })
            .await;
        match end {
            End::Release => self.wire.close().await,
            End::PeerAborted | End::Closed | End::Wire(WireError::Broken(_)) => {}
            End::Stop | End::Wire(WireError::TimedOut) => {
                self.wire.abort(AbortReason::ReasonNotSpecified).await;
            }
            End::Unexpected(_) => self.wire.abort(AbortReason::UnexpectedPdu).await,
            End::Wire(WireError::Pdu(err)) => self.wire.abort(err.abort_reason()).await,
            End::Violation(err) => self.wire.abort(err.abort_reason()).await,
        }
    }
}

/// How long a report may take to be recorded. It is recorded all the same if it takes longer, and the
/// peer then reports it once more.
const RECORDING: Duration = Duration::from_secs(20);
/// The first byte of a TLS connection (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 22;

/// An AE title that was refused, and may be none, fit for a log.
fn printable(title: &str) -> String {
    title
        .chars()
        .take(16)
        .map(|c| if (' '..='~').contains(&c) { c } else { '?' })
        .collect()
}
