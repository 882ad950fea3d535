//! What durability is made of, behind one seam.
//!
//! The trait exists so that tests can cut the power before any operation and look at every state
//! the disk may be found in afterwards; it is not there for portability.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, IoSlice, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// How full the file system under the state directory is, in bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct DiskSpace {
    pub total: u64,
    /// What an unprivileged process may still write.
    pub available: u64,
}

/// The operations the spool is built from.
pub trait Disk: Send + Sync {
    /// Makes `dir` and its parents, readable by owner and group only: it will hold patient data.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes `path` as a lock for this process; `None` where nobody else could want it.
    fn lock(&self, path: &Path) -> io::Result<Option<File>>;

    /// Writes `parts` one after the other as the content of `path`. The *content* is on stable
    /// storage when this returns, the name is not.
    fn write_synced(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()>;

    /// Replaces `to` if it exists, at once or not at all.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Every rename into, and removal from, `dir` that returned before this was called is on stable
    /// storage when this returns.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The first `bytes` of the content, or all of it if it is shorter.
    fn read_head(&self, path: &Path, bytes: usize) -> io::Result<Vec<u8>>;

    /// When the content was written.
    fn modified(&self, path: &Path) -> io::Result<SystemTime>;

    /// The files in `dir`, in no particular order.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;

    fn space(&self, dir: &Path) -> io::Result<DiskSpace>;
}

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o750).create(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<File>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o640)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::ResourceBusy.into()),
            Err(TryLockError::Error(source)) => Err(source),
        }
    }

    fn write_synced(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o640)
            .open(path)?;
        let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut rest = &mut slices[..];
        // Skips leading empty parts, which would read as "wrote nothing".
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match file.write_vectored(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err),
            }
        }
        // The size reaches the disk too; of the metadata only the time stamps may not.
        file.sync_data()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn read_head(&self, path: &Path, bytes: usize) -> io::Result<Vec<u8>> {
        let mut head = Vec::with_capacity(bytes);
        File::open(path)?
            .take(bytes as u64)
            .read_to_end(&mut head)?;
        Ok(head)
    }

    fn modified(&self, path: &Path) -> io::Result<SystemTime> {
        std::fs::metadata(path)?.modified()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        std::fs::read_dir(dir)?
            .map(|entry| Ok(entry?.path()))
            .collect()
    }

    fn space(&self, dir: &Path) -> io::Result<DiskSpace> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(DiskSpace {
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
            available: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }
}
