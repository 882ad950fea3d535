//! Space put by for a start on a full disk.
//!
//! The watermarks keep our own writing away from the last bytes, but the file system may be shared.
//! When somebody else has filled it, the journal cannot even be opened, and what makes room again runs
//! only in a process that has started.

use std::io;

use super::{Disk, DiskSpace, Spool, SpoolError};

const NAME: &str = "spare";

/// Enough for the journal to open and to take down what was removed; less on a small disk.
const BYTES: u64 = 8 << 20;

/// Written again and again.
static PART: [u8; 1 << 16] = [0; 1 << 16];

impl<D: Disk> Spool<D> {
    /// Puts space by, unless it is there already.
    pub fn put_space_by(&self, space: DiskSpace) -> Result<(), SpoolError> {
        let path = self.state_dir.join(NAME);
        if self.disk.modified(&path).is_ok() {
            return Ok(());
        }
        let bytes = BYTES.min(space.total / 64) as usize;
        let parts = vec![&PART[..]; bytes.div_ceil(PART.len())];
        self.disk
            .write_synced(&path, &parts)
            .inspect_err(|_| drop(self.disk.remove(&path)))
            .map_err(SpoolError::failed_to("write", &path))
    }

    /// Gives it up; whether there was any.
    pub fn give_space_up(&self) -> bool {
        match self.disk.remove(&self.state_dir.join(NAME)) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                tracing::error!(%error, "the space put by cannot be given up");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::tests::spool;

    #[test]
    fn space_is_put_by_once_and_given_up_once() {
        let (dir, spool) = spool();
        let space = DiskSpace {
            total: 64 << 20,
            available: 32 << 20,
        };
        assert!(!spool.give_space_up());
        for _ in 0..2 {
            spool.put_space_by(space).unwrap();
            let file = std::fs::metadata(dir.path().join(NAME)).unwrap();
            assert_eq!(file.len(), 1 << 20);
        }
        assert!(spool.give_space_up());
        assert!(!spool.give_space_up());
    }
}
