//! What is kept, but not under the name of its UID: other bytes under a UID that we had, and
//! instances that cannot be read or contradict their command.
//!
//! It is as durable as the instances are: whatever of it was acknowledged must not be lost either.

use std::{io, path::PathBuf};

use sha2::{Digest, Sha256};

use super::{Disk, Incoming, Source, Spool, SpoolError, file_name, part10};
use crate::dicom::Uid;

impl<D: Disk> Spool<D> {
    /// Makes other bytes durable that came under a UID we had. They are acknowledged, too.
    pub(super) fn keep_aside(
        &self,
        incoming: &Incoming,
        parts: &[&[u8]],
    ) -> Result<PathBuf, SpoolError> {
        let name = incoming.name_by_content();
        let _claim = self.aside.claim(&name);
        self.aside.put(&self.disk, &format!("{name}.dcm"), parts)
    }

    /// Makes `incoming` durable in quarantine, never under its SOP Instance UID: what it says of
    /// itself is in doubt, and an instance that came in order may have that name or come to have it.
    pub fn commit_apart(
        &self,
        incoming: &Incoming,
        source: &Source,
        reason: &str,
    ) -> Result<PathBuf, SpoolError> {
        let name = incoming.name_by_content();
        let head = part10::head(incoming, source);
        let _claim = self.quarantine.claim(&name);
        self.put_reason(&name, reason)?;
        let file = format!("{name}.dcm");
        self.quarantine
            .put(&self.disk, &file, &incoming.file(&head))
    }

    /// Instances in quarantine, each with the path of its file and the reason.
    pub fn quarantined(&self) -> impl Iterator<Item = (Uid, PathBuf, String)> {
        self.named_by_uid(&self.quarantine).map(|(uid, path)| {
            let reason = self.disk.read(&path.with_extension("txt"));
            let reason = String::from_utf8_lossy(&reason.unwrap_or_default()).into_owned();
            (uid, path, reason.trim_end().to_owned())
        })
    }

    /// Sets an instance apart that cannot be read, with the reason beside it; returns where it is.
    ///
    /// The bytes stay: they were acknowledged, and the vendor will want to see them.
    pub fn quarantine(&self, sop_instance: &Uid, reason: &str) -> io::Result<PathBuf> {
        let _claim = self.instances.claim(&file_name(sop_instance));
        let file = self.disk.read(&self.path_of(sop_instance))?;
        let name = name_by_content(sop_instance, &[part10::data_set(&file)]);
        self.set_apart(sop_instance, &name, reason)
            .map_err(|err| match err {
                SpoolError::Write { source, .. } => source,
                other => io::Error::other(other),
            })
    }

    /// Moves the instance's file into quarantine as `name`. The caller holds the claim on the
    /// instance.
    pub(super) fn set_apart(
        &self,
        uid: &Uid,
        name: &str,
        reason: &str,
    ) -> Result<PathBuf, SpoolError> {
        let _claim = self.quarantine.claim(name);
        self.put_reason(name, reason)?;
        let (from, to) = (
            self.path_of(uid),
            self.quarantine.join(&format!("{name}.dcm")),
        );
        self.disk
            .rename(&from, &to)
            .map_err(SpoolError::failed_to("move to quarantine", &from))?;
        self.quarantine.sync(&self.disk)?;
        self.instances.sync(&self.disk)?;
        Ok(to)
    }

    /// Before the instance: one in quarantine without a reason would be a riddle.
    fn put_reason(&self, name: &str, reason: &str) -> Result<(), SpoolError> {
        let name = format!("{name}.txt");
        self.quarantine
            .put(&self.disk, &name, &[reason.as_bytes(), b"\n"])
            .map(drop)
    }
}

impl Incoming {
    /// What it is called where it does not get the name of its UID.
    pub(super) fn name_by_content(&self) -> String {
        let data_set: Vec<&[u8]> = self.data_set_parts().collect();
        name_by_content(&self.sop_instance, &data_set)
    }
}

/// What is kept beside the instances is named by its content, so that the same bytes sent ten times
/// are kept once. The file meta information does not count: it names the association, which differs
/// each time.
pub(super) fn name_by_content(sop_instance: &Uid, data_set: &[&[u8]]) -> String {
    format!("{sop_instance}-{}", digest(data_set))
}

/// Enough of a SHA-256 to tell apart what comes under one UID.
fn digest(parts: &[&[u8]]) -> String {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update(part);
    }
    format!("{:.16}", format!("{:x}", sha.finalize()))
}
