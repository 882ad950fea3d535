//! Series on disk, as a scanner would have them: synthesised, so that no patient is ever in a test.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use dicom_dictionary_std::tags;
use hepar::phantom::{self, PhantomSpec, Tumour, TumourKind};
use tempfile::TempDir;

use super::kept::uid_of;

/// A CT series in a directory of its own.
pub struct Series {
    directory: TempDir,
    /// SeriesInstanceUID.
    pub uid: String,
    /// In the order of acquisition.
    pub files: Vec<PathBuf>,
}

/// An upper abdomen of 24 slices with one tumour: segmented in seconds, and large enough for the
/// network to find both.
pub fn small_abdomen(seed: u64) -> PhantomSpec {
    PhantomSpec {
        seed,
        slices: 24,
        rows: 128,
        columns: 128,
        slice_spacing: 6.0,
        slice_thickness: 6.0,
        tumours: vec![Tumour {
            diameter_mm: 36.0,
            kind: TumourKind::Hypodense,
        }],
        ..PhantomSpec::default()
    }
}

/// Three slices: the fewest that are a series, and so the quickest to come to an end.
pub fn three_slices(seed: u64) -> PhantomSpec {
    PhantomSpec {
        slices: 3,
        tumours: Vec::new(),
        ..small_abdomen(seed)
    }
}

impl Series {
    pub fn of(spec: &PhantomSpec) -> Self {
        let phantom = phantom::synthesise(spec).unwrap();
        let instances = phantom::instances(&phantom, spec).unwrap();
        let directory = TempDir::new().unwrap();
        let files: Vec<PathBuf> = instances
            .iter()
            .map(|instance| {
                let file = directory
                    .path()
                    .join(format!("{}.dcm", instance.sop_instance));
                fs::write(&file, &instance.file).unwrap();
                file
            })
            .collect();
        Self {
            uid: uid_in(&files[0]),
            directory,
            files,
        }
    }

    pub fn small_abdomen(seed: u64) -> Self {
        Self::of(&small_abdomen(seed))
    }

    pub fn three_slices(seed: u64) -> Self {
        Self::of(&three_slices(seed))
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The files of these instances.
    pub fn files_of(&self, instances: &BTreeSet<String>) -> Vec<PathBuf> {
        let wanted = |file: &&PathBuf| instances.contains(&uid_of(file));
        self.files.iter().filter(wanted).cloned().collect()
    }

    /// The files of all instances but these.
    pub fn files_but(&self, instances: &BTreeSet<String>) -> Vec<PathBuf> {
        let wanted = |file: &&PathBuf| !instances.contains(&uid_of(file));
        self.files.iter().filter(wanted).cloned().collect()
    }

    /// StudyInstanceUID.
    pub fn study(&self) -> String {
        let object = dicom_object::open_file(&self.files[0]).unwrap();
        let element = object.element(tags::STUDY_INSTANCE_UID).unwrap();
        element.to_str().unwrap().trim_end_matches('\0').to_owned()
    }

    pub fn len(&self) -> usize {
        self.files.len()
    }
}

fn uid_in(file: &Path) -> String {
    let object = dicom_object::open_file(file).unwrap();
    let element = object.element(tags::SERIES_INSTANCE_UID).unwrap();
    element.to_str().unwrap().trim_end_matches('\0').to_owned()
}
