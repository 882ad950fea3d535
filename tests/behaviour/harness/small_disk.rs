//! A file system small enough to fill up.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// A file system in memory of its own. Dropped, it is unmounted.
pub struct SmallDisk {
    directory: TempDir,
    ballast: PathBuf,
}

impl SmallDisk {
    /// `None` where nobody may mount anything.
    pub fn of_megabytes(megabytes: u32) -> Option<Self> {
        let directory = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(directory.path())
            .output()
            .is_ok_and(|output| output.status.success());
        let ballast = directory.path().join("ballast");
        mounted.then_some(Self { directory, ballast })
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Mounts it again, `ro` or `rw`.
    pub fn remount(&self, how: &str) {
        let remounted = Command::new("mount")
            .args(["-o", &format!("remount,{how}")])
            .arg(self.path())
            .status()
            .unwrap();
        assert!(remounted.success());
    }

    pub fn total(&self) -> u64 {
        let stat = rustix::fs::statvfs(self.path()).unwrap();
        stat.f_blocks * stat.f_frsize
    }

    pub fn free(&self) -> u64 {
        let stat = rustix::fs::statvfs(self.path()).unwrap();
        stat.f_bavail * stat.f_frsize
    }

    /// Somebody else's file takes all but this many bytes.
    pub fn leave_free(&self, bytes: u64) {
        let mut file = self.open_ballast();
        let length = file.metadata().unwrap().len();
        let room = length + self.free();
        file.set_len(length.min(room.saturating_sub(bytes)))
            .unwrap();
        let page = [0_u8; 4096];
        while self.free() > bytes {
            match file.write_all(&page) {
                Err(err) if err.kind() == ErrorKind::StorageFull => return,
                written => written.unwrap(),
            }
        }
    }

    /// That file is gone.
    pub fn make_room(&self) {
        self.open_ballast().set_len(0).unwrap();
    }

    fn open_ballast(&self) -> File {
        let mut open = OpenOptions::new();
        open.create(true).append(true).open(&self.ballast).unwrap()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that is being ended may still hold a file.
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.directory.path())
            .status();
    }
}
