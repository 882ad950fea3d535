//! Bundles that were installed on this box, and which of them runs.
//!
//! ```text
//! models/
//!   bundles/liver-tumour@1.2.0/   the bundle's files
//!   selected                      what is to run, and below it what ran before
//!   lock                          held while a command changes anything here
//! ```
//!
//! `selected` is the only commit point. A bundle is written and synced completely, read back and
//! checked before `selected` names it, and `selected` is replaced by a rename; so a power cut leaves
//! either the old selection or the new one, each with whole bundles behind it. Whatever else lies in
//! `bundles/` is of no effect and goes with the next installation. The service only reads.

mod id;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

pub use id::{BundleId, Choice, IdError, Selection, SelectionError};

use super::{Bundle, BundleError, Contents, Manifest, Trust};
use crate::{
    dicom::Remedy,
    spool::{Disk, RealDisk},
};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot {step} {}", path.display())]
    Disk {
        step: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{} is not usable", path.display())]
    Selection {
        path: PathBuf,
        source: SelectionError,
    },
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error("the manifest's name and version make no identifier")]
    Id(#[from] IdError),
    #[error("{0} is installed with other contents; another bundle needs another version")]
    Different(BundleId),
    #[error(
        "{} belongs to user {owner}, this is user {user}: run the command as the service's user \
         (sudo -u hepar hepar model ...)",
        path.display()
    )]
    OtherUser {
        path: PathBuf,
        owner: u32,
        user: u32,
    },
}

impl StoreError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Service
    }
}

/// The store as the service sees it: read only.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
}

/// A selection is a few names.
const SELECTION_LIMIT: usize = 4096;

impl Store {
    /// The store of a state directory; nothing is made or opened.
    #[must_use]
    pub fn of(state_dir: &Path) -> Self {
        Self {
            dir: state_dir.join("models"),
        }
    }

    fn bundles(&self) -> PathBuf {
        self.dir.join("bundles")
    }

    fn path_of(&self, id: &BundleId) -> PathBuf {
        self.bundles().join(id.to_string())
    }

    fn selected(&self) -> PathBuf {
        self.dir.join("selected")
    }

    /// What is to run; the default where nothing was ever chosen.
    pub fn selection(&self) -> Result<Selection, StoreError> {
        use io::Read;
        let path = self.selected();
        let mut bytes = Vec::new();
        let read = File::open(&path)
            .and_then(|file| file.take(SELECTION_LIMIT as u64).read_to_end(&mut bytes));
        match read {
            Ok(_) => {
                Selection::parse(&bytes).map_err(|source| StoreError::Selection { path, source })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Selection::default()),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    /// Every bundle that lies here, usable or not.
    pub fn installed(&self) -> Result<Vec<BundleId>, StoreError> {
        let dir = self.bundles();
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("read", &dir)(error)),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed("read", &dir))?.file_name();
            ids.extend(name.to_str().and_then(|name| name.parse::<BundleId>().ok()));
        }
        ids.sort_by_key(ToString::to_string);
        Ok(ids)
    }

    pub fn load(&self, id: &BundleId, trust: &Trust) -> Result<Bundle, BundleError> {
        Bundle::load(&self.path_of(id), trust)
    }
}

/// The store in the hands of the one command that may change it.
#[derive(Debug)]
pub struct Editor<D: Disk = RealDisk> {
    store: Store,
    disk: D,
    _lock: Option<File>,
}

impl Editor<RealDisk> {
    /// Takes the store of a state directory, making both where they do not exist.
    pub fn open(state_dir: &Path) -> Result<Self, StoreError> {
        RealDisk
            .create_dir(state_dir)
            .map_err(failed("make", state_dir))?;
        let owner = fs::metadata(state_dir)
            .map_err(failed("read", state_dir))?
            .uid();
        let user = rustix::process::geteuid().as_raw();
        if owner != user {
            return Err(StoreError::OtherUser {
                path: state_dir.to_owned(),
                owner,
                user,
            });
        }
        Self::on(RealDisk, state_dir)
    }

