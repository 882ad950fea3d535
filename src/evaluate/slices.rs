//! Scoring single slices kept as pictures: the form of the training data.
//!
//! `images/PATIENT_SLICE.png` holds HU clipped to 0..255, `masks/` of the same names the liver
//! including tumours, `split.json` which patients are for training and which for validation.
//! Slices are not adjacent and pixel spacing is not known, so only overlap can be scored, and
//! tumours not at all.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use ndarray::{Array2, Array3, Axis};

use super::{Case, Labelled};
use crate::{
    dicom::{Plane, Remedy},
    engine::{Engine, EngineError, preprocess},
    mask::{LogOdds, Probabilities, label_slice},
    model::Manifest,
    volume::HuSlice,
};

#[derive(Debug, thiserror::Error)]
pub enum SliceDataError {
    #[error("could not read {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is not a picture that can be read")]
    Picture {
        path: PathBuf,
        source: png::DecodingError,
    },
    #[error("{0} is not an 8-bit grey picture")]
    NotGrey(PathBuf),
    #[error("{0} is not as large as its mask")]
    Sizes(PathBuf),
    #[error("{path} does not name patients by split")]
    Split {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{path} has no split {split:?}")]
    NoSplit { path: PathBuf, split: String },
    #[error("no slice of the split {split:?} in {path}")]
    NoSlice { path: PathBuf, split: String },
}

impl SliceDataError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Read { .. } => Remedy::Service,
            _ => Remedy::Resend,
        }
    }
}

/// One slice on disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SlicePaths {
    /// PATIENT_SLICE.
    pub name: String,
    image: PathBuf,
    mask: PathBuf,
}

