//! Which bundle runs: at the start, and when an operator chooses another one.
//!
//! `hepar model` changes one small file; the running service reads it every few seconds and takes
//! up what it names. Reading a level again and again, not waiting for a signal: the command needs
//! neither the service's process nor its permission, and a choice made while the service was down,
//! starting, or busy loading another bundle is not missed.
//!
//! A bundle that fails its check never replaces one that works. At the start the next one in line
//! takes its place; while running, the one that runs goes on. Either is said on the page. While nothing
//! runs, loading is tried again and again; and what ran is loaded and checked anew when it gave no numbers.
//!
//! TensorRT builds its plan for minutes when it meets a bundle for the first time. No series waits
//! for that: tract serves from the start, and what begins after the plan is ready runs on it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{dispatcher::Message, engine_room::EngineRoom};
use crate::{
    chain,
    config::Config,
    dicom::{Trouble, TroubleKind},
    engine::{EngineChoice, EngineOptions},
    model::{
        Bundle, BundleError, Trust,
        store::{Choice, Selection, Store, StoreError},
    },
    spool::Spool,
    status::{FactsBoard, Notice},
};

/// How often the selection is looked at. It is one small file in the page cache.
const LOOK: Duration = Duration::from_secs(2);

/// While nothing runs, loading is tried this often: a device or a volume may have come late.
const AGAIN: Duration = Duration::from_mins(1);

pub(super) struct Models {
    pub config: Arc<Config>,
    pub spool: Arc<Spool>,
    pub facts: Arc<FactsBoard>,
    pub store: Store,
    pub inbox: mpsc::Sender<Message>,
    /// What was chosen when we last looked; `None` before the first look.
    pub seen: Option<Selection>,
    pub running: Option<Choice>,
    /// Set by the dispatcher when what runs gave no numbers.
    pub doubted: Arc<AtomicBool>,
    /// When a bundle was last tried.
    pub tried: Option<Instant>,
    /// What the page was told.
    pub told: Vec<Notice>,
}

