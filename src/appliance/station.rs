//! A receiver on this machine with nothing behind it: what it is sent it keeps in a directory.

use std::{net::SocketAddr, path::Path, sync::Arc};

use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    association::{self, Admission, Door, Event, Policy},
    dicom::AeTitle,
    spool::{RealDisk, Spool, SpoolError},
};

/// Our own acceptor on a free loopback port, with a spool of its own.
pub struct Station {
    pub address: SocketAddr,
    /// What it was sent; an object is here once its sender was told so.
    pub spool: Arc<Spool>,
    events: mpsc::Receiver<Event>,
    stop: CancellationToken,
    tracker: TaskTracker,
    _admit: watch::Sender<Admission>,
}

/// Why there is no such receiver.
#[derive(Debug, thiserror::Error)]
pub enum StationError {
    #[error("its directory cannot be used")]
    Spool(#[from] SpoolError),
    #[error("it cannot listen on loopback")]
    Listen(#[from] std::io::Error),
}

/// Events that may wait for whoever asks for them; then senders wait.
const EVENTS: usize = 16;

impl Station {
    pub async fn start(directory: &Path, ae_title: AeTitle) -> Result<Self, StationError> {
        let spool = Arc::new(Spool::open(directory, RealDisk)?);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (events_in, events) = mpsc::channel(EVENTS);
        let (admit, admission) = watch::channel(Admission::Open);
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let (tasks, stopped, kept) = (tracker.clone(), stop.clone(), Arc::clone(&spool));
        tracker.spawn(async move {
            let policy = Arc::new(Policy::new(ae_title));
            let doors = vec![Door::from(listener)];
            let served =
                association::serve(doors, policy, kept, admission, events_in, tasks, stopped);
            if let Err(error) = served.await {
                tracing::error!(%error, "a receiver on loopback stopped");
            }
        });
        Ok(Self {
            address,
            spool,
            events,
            stop,
            tracker,
            _admit: admit,
        })
    }

    /// What happens next; `None` once it has stopped.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.tracker.close();
        drop(self.events);
        self.tracker.wait().await;
    }
}
