//! Where what the network said of a slice waits for the rest of its series.
//!
//! In memory, up to a bound; beyond it on disk, in one file for each series. The files have no name,
//! so they are gone with the process, however it ends: nothing in them is promised to anybody, all of
//! it can be made again from the instances. What scanners send has the better right to the disk, so
//! nothing waits there once space is short.

use std::{
    borrow::Cow,
    fmt,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use crate::{
    mask::LogOdds,
    spool::{Room, Spool, Watermarks},
    status::metric_names,
};

/// What waits, all series together.
pub(super) struct Waiting {
    spool: Arc<Spool>,
    /// Of what waits in memory, bytes.
    bound: usize,
    in_memory: Arc<Counter>,
    on_disk: Arc<Counter>,
    disk_refuses: AtomicBool,
}

impl Waiting {
    pub(super) fn new(spool: Arc<Spool>, bound: usize) -> Self {
        Self {
            spool,
            bound,
            in_memory: Counter::new("memory"),
            on_disk: Counter::new("disk"),
            disk_refuses: AtomicBool::new(false),
        }
    }

    /// Whether more waits in memory than may, because the disk would not take it.
    pub(super) fn is_over(&self) -> bool {
        self.in_memory.bytes() > self.bound
    }

    /// Finds a place for what waits nowhere yet. What there is no room for stays in memory; giving the
    /// engine less is up to whoever asks [`Self::is_over`].
    pub(super) fn keep(&self, kept: Kept, overflow: &Overflow) -> Kept {
        let Place::Memory(log_odds, None) = kept.0 else {
            return kept;
        };
        let share = Share::of(&self.in_memory, log_odds.bytes());
        if !self.is_over() {
            return Kept(Place::Memory(log_odds, Some(share)));
        }
        match self.put_on_disk(&log_odds, overflow) {
            Ok(place) => {
                self.disk_refuses.store(false, Ordering::Relaxed);
                Kept(place)
            }
            Err(error) => {
                if !self.disk_refuses.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "encoded slices cannot wait on disk; series take turns");
                }
                Kept(Place::Memory(log_odds, Some(share)))
            }
        }
    }

    fn put_on_disk(&self, log_odds: &LogOdds, overflow: &Overflow) -> io::Result<Place> {
        let space = self.spool.free_space().map_err(io::Error::other)?;
        if Watermarks::of(space.total).room(space, Room::Short) != Room::Enough {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let bytes = log_odds.to_bytes();
        let (file, at) = overflow.append(self.spool.state_dir(), &bytes)?;
        Ok(Place::Disk {
            file,
            at,
            share: Share::of(&self.on_disk, bytes.len()),
        })
    }
}

/// The file in which slices of one series wait; made when the first does.
#[derive(Debug, Default)]
pub(super) struct Overflow(Mutex<Option<(Arc<File>, u64)>>);

impl Overflow {
    /// Returns where the bytes begin.
    fn append(&self, directory: &Path, bytes: &[u8]) -> io::Result<(Arc<File>, u64)> {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, end) = match &mut *file {
            Some(file) => file,
            none => none.insert((Arc::new(tempfile::tempfile_in(directory)?), 0)),
        };
        let at = *end;
        file.write_all_at(bytes, at)?;
        *end += bytes.len() as u64;
        Ok((Arc::clone(file), at))
    }
}

/// What the network said of one slice, wherever it waits.
#[derive(Debug)]
pub struct Kept(Place);

#[derive(Debug)]
enum Place {
    /// Counted once it waits for others.
    Memory(LogOdds, Option<Share>),
    Disk {
        file: Arc<File>,
        at: u64,
        share: Share,
    },
}

impl Kept {
    /// Read back where it waits on disk, which may fail as any disk may.
    pub fn get(&self) -> io::Result<Cow<'_, LogOdds>> {
        match &self.0 {
            Place::Memory(log_odds, _) => Ok(Cow::Borrowed(log_odds)),
            Place::Disk { file, at, share } => {
                let mut bytes = vec![0; share.bytes];
                file.read_exact_at(&mut bytes, *at)?;
                Ok(Cow::Owned(LogOdds::from_bytes(&bytes)))
            }
        }
    }
}

impl From<LogOdds> for Kept {
    fn from(log_odds: LogOdds) -> Self {
        Self(Place::Memory(log_odds, None))
    }
}

