//! Files that go: what nobody needs any more.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use jiff::Timestamp;

use super::{Disk, Folder, Spool, file_name, series_of_result};
use crate::dicom::Uid;

/// Instances that came once more a short while ago. Whoever sends a series again sends all of it, and
/// must not find half of it gone in the middle.
#[derive(Debug, Default)]
pub(super) struct Resent(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    at: HashMap<Uid, Instant>,
    /// How many were left when the old ones were last forgotten.
    left: usize,
}

/// No scanner takes longer from one slice to the next, nor to try again.
const RECENT: Duration = Duration::from_hours(1);

impl Resent {
    pub(super) fn note(&self, sop_instance: &Uid) {
        let now = Instant::now();
        let mut resent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Not each time, however many came within the hour.
        if resent.at.len() >= MANY.max(2 * resent.left) {
            resent.at.retain(|_, at| now.duration_since(*at) < RECENT);
            resent.left = resent.at.len();
        }
        resent.at.insert(sop_instance.clone(), now);
    }

    fn any_of(&self, sop_instances: &[Uid]) -> bool {
        let now = Instant::now();
        let resent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |uid| {
            let at = resent.at.get(uid);
            at.is_some_and(|at| now.duration_since(*at) < RECENT)
        };
        sop_instances.iter().any(recent)
    }
}

/// From so many on, the old ones among them are forgotten.
const MANY: usize = 10_000;

impl<D: Disk> Spool<D> {
    /// Removes the instance's file; fine if there is none.
    pub fn remove(&self, sop_instance: &Uid) -> io::Result<()> {
        let name = file_name(sop_instance);
        let _claim = self.instances.claim(&name);
        self.remove_file(&name)?;
        self.disk.sync_dir(self.instances.path())
    }

    /// Removes a series whole, results first: `instances` are all of its instances. Nobody receives
    /// one of them meanwhile. Removes nothing, and returns `false`, where one came again a short while
    /// ago or where `may_go` says no.
    pub fn remove_series(
        &self,
        series: &Uid,
        instances: &[Uid],
        may_go: impl FnOnce() -> bool,
    ) -> io::Result<bool> {
        let mut names: Vec<String> = instances.iter().map(file_name).collect();
        // Claims are taken in one order by all who take many.
        names.sort_unstable();
        names.dedup();
        let _claims: Vec<_> = names
            .iter()
            .map(|name| self.instances.claim(name))
            .collect();
        if self.resent.any_of(instances) || !may_go() {
            return Ok(false);
        }
        self.remove_results(series)?;
        for name in &names {
            self.remove_file(name)?;
        }
        self.disk.sync_dir(self.instances.path())?;
        Ok(true)
    }

    /// The caller holds the claim.
    fn remove_file(&self, name: &str) -> io::Result<()> {
        match self.disk.remove(&self.instances.join(name)) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
            _ => Ok(()),
        }
    }

    fn remove_results(&self, series: &Uid) -> io::Result<()> {
        let mut removed = false;
        for path in self.disk.list(self.results.path())? {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name.filter(|name| series_of_result(name).as_ref() == Some(series))
            else {
                continue;
            };
            let _claim = self.results.claim(name);
            self.disk.remove(&path)?;
            removed = true;
        }
        if removed {
            self.disk.sync_dir(self.results.path())?;
        }
        Ok(())
    }

    /// Removes what was set apart or kept aside before `then`, and of the rest the oldest until there
    /// is `enough` room. What cannot be removed keeps nothing else from going; the first error is
    /// returned.
    pub fn remove_set_apart(
        &self,
        then: Timestamp,
        enough: impl Fn() -> bool,
    ) -> (Gone, io::Result<()>) {
        let mut gone = Gone {
            before: then,
            early: 0,
        };
        let (apart, mut first_error) = self.set_apart_by_age();
        for one in apart {
            let early = one.at >= SystemTime::from(then);
            if early && enough() {
                break;
            }
            let removed = self.remove_one_apart(&one);
            if early && matches!(removed, Ok(true)) {
                gone.early += 1;
                gone.before = Timestamp::try_from(one.at).unwrap_or(then);
            }
            first_error = first_error.and(removed.map(drop));
        }
        for folder in [&self.aside, &self.quarantine] {
            first_error = first_error.and(self.disk.sync_dir(folder.path()));
        }
        (gone, first_error)
    }

    /// The oldest first.
    fn set_apart_by_age(&self) -> (Vec<Apart<'_>>, io::Result<()>) {
        let mut apart = Vec::new();
        let mut first_error = Ok(());
        for folder in [&self.aside, &self.quarantine] {
            // An instance and its reason share a name.
            let mut named: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
            match folder.finished(&self.disk) {
                Ok(files) => {
                    for path in files {
                        if let Some(name) = path.file_stem().and_then(|name| name.to_str()) {
                            named.entry(name.to_owned()).or_default().push(path);
                        }
                    }
                }
                Err(error) => first_error = first_error.and(Err(error)),
            }
            for (name, files) in named {
                match self.set_apart_at(&files) {
                    Ok(Some(at)) => apart.push(Apart {
                        folder,
                        name,
                        files,
                        at,
                    }),
                    Ok(None) => {}
                    Err(error) => first_error = first_error.and(Err(error)),
                }
            }
        }
        apart.sort_by_key(|one| one.at);
        (apart, first_error)
    }

    /// When the last of `files` was written, if they are still there.
    fn set_apart_at(&self, files: &[PathBuf]) -> io::Result<Option<SystemTime>> {
        let times = files.iter().map(|path| self.disk.modified(path));
        match times.collect::<io::Result<Vec<_>>>() {
            Ok(times) => Ok(times.into_iter().max()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether it went: what came once more since it was looked at stays, and so does what is no file,
    /// because that is somebody else's.
    fn remove_one_apart(&self, one: &Apart<'_>) -> io::Result<bool> {
        let _claim = one.folder.claim(&one.name);
        if self.set_apart_at(&one.files)? != Some(one.at) {
            return Ok(false);
        }
        for path in &one.files {
            match self.disk.remove(path) {
                Err(error) if error.kind() == io::ErrorKind::IsADirectory => return Ok(false),
                removed => removed?,
            }
        }
        Ok(true)
    }
}

/// An object that was set apart or kept aside, with its reason if it has one.
struct Apart<'a> {
    folder: &'a Folder,
    name: String,
    files: Vec<PathBuf>,
    at: SystemTime,
}

/// What went of the objects set apart and kept aside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Gone {
    /// Up to when all went that could go.
    pub before: Timestamp,
    /// How many of them went before their time.
    pub early: usize,
}
