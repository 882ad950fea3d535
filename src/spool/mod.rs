//! Nothing is lost: instances and jobs on stable storage.
//!
//! A scanner may delete its copy as soon as it hears success. So success is only ever sent for an
//! instance whose bytes and directory entry survive a power cut, and [`Spooled`] is the proof: only
//! [`Spool::commit`] makes one. What was not acknowledged may be lost; what was may not.
//!
//! The state directory holds
//!
//! ```text
//! instances/   one file for each SOP instance, named by its UID; the truth about what we have
//! aside/       other bytes that came under a UID we already had
//! quarantine/  instances that could not be read, or contradicted their command, each with a .txt
//!              that says why
//! results/     what we made
//! journal.db   where every series is on its way ([`journal`]); rebuilt from instances/ if lost
//! lock         held while a process works here
//! spare        space put by for a start on a full disk
//! ```
//!
//! Every file is written under another name, synced, renamed, and the directory synced, in this
//! order, so a half-written file never has a name that anybody looks for.

#![deny(clippy::indexing_slicing)]

mod apart;
mod disk;
mod folder;
pub mod journal;
mod part10;
mod removal;
pub mod retention;
mod retention_clock;
mod room;
mod spare;
mod sweep;

#[cfg(test)]
pub(crate) mod tests;

use std::{
    fs::File,
    io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use disk::{Disk, DiskSpace, RealDisk};
use folder::Folder;
pub use part10::{DamageError, check_intact, read_sop_class, read_source};
use removal::Resent;
pub use retention_clock::RetentionClock;
pub use room::{Room, Watermarks};
pub use sweep::{Sweep, SweepError, Swept, sweep};

use crate::dicom::{AeTitle, Remedy, Uid};

/// Who sent an instance.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Source {
    pub calling_ae: AeTitle,
    pub called_ae: AeTitle,
    pub peer: IpAddr,
    /// Numbers associations since the process started.
    pub association: u64,
}

/// An instance as it came over the wire.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub sop_class: Uid,
    pub sop_instance: Uid,
    pub transfer_syntax: Uid,
    /// The data set in the order in which its fragments arrived. Not parsed, not copied.
    pub data_set: Vec<Bytes>,
}

impl Incoming {
    fn data_set_bytes(&self) -> u64 {
        self.data_set.iter().map(|part| part.len() as u64).sum()
    }

    fn data_set_parts(&self) -> impl Iterator<Item = &[u8]> {
        self.data_set.iter().map(|part| &part[..])
    }

    /// What its file holds, `head` first.
    fn file<'a>(&'a self, head: &'a [u8]) -> Vec<&'a [u8]> {
        std::iter::once(head).chain(self.data_set_parts()).collect()
    }
}

/// What the arrival of an instance changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Arrival {
    New,
    /// The same bytes were here already.
    Again,
    /// Other bytes are here under this UID. The first stay what they are; these are kept beside
    /// them, because we acknowledge them too.
    Different {
        kept_as: PathBuf,
    },
}

/// Receipt for an instance that is on stable storage. Only [`Spool::commit`] makes one.
#[derive(Debug)]
pub struct Spooled {
    sop_class: Uid,
    sop_instance: Uid,
    path: PathBuf,
    arrival: Arrival,
    bytes_len: u64,
}

impl Spooled {
    pub fn sop_class(&self) -> &Uid {
        &self.sop_class
    }

    pub fn sop_instance(&self) -> &Uid {
        &self.sop_instance
    }

    /// The file under this UID: the one that came first.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn arrival(&self) -> &Arrival {
        &self.arrival
    }

    /// Length of the data set as received, plus the file meta information.
    pub fn bytes_len(&self) -> u64 {
        self.bytes_len
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("another process works in the state directory {}", .0.display())]
    InUse(PathBuf),
    #[error("cannot use the state directory {}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("could not {step} {}", path.display())]
    Write {
        step: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{0:?} is not a file name for a result")]
    ResultName(String),
}

