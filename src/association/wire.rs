//! The socket of one association: PDUs in and out, with the limits on patience.
//!
//! Peers of the DCMTK family leave Nagle's algorithm on, so each of their slices waits for our
//! delayed acknowledgement, 40 ms each. Here acknowledgements are asked for at once after every
//! read, nothing of ours is delayed, and a PDU goes out in one write.

use std::{
    io,
    time::{Duration, Instant},
};

use dicom_ul::pdu::AbortRQServiceProviderReason;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{timeout, timeout_at},
};

use super::{
    pdu::{self, Inbox, Pdu, PduError},
    stream::Stream,
};

#[derive(Debug)]
pub struct Wire {
    stream: Stream,
    inbox: Inbox,
    patience: Patience,
    room: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("the peer sent what is no PDU")]
    Pdu(#[from] PduError),
    #[error("the connection broke")]
    Broken(#[from] io::Error),
    #[error("the peer made no progress in time")]
    TimedOut,
}

impl Wire {
    pub fn new(stream: Stream, max_data_pdu: u32, idle_timeout: Duration) -> Self {
        // Without it, a response waits for the acknowledgement of the one before.
        if let Err(err) = stream.socket().set_nodelay(true) {
            tracing::debug!(%err, "TCP_NODELAY could not be set");
        }
        Self {
            stream,
            inbox: Inbox::new(max_data_pdu),
            patience: Patience::new(idle_timeout, Instant::now()),
            room: REQUEST_ROOM,
        }
    }

    /// Reads in large steps from now on. Not from the start: connections cost nothing to open.
    pub fn widen(&mut self) {
        self.room = DATA_ROOM;
    }

    /// The next PDU; `None` when the peer closed between two. Loses nothing when dropped half-way.
    pub async fn receive(&mut self) -> Result<Option<Pdu>, WireError> {
        loop {
            if let Some(pdu) = self.inbox.take()? {
                return Ok(Some(pdu));
            }
            let deadline = self.patience.deadline().into();
            let buffer = self.inbox.spare(self.room);
            let read = timeout_at(deadline, self.stream.read_buf(buffer))
                .await
                .map_err(|_| WireError::TimedOut)??;
            if read == 0 {
                return if self.inbox.is_empty() {
                    Ok(None)
                } else {
                    Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())
                };
            }
            self.patience.progress(read, Instant::now());
            // The kernel forgets this wish by itself, so it is repeated; failing costs only time.
            let _ = self.stream.socket().set_quickack(true);
        }
    }

    /// Notes that a message was dealt with: the peer may now rest.
    pub fn message_done(&mut self) {
        self.patience.reset(Instant::now());
    }

    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let written = async {
            self.stream.write_all(bytes).await?;
            // An encrypted stream may hold back the end.
            self.stream.flush().await
        };
        timeout(self.patience.limit, written)
            .await
            .map_err(|_| WireError::TimedOut)?
            .map_err(WireError::Broken)
    }

    /// Aborts as the service provider. The peer may be gone; then nobody needs to hear it.
    pub async fn abort(mut self, reason: AbortRQServiceProviderReason) {
        let farewell = async {
            self.stream.write_all(&pdu::abort(reason)).await?;
            self.stream.flush().await
        };
        let _ = timeout(FAREWELL, farewell).await;
        self.close().await;
    }

    /// Closes so that the peer can read what was sent last: bytes of its own that nobody read would
    /// turn the close into a reset, which destroys what is under way to it.
    pub async fn close(mut self) {
        let drain = async {
            self.stream.shutdown().await?;
            let mut rest = [0; 4096];
            let mut left = FAREWELL_BYTES;
            while left > 0 {
                match self.stream.read(&mut rest).await? {
                    0 => break,
                    read => left = left.saturating_sub(read),
                }
            }
            io::Result::Ok(())
        };
        // However it ends, the connection is over.
        let _ = timeout(FAREWELL, drain).await;
    }
}

/// How long a peer may go on without getting anywhere.
///
/// A byte a second is activity but no progress: the clock only starts again after a good deal of
/// data, or a message that was dealt with.
#[derive(Debug)]
struct Patience {
    limit: Duration,
    since: Instant,
    bytes: usize,
}

impl Patience {
    fn new(limit: Duration, now: Instant) -> Self {
        Self {
            limit,
            since: now,
            bytes: 0,
        }
    }

    fn progress(&mut self, bytes: usize, now: Instant) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes >= PROGRESS {
            self.reset(now);
        }
    }

    fn reset(&mut self, now: Instant) {
        self.since = now;
        self.bytes = 0;
    }

    fn deadline(&self) -> Instant {
        self.since + self.limit
    }
}

/// With the default idle time of a minute: 4 kbit/s, below any link images are sent over.
const PROGRESS: usize = 32 * 1024;
const REQUEST_ROOM: usize = 4 * 1024;
/// Two 512×512×16 bit slices.
const DATA_ROOM: usize = 1 << 20;
/// A peer that was refused or released should be gone by then.
const FAREWELL: Duration = Duration::from_secs(1);
const FAREWELL_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_is_no_progress_but_data_and_messages_are() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut patience = Patience::new(60 * second, start);
        for i in 0..59 {
            patience.progress(1, start + i * second);
        }
        assert_eq!(patience.deadline(), start + 60 * second);
        patience.progress(PROGRESS, start + 59 * second);
        assert_eq!(patience.deadline(), start + 119 * second);
        patience.reset(start + 61 * second);
        assert_eq!(patience.deadline(), start + 121 * second);
    }
}
