//! The first start.
//!
//! A box out of its carton has neither configuration nor state, and nobody is at its console. So the
//! first start makes what is missing: a commented configuration, a certificate for the page and one
//! administrator with a one-time password, which is told once, on standard error (under systemd: in
//! the journal), together with the page's address and the certificate's fingerprint.
//!
//! A first start is one on a state directory without a journal. On any later start a missing file is
//! an error and is named: a mistyped path must not replace a department's configuration by the
//! default one, and a lost users file must not make a new administrator. `hepar provision` makes
//! what is missing at any time. Nothing that exists is ever written over.

mod addresses;

use std::{
    fmt, fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, chown},
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use crate::{
    config::{Config, ConfigError},
    dicom::Remedy,
    secrets::{self, SecretError, SecretPlace},
    status::access::{
        Role,
        password::{HashedPassword, Password, PasswordError, one_time_password},
        users::{User, UserName, Users, UsersError},
    },
    tls::{self, Identity, TlsError},
};

/// The configuration that a first start writes. What it says of each key, `hepar check-config` says
/// too.
pub const DEFAULT_CONFIGURATION: &str = include_str!("hepar.toml");

/// The administrator that a first start makes.
const ADMINISTRATOR: &str = "administrator";

/// What was made, for whoever unpacks the box.
#[derive(Debug, Default)]
pub struct Provisioned {
    pub configuration: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    /// The administrator and the one-time password.
    pub administrator: Option<(UserName, Password)>,
    /// Where the page is, and by which fingerprint a browser's warning can be checked.
    pub page: Option<String>,
    pub fingerprint: Option<String>,
}

