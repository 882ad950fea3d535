//! A phantom in a directory: the series as DICOM files, the truth as arrays and words.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::{EncodeError, Phantom, SpecError, instances, spec::PhantomSpec, synthesise};
use crate::dicom::Remedy;

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error("could not write {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error("could not write {path}")]
    Labels {
        path: PathBuf,
        source: ndarray_npy::WriteNpyError,
    },
}

impl ExportError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Spec(error) => error.remedy(),
            Self::Encode(error) => error.remedy(),
            Self::Write { .. } | Self::Labels { .. } => Remedy::Service,
        }
    }
}

/// Writes `directory/0001.dcm` and so on in acquisition order, `labels.npy` (u8, [slice, row,
/// column], ascending along the normal) and `truth.json`. Makes the directory if need be.
pub fn write(spec: &PhantomSpec, directory: &Path) -> Result<Phantom, ExportError> {
    let phantom = synthesise(spec)?;
    let write = |name: &str, bytes: &[u8]| {
        let path = directory.join(name);
        fs::write(&path, bytes).map_err(|source| ExportError::Write { path, source })
    };
    fs::create_dir_all(directory).map_err(|source| ExportError::Write {
        path: directory.to_owned(),
        source,
    })?;
    for (index, instance) in instances(&phantom, spec)?.iter().enumerate() {
        write(&format!("{:04}.dcm", index + 1), &instance.file)?;
    }
    let path = directory.join("labels.npy");
    ndarray_npy::write_npy(&path, &phantom.truth)
        .map_err(|source| ExportError::Labels { path, source })?;
    let truth = json!({
        "liver_ml": phantom.liver_ml(),
        "tumour_ml": phantom.tumour_ml(),
        "spacing": phantom.spacing_mm,
        "tumours": phantom.tumours,
        "planes": phantom.planes,
        "spec": spec,
    });
    write("truth.json", format!("{truth:#}\n").as_bytes())?;
    Ok(phantom)
}
