//! Files that go: what nobody needs any more.

use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use jiff::Timestamp;

use super::{Disk, Spool, file_name, series_of_result};
use crate::dicom::Uid;

/// Instances that came once more a short while ago. Whoever sends a series again sends all of it, and
/// must not find half of it gone in the middle.
#[derive(Debug, Default)]
pub(super) struct Resent(Mutex<HashMap<Uid, Instant>>);

/// No scanner takes longer from one slice to the next, nor to try again.
const RECENT: Duration = Duration::from_hours(1);

impl Resent {
    pub(super) fn note(&self, sop_instance: &Uid) {
        let now = Instant::now();
        let mut resent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if resent.len() >= MANY {
            resent.retain(|_, at| now.duration_since(*at) < RECENT);
        }
        resent.insert(sop_instance.clone(), now);
    }

    fn any_of(&self, sop_instances: &[Uid]) -> bool {
        let now = Instant::now();
        let resent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |uid| {
            resent
                .get(uid)
                .is_some_and(|at| now.duration_since(*at) < RECENT)
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

    /// Removes what was set apart or kept aside before `then`. A file that cannot be removed keeps no
    /// other from going; the first error is returned.
    pub fn remove_set_apart(&self, then: Timestamp) -> io::Result<()> {
        let mut first_error = Ok(());
        for folder in [&self.aside, &self.quarantine] {
            for path in self.disk.list(folder.path())? {
                // An instance and its reason share a claim.
                let Some(name) = path.file_stem().and_then(|name| name.to_str()) else {
                    continue;
                };
                let _claim = folder.claim(name);
                first_error = first_error.and(self.remove_if_older(&path, then));
            }
            self.disk.sync_dir(folder.path())?;
        }
        first_error
    }

    /// The caller holds the claim. What is no file is somebody else's.
    fn remove_if_older(&self, path: &Path, then: Timestamp) -> io::Result<()> {
        if self.disk.modified(path)? >= SystemTime::from(then) {
            return Ok(());
        }
        match self.disk.remove(path) {
            Err(err) if err.kind() == io::ErrorKind::IsADirectory => Ok(()),
            removed => removed,
        }
    }
}
