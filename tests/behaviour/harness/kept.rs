//! What is on the appliance's disk.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The kept instances by SOP Instance UID.
pub fn instances(state_dir: &Path) -> BTreeMap<String, PathBuf> {
    let entries = fs::read_dir(state_dir.join("instances")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "dcm"))
        .map(|path| (uid_of(&path), path))
        .collect()
}

/// Why the instance was set aside; `None` if it was not.
pub fn quarantine_reason(state_dir: &Path, sop_instance: &str) -> Option<String> {
    let entries = fs::read_dir(state_dir.join("quarantine")).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    let reason = paths.find(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        let is_text = path.extension().is_some_and(|extension| extension == "txt");
        is_text && name.starts_with(&format!("{sop_instance}-"))
    })?;
    Some(fs::read_to_string(reason).unwrap())
}

/// SOP Instance UID that a file is named after.
pub fn uid_of(file: &Path) -> String {
    file.file_stem().unwrap().to_string_lossy().into_owned()
}

/// The data sets that were sent must be those that are kept; the file meta is the appliance's own.
pub fn assert_kept_as_sent<'a>(state_dir: &Path, sent: impl IntoIterator<Item = &'a PathBuf>) {
    let kept = instances(state_dir);
    for file in sent {
        let uid = uid_of(file);
        let kept = kept
            .get(&uid)
            .unwrap_or_else(|| panic!("{uid} was acknowledged and is not kept"));
        let [sent, kept] = [file, kept].map(|file| dicom_object::open_file(file).unwrap());
        assert!(*sent == *kept, "{uid} is kept with other contents");
    }
}