impl SpoolError {
    fn failed_to(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write { step, path, source }
    }

    /// Whether the disk, or our share of it, is full.
    pub fn is_out_of_space(&self) -> bool {
        let (Self::Write { source, .. } | Self::Open { source, .. }) = self else {
            return false;
        };
        matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }

    #[must_use]
    pub fn remedy(&self) -> Remedy {
        if self.is_out_of_space() {
            Remedy::Wait
        } else {
            Remedy::Service
        }
    }
}

/// The state directory's files. Shared by all associations; every method may block on the disk.
#[derive(Debug)]
pub struct Spool<D: Disk = RealDisk> {
    disk: D,
    state_dir: PathBuf,
    instances: Folder,
    aside: Folder,
    quarantine: Folder,
    results: Folder,
    resent: Resent,
    /// Released when the process ends, however it ends.
    _lock: Option<File>,
}

impl<D: Disk> Spool<D> {
    /// Makes what is missing, sweeps away what was never finished, and keeps other processes out.
    pub fn open(state_dir: &Path, disk: D) -> Result<Self, SpoolError> {
        let cannot = |source: io::Error| SpoolError::Open {
            path: state_dir.to_owned(),
            source,
        };
        disk.create_dir(state_dir).map_err(cannot)?;
        let lock = disk
            .lock(&state_dir.join("lock"))
            .map_err(|source| match source.kind() {
                io::ErrorKind::ResourceBusy => SpoolError::InUse(state_dir.to_owned()),
                _ => cannot(source),
            })?;
        let folder = |name| Folder::open(state_dir.join(name), &disk).map_err(cannot);
        let (instances, aside) = (folder("instances")?, folder("aside")?);
        let (quarantine, results) = (folder("quarantine")?, folder("results")?);
        // The folders' own names must last as well.
        disk.sync_dir(state_dir).map_err(cannot)?;
        Ok(Self {
            disk,
            state_dir: state_dir.to_owned(),
            instances,
            aside,
            quarantine,
            results,
            resent: Resent::default(),
            _lock: lock,
        })
    }