/// The slices of one split (`val`, `train`), by name.
pub fn slices(data: &Path, split: &str) -> Result<Vec<SlicePaths>, SliceDataError> {
    let path = data.join("split.json");
    let text = fs::read_to_string(&path).map_err(|source| SliceDataError::Read {
        path: path.clone(),
        source,
    })?;
    let mut splits: BTreeMap<String, Vec<String>> =
        serde_json::from_str(&text).map_err(|source| SliceDataError::Split {
            path: path.clone(),
            source,
        })?;
    let patients = splits
        .remove(split)
        .ok_or_else(|| SliceDataError::NoSplit {
            path,
            split: split.to_owned(),
        })?;
    let images = data.join("images");
    let unreadable = |source| SliceDataError::Read {
        path: images.clone(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(&images).map_err(unreadable)? {
        let image = entry.map_err(unreadable)?.path();
        let (Some(name), Some(file)) = (image.file_stem(), image.file_name()) else {
            continue;
        };
        let name = name.to_string_lossy().into_owned();
        if patients.iter().any(|wanted| wanted == patient(&name)) {
            found.push(SlicePaths {
                mask: data.join("masks").join(file),
                name,
                image,
            });
        }
    }
    if found.is_empty() {
        let split = split.to_owned();
        return Err(SliceDataError::NoSlice {
            path: images,
            split,
        });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The name up to its last underscore, all of it without one.
fn patient(slice: &str) -> &str {
    slice.rsplit_once('_').map_or(slice, |(patient, _)| patient)
}

/// A slice in memory: what the network sees and what is true.
#[derive(Clone, Debug)]
pub struct LabelledSlice {
    pub name: String,
    pub hu: HuSlice,
    truth: Array2<u8>,
}

impl SlicePaths {
    pub fn read(&self) -> Result<LabelledSlice, SliceDataError> {
        let (image, mask) = (grey(&self.image)?, grey(&self.mask)?);
        if image.dim() != mask.dim() {
            return Err(SliceDataError::Sizes(self.image.clone()));
        }
        let (rows, columns) = image.dim();
        Ok(LabelledSlice {
            name: self.name.clone(),
            hu: HuSlice {
                rows,
                columns,
                hu: image.iter().map(|value| i16::from(*value)).collect(),
            },
            truth: mask.mapv(|value| u8::from(value > 127)),
        })
    }
}

impl LabelledSlice {
    /// Runs the network as for one slice of a series without neighbours.
    pub fn predict(
        &self,
        engine: &mut dyn Engine,
        manifest: &Manifest,
    ) -> Result<Array2<u8>, EngineError> {
        // Whatever the spacing was: the picture shows the whole field of view.
        let longest = self.hu.rows.max(self.hu.columns) as f64;
        let field_mm = 0.5 * manifest.input.field_mm.iter().sum::<f64>();
        let plane = Plane {
            position: [0.0; 3],
            row_cosines: [1.0, 0.0, 0.0],
            column_cosines: [0.0, 1.0, 0.0],
            pixel_spacing: [field_mm / longest; 2],
        };
        let (image, placement) = preprocess(&self.hu, &plane, &manifest.input);
        let logits = engine.predict(&image)?.logits;
        let log_odds = LogOdds::of(&logits, &manifest.output.temperature);
        Ok(label_slice(&Probabilities::of(&log_odds), &placement))
    }

    pub fn into_case(self, prediction: Array2<u8>) -> Case {
        let one = |slice: Array2<u8>| slice.insert_axis(Axis(0));
        let shape = (1, self.hu.rows, self.hu.columns);
        Case {
            patient: patient(&self.name).to_owned(),
            name: self.name,
            prediction: one(prediction),
            truth: one(self.truth),
            spacing_mm: None,
            labelled: Labelled::LiverOnly,
            image: Array3::from_shape_vec(shape, self.hu.hu).ok(),
        }
    }
}

fn grey(path: &Path) -> Result<Array2<u8>, SliceDataError> {
    let file = fs::File::open(path).map_err(|source| SliceDataError::Read {
        path: path.to_owned(),
        source,
    })?;
    let unreadable = |source| SliceDataError::Picture {
        path: path.to_owned(),
        source,
    };
    let mut reader = png::Decoder::new(io::BufReader::new(file))
        .read_info()
        .map_err(unreadable)?;
    let info = reader.info();
    let grey = info.color_type == png::ColorType::Grayscale;
    let shape = (info.height as usize, info.width as usize);
    // The decoder refuses what exceeds its own limits; one byte a pixel is all that is wanted.
    if !grey || info.bit_depth != png::BitDepth::Eight || shape.0 * shape.1 > LARGEST_PICTURE {
        return Err(SliceDataError::NotGrey(path.to_owned()));
    }
    let mut values = vec![0; shape.0 * shape.1];
    reader.next_frame(&mut values).map_err(unreadable)?;
    Array2::from_shape_vec(shape, values).map_err(|_| SliceDataError::NotGrey(path.to_owned()))
}

const LARGEST_PICTURE: usize = 4096 * 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, colour: png::ColorType, values: &[u8], width: u32) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let height = values.len() as u32 / width / colour.samples() as u32;
        let mut encoder = png::Encoder::new(fs::File::create(path).unwrap(), width, height);
        encoder.set_color(colour);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(values).unwrap();
    }

    #[test]
    fn slices_of_a_split_are_read_with_their_truth() {
        let data = tempfile::tempdir().unwrap();
        let root = data.path();
        fs::write(
            root.join("split.json"),
            r#"{"train": ["7"], "val": ["a_8"]}"#,
        )
        .unwrap();
        for name in ["a_8_002", "a_8_001", "7_001"] {
            let file = format!("{name}.png");
            let grey = png::ColorType::Grayscale;
            write(
                &root.join("images").join(&file),
                grey,
                &[0, 90, 255, 40, 7, 1],
                3,
            );
            write(
                &root.join("masks").join(&file),
                grey,
                &[0, 255, 255, 0, 0, 0],
                3,
            );
        }
        let found = slices(root, "val").unwrap();
        let names: Vec<&str> = found.iter().map(|slice| slice.name.as_str()).collect();
        assert_eq!(names, ["a_8_001", "a_8_002"]);
        let slice = found[0].read().unwrap();
        assert_eq!((slice.hu.rows, slice.hu.columns), (2, 3));
        assert_eq!(slice.hu.hu, [0, 90, 255, 40, 7, 1]);
        let case = slice.into_case(Array2::from_elem((2, 3), 1));
        assert_eq!(case.patient, "a_8");
        assert_eq!(
            case.truth.iter().copied().collect::<Vec<_>>(),
            [0, 1, 1, 0, 0, 0]
        );
        assert!(matches!(
            slices(root, "test"),
            Err(SliceDataError::NoSplit { .. })
        ));
    }

    #[test]
    fn a_coloured_picture_and_a_mask_of_another_size_are_refused() {
        let data = tempfile::tempdir().unwrap();
        let paths = SlicePaths {
            name: "8_001".to_owned(),
            image: data.path().join("image.png"),
            mask: data.path().join("mask.png"),
        };
        let grey = png::ColorType::Grayscale;
        write(&paths.mask, grey, &[0; 6], 3);
        write(&paths.image, png::ColorType::Rgb, &[0; 18], 3);
        assert!(matches!(paths.read(), Err(SliceDataError::NotGrey(_))));
        write(&paths.image, grey, &[0; 8], 4);
        assert!(matches!(paths.read(), Err(SliceDataError::Sizes(_))));
        fs::write(&paths.image, b"text").unwrap();
        assert!(matches!(paths.read(), Err(SliceDataError::Picture { .. })));
    }
}
