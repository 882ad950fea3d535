use std::path::Path;

use sha2::{Digest, Sha256};

use super::{
    Golden, GoldenError, Manifest, ManifestError,
    contents::{Contents, ContentsError, MANIFEST},
    manifest::FILES,
    signature::{Origin, Trust},
};
use crate::dicom::Remedy;

/// A network whose promises were read and whose files are the ones it names.
#[derive(Clone, Debug)]
pub struct Bundle {
    pub manifest: Manifest,
    /// ONNX.
    pub encoder: Vec<u8>,
    /// ONNX.
    pub head: Vec<u8>,
    pub golden: Golden,
    /// SHA-256 over the manifest, which names the hash of every file: two bundles that could answer
    /// differently differ here. Lower-case hexadecimal.
    pub digest: String,
    pub origin: Origin,
}

#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error(transparent)]
    Contents(#[from] ContentsError),
    #[error("{MANIFEST} is not text")]
    NotText,
    #[error("{MANIFEST}")]
    Manifest(#[from] ManifestError),
    #[error("{file} has SHA-256 {found}, {MANIFEST} says {expected}: a damaged or mixed bundle")]
    Hash {
        file: &'static str,
        expected: String,
        found: String,
    },
    #[error("golden.npz")]
    Golden(#[from] GoldenError),
}

impl BundleError {
    /// Whatever is wrong with a bundle, a person has to replace it.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Service
    }
}

/// The manifest, then the files as [`FILES`] lists them.
const EMBEDDED: [&[u8]; 4] = [
    include_bytes!("../../models/liver-tumour/bundle.toml"),
    include_bytes!("../../models/liver-tumour/encoder.onnx"),
    include_bytes!("../../models/liver-tumour/golden.npz"),
    include_bytes!("../../models/liver-tumour/head.onnx"),
];

impl Bundle {
    /// The bundle the binary carries.
    pub fn embedded() -> Result<Self, BundleError> {
        let [manifest, files @ ..] = EMBEDDED;
        Self::of(&Contents {
            manifest: manifest.to_vec(),
            signature: None,
            files: files.map(<[u8]>::to_vec),
            origin: Origin::BuiltIn,
        })
    }

    /// Reads and verifies the bundle in a directory, if it is by somebody who is trusted.
    pub fn load(directory: &Path, trust: &Trust) -> Result<Self, BundleError> {
        Self::of(&Contents::from_directory(directory, trust)?)
    }

    /// Finds the promises kept: every file has the hash that the manifest names.
    pub fn of(contents: &Contents) -> Result<Self, BundleError> {
        let text = str::from_utf8(&contents.manifest).map_err(|_| BundleError::NotText)?;
        let manifest = Manifest::parse(text)?;
        for (file, bytes) in FILES.into_iter().zip(&contents.files) {
            let found = sha256_hex(bytes);
            let expected = manifest.files.get(file).cloned().unwrap_or_default();
            if found != expected {
                return Err(BundleError::Hash {
                    file,
                    expected,
                    found,
                });
            }
        }
        let [encoder, golden, head] = &contents.files;
        let golden = Golden::parse(golden, &manifest.input, &manifest.output)?;
        Ok(Self {
            digest: sha256_hex(&contents.manifest),
            manifest,
            encoder: encoder.clone(),
            head: head.clone(),
            golden,
            origin: contents.origin.clone(),
        })
    }
}

pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use std::{error::Error, fs, io::Cursor};

    use tempfile::TempDir;

    use super::*;
    use crate::model::testing::{files, golden, lay};

    /// A directory whose manifest names the hashes of what lies in it.
    fn directory(golden: &[u8]) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        lay(&files("1.0.0", golden, None), directory.path());
        directory
    }

    #[test]
    fn a_whole_bundle_loads_and_its_digest_names_it() {
        let directory = directory(&golden(16));
        let bundle = Bundle::load(directory.path(), &Trust::anyone()).unwrap();
        assert_eq!(bundle.encoder, b"encoder");
        assert_eq!(bundle.golden.image.len(), 3 * 32 * 32);
        assert_eq!(bundle.golden.logits, vec![1.0; 3 * 16 * 16]);
        assert_eq!(bundle.digest.len(), 64);

        let manifest = directory.path().join(MANIFEST);
        let text = fs::read_to_string(&manifest).unwrap();
        fs::write(
            &manifest,
            text.replace("closing-mm = 5.0", "closing-mm = 4.0"),
        )
        .unwrap();
        let other = Bundle::load(directory.path(), &Trust::anyone()).unwrap();
        assert_ne!(
            bundle.digest, other.digest,
            "another answer is another bundle"
        );
    }

    #[test]
    fn the_bundle_in_the_binary_is_whole() {
        let bundle = Bundle::embedded().unwrap();
        assert_eq!(bundle.manifest.name, "liver-tumour");
    }

    #[test]
    fn a_damaged_or_missing_file_is_named() {
        let directory = directory(&golden(16));
        fs::write(directory.path().join("head.onnx"), b"heaD").unwrap();
        let error = Bundle::load(directory.path(), &Trust::anyone()).unwrap_err();
        assert!(
            error.to_string().starts_with("head.onnx has SHA-256"),
            "{error}"
        );
        assert_eq!(error.remedy(), Remedy::Service);

        fs::remove_file(directory.path().join("encoder.onnx")).unwrap();
        let error = Bundle::load(directory.path(), &Trust::anyone()).unwrap_err();
        assert!(error.to_string().contains("encoder.onnx"), "{error}");
    }

    #[test]
    fn a_golden_output_of_another_shape_is_refused() {
        let error = Bundle::load(directory(&golden(8)).path(), &Trust::anyone()).unwrap_err();
        let cause = error.source().unwrap().to_string();
        assert!(
            cause.contains("[1, 3, 8, 8], the manifest says [1, 3, 16, 16]"),
            "{cause}"
        );
    }

    #[test]
    fn an_array_that_claims_a_terabyte_is_refused_without_taking_one() {
        use std::io::Write;
        let mut dictionary =
            b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999, 99999, 32, 32), }".to_vec();
        dictionary.resize(117, b' ');
        dictionary.push(b'\n');
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        archive
            .start_file("image.npy", zip::write::SimpleFileOptions::default())
            .unwrap();
        archive.write_all(b"\x93NUMPY\x01\x00\x76\x00").unwrap();
        archive.write_all(&dictionary).unwrap();
        let bytes = archive.finish().unwrap().into_inner();
        let error = Bundle::load(directory(&bytes).path(), &Trust::anyone()).unwrap_err();
        let BundleError::Golden(GoldenError::Array {
            name: "image",
            source,
        }) = error
        else {
            panic!("{error:?}");
        };
        assert!(source.to_string().contains("missing"), "{source}");
    }
}
