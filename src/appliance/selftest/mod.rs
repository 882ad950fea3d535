//! The whole way of a series, tried on a patient who does not exist.
//!
//! A box can answer every ping and still draw nonsense: an accelerator that went bad, a disk that
//! returns other bytes, a model that was exchanged. So a synthetic abdomen whose liver and tumour are
//! known to a voxel goes the way of any other: over an association into a spool, through decoder,
//! engine and mask, out as a SEG over another association. What arrives is compared with the truth.
//!
//! Nothing of it meets patients' series: listener, spool and receiver are its own, on loopback and in
//! a directory that is removed, the journal does not hear of it, and the engine takes its slices only
//! while no other series wants any.

mod comparison;
mod service;

use std::{collections::HashMap, fs, io, path::PathBuf, sync::Arc, thread, time::Instant};

use jiff::{Timestamp, Zoned};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

pub use comparison::dice;
pub(super) use service::{Occasion, SelfTests, occasions};

use comparison::Comparison;

use super::{
    engine_room::{SliceError, encode_frames},
    finish::{Complete, EncodedSlice, FinishError, Finished, finish},
    station::{Station, StationError},
};
use crate::{
    chain,
    deliver::{self, DeliverError, Destination, Outgoing},
    dicom::{AeTitle, Uid},
    encode::{Equipment, ReadError, Segmentation},
    engine::{EngineError, Urgency, Workers, check},
    model::Bundle,
    phantom::{self, Phantom, PhantomSpec, Tumour, TumourKind},
    series::{Eligibility, InstanceHeader, judge, too_few},
    status::SelfTestFacts,
};

/// What a self-test is run with.
pub struct SelfTest<'a> {
    pub workers: &'a Workers,
    pub bundle: &'a Arc<Bundle>,
    pub equipment: &'a Equipment,
    /// Made, and removed with all that is in it.
    pub directory: PathBuf,
    /// Carries the associations; the caller's thread waits for them.
    pub runtime: Handle,
}

