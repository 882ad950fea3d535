//! Makers of bundles, good and bad, for tests.

use std::{fs, io::Cursor, path::Path};

use minisign::KeyPair;
use ndarray::Array4;
use ndarray_npy::NpzWriter;

use super::{Trust, TrustedKey, bundle::sha256_hex};

/// Somebody with a key.
pub(crate) struct Maker {
    pair: KeyPair,
    pub(crate) key: TrustedKey,
}

impl Maker {
    pub(crate) fn new() -> Self {
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let key = TrustedKey::try_from(pair.pk.to_base64()).unwrap();
        Self { pair, key }
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let signed = minisign::sign(None, &self.pair.sk, Cursor::new(bytes), None, None);
        signed.unwrap().into_string().into_bytes()
    }

    /// Takes this maker's bundles only.
    pub(crate) fn trust(&self) -> Trust {
        Trust {
            keys: vec![self.key.clone()],
            allow_unsigned: false,
        }
    }
}

/// A golden slice whose output is `[1, 3, side, side]`.
pub(crate) fn golden(side: usize) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut npz = NpzWriter::new_compressed(&mut bytes);
    npz.add_array("image", &Array4::<f32>::zeros((1, 3, 32, 32)))
        .unwrap();
    npz.add_array("logits", &Array4::<f32>::ones((1, 3, side, side)))
        .unwrap();
    npz.finish().unwrap();
    bytes.into_inner()
}

/// A bundle's files, in the order of a package. The hashes are right; the network is words.
pub(crate) fn files(
    version: &str,
    golden: &[u8],
    maker: Option<&Maker>,
) -> Vec<(&'static str, Vec<u8>)> {
    let others = [
        ("encoder.onnx", b"encoder".to_vec()),
        ("golden.npz", golden.to_vec()),
        ("head.onnx", b"head".to_vec()),
    ];
    let mut manifest = include_str!("example.toml")
        .replace("size = 256", "size = 32")
        .replace("\"1.0.0\"", &format!("\"{version}\""));
    for (file, contents) in &others {
        let named = |hash: &str| format!("\"{file}\" = \"{hash}\"");
        manifest = manifest.replace(&named(&"0".repeat(64)), &named(&sha256_hex(contents)));
    }
    let manifest = manifest.into_bytes();
    let signature = maker.map(|maker| ("bundle.toml.minisig", maker.sign(&manifest)));
    [("bundle.toml", manifest)]
        .into_iter()
        .chain(signature)
        .chain(others)
        .collect()
}

/// Writes files into a directory.
pub(crate) fn lay(files: &[(&str, Vec<u8>)], directory: &Path) {
    for (name, bytes) in files {
        fs::write(directory.join(name), bytes).unwrap();
    }
}

/// A tar archive of plain files.
pub(crate) fn package(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    archive.into_inner().unwrap()
}
