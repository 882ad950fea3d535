//! One directory of files that appear whole or not at all, and whose directory syncs are shared.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use super::{Disk, SpoolError};

/// What a file is called until it is whole. Swept away at start.
const UNFINISHED: &str = "part";

fn is_unfinished(file: &Path) -> bool {
    file.extension().is_some_and(|ext| ext == UNFINISHED)
}

/// A directory of the spool.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    syncs: GroupSync,
    claims: Claims,
}

impl Folder {
    /// Makes the directory if it is missing and sweeps unfinished files out of it. Nobody was told
    /// that we have those.
    pub(super) fn open(path: PathBuf, disk: &impl Disk) -> io::Result<Self> {
        disk.create_dir(&path)?;
        let mut leftovers = disk.list(&path)?;
        leftovers.retain(|file| is_unfinished(file));
        for leftover in &leftovers {
            disk.remove(leftover)?;
        }
        if !leftovers.is_empty() {
            let (folder, files) = (path.display(), leftovers.len());
            tracing::info!(%folder, files, "removed files whose writing was interrupted");
        }
        Ok(Self {
            path,
            syncs: GroupSync::default(),
            claims: Claims::default(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The files that are whole, in no particular order.
    pub(super) fn finished(&self, disk: &impl Disk) -> io::Result<Vec<PathBuf>> {
        let mut files = disk.list(&self.path)?;
        files.retain(|file| !is_unfinished(file));
        Ok(files)
    }

    /// Keeps every other thread off `name` until the claim is dropped.
    pub(super) fn claim(&self, name: &str) -> Claim<'_> {
        self.claims.wait_for(name)
    }

    /// Makes `parts` durable under `name`, replacing what was there. The caller holds the claim.
    pub(super) fn put(
        &self,
        disk: &impl Disk,
        name: &str,
        parts: &[&[u8]],
    ) -> Result<PathBuf, SpoolError> {
        let path = self.join(name);
        let part = self.join(&format!("{name}.{UNFINISHED}"));
        let written = disk
            .write_synced(&part, parts)
            .map_err(SpoolError::failed_to("write", &path))
            .and_then(|()| {
                disk.rename(&part, &path)
                    .map_err(SpoolError::failed_to("rename", &path))
            });
        if let Err(err) = written {
            // Gives the space back; if that fails too, the next start sweeps it.
            let _ = disk.remove(&part);
            return Err(err);
        }
        self.sync(disk)?;
        Ok(path)
    }

    /// Whether a file could be put here now. One is written and removed again, under an unfinished
    /// file's name, so that the next start sweeps what a power cut may leave of it.
    pub(super) fn check_writable(&self, disk: &impl Disk) -> Result<(), SpoolError> {
        let part = self.join(&format!("probe.{UNFINISHED}"));
        let written = disk.write_synced(&part, &[b"probe"]);
        let removed = disk.remove(&part);
        written
            .and(removed)
            .map_err(SpoolError::failed_to("write", &part))
    }

    /// Until a directory is synced, its new names can be lost with the power.
    pub(super) fn sync(&self, disk: &impl Disk) -> Result<(), SpoolError> {
        self.syncs
            .wait_for(|| disk.sync_dir(&self.path))
            .map_err(SpoolError::failed_to("sync the directory", &self.path))
    }
}

/// Lets everybody who waits for the same directory share one sync.
///
/// Syncing a directory costs a device flush, milliseconds on common flash, however many names it
/// covers. Whoever comes first runs the sync; whoever comes while it runs shares the next one,
/// because the running one may have begun before their rename.
#[derive(Debug, Default)]
struct GroupSync {
    rounds: Mutex<Rounds>,
    ended: Condvar,
}

/// Rounds are numbered from 1 in the order in which they run.
#[derive(Debug, Default)]
struct Rounds {
    started: u64,
    running: bool,
    last_failure: Option<(u64, io::ErrorKind)>,
}

impl Rounds {
    fn has_ended(&self, round: u64) -> bool {
        self.started > round || (self.started == round && !self.running)
    }

    /// A later failure counts against an earlier round as well: rather a success reported as a
    /// failure, which the sender repeats, than the reverse.
    fn outcome(&self, round: u64) -> io::Result<()> {
        match self.last_failure {
            Some((failed, kind)) if failed >= round => Err(kind.into()),
            _ => Ok(()),
        }
    }
}

impl GroupSync {
    /// Returns when a sync that began after this call has ended.
    fn wait_for(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut rounds = unpoisoned(self.rounds.lock());
        let mine = rounds.started + 1;
        while rounds.running && !rounds.has_ended(mine) {
            rounds = unpoisoned(self.ended.wait(rounds));
        }
        if rounds.has_ended(mine) {
            return rounds.outcome(mine);
        }
        rounds.started = mine;
        rounds.running = true;
        drop(rounds);

        let outcome = sync();

        let mut rounds = unpoisoned(self.rounds.lock());
        rounds.running = false;
        if let Err(err) = &outcome {
            rounds.last_failure = Some((mine, err.kind()));
        }
        drop(rounds);
        self.ended.notify_all();
        outcome
    }
}

/// Names that somebody is working on.
#[derive(Debug, Default)]
struct Claims {
    names: Mutex<HashSet<String>>,
    released: Condvar,
}

/// The right to write one name in one folder.
pub(super) struct Claim<'a> {
    claims: &'a Claims,
    name: String,
}

impl Claims {
    fn wait_for(&self, name: &str) -> Claim<'_> {
        let mut names = unpoisoned(self.names.lock());
        while names.contains(name) {
            names = unpoisoned(self.released.wait(names));
        }
        names.insert(name.to_owned());
        Claim {
            claims: self,
            name: name.to_owned(),
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        unpoisoned(self.claims.names.lock()).remove(&self.name);
        self.claims.released.notify_all();
    }
}

/// Nothing panics while these locks are held, and what they guard is consistent between statements.
fn unpoisoned<'a, T>(
    guard: Result<MutexGuard<'a, T>, PoisonError<MutexGuard<'a, T>>>,
) -> MutexGuard<'a, T> {
    guard.unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Barrier,
        sync::atomic::{AtomicU32, Ordering::SeqCst},
        thread,
    };

    use super::*;

    #[test]
    fn everyone_who_comes_while_a_sync_runs_shares_the_next_one() {
        let group = GroupSync::default();
        let syncs = AtomicU32::new(0);
        let asking = AtomicU32::new(0);
        let (runs, may_end) = (Barrier::new(2), Barrier::new(2));
        thread::scope(|threads| {
            threads.spawn(|| {
                group.wait_for(|| {
                    runs.wait();
                    may_end.wait();
                    Ok(())
                })
            });
            runs.wait();
            for _ in 0..7 {
                threads.spawn(|| {
                    asking.fetch_add(1, SeqCst);
                    group.wait_for(|| {
                        syncs.fetch_add(1, SeqCst);
                        Ok(())
                    })
                });
            }
            while asking.load(SeqCst) < 7 {
                thread::yield_now();
            }
            may_end.wait();
        });
        // One, unless a thread was held up between counting itself and asking.
        let syncs = syncs.into_inner();
        assert!((1..7).contains(&syncs), "{syncs} syncs for 7 callers");
    }

    #[test]
    fn a_running_sync_does_not_cover_what_was_renamed_after_it_began() {
        let group = GroupSync::default();
        let own = AtomicU32::new(0);
        let (runs, may_end) = (Barrier::new(2), Barrier::new(2));
        thread::scope(|threads| {
            threads.spawn(|| {
                group.wait_for(|| {
                    runs.wait();
                    may_end.wait();
                    Ok(())
                })
            });
            runs.wait();
            let late = threads.spawn(|| {
                group.wait_for(|| {
                    own.fetch_add(1, SeqCst);
                    Err(io::ErrorKind::StorageFull.into())
                })
            });
            may_end.wait();
            let outcome = late.join().unwrap().map_err(|err| err.kind());
            assert_eq!(outcome, Err(io::ErrorKind::StorageFull));
        });
        assert_eq!(own.into_inner(), 1, "the late caller needs its own round");
    }

    #[test]
    fn a_failed_round_is_reported_to_everyone_who_shared_it_and_to_nobody_later() {
        let rounds = Rounds {
            started: 3,
            running: false,
            last_failure: Some((2, io::ErrorKind::Other)),
        };
        assert!(rounds.outcome(1).is_err());
        assert!(rounds.outcome(2).is_err());
        assert!(rounds.outcome(3).is_ok());
    }
}