/// Why something could not be made. A person must act.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write a new configuration")]
    Configuration(#[source] SecretError),
    #[error("the configuration that was written cannot be read")]
    Written(#[from] ConfigError),
    #[error("{there} exists and {missing} does not: the two belong together")]
    Half { there: PathBuf, missing: PathBuf },
    #[error("a credential cannot be made here: {0}")]
    Credential(SecretPlace),
    #[error("cannot make the page's certificate")]
    Certificate(#[from] TlsError),
    #[error("cannot keep the page's certificate")]
    Keep(#[source] SecretError),
    #[error("cannot make an administrator")]
    Users(#[from] UsersError),
    #[error("cannot make a password")]
    Password(#[from] PasswordError),
}

impl ProvisionError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Service
    }
}

/// Whether this state directory was never used.
#[must_use]
pub fn is_first_start(state_dir: &Path) -> bool {
    !state_dir.join("journal.db").exists()
}

/// Writes the default configuration to `path`, where there must be nothing yet.
pub fn write_configuration(path: &Path) -> Result<(), ProvisionError> {
    if let Some(directory) = path.parent() {
        make(directory, 0o755)?;
    }
    let text = DEFAULT_CONFIGURATION.as_bytes();
    secrets::create(path, text).map_err(ProvisionError::Configuration)
}

/// Makes what the configuration needs and what is not there.
pub fn provision(config: &Config) -> Result<Provisioned, ProvisionError> {
    let mut made = Provisioned::default();
    let state_dir = config.state_dir();
    if config.status.needs_tls() {
        make(&state_dir, 0o750)?;
        certificate(config, &mut made)?;
    }
    if config.status.needs_login() {
        make(&state_dir, 0o750)?;
        administrator(config, &mut made)?;
    }
    let scheme = if config.status.needs_tls() {
        "https"
    } else {
        "http"
    };
    let address = addresses::to_call(config.status.address);
    made.page = Some(format!("{scheme}://{address}/"));
    Ok(made)
}

fn certificate(config: &Config, made: &mut Provisioned) -> Result<(), ProvisionError> {
    let (certificate, place) = config.page_identity();
    let SecretPlace::File(key) = &place else {
        if certificate.exists() {
            return Ok(());
        }
        return Err(ProvisionError::Credential(place));
    };
    match (certificate.exists(), key.exists()) {
        (true, true) => return Ok(()),
        (false, false) => {}
        (true, false) => {
            return Err(ProvisionError::Half {
                there: certificate,
                missing: key.clone(),
            });
        }
        (false, true) => {
            return Err(ProvisionError::Half {
                there: key.clone(),
                missing: certificate,
            });
        }
    }
    let names = addresses::own_names(config.status.address);
    let new = tls::self_signed(&names, Timestamp::now())?;
    for (path, text) in [(key, new.key.as_str()), (&certificate, &new.certificate)] {
        if let Some(directory) = path.parent() {
            make(directory, 0o750)?;
        }
        secrets::create(path, text.as_bytes()).map_err(ProvisionError::Keep)?;
        give_to_owner_of_directory(path)?;
    }
    let identity = Identity::load(&certificate, &place)?;
    made.fingerprint = Some(identity.certificate().fingerprint.to_string());
    made.certificate = Some(certificate);
    Ok(())
}

fn administrator(config: &Config, made: &mut Provisioned) -> Result<(), ProvisionError> {
    let path = config.users_file();
    if path.exists() {
        return Ok(());
    }
    if let Some(directory) = path.parent() {
        make(directory, 0o750)?;
    }
    let password = one_time_password();
    let name = UserName::parse(ADMINISTRATOR).map_err(|_| PasswordError::IsTheName)?;
    let user = User {
        name: name.clone(),
        role: Role::Administrator,
        password: HashedPassword::of(&password, ADMINISTRATOR)?,
        must_change: true,
    };
    Users::change(&path, &config.state_dir(), |users| users.add(user))?;
    made.administrator = Some((name, password));
    Ok(())
}

fn make(directory: &Path, mode: u32) -> Result<(), ProvisionError> {
    if directory.as_os_str().is_empty() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    let made = builder.recursive(true).mode(mode).create(directory);
    made.map_err(|source| ProvisionError::Write {
        path: directory.to_owned(),
        source,
    })
}

/// Made by root beforehand, it must be readable for the service.
fn give_to_owner_of_directory(path: &Path) -> Result<(), ProvisionError> {
    let give = || {
        let directory = path.parent().unwrap_or(Path::new("."));
        let like = fs::metadata(directory)?;
        if like.uid() != fs::metadata(path)?.uid() {
            chown(path, Some(like.uid()), Some(like.gid()))?;
        }
        Ok(())
    };
    give().map_err(|source| ProvisionError::Write {
        path: path.to_owned(),
        source,
    })
}

/// A few lines, with the one-time password: to be shown once, and not to be logged twice.
impl fmt::Display for Provisioned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.configuration {
            writeln!(f, "new configuration  {}", path.display())?;
        }
        if let Some(path) = &self.certificate {
            writeln!(f, "new certificate    {}", path.display())?;
        }
        if let Some(fingerprint) = &self.fingerprint {
            writeln!(f, "  its SHA-256      {fingerprint}")?;
        }
        if let Some((name, password)) = &self.administrator {
            writeln!(f, "new user           {name}")?;
            writeln!(f, "one-time password  {}", password.as_str())?;
        }
        if let Some(page) = &self.page {
            writeln!(f, "page               {page}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beyond_loopback(state: &Path) -> Config {
        let mut config = Config::default();
        config.device.state_dir = Some(state.to_owned());
        config.status.address = "0.0.0.0:8443".parse().unwrap();
        config
    }

    #[test]
    fn what_is_missing_is_made_once_and_never_again() {
        let home = tempfile::tempdir().unwrap();
        let config = beyond_loopback(&home.path().join("state"));
        let first = provision(&config).unwrap();
        let (name, password) = first.administrator.as_ref().unwrap();
        let users = Users::read(&config.users_file()).unwrap();
        let user = users.find(name.as_str()).unwrap();
        assert!(user.must_change && user.password.is_of(password));
        assert!(first.to_string().contains(password.as_str()));

        let (certificate, key) = config.page_identity();
        let read = || {
            (
                fs::read(&certificate).unwrap(),
                fs::read(key.to_string()).unwrap(),
            )
        };
        let before = read();
        let second = provision(&config).unwrap();
        assert!(second.certificate.is_none() && second.administrator.is_none());
        assert_eq!(read(), before);
        assert_eq!(Users::read(&config.users_file()).unwrap(), users);
    }

    #[test]
    fn half_a_pair_is_not_completed() {
        let home = tempfile::tempdir().unwrap();
        let config = beyond_loopback(home.path());
        provision(&config).unwrap();
        let (certificate, _) = config.page_identity();
        fs::remove_file(&certificate).unwrap();
        let refused = provision(&config).unwrap_err();
        assert!(matches!(refused, ProvisionError::Half { .. }), "{refused}");
        assert!(!certificate.exists());
    }

    #[test]
    fn a_page_on_loopback_needs_nothing() {
        let home = tempfile::tempdir().unwrap();
        let mut config = beyond_loopback(&home.path().join("state"));
        config.status.address = "127.0.0.1:8080".parse().unwrap();
        let made = provision(&config).unwrap();
        assert!(made.certificate.is_none() && made.administrator.is_none());
        assert!(!home.path().join("state").exists());
    }

    #[test]
    fn a_configuration_that_is_there_stays() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("etc/hepar.toml");
        write_configuration(&path).unwrap();
        assert!(Config::load(&path).unwrap().status.needs_login());
        fs::write(&path, "# mine\n").unwrap();
        assert!(write_configuration(&path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "# mine\n");
    }
}
