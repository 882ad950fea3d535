//! Finding pairs of prediction and truth on disk.
//!
//! A case is a directory with `labels.npy`: what `hepar segment` and `hepar phantom` write. Either
//! two such directories are compared, or two directories of cases with the same names. Every case is
//! another patient.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ndarray::Array3;
use serde::Deserialize;

use super::{Case, Labelled};
use crate::dicom::Remedy;

/// Where the two halves of a case are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CasePaths {
    pub name: String,
    pub prediction: PathBuf,
    pub truth: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    #[error("could not read {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is not an array of unsigned bytes [slice, row, column]")]
    NotLabels {
        path: PathBuf,
        source: ndarray_npy::ReadNpyError,
    },
    #[error("{path} does not say what it should")]
    Description {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{name}: the prediction is {prediction:?} voxels and the truth {truth:?}")]
    Shape {
        name: String,
        prediction: Vec<usize>,
        truth: Vec<usize>,
    },
    #[error("{name}: neither truth.json nor result.json says how large the voxels are")]
    NoSpacing { name: String },
    #[error("{name} is in {truth} but not in {predictions}: every case needs a prediction")]
    NoPrediction {
        name: String,
        truth: PathBuf,
        predictions: PathBuf,
    },
    #[error("{0} has neither labels.npy nor directories with one")]
    NoCase(PathBuf),
}

impl CaseError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Read { .. } => Remedy::Service,
            _ => Remedy::Resend,
        }
    }
}

/// The cases of two directories, by name. A prediction without truth is nobody's concern; a truth
/// without prediction is an error, or leaving out the hard cases would raise the score.
pub fn pairs(predictions: &Path, truth: &Path) -> Result<Vec<CasePaths>, CaseError> {
    if truth.join(LABELS).exists() {
        return Ok(vec![CasePaths {
            name: name_of(truth),
            prediction: predictions.to_owned(),
            truth: truth.to_owned(),
        }]);
    }
    let unreadable = |source| CaseError::Read {
        path: truth.to_owned(),
        source,
    };
    let mut cases = Vec::new();
    for entry in fs::read_dir(truth).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if !path.join(LABELS).exists() {
            continue;
        }
        let name = name_of(&path);
        let prediction = predictions.join(&name);
        if !prediction.join(LABELS).exists() {
            return Err(CaseError::NoPrediction {
                name,
                truth: truth.to_owned(),
                predictions: predictions.to_owned(),
            });
        }
        cases.push(CasePaths {
            name,
            prediction,
            truth: path,
        });
    }
    if cases.is_empty() {
        return Err(CaseError::NoCase(truth.to_owned()));
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cases)
}

impl CasePaths {
    /// Reads both label volumes and the voxel size; the image is left to who knows where it is.
    pub fn read(&self) -> Result<Case, CaseError> {
        let (prediction, truth) = (labels(&self.prediction)?, labels(&self.truth)?);
        if prediction.dim() != truth.dim() {
            return Err(CaseError::Shape {
                name: self.name.clone(),
                prediction: prediction.shape().to_vec(),
                truth: truth.shape().to_vec(),
            });
        }
        let mut spacing_mm = None;
        for directory in [&self.truth, &self.prediction] {
            for file in ["truth.json", "result.json"] {
                if spacing_mm.is_none() {
                    spacing_mm = spacing(&directory.join(file))?;
                }
            }
        }
        Ok(Case {
            name: self.name.clone(),
            patient: self.name.clone(),
            prediction,
            truth,
            spacing_mm: Some(spacing_mm.ok_or_else(|| CaseError::NoSpacing {
                name: self.name.clone(),
            })?),
            labelled: Labelled::LiverAndTumour,
            image: None,
        })
    }
}

fn labels(directory: &Path) -> Result<Array3<u8>, CaseError> {
    let path = directory.join(LABELS);
    ndarray_npy::read_npy(&path).map_err(|source| CaseError::NotLabels { path, source })
}

/// What truth.json and result.json both say about the size of a voxel.
#[derive(Deserialize)]
struct Description {
    /// Between slices, rows, columns, in mm.
    spacing: [f64; 3],
}

fn spacing(path: &Path) -> Result<Option<[f64; 3]>, CaseError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let path = path.to_owned();
            return Err(CaseError::Read { path, source });
        }
    };
    let said: Description =
        serde_json::from_str(&text).map_err(|source| CaseError::Description {
            path: path.to_owned(),
            source,
        })?;
    let positive = |mm: &[f64; 3]| mm.iter().all(|mm| mm.is_finite() && *mm > 0.0);
    Ok(Some(said.spacing).filter(positive))
}

fn name_of(directory: &Path) -> String {
    directory.file_name().map_or_else(
        || "case".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

const LABELS: &str = "labels.npy";

#[cfg(test)]
mod tests {
    use super::*;

    fn write(directory: &Path, shape: (usize, usize, usize), json: Option<(&str, &str)>) {
        fs::create_dir_all(directory).unwrap();
        let labels = Array3::from_elem(shape, 1_u8);
        ndarray_npy::write_npy(directory.join(LABELS), &labels).unwrap();
        if let Some((name, text)) = json {
            fs::write(directory.join(name), text).unwrap();
        }
    }

    fn micrometres(spacing_mm: Option<[f64; 3]>) -> [u32; 3] {
        spacing_mm.unwrap().map(|mm| (1000.0 * mm).round() as u32)
    }

    #[test]
    fn cases_pair_by_name_and_a_missing_prediction_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let (predictions, truth) = (root.path().join("p"), root.path().join("t"));
        let size = Some((
            "truth.json",
            r#"{"spacing": [3.0, 0.7, 0.8], "liver_ml": 1}"#,
        ));
        for name in ["b", "a"] {
            write(&truth.join(name), (2, 3, 4), size);
            write(&predictions.join(name), (2, 3, 4), None);
        }
        write(&predictions.join("unasked"), (1, 1, 1), None);
        let cases = pairs(&predictions, &truth).unwrap();
        let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let case = cases[0].read().unwrap();
        assert_eq!(case.truth.dim(), (2, 3, 4));
        assert_eq!(micrometres(case.spacing_mm), [3000, 700, 800]);
        write(&truth.join("c"), (2, 3, 4), size);
        let error = pairs(&predictions, &truth).unwrap_err();
        assert!(error.to_string().starts_with("c is in"), "{error}");
    }

    #[test]
    fn what_cannot_be_compared_is_named() {
        let root = tempfile::tempdir().unwrap();
        let (prediction, truth) = (root.path().join("p"), root.path().join("t"));
        assert!(matches!(
            pairs(&prediction, &prediction),
            Err(CaseError::Read { .. })
        ));
        write(&truth, (2, 3, 4), None);
        write(&prediction, (2, 3, 5), None);
        let read = || pairs(&prediction, &truth).unwrap()[0].read();
        assert!(matches!(read(), Err(CaseError::Shape { .. })));
        write(
            &prediction,
            (2, 3, 4),
            Some(("result.json", r#"{"spacing": [0, 1, 1]}"#)),
        );
        assert!(matches!(read(), Err(CaseError::NoSpacing { .. })));
        write(
            &prediction,
            (2, 3, 4),
            Some(("result.json", r#"{"spacing": [2, 1, 1]}"#)),
        );
        assert_eq!(micrometres(read().unwrap().spacing_mm), [2000, 1000, 1000]);
        fs::write(truth.join(LABELS), b"not an array").unwrap();
        assert!(matches!(read(), Err(CaseError::NotLabels { .. })));
    }
}