/// How much waits in one kind of place.
struct Counter {
    bytes: AtomicUsize,
    gauge: metrics::Gauge,
}

impl Counter {
    fn new(place: &'static str) -> Arc<Self> {
        let gauge = metrics::gauge!(metric_names::WAITING, "place" => place);
        gauge.set(0.0);
        Arc::new(Self {
            bytes: AtomicUsize::new(0),
            gauge,
        })
    }

    fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// What one slice takes of it, until it is dropped.
struct Share {
    of: Arc<Counter>,
    bytes: usize,
}

impl Share {
    fn of(counter: &Arc<Counter>, bytes: usize) -> Self {
        counter.bytes.fetch_add(bytes, Ordering::Relaxed);
        counter.gauge.increment(bytes as f64);
        Self {
            of: Arc::clone(counter),
            bytes,
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.of.gauge.decrement(self.bytes as f64);
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ndarray::Array3;
    use tempfile::TempDir;

    use super::*;
    use crate::{engine::Logits, spool::RealDisk};

    /// Of 2 × 2 pixels, so 8 bytes.
    fn said(of_organ: f32) -> LogOdds {
        let logits = Array3::from_shape_fn((3, 2, 2), |(class, row, column)| match class {
            1 => of_organ + row as f32 - column as f32,
            class => class as f32,
        });
        LogOdds::of(&Logits(logits), &[1.0; 3])
    }

    fn waiting(slices: usize) -> (TempDir, Waiting) {
        let state = tempfile::tempdir().unwrap();
        let spool = Spool::open(state.path(), RealDisk).unwrap();
        let waiting = Waiting::new(Arc::new(spool), slices * said(0.0).bytes());
        (state, waiting)
    }

    fn bytes(waiting: &Waiting) -> [usize; 2] {
        [waiting.in_memory.bytes(), waiting.on_disk.bytes()]
    }

    #[test]
    fn what_memory_has_no_room_for_waits_on_disk_and_is_the_same_when_it_comes_back() {
        let (state, waiting) = waiting(2);
        let names = || fs::read_dir(state.path()).unwrap().count();
        let before = names();
        let series = [Overflow::default(), Overflow::default()];
        let all: Vec<LogOdds> = (0..6_u8).map(|slice| said(f32::from(slice))).collect();
        let kept: Vec<Kept> = all
            .iter()
            .enumerate()
            .map(|(at, one)| waiting.keep(one.clone().into(), &series[at % 2]))
            .collect();
        assert_eq!(bytes(&waiting), [16, 32]);
        assert!(!waiting.is_over());
        for (kept, said) in kept.iter().zip(&all) {
            assert_eq!(*kept.get().unwrap(), *said);
        }
        assert_eq!(names(), before, "the files have no name");

        // Room that is given back is used again.
        drop(kept);
        assert_eq!(bytes(&waiting), [0, 0]);
        let again = waiting.keep(said(1.0).into(), &series[0]);
        assert_eq!(bytes(&waiting), [8, 0]);
        assert_eq!(*again.get().unwrap(), said(1.0));
        assert_eq!(bytes(&waiting), [8, 0], "what has its place is not moved");
        let again = waiting.keep(again, &series[0]);
        assert_eq!((bytes(&waiting), again.get().is_ok()), ([8, 0], true));
    }

    #[test]
    fn what_the_disk_does_not_take_stays_in_memory_and_is_said_to_be_too_much() {
        let (state, waiting) = waiting(1);
        drop(state);
        let kept: Vec<Kept> = (0..3)
            .map(|_| waiting.keep(said(1.0).into(), &Overflow::default()))
            .collect();
        assert_eq!(bytes(&waiting), [24, 0]);
        assert!(waiting.is_over());
        assert!(kept.iter().all(|kept| *kept.get().unwrap() == said(1.0)));
        drop(kept);
        assert!(!waiting.is_over());
    }

    #[test]
    fn what_cannot_be_read_back_is_an_error() {
        let (_state, waiting) = waiting(0);
        let overflow = Overflow::default();
        let kept = waiting.keep(said(1.0).into(), &overflow);
        let file = overflow.0.lock().unwrap().as_ref().unwrap().0.clone();
        file.set_len(7).unwrap();
        let error = kept.get().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
