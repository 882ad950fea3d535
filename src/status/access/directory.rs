//! The users file, as the running page knows it.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::users::{Users, UsersError};

/// Reads the file again when it changed, so that who is removed is out at once.
#[derive(Debug)]
pub(super) struct Directory {
    pub path: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    users: Arc<Users>,
    file: Option<Stamp>,
    looked: Instant,
}

/// Two files that differ have different stamps: each is written anew and renamed into place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

/// How old what is known of the file may be.
const FRESH: Duration = Duration::from_secs(1);

impl Directory {
    pub(super) fn open(path: PathBuf) -> Result<Self, UsersError> {
        let file = stamp(&path).ok();
        let users = Arc::new(Users::read(&path)?);
        let known = Known {
            users,
            file,
            looked: Instant::now(),
        };
        Ok(Self {
            path,
            known: Mutex::new(known),
        })
    }

    /// Whether nobody may log in, as far as was known when it was last looked at.
    pub(super) fn is_empty(&self) -> bool {
        self.known().users.is_empty()
    }

    /// Who there is now.
    pub(super) async fn users(self: &Arc<Self>) -> Arc<Users> {
        {
            let known = self.known();
            if known.looked.elapsed() < FRESH {
                return Arc::clone(&known.users);
            }
        }
        self.look_again().await
    }

    /// Who there is now, whatever was known a moment ago.
    pub(super) async fn look_again(self: &Arc<Self>) -> Arc<Users> {
        let directory = Arc::clone(self);
        let looked = tokio::task::spawn_blocking(move || directory.look(&mut directory.known()));
        // Interrupted only when the process ends.
        let _ = looked.await;
        Arc::clone(&self.known().users)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, known: &mut Known) {
        known.looked = Instant::now();
        let file = stamp(&self.path).ok();
        if file == known.file {
            return;
        }
        known.file = file;
        match Users::read(&self.path) {
            Ok(users) => known.users = Arc::new(users),
            // A slip of whoever edits the file must not lock everybody out.
            Err(err) => tracing::error!(
                error = &err as &dyn std::error::Error,
                "the users of before stay in force"
            ),
        }
    }
}

fn stamp(path: &std::path::Path) -> io::Result<Stamp> {
    let metadata = fs::metadata(path)?;
    Ok(Stamp {
        inode: metadata.ino(),
        bytes: metadata.len(),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}