impl Models {
    /// Loads what is selected, then follows the selection until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut models = self;
        loop {
            // Loading and checking takes seconds; never on the async runtime.
            let looked = tokio::task::spawn_blocking(move || {
                models.look_whatever_happens();
                models
            });
            match looked.await {
                Ok(back) => models = back,
                // Stopping.
                Err(_) => return,
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// A crash while a bundle is loaded leaves what runs as it is.
    fn look_whatever_happens(&mut self) {
        if catch_unwind(AssertUnwindSafe(|| self.look())).is_err() && self.running.is_none() {
            let words = "the model crashed while it was loaded";
            let crashed = Err(Trouble::new(TroubleKind::Model, words));
            // Nobody listens only while stopping.
            let _ = self.inbox.blocking_send(Message::Engine(crashed));
        }
    }

    fn look(&mut self) {
        let mut problems = Vec::new();
        let selection = self.store.selection().unwrap_or_else(|error: StoreError| {
            problems.push(Notice::ModelChoiceUnreadable { why: chain(&error) });
            self.seen.clone().unwrap_or_default()
        });
        if self.doubted.swap(false, Ordering::AcqRel) {
            self.running = None;
            self.tried = None;
        }
        let idle = self.running.is_none() && self.tried.is_none_or(|at| at.elapsed() >= AGAIN);
        if self.seen.as_ref() == Some(&selection) && !idle {
            return;
        }
        self.tried = Some(Instant::now());
        // Noted first: what crashes is not tried again at every look.
        self.seen = Some(selection.clone());
        let outcome = self.first_usable(&selection, &mut problems);
        self.tell(problems);
        if let Some(outcome) = outcome {
            // Nobody listens only while stopping.
            let _ = self.inbox.blocking_send(Message::Engine(outcome));
        }
    }

    /// The engine with the first bundle that passes; `None` where what runs already is the best.
    fn first_usable(
        &mut self,
        selection: &Selection,
        problems: &mut Vec<Notice>,
    ) -> Option<Result<Arc<EngineRoom>, Trouble>> {
        let mut last = None;
        for choice in selection.candidates() {
            if self.running.as_ref() == Some(&choice) {
                return None;
            }
            let stands_in = self.stand_in(&choice);
            match self.open(&choice, self.config.model.engine) {
                Ok(room) => {
                    let (name, digest) = (&room.bundle.manifest.name, &room.bundle.digest);
                    let (version, origin) = (&room.bundle.manifest.version, &room.bundle.origin);
                    tracing::info!(name, version, digest, %origin, "model in use");
                    self.running = Some(choice);
                    return Some(Ok(Arc::new(room)));
                }
                Err(reason) if stands_in => {
                    tracing::error!(%choice, %reason, "tensorrt not usable");
                    problems.push(Notice::EngineReplaced {
                        engine: "tensorrt".to_owned(),
                        why: reason.words,
                    });
                    self.running = Some(choice);
                    return None;
                }
                Err(reason) => {
                    tracing::error!(%choice, %reason, "model not usable");
                    problems.push(Notice::ModelReplaced {
                        model: choice.to_string(),
                        why: reason.words.clone(),
                    });
                    last = Some(reason);
                }
            }
        }
        if self.running.is_some() {
            return None;
        }
        // The engine's own line says it.
        problems.clear();
        last.map(Err)
    }

    /// Puts tract to work while the engine asked for takes its time; whether it did.
    fn stand_in(&self, choice: &Choice) -> bool {
        if self.config.model.engine != EngineChoice::TensorRt || self.running.is_some() {
            return false;
        }
        match self.open(choice, EngineChoice::Tract) {
            Ok(room) => {
                tracing::info!("tract serves until tensorrt is ready");
                // Nobody listens only while stopping.
                let _ = self
                    .inbox
                    .blocking_send(Message::Engine(Ok(Arc::new(room))));
                true
            }
            // The bundle's own fault: opening it for tensorrt says so.
            Err(_) => false,
        }
    }

    fn open(&self, choice: &Choice, engine: EngineChoice) -> Result<EngineRoom, Trouble> {
        let bundle = bundle_of(&self.config, &self.store, choice)
            .map_err(|words| Trouble::new(TroubleKind::Model, words))?;
        let options = EngineOptions {
            choice: engine,
            ..engine_options(&self.config)
        };
        let opened = EngineRoom::open(bundle, &options, Arc::clone(&self.spool));
        opened.map_err(|error| Trouble::new(error.kind(), chain(&error)))
    }

    /// Replaces what the page was told last time.
    fn tell(&mut self, problems: Vec<Notice>) {
        self.facts.pin(|facts| {
            facts.notices.retain(|notice| !self.told.contains(notice));
            facts.notices.extend(problems.iter().cloned());
        });
        self.told = problems;
    }
}

fn bundle_of(config: &Config, store: &Store, choice: &Choice) -> Result<Bundle, String> {
    let bundle = match choice {
        Choice::Installed(id) => store.load(id, &config.model.trust()),
        Choice::Default => load_bundle(config),
    };
    bundle.map_err(|error| chain(&error))
}

/// The bundle that a service with this configuration would run first, or why it could not.
pub fn selected_bundle(config: &Config) -> Result<Bundle, String> {
    let store = Store::of(&config.state_dir());
    let selection = store.selection().map_err(|error| chain(&error))?;
    let first = selection.candidates().next();
    bundle_of(config, &store, &first.unwrap_or(Choice::Default))
}

/// The engine as the configuration asks for it.
#[must_use]
pub fn engine_options(config: &Config) -> EngineOptions {
    EngineOptions {
        choice: config.model.engine,
        onnxruntime_library: config.model.onnxruntime_library.clone(),
        tensorrt_plans: Some(config.state_dir().join("tensorrt")),
        ..EngineOptions::default()
    }
}

/// The configured bundle, else the one inside the binary.
pub fn load_bundle(config: &Config) -> Result<Bundle, BundleError> {
    let trust: Trust = config.model.trust();
    match &config.model.bundle {
        Some(directory) => Bundle::load(directory, &trust),
        None => Bundle::embedded(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::RealDisk;

    #[test]
    fn tract_serves_where_tensorrt_was_asked_for_and_cannot_be_had() {
        let there = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.device.state_dir = Some(there.path().to_owned());
        config.model.engine = EngineChoice::TensorRt;
        let facts = Arc::new(FactsBoard::default());
        let (inbox, mut messages) = mpsc::channel(4);
        let mut models = Models {
            config: Arc::new(config),
            spool: Arc::new(Spool::open(there.path(), RealDisk).unwrap()),
            facts: Arc::clone(&facts),
            store: Store::of(there.path()),
            inbox,
            seen: None,
            running: None,
            doubted: Arc::default(),
            tried: None,
            told: Vec::new(),
        };
        models.look();

        let Some(Message::Engine(Ok(room))) = messages.blocking_recv() else {
            panic!("no engine");
        };
        assert_eq!(room.workers.info().name, "tract");
        assert!(
            messages.try_recv().is_err(),
            "what serves is not taken away"
        );
        let notices = facts.read().notices;
        let told = |word: &str| {
            notices
                .iter()
                .any(|notice| notice.to_string().contains(word))
        };
        assert!(
            told("tensorrt") && told("tract runs in its place"),
            "{notices:?}"
        );
    }
}
