//! Private keys and passwords: where they come from, and that they go nowhere.
//!
//! A key that another account can read is no key. So a secret is only taken from a file that nobody
//! but its owner can read, or from a systemd credential (systemd.exec(5), `LoadCredential=`); the
//! bytes are wiped when they are no longer needed, and nothing here can print them. The
//! configuration holds the place of a secret, never the secret.

use std::{
    fmt, fs,
    io::{self, Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::dicom::Remedy;

/// Bytes that nobody may see. Wiped when dropped.
pub struct Secret(Zeroizing<Vec<u8>>);

/// Where a secret lies: a file's path, or `credential:NAME` for a systemd credential.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(from = "String", into = "String")]
pub enum SecretPlace {
    File(PathBuf),
    /// `$CREDENTIALS_DIRECTORY/NAME`.
    Credential(String),
}

/// Why a secret is not taken. The words never hold any of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is no regular file")]
    NotAFile { path: PathBuf },
    #[error("{path} can be used by other accounts (mode {mode:o}); chmod 600 it")]
    Exposed { path: PathBuf, mode: u32 },
    #[error(
        "{path} belongs to user {owner}, not to root or user {ours}, as whom this runs; run it as \
         user {owner}, or chown the file"
    )]
    Owner {
        path: PathBuf,
        owner: u32,
        ours: u32,
    },
    #[error("{path} is larger than {LARGEST} bytes, so it is no key or password")]
    TooLarge { path: PathBuf },
    #[error(
        "systemd gave no credentials, so credential {name:?} cannot be read; add LoadCredential= \
         to the unit, or name a file"
    )]
    NoCredentials { name: String },
    #[error("credential name {name:?} may hold only letters, digits, dots, dashes and underscores")]
    CredentialName { name: String },
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: io::Error },
}

impl SecretError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Service
    }
}

impl Secret {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads a secret, if nobody else can.
    pub fn read(place: &SecretPlace) -> Result<Self, SecretError> {
        match place {
            SecretPlace::File(path) => read_file(path, 0o077),
            SecretPlace::Credential(name) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
                if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
                    return Err(SecretError::CredentialName { name: name.clone() });
                }
                let directory = std::env::var_os("CREDENTIALS_DIRECTORY")
                    .ok_or_else(|| SecretError::NoCredentials { name: name.clone() })?;
                // systemd lets the service's user in by an access list, whose mask shows as the
                // group's mode.
                read_file(&Path::new(&directory).join(name), 0o037)
            }
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(not shown)")
    }
}

impl From<String> for SecretPlace {
    fn from(text: String) -> Self {
        match text.strip_prefix(CREDENTIAL) {
            Some(name) => Self::Credential(name.to_owned()),
            None => Self::File(PathBuf::from(text)),
        }
    }
}

impl From<SecretPlace> for String {
    fn from(place: SecretPlace) -> Self {
        place.to_string()
    }
}

impl From<&Path> for SecretPlace {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl fmt::Display for SecretPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Credential(name) => write!(f, "{CREDENTIAL}{name}"),
        }
    }
}

/// Writes a new file that only we can read, durably: whole or not at all. An existing file is left
/// as it is, and is an error.
pub fn create(path: &Path, bytes: &[u8]) -> Result<(), SecretError> {
    let made = create_by(path, |file| file.write_all(bytes));
    made.map_err(|source| SecretError::Write {
        path: path.to_owned(),
        source,
    })
}

/// The file has its name only once it is whole: half a key, or none, would be taken for one.
fn create_by(path: &Path, write: impl FnOnce(&mut fs::File) -> io::Result<()>) -> io::Result<()> {
    let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let mut fresh = tempfile::NamedTempFile::new_in(directory)?;
    write(fresh.as_file_mut())?;
    fresh.as_file().sync_all()?;
    fresh.persist_noclobber(path)?;
    fs::File::open(directory)?.sync_all()
}

/// Judged on the open file, so that nobody can exchange it in between.
fn read_file(path: &Path, exposing: u32) -> Result<Secret, SecretError> {
    let path_owned = || path.to_owned();
    let failed = |source| SecretError::Read {
        path: path_owned(),
        source,
    };
    let file = fs::File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(SecretError::NotAFile { path: path_owned() });
    }
    if metadata.mode() & exposing != 0 {
        return Err(SecretError::Exposed {
            path: path_owned(),
            mode: metadata.mode() & 0o777,
        });
    }
    let ours = rustix::process::geteuid().as_raw();
    if metadata.uid() != ours && metadata.uid() != 0 {
        return Err(SecretError::Owner {
            path: path_owned(),
            owner: metadata.uid(),
            ours,
        });
    }
    if metadata.len() > LARGEST {
        return Err(SecretError::TooLarge { path: path_owned() });
    }
    // Room for all of it at once: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST as usize + 1));
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(SecretError::TooLarge { path: path_owned() });
    }
    Ok(Secret(bytes))
}

const CREDENTIAL: &str = "credential:";

/// A 16384-bit RSA key as PEM is 13 KiB.
const LARGEST: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_that_others_can_use_is_refused_and_the_mode_is_said() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key");
        create(&path, b"hunter2").unwrap();
        let place = SecretPlace::from(path.as_path());
        assert_eq!(Secret::read(&place).unwrap().bytes(), b"hunter2");
        for (mode, taken) in [
            (0o600, true),
            (0o400, true),
            (0o640, false),
            (0o604, false),
            (0o620, false),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let read = Secret::read(&place);
            assert_eq!(read.is_ok(), taken, "{mode:o}");
            if let Err(err) = read {
                assert!(err.to_string().contains(&format!("{mode:o}")), "{err}");
            }
        }
    }

    #[test]
    fn a_secret_cannot_be_printed() {
        let secret = Secret::new(b"hunter2".to_vec());
        assert!(!format!("{secret:?} {secret:#?}").contains("hunter2"));
    }

    #[test]
    fn a_file_that_is_there_is_never_written_over() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key");
        create(&path, b"first").unwrap();
        assert!(create(&path, b"second").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_whole_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key");
        let full = create_by(&path, |file| {
            file.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(full.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
        create(&path, b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }

    #[test]
    fn what_is_no_key_is_not_read_into_memory() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("disk-image");
        create(&path, &vec![0; LARGEST as usize + 1]).unwrap();
        let read = Secret::read(&path.as_path().into());
        assert!(matches!(read, Err(SecretError::TooLarge { .. })));
        let read = Secret::read(&home.path().into());
        assert!(matches!(
            read,
            Err(SecretError::NotAFile { .. } | SecretError::Exposed { .. })
        ));
    }

    #[test]
    fn a_credential_is_a_name_and_never_a_path() {
        for name in ["../shadow", "", "a/b", ".hidden"] {
            let place = SecretPlace::from(format!("credential:{name}"));
            let read = Secret::read(&place);
            assert!(matches!(read, Err(SecretError::CredentialName { .. })));
        }
        let place = SecretPlace::from("credential:dicom-key".to_owned());
        assert_eq!(place, SecretPlace::Credential("dicom-key".to_owned()));
        assert_eq!(place.to_string(), "credential:dicom-key");
    }
}