/// Why there is nothing to compare.
#[derive(Debug, thiserror::Error)]
enum SelfTestError {
    #[error("the engine misses the model's golden output")]
    Golden(#[source] EngineError),
    #[error("the engine stopped")]
    EngineGone,
    #[error("the phantom cannot be written")]
    Phantom(#[from] phantom::ExportError),
    #[error("a file cannot be read back")]
    File(#[from] io::Error),
    #[error("no receiver on loopback")]
    Station(#[from] StationError),
    #[error("an object was not taken over loopback")]
    Store(#[from] DeliverError),
    #[error("{sent} objects were sent over loopback, {received} arrived")]
    Lost { sent: usize, received: usize },
    #[error("a received instance cannot be read: {0}")]
    Header(String),
    #[error("the phantom is not taken for a CT of the liver: {0}")]
    NotEligible(String),
    #[error("a slice cannot be segmented")]
    Slice(#[from] SliceError),
    #[error("no result can be made")]
    Finish(#[from] FinishError),
    #[error("the result refuses itself: {0}")]
    Refused(String),
    #[error("the SEG that arrived cannot be read")]
    Read(#[from] ReadError),
}

impl SelfTest<'_> {
    /// Runs it and says how it went. Takes seconds and blocks; never on the async runtime.
    #[must_use]
    pub fn run(&self) -> SelfTestFacts {
        let (at, started) = (Timestamp::now(), Instant::now());
        // What an earlier one left that was cut off.
        let _ = fs::remove_dir_all(&self.directory);
        let outcome = self.compare();
        let _ = fs::remove_dir_all(&self.directory);
        let (passed, words, dice) = match outcome {
            Ok(comparison) => (
                comparison.holds(),
                comparison.words(),
                Some(comparison.dice),
            ),
            Err(error) => (false, chain(&error), None),
        };
        SelfTestFacts {
            at,
            passed,
            words,
            seconds: started.elapsed().as_secs_f64(),
            liver_dice: dice.map(|[liver, _]| liver),
            tumour_dice: dice.map(|[_, tumour]| tumour),
        }
    }

    fn compare(&self) -> Result<Comparison, SelfTestError> {
        self.golden()?;
        let (phantom, files) = self.phantom()?;
        let received = self.over_loopback("received", &files)?;
        let instances = read(&received)?;
        let finished = self.segment(&instances)?;
        if let Some(reason) = finished.json.refusal() {
            return Err(SelfTestError::Refused(reason));
        }
        let seg = Outgoing {
            sop_class: finished.seg.sop_class.clone(),
            sop_instance: finished.seg.sop_instance.clone(),
            path: self.directory.join("seg.dcm"),
        };
        fs::write(&seg.path, &finished.seg.bytes)?;
        let arrived = self.over_loopback("pacs", &[seg])?;
        let arrived = arrived.first().map_or(Ok(Vec::new()), fs::read)?;
        let segmentation = Segmentation::read(&arrived)?;
        Ok(Comparison {
            dice: [1, 2].map(|segment| dice(&segmentation, &phantom, segment)),
            liver_ml: finished.json.findings.liver_ml,
            truth_ml: phantom.liver_ml(),
        })
    }

    /// The check that every engine passed when it was loaded, once more.
    fn golden(&self) -> Result<(), SelfTestError> {
        let bundle = Arc::clone(self.bundle);
        let checked = self
            .workers
            .submit(&lane(), Urgency::Idle, move |engine| check(engine, &bundle));
        let checked = checked.blocking_recv();
        let checked = checked.map_err(|_| SelfTestError::EngineGone)?;
        checked.map(|_| ()).map_err(SelfTestError::Golden)
    }

    fn phantom(&self) -> Result<(Phantom, Vec<Outgoing>), SelfTestError> {
        let directory = self.directory.join("scanner");
        let phantom = phantom::write(&abdomen(), &directory)?;
        let mut files = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            // The phantom's truth lies beside its slices.
            if let Ok(header) = InstanceHeader::read(&fs::read(&path)?) {
                files.push(Outgoing {
                    sop_class: header.sop_class,
                    sop_instance: header.sop_instance,
                    path,
                });
            }
        }
        Ok((phantom, files))
    }

    /// Sends objects to a receiver of our own, and says where it keeps them.
    fn over_loopback(
        &self,
        place: &str,
        objects: &[Outgoing],
    ) -> Result<Vec<PathBuf>, SelfTestError> {
        let (sender, receiver) = (title("SELFTEST"), title("SELFTEST_SCP"));
        let directory = self.directory.join(place);
        let started = Station::start(&directory, receiver.clone());
        let mut station = self.runtime.block_on(started)?;
        let address = station.address.to_string();
        let destination = Destination::new("loopback", receiver, &address, sender);
        let stored = thread::scope(|scope| {
            let done = CancellationToken::new();
            let over = done.clone().drop_guard();
            let storing = scope.spawn(move || {
                let _over = over;
                deliver::store(&destination, objects, &CancellationToken::new())
            });
            // Events must be taken, or the receiver waits.
            self.runtime.block_on(async {
                loop {
                    tokio::select! {
                        event = station.next() => if event.is_none() { return },
                        () = done.cancelled() => return,
                    }
                }
            });
            storing.join()
        });
        let received: Vec<PathBuf> = station.spool.instances().map(|(_, path)| path).collect();
        self.runtime.block_on(station.stop());
        let lost = SelfTestError::Lost {
            sent: objects.len(),
            received: received.len(),
        };
        let Ok(outcomes) = stored else {
            return Err(lost);
        };
        outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
        if received.len() != objects.len() {
            return Err(lost);
        }
        Ok(received)
    }

    fn segment(&self, instances: &Instances) -> Result<Finished, SelfTestError> {
        let headers: Vec<InstanceHeader> = instances.iter().map(|(h, _)| h.clone()).collect();
        match judge(&headers) {
            Eligibility::Eligible => {}
            Eligibility::NotYet => return Err(SelfTestError::NotEligible(too_few(&headers))),
            Eligibility::Ignored { reason } => return Err(SelfTestError::NotEligible(reason)),
        }
        let mut jobs = Vec::with_capacity(instances.len());
        for (header, file) in instances {
            let (owned, file) = (header.clone(), Arc::clone(file));
            let bundle = Arc::clone(self.bundle);
            jobs.push(self.workers.submit(&lane(), Urgency::Idle, move |engine| {
                let frames = 0..owned.frames.len();
                encode_frames(engine, &file, &owned, frames, &bundle.manifest)
            }));
        }
        let mut encoded: HashMap<(Uid, usize), Arc<EncodedSlice>> = HashMap::new();
        for (job, header) in jobs.into_iter().zip(&headers) {
            let slices = job
                .blocking_recv()
                .map_err(|_| SelfTestError::EngineGone)??;
            for (frame, slice) in slices {
                encoded.insert((header.sop_instance.clone(), frame), Arc::new(slice));
            }
        }
        let file = |instance: &Uid| {
            let mut instances = instances.iter();
            let found = instances.find(|(header, _)| header.sop_instance == *instance);
            let found = found.map(|(_, file)| Arc::clone(file));
            found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        };
        let template = instances.first().map_or(&[][..], |(_, file)| file);
        Ok(finish(&Complete {
            headers: &headers,
            encoded: &encoded,
            template,
            bundle: self.bundle,
            workers: self.workers,
            urgency: Urgency::Idle,
            equipment: self.equipment,
            file: &file,
            revision: 1,
            now: Zoned::now(),
        })?)
    }
}

type Instances = Vec<(InstanceHeader, Arc<Vec<u8>>)>;

fn read(paths: &[PathBuf]) -> Result<Instances, SelfTestError> {
    let read = |path: &PathBuf| {
        let file = fs::read(path)?;
        let header = InstanceHeader::read(&file);
        let header = header.map_err(|error| SelfTestError::Header(chain(&error)))?;
        Ok((header, Arc::new(file)))
    };
    paths.iter().map(read).collect()
}

/// An upper abdomen with one tumour: large enough for the network to find both, segmented in
/// seconds on any processor.
fn abdomen() -> PhantomSpec {
    PhantomSpec {
        seed: 1,
        slices: 24,
        rows: 128,
        columns: 128,
        slice_spacing: 6.0,
        slice_thickness: 6.0,
        tumours: vec![Tumour {
            diameter_mm: 36.0,
            kind: TumourKind::Hypodense,
        }],
        ..PhantomSpec::default()
    }
}

/// Under which its jobs stand in the engine's queue.
fn lane() -> Uid {
    Uid::derived("self-test", &[])
}

fn title(text: &str) -> AeTitle {
    AeTitle::parse(text).expect("a valid AE title")
}
