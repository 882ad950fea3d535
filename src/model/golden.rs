use std::io::{Cursor, Read};

use ndarray::ArrayView4;
use ndarray_npy::ViewNpyExt;

use super::{CLASSES, InputContract, OutputContract};

/// One input and the output the network must give for it, as `golden.npz` holds them.
#[derive(Clone, Debug, PartialEq)]
pub struct Golden {
    /// `[1, 3, S, S]`, row-major.
    pub image: Vec<f32>,
    /// `[1, classes, S / stride, S / stride]`, row-major.
    pub logits: Vec<f32>,
}

#[derive(Debug, thiserror::Error)]
pub enum GoldenError {
    #[error("is not an archive of arrays")]
    Archive(#[from] zip::result::ZipError),
    #[error("array {name} cannot be read")]
    Read {
        name: &'static str,
        source: std::io::Error,
    },
    #[error("array {name} is not a contiguous 4-dimensional array of f32")]
    Array {
        name: &'static str,
        source: ndarray_npy::ViewNpyError,
    },
    #[error("array {name} has shape {found:?}, the manifest says {expected:?}")]
    Shape {
        name: &'static str,
        found: Vec<usize>,
        expected: [usize; 4],
    },
    #[error("array {name} holds values that are not finite")]
    NotFinite { name: &'static str },
}

/// Room for the `.npy` header in front of the values.
const HEADER: u64 = 4096;

impl Golden {
    pub(super) fn parse(
        bytes: &[u8],
        input: &InputContract,
        output: &OutputContract,
    ) -> Result<Self, GoldenError> {
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes))?;
        let (s, o) = (input.size, input.size / output.stride);
        Ok(Self {
            image: array(&mut archive, "image", [1, input.windows.len(), s, s])?,
            logits: array(&mut archive, "logits", [1, CLASSES, o, o])?,
        })
    }
}

/// Never unpacks more than the array the manifest promises.
fn array(
    archive: &mut zip::ZipArchive<Cursor<&[u8]>>,
    name: &'static str,
    expected: [usize; 4],
) -> Result<Vec<f32>, GoldenError> {
    let promised = expected.iter().product::<usize>() * size_of::<f32>();
    let mut bytes = Vec::new();
    archive
        .by_name(&format!("{name}.npy"))?
        .take(promised as u64 + HEADER)
        .read_to_end(&mut bytes)
        .map_err(|source| GoldenError::Read { name, source })?;
    let values = ArrayView4::<f32>::view_npy(&bytes)
        .map_err(|source| GoldenError::Array { name, source })?;
    if values.shape() != expected {
        let found = values.shape().to_vec();
        return Err(GoldenError::Shape {
            name,
            found,
            expected,
        });
    }
    if !values.iter().all(|v| v.is_finite()) {
        return Err(GoldenError::NotFinite { name });
    }
    Ok(values.iter().copied().collect())
}