    /// Makes `incoming` durable under its SOP Instance UID. Blocking.
    ///
    /// Everything acknowledged is kept: the same bytes again change nothing, other bytes under the
    /// same UID go beside the first. A file that is damaged, or cannot be read, gives way to a good
    /// one.
    pub fn commit(&self, incoming: &Incoming, source: &Source) -> Result<Spooled, SpoolError> {
        let name = file_name(&incoming.sop_instance);
        let path = self.instances.join(&name);
        let head = part10::head(incoming, source);
        let parts = incoming.file(&head);

        let _claim = self.instances.claim(&name);
        let arrival = match self.disk.read(&path) {
            Ok(there) if part10::holds(&there, incoming) => {
                self.resent.note(&incoming.sop_instance);
                // Whoever renamed it may not have lived to sync.
                self.instances.sync(&self.disk)?;
                Arrival::Again
            }
            Ok(there) => match check_intact(&there) {
                Ok(()) | Err(DamageError::Foreign) => Arrival::Different {
                    kept_as: self.keep_aside(incoming, &parts)?,
                },
                Err(damage) => {
                    let apart =
                        apart::name_by_content(&incoming.sop_instance, &[part10::data_set(&there)]);
                    self.set_apart(&incoming.sop_instance, &apart, &damage.to_string())?;
                    self.keep(&name, &parts)?;
                    Arrival::New
                }
            },
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                self.keep(&name, &parts)?;
                Arrival::New
            }
            Err(err) => {
                // Bytes that cannot be read can still be moved. They are named after those that take
                // their place.
                let apart = format!("{}-unread", incoming.name_by_content());
                let reason = format!("the file could not be read: {err}");
                self.set_apart(&incoming.sop_instance, &apart, &reason)?;
                self.keep(&name, &parts)?;
                Arrival::New
            }
        };
        Ok(Spooled {
            sop_class: incoming.sop_class.clone(),
            sop_instance: incoming.sop_instance.clone(),
            path,
            arrival,
            bytes_len: head.len() as u64 + incoming.data_set_bytes(),
        })
    }

    /// Puts an instance under its own name, or leaves nothing under it: after a directory sync that
    /// failed, a later one that succeeds proves nothing about names made before.
    fn keep(&self, name: &str, parts: &[&[u8]]) -> Result<(), SpoolError> {
        self.instances
            .put(&self.disk, name, parts)
            .map(|_| ())
            .inspect_err(|_| {
                let _ = self.disk.remove(&self.instances.join(name));
            })
    }

    /// The bytes of an instance's file; an error if they are not what was received any more.
    pub fn read(&self, sop_instance: &Uid) -> io::Result<Vec<u8>> {
        let file = self.disk.read(&self.path_of(sop_instance))?;
        match check_intact(&file) {
            // Without a checksum there is nothing to compare.
            Ok(()) | Err(DamageError::Foreign) => Ok(file),
            Err(damage) => Err(io::Error::new(io::ErrorKind::InvalidData, damage)),
        }
    }

    /// The first `bytes` of an instance's file, as they are: what was committed a moment ago need not
    /// be compared with its checksum to be looked at.
    pub fn read_head(&self, sop_instance: &Uid, bytes: usize) -> io::Result<Vec<u8>> {
        self.disk.read_head(&self.path_of(sop_instance), bytes)
    }

    /// Where the instance's file is, if we have it.
    pub fn path_of(&self, sop_instance: &Uid) -> PathBuf {
        self.instances.join(&file_name(sop_instance))
    }

    /// What is on disk: the truth, from which the journal can be rebuilt.
    pub fn instances(&self) -> impl Iterator<Item = (Uid, PathBuf)> + use<D> {
        self.named_by_uid(&self.instances)
    }

    fn named_by_uid(&self, folder: &Folder) -> impl Iterator<Item = (Uid, PathBuf)> + use<D> {
        let files = self.disk.list(folder.path()).unwrap_or_else(|err| {
            let folder = folder.path().display();
            tracing::error!(%folder, %err, "cannot list what was received");
            Vec::new()
        });
        files.into_iter().filter_map(|path| {
            let stem = path.file_name()?.to_str()?.strip_suffix(".dcm")?;
            let uid = stem.split_once('-').map_or(stem, |(uid, _digest)| uid);
            Some((Uid::parse(uid).ok()?, path))
        })
    }

    /// Where [`Self::write_result`] puts results.
    pub fn results_dir(&self) -> PathBuf {
        self.results.path().to_owned()
    }

    /// Makes a result durable as `results/<name>`; writing the same name again replaces it.
    ///
    /// Names are `<series>.<revision>.<what>`, such as `1.2.3.1.seg.dcm`; by them a series' results
    /// are removed with it.
    pub fn write_result(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, SpoolError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            return Err(SpoolError::ResultName(name.to_owned()));
        }
        let _claim = self.results.claim(name);
        self.results.put(&self.disk, name, &[bytes])
    }

    /// Where everything that outlives the process is.
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// How much room there is.
    pub fn free_space(&self) -> Result<DiskSpace, SpoolError> {
        let asked = self.disk.space(&self.state_dir);
        asked.map_err(SpoolError::failed_to(
            "ask for the free space of",
            &self.state_dir,
        ))
    }

    /// Whether an instance could be kept now. Costs one write that is synced, and leaves nothing.
    pub fn check_writable(&self) -> Result<(), SpoolError> {
        self.instances.check_writable(&self.disk)
    }
}

fn file_name(sop_instance: &Uid) -> String {
    format!("{sop_instance}.dcm")
}

/// The series in `<series>.<revision>.<what>`, where only `<what>` has letters.
fn series_of_result(name: &str) -> Option<Uid> {
    let what = name.find(|c: char| c.is_ascii_alphabetic())?;
    let (series, _revision) = name.get(..what)?.strip_suffix('.')?.rsplit_once('.')?;
    Uid::parse(series).ok()
}
