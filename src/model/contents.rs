//! A bundle's files as bytes: from a directory, or from the package in which it travels.
//!
//! A package is a tar archive of exactly the files a bundle has, the manifest and its signature
//! first. So a package by a stranger is refused before its large files are read, and nothing of an
//! archive ever reaches the disk under a name that the archive chose.

use std::{
    fs::File,
    io::{self, Read},
    iter::Peekable,
    path::{Path, PathBuf},
};

use tar::{Archive, Entries, Entry, EntryType};

use super::{
    manifest::FILES,
    signature::{Origin, SIGNATURE, SIGNATURE_LIMIT, SignatureError, Trust},
};
use crate::dicom::Remedy;

/// Read within bounds and by somebody who is trusted; what is in the files has not been looked at.
#[derive(Debug)]
pub struct Contents {
    pub(super) manifest: Vec<u8>,
    pub(super) signature: Option<Vec<u8>>,
    /// In the order of [`FILES`].
    pub(super) files: [Vec<u8>; FILES.len()],
    pub(super) origin: Origin,
}

#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{file} is larger than {limit} bytes")]
    TooLarge { file: &'static str, limit: u64 },
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error("cannot be read to its end as a tar archive: damaged or cut short")]
    Archive(#[source] io::Error),
    #[error(
        "holds {found:?} where {expected} should be; a package has {MANIFEST}, {SIGNATURE} and then \
         {FILES:?}, as plain files without a folder"
    )]
    Entry {
        found: String,
        expected: &'static str,
    },
    #[error("{0} is missing or cut short")]
    CutShort(&'static str),
}

impl ContentsError {
    /// Whatever is wrong, a person has to bring another copy.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Service
    }
}

pub(super) const MANIFEST: &str = "bundle.toml";
/// A manifest is a page of text.
const MANIFEST_LIMIT: u64 = 1 << 20;
/// SAM's largest published encoder is 2.5 GB; nothing near it runs on the boxes this is for.
const FILE_LIMIT: u64 = 1 << 30;

impl Contents {
    /// From a directory or a package, whichever `path` is.
    pub fn read(path: &Path, trust: &Trust) -> Result<Self, ContentsError> {
        if path.is_dir() {
            return Self::from_directory(path, trust);
        }
        let file = File::open(path).map_err(|source| ContentsError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::from_package(io::BufReader::new(file), trust)
    }

    pub fn from_directory(directory: &Path, trust: &Trust) -> Result<Self, ContentsError> {
        let manifest = file_in(directory, MANIFEST, MANIFEST_LIMIT)?;
        let signature = match file_in(directory, SIGNATURE, SIGNATURE_LIMIT) {
            Ok(signature) => Some(signature),
            Err(ContentsError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                None
            }
            Err(error) => return Err(error),
        };
        let origin = trust.prove(&manifest, signature.as_deref())?;
        let mut files = FILES.map(|_| Vec::new());
        for (contents, file) in files.iter_mut().zip(FILES) {
            *contents = file_in(directory, file, FILE_LIMIT)?;
        }
        Ok(Self {
            manifest,
            signature,
            files,
            origin,
        })
    }

    pub fn from_package(package: impl Read, trust: &Trust) -> Result<Self, ContentsError> {
        let mut archive = Archive::new(package);
        // Raw: a header that renames the entry after it is an entry of its own, and not one of ours.
        let entries = archive.entries().map_err(ContentsError::Archive)?.raw(true);
        let mut package = Package(entries.peekable());
        let manifest = package.take(MANIFEST, MANIFEST_LIMIT)?;
        let signature = match package.next_name() {
            Some(name) if name == SIGNATURE.as_bytes() => {
                Some(package.take(SIGNATURE, SIGNATURE_LIMIT)?)
            }
            _ => None,
        };
        let origin = trust.prove(&manifest, signature.as_deref())?;
        let mut files = FILES.map(|_| Vec::new());
        for (contents, file) in files.iter_mut().zip(FILES) {
            *contents = package.take(file, FILE_LIMIT)?;
        }
        package.end()?;
        Ok(Self {
            manifest,
            signature,
            files,
            origin,
        })
    }

    /// Every file of the bundle with its name.
    pub(super) fn named(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let signature = self.signature.iter().map(|bytes| (SIGNATURE, &**bytes));
        let files = FILES
            .into_iter()
            .zip(self.files.iter().map(|bytes| &**bytes));
        files.chain(signature).chain([(MANIFEST, &*self.manifest)])
    }
}

/// The entries of a package, taken one after the other by the names they must have.
struct Package<'a, R: Read>(Peekable<Entries<'a, R>>);

