//! The Hounsfield units behind an overlay, from the series a truth was made for.

use std::{fs, io, path::Path};

use ndarray::Array3;

use crate::{
    dicom::Remedy,
    series::{HeaderError, InstanceHeader},
    volume::{self, DecodeError, GeometryError},
};

#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("could not read the series")]
    Read(#[from] io::Error),
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("its slices differ in size")]
    Sizes,
}

impl ImageError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Read(_) => Remedy::Service,
            Self::Header(_) | Self::Geometry(_) | Self::Decode(_) | Self::Sizes => Remedy::Resend,
        }
    }
}

/// The series in the `.dcm` files of a directory, [slice, row, column] ascending along the normal
/// as labels are; `None` where there are no such files.
pub fn series_image(directory: &Path) -> Result<Option<Array3<i16>>, ImageError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "dcm") {
            let file = fs::read(&path)?;
            files.push((InstanceHeader::read(&file)?, file));
        }
    }
    if files.is_empty() {
        return Ok(None);
    }
    let headers: Vec<InstanceHeader> = files.iter().map(|(header, _)| header.clone()).collect();
    let stack = volume::arrange(&headers)?;
    let (rows, columns) = (stack.geometry.rows(), stack.geometry.columns());
    let mut hu = Vec::with_capacity(stack.order.len() * rows * columns);
    for place in &stack.order {
        let found = files
            .iter()
            .find(|(header, _)| header.sop_instance == place.sop_instance);
        let Some((header, file)) = found else {
            continue;
        };
        hu.extend(
            volume::FrameSource::open(file, header)?
                .frame(place.frame)?
                .hu,
        );
    }
    let shape = (stack.order.len(), rows, columns);
    Array3::from_shape_vec(shape, hu)
        .map(Some)
        .map_err(|_| ImageError::Sizes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom::{self, Orientation, PhantomSpec};

    #[test]
    fn the_image_lies_under_its_labels() {
        let directory = tempfile::tempdir().unwrap();
        assert!(series_image(directory.path()).unwrap().is_none());
        let spec = PhantomSpec {
            slices: 4,
            rows: 40,
            columns: 50,
            orientation: Orientation::Pl,
            ..PhantomSpec::default()
        };
        let phantom = phantom::write(&spec, directory.path()).unwrap();
        let image = series_image(directory.path()).unwrap().unwrap();
        assert_eq!(image, phantom.volume);
    }
}