    /// Removes what the selection does not name.
    pub fn tidy(&self) -> Result<(), StoreError> {
        let selection = self.store.selection()?;
        for id in self.store.installed()? {
            if !selection.names(&id) {
                self.remove(&id)?;
            }
        }
        Ok(())
    }

    /// Removes a bundle that was kept and then not chosen.
    pub fn discard(&self, id: &BundleId) -> Result<(), StoreError> {
        if self.store.selection()?.names(id) {
            return Ok(());
        }
        self.remove(id)
    }

    fn remove(&self, id: &BundleId) -> Result<(), StoreError> {
        let path = self.store.path_of(id);
        fs::remove_dir_all(&path).map_err(failed("remove", &path))
    }
}

impl<D: Disk> Editor<D> {
    fn on(disk: D, state_dir: &Path) -> Result<Self, StoreError> {
        let store = Store::of(state_dir);
        let bundles = store.bundles();
        disk.create_dir(&bundles)
            .map_err(failed("make", &bundles))?;
        let lock = store.dir.join("lock");
        let lock = disk.lock(&lock).map_err(failed("take", &lock))?;
        Ok(Self {
            store,
            disk,
            _lock: lock,
        })
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Puts a bundle into the store and gives it back as read from there. It does not run yet.
    pub fn keep(
        &self,
        contents: Contents,
        trust: &Trust,
    ) -> Result<(BundleId, Bundle), StoreError> {
        let id = id_of(&contents)?;
        // What is not whole does not reach the disk.
        let new = Bundle::of(&contents)?;
        match self.store.load(&id, trust) {
            Ok(there) if there.digest == new.digest => return Ok((id, there)),
            Ok(_) => return Err(StoreError::Different(id)),
            // Nothing there, or what an interrupted installation left.
            Err(_) => self.write(&self.store.path_of(&id), &contents)?,
        }
        let kept = self.store.load(&id, trust)?;
        Ok((id, kept))
    }

    fn write(&self, path: &Path, contents: &Contents) -> Result<(), StoreError> {
        self.disk.create_dir(path).map_err(failed("make", path))?;
        for (name, bytes) in contents.named() {
            let file = path.join(name);
            self.disk
                .write_synced(&file, &[bytes])
                .map_err(failed("write", &file))?;
        }
        let bundles = self.store.bundles();
        for dir in [path, &bundles, &self.store.dir] {
            self.disk
                .sync_dir(dir)
                .map_err(failed("sync the directory", dir))?;
        }
        Ok(())
    }

    /// From now on, and after every start, `selection` is what runs.
    pub fn select(&self, selection: &Selection) -> Result<(), StoreError> {
        let (path, part) = (self.store.selected(), self.store.dir.join("selected.part"));
        let text = selection.to_text();
        self.disk
            .write_synced(&part, &[text.as_bytes()])
            .map_err(failed("write", &part))?;
        self.disk
            .rename(&part, &path)
            .map_err(failed("replace", &path))?;
        self.disk
            .sync_dir(&self.store.dir)
            .map_err(failed("sync the directory", &self.store.dir))
    }
}

/// What a bundle calls itself.
pub fn id_of(contents: &Contents) -> Result<BundleId, StoreError> {
    let text = str::from_utf8(&contents.manifest).map_err(|_| BundleError::NotText)?;
    let manifest = Manifest::parse(text).map_err(BundleError::from)?;
    Ok(BundleId::of(&manifest.name, &manifest.version)?)
}

impl BundleId {
    /// What a loaded bundle calls itself, where that is an identifier.
    pub fn of_bundle(bundle: &Bundle) -> Result<Self, IdError> {
        Self::of(&bundle.manifest.name, &bundle.manifest.version)
    }
}

fn failed(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Disk { step, path, source }
}