impl<R: Read> Package<'_, R> {
    /// What the next entry calls itself; `None` at the end and where the archive is damaged.
    fn next_name(&mut self) -> Option<Vec<u8>> {
        let entry = self.0.peek()?.as_ref().ok()?;
        Some(entry.path_bytes().into_owned())
    }

    fn take(&mut self, file: &'static str, limit: u64) -> Result<Vec<u8>, ContentsError> {
        let entry = self.0.next().ok_or(ContentsError::CutShort(file))?;
        let mut entry = entry.map_err(ContentsError::Archive)?;
        let plain = entry.header().entry_type() == EntryType::Regular;
        if !plain || *entry.path_bytes() != *file.as_bytes() {
            return Err(unexpected(&entry, file));
        }
        let size = entry.size();
        if size > limit {
            return Err(ContentsError::TooLarge { file, limit });
        }
        // Grows with what is there, whatever the header claims.
        let mut bytes = Vec::new();
        entry
            .read_to_end(&mut bytes)
            .map_err(ContentsError::Archive)?;
        if bytes.len() as u64 != size {
            return Err(ContentsError::CutShort(file));
        }
        Ok(bytes)
    }

    fn end(mut self) -> Result<(), ContentsError> {
        match self.0.next() {
            None => Ok(()),
            Some(entry) => {
                let entry = entry.map_err(ContentsError::Archive)?;
                Err(unexpected(&entry, "the end"))
            }
        }
    }
}

fn unexpected<R: Read>(entry: &Entry<'_, R>, expected: &'static str) -> ContentsError {
    ContentsError::Entry {
        found: String::from_utf8_lossy(&entry.path_bytes()).into_owned(),
        expected,
    }
}

