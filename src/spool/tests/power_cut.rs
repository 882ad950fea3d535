//! A disk whose power fails before a chosen operation, and everything that may be found on it then.
//!
//! The model is as hostile as POSIX allows: a file that is being written keeps any prefix of its
//! bytes; a name that was made, moved or removed since its directory was last synced may or may not
//! have changed, each one for itself, so that a later rename can be there while an earlier one is not.
//! The disk can also be full, fail a directory sync, or not give a file back, without losing power.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
    time::SystemTime,
};

use crate::spool::{Disk, DiskSpace};

/// What a disk holds, by path.
pub(crate) type Image = BTreeMap<PathBuf, Vec<u8>>;

/// Index into [`State::contents`]: a file keeps its content when its name changes.
type Inode = usize;

#[derive(Clone, Debug)]
enum NameChange {
    Made(PathBuf, Inode),
    Moved(PathBuf, PathBuf, Inode),
    Removed(PathBuf, Inode),
}

impl NameChange {
    fn is_in(&self, dir: &Path) -> bool {
        let (Self::Made(path, _) | Self::Moved(_, path, _) | Self::Removed(path, _)) = self;
        path.parent() == Some(dir)
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Inode>) {
        match self {
            Self::Made(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Self::Moved(from, to, inode) => {
                names.retain(|path, at| !(path == from && at == inode));
                names.insert(to.clone(), *inode);
            }
            Self::Removed(path, inode) => names.retain(|at, there| !(at == path && there == inode)),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    operations_left: usize,
    /// Of the write in which the power fails, how many quarters reach the disk.
    quarters_written: usize,
    /// No more bytes fit.
    full: bool,
    /// The next directory sync fails, once.
    sync_fails: bool,
    /// Files whose bytes the device does not give back.
    unreadable: BTreeSet<Inode>,
    contents: Vec<Vec<u8>>,
    live: BTreeMap<PathBuf, Inode>,
    durable: BTreeMap<PathBuf, Inode>,
    unsynced: Vec<NameChange>,
}

impl State {
    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.live);
        self.unsynced.push(change);
    }

    fn spend(&mut self) -> io::Result<()> {
        let left = self.operations_left.checked_sub(1);
        self.operations_left = left.ok_or_else(|| io::Error::other("power cut"))?;
        Ok(())
    }

    fn inode(&self, path: &Path) -> io::Result<Inode> {
        let found = self.live.get(path).copied();
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct PowerCut(Mutex<State>);

impl PowerCut {
    /// Loses power before the operation after `operations`.
    pub(crate) fn after(operations: usize, quarters_written: usize) -> Self {
        Self(Mutex::new(State {
            operations_left: operations,
            quarters_written,
            ..State::default()
        }))
    }

    /// The disk with the power back.
    pub(crate) fn holding(image: &Image) -> Self {
        let names: BTreeMap<_, _> = image.keys().cloned().zip(0..).collect();
        Self(Mutex::new(State {
            operations_left: usize::MAX,
            contents: image.values().cloned().collect(),
            live: names.clone(),
            durable: names,
            ..State::default()
        }))
    }

    pub(crate) fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    pub(crate) fn fail_next_sync(&self) {
        self.state().sync_fails = true;
    }

    /// The file keeps its name and loses its bytes.
    pub(crate) fn fail_reads_of(&self, path: &Path) {
        let mut state = self.state();
        let inode = state.inode(path).unwrap();
        state.unreadable.insert(inode);
    }

    /// What a program sees that looks now.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.state().live.keys().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn has_power(&self) -> bool {
        self.state().operations_left > 0
    }

    /// Loses power before the operation after `operations` more.
    pub(crate) fn cut_after(&self, operations: usize) {
        self.state().operations_left = operations;
    }

    /// Of the write in which the power fails, this many quarters reach the disk.
    pub(crate) fn tear_after(&self, quarters: usize) {
        self.state().quarters_written = quarters;
    }

    /// Only the process died; the kernel still knows what was never synced.
    pub(crate) fn restart_the_process(&self) {
        self.state().operations_left = usize::MAX;
    }

    /// Every state in which the disk may be found.
    pub(crate) fn images(&self) -> BTreeSet<Vec<(PathBuf, Vec<u8>)>> {
        let state = self.state();
        assert!(state.unsynced.len() < 12, "too many changes to combine");
        let combinations = 0..1_u32 << state.unsynced.len();
        combinations
            .map(|kept| {
                let mut names = state.durable.clone();
                for (index, change) in state.unsynced.iter().enumerate() {
                    if kept & (1 << index) != 0 {
                        change.apply(&mut names);
                    }
                }
                names
                    .into_iter()
                    .map(|(path, inode)| (path, state.contents[inode].clone()))
                    .collect()
            })
            .collect()
    }
}

impl Disk for &PowerCut {
    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _path: &Path) -> io::Result<Option<File>> {
        Ok(None)
    }

    fn write_synced(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        let mut state = self.state();
        let mut content = parts.concat();
        let mut outcome = state.spend();
        if state.full {
            outcome = outcome.and(Err(io::ErrorKind::StorageFull.into()));
        }
        if outcome.is_err() {
            content.truncate(content.len() * state.quarters_written / 4);
        }
        let inode = state.contents.len();
        state.contents.push(content);
        state.change(NameChange::Made(path.to_owned(), inode));
        outcome
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.spend()?;
        let inode = state.inode(from)?;
        state.change(NameChange::Moved(from.to_owned(), to.to_owned(), inode));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.spend()?;
        let inode = state.inode(path)?;
        state.change(NameChange::Removed(path.to_owned(), inode));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.spend()?;
        if std::mem::take(&mut state.sync_fails) {
            return Err(io::Error::other("the device did not answer"));
        }
        let State {
            unsynced, durable, ..
        } = &mut *state;
        unsynced.retain(|change| {
            let here = change.is_in(dir);
            if here {
                change.apply(durable);
            }
            !here
        });
        Ok(())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state();
        let inode = state.inode(path)?;
        if state.unreadable.contains(&inode) {
            return Err(rustix::io::Errno::IO.into());
        }
        Ok(state.contents[inode].clone())
    }

    fn read_head(&self, path: &Path, bytes: usize) -> io::Result<Vec<u8>> {
        let mut head = self.read(path)?;
        head.truncate(bytes);
        Ok(head)
    }

    fn modified(&self, _path: &Path) -> io::Result<SystemTime> {
        Ok(SystemTime::UNIX_EPOCH)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.state();
        let here = |path: &&PathBuf| path.parent() == Some(dir);
        Ok(state.live.keys().filter(here).cloned().collect())
    }

    fn space(&self, _dir: &Path) -> io::Result<DiskSpace> {
        Ok(DiskSpace::default())
    }
}
