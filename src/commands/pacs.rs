//! A PACS as far as storing goes: our own receiver, with nothing behind it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use hepar::{
    association::{self, Admission, Event, Policy},
    dicom::AeTitle,
    spool::{RealDisk, Spool},
};

pub struct Pacs {
    pub address: SocketAddr,
    events: mpsc::Receiver<Event>,
    stop: CancellationToken,
    tracker: TaskTracker,
    _admit: watch::Sender<Admission>,
}

impl Pacs {
    /// Listens on a free port of loopback and keeps what comes under `directory`.
    pub async fn start(directory: &Path, ae_title: &str) -> anyhow::Result<Self> {
        let spool = Arc::new(Spool::open(directory, RealDisk)?);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (events_in, events) = mpsc::channel(16);
        let (admit, admission) = watch::channel(Admission::Open);
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let policy = Policy::new(AeTitle::parse(ae_title)?);
        let (tasks, stopped) = (tracker.clone(), stop.clone());
        tracker.spawn(async move {
            let served = association::serve(
                vec![listener.into()],
                Arc::new(policy),
                spool,
                admission,
                events_in,
                tasks,
                stopped,
            );
            if let Err(error) = served.await {
                tracing::error!(%error, "the PACS stopped");
            }
        });
        Ok(Self {
            address,
            events,
            stop,
            tracker,
            _admit: admit,
        })
    }

    /// The next object that is stored: its file, and when it came. `None` once it has stopped.
    pub async fn stored(&mut self) -> Option<(PathBuf, Instant)> {
        loop {
            if let Event::Stored { receipt, .. } = self.events.recv().await? {
                return Some((receipt.path().to_owned(), Instant::now()));
            }
        }
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.tracker.close();
        drop(self.events);
        self.tracker.wait().await;
    }
}