fn file_in(directory: &Path, file: &'static str, limit: u64) -> Result<Vec<u8>, ContentsError> {
    let path = directory.join(file);
    let failed = |source| ContentsError::Read {
        path: path.clone(),
        source,
    };
    let mut bytes = Vec::new();
    File::open(&path)
        .map_err(failed)?
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(ContentsError::TooLarge { file, limit });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::model::testing::{Maker, package};

    fn read(package: &[u8], trust: &Trust) -> Result<Contents, ContentsError> {
        Contents::from_package(package, trust)
    }

    /// Name and content of what is in a good package.
    fn entries(maker: &Maker) -> Vec<(&'static str, Vec<u8>)> {
        let manifest = b"name".to_vec();
        let signature = maker.sign(&manifest);
        vec![
            (MANIFEST, manifest),
            (SIGNATURE, signature),
            ("encoder.onnx", b"e".repeat(700)),
            ("golden.npz", b"g".to_vec()),
            ("head.onnx", Vec::new()),
        ]
    }

    #[test]
    fn a_package_and_a_directory_give_the_same_contents() {
        let (maker, directory) = (Maker::new(), tempfile::tempdir().unwrap());
        let entries = entries(&maker);
        for (name, bytes) in &entries {
            fs::write(directory.path().join(name), bytes).unwrap();
        }
        let packed = directory.path().join("liver.tar");
        fs::write(&packed, package(&entries)).unwrap();
        for path in [directory.path(), &packed] {
            let contents = Contents::read(path, &maker.trust()).unwrap();
            assert_eq!(contents.files[0], b"e".repeat(700));
            assert_eq!(contents.signature.as_ref(), Some(&entries[1].1));
            assert_eq!(contents.named().count(), 5);
        }
    }

    #[test]
    fn a_package_cut_short_anywhere_is_refused() {
        let maker = Maker::new();
        let whole = package(&entries(&maker));
        // After the last file only the archive's end marker follows.
        let last_file_ends = whole.len() - 1024;
        for length in (0..last_file_ends).step_by(128) {
            let outcome = read(&whole[..length], &maker.trust());
            assert!(outcome.is_err(), "{length} bytes of {}", whole.len());
        }
    }

    #[test]
    fn a_strangers_package_is_refused_before_its_large_files() {
        let whole = package(&entries(&Maker::new()));
        let head = &whole[..4 * 512];
        let error = read(head, &Maker::new().trust()).unwrap_err();
        let ContentsError::Signature(SignatureError::UnknownKey(1)) = error else {
            panic!("{error:?}");
        };
    }

    #[test]
    fn an_unsigned_package_needs_permission() {
        let mut entries = entries(&Maker::new());
        entries.remove(1);
        let whole = package(&entries);
        let refused = read(&whole, &Trust::default()).unwrap_err();
        assert!(matches!(
            refused,
            ContentsError::Signature(SignatureError::Missing)
        ));
        let contents = read(&whole, &Trust::anyone()).unwrap();
        assert_eq!(contents.origin, Origin::Unsigned);
    }

    /// The good package with something done to the header of its third entry.
    fn with_entry(change: impl FnOnce(&mut tar::Header)) -> Vec<u8> {
        let mut whole = package(&entries(&Maker::new()));
        let at = 4 * 512;
        let mut header = tar::Header::from_byte_slice(&whole[at..at + 512]).clone();
        change(&mut header);
        header.set_cksum();
        whole[at..at + 512].copy_from_slice(header.as_bytes());
        whole
    }

    #[test]
    fn paths_links_and_extensions_are_not_entries_of_a_package() {
        let renamed = |name: &'static str| {
            with_entry(move |header| {
                header.as_old_mut().name[..=name.len()]
                    .copy_from_slice(format!("{name}\0").as_bytes());
            })
        };
        let typed = |kind| with_entry(move |header| header.set_entry_type(kind));
        for hostile in [
            renamed("../encoder.onnx"),
            renamed("/etc/encoder.onnx"),
            renamed("x/../encoder.onnx"),
            renamed("bundle.toml"),
            typed(EntryType::Symlink),
            typed(EntryType::Link),
            typed(EntryType::Directory),
            typed(EntryType::Fifo),
            typed(EntryType::GNULongName),
            typed(EntryType::XHeader),
            typed(EntryType::GNUSparse),
        ] {
            let error = read(&hostile, &Trust::anyone()).unwrap_err();
            assert!(
                matches!(
                    &error,
                    ContentsError::Entry {
                        expected: "encoder.onnx",
                        ..
                    }
                ),
                "{error}"
            );
        }
    }

    #[test]
    fn a_size_that_cannot_be_true_is_refused_without_taking_the_memory() {
        let huge = with_entry(|header| header.set_size(FILE_LIMIT + 1));
        let error = read(&huge, &Trust::anyone()).unwrap_err();
        assert!(matches!(
            error,
            ContentsError::TooLarge {
                file: "encoder.onnx",
                ..
            }
        ));
        let claimed = with_entry(|header| header.set_size(FILE_LIMIT));
        let error = read(&claimed, &Trust::anyone()).unwrap_err();
        assert!(
            matches!(error, ContentsError::CutShort("encoder.onnx")),
            "{error}"
        );
    }

    #[test]
    fn more_than_a_bundle_is_refused() {
        let mut entries = entries(&Maker::new());
        entries.push(("extra", b"x".to_vec()));
        let error = read(&package(&entries), &Trust::anyone()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("holds \"extra\" where the end"),
            "{error}"
        );
    }
}
