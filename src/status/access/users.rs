//! Who there is: a TOML file that `hepar user` and the page edit.
//!
//! ```toml
//! [[user]]
//! name = "anna"
//! role = "technician"
//! password = "$argon2id$v=19$m=19456,t=2,p=1$..."
//! must-change = true        # a one-time password: the first login replaces it
//! ```
//!
//! Nobody but its owner may read it: with the hashes, passwords can be guessed elsewhere and
//! without limit.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::{
    password::{HashedPassword, PasswordError},
    permission::Role,
};
use crate::dicom::Remedy;

/// What a user is called: 1 to 32 of `a-z A-Z 0-9 . _ - @`, so that it can stand in a log, an
/// audit message and a command line as it is.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserName(String);

#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("a user name has 1 to 32 of the characters a-z A-Z 0-9 . _ - @")]
pub struct UserNameError;

impl UserName {
    pub fn parse(text: &str) -> Result<Self, UserNameError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-@".contains(&b);
        if (1..=32).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(UserNameError)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for UserName {
    type Err = UserNameError;

    fn from_str(text: &str) -> Result<Self, UserNameError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for UserName {
    type Error = UserNameError;

    fn try_from(text: String) -> Result<Self, UserNameError> {
        Self::parse(&text)
    }
}

impl From<UserName> for String {
    fn from(name: UserName) -> Self {
        name.0
    }
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct User {
    pub name: UserName,
    pub role: Role,
    pub password: HashedPassword,
    /// The password was set by somebody else and must be replaced at the next login.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub must_change: bool,
}

/// Everybody who may log in.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Users {
    #[serde(default, rename = "user")]
    all: Vec<User>,
}

/// Why users cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    #[error("cannot read the users file {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write the users file {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error("the users file {path} may be read by others (mode {mode:03o}); chmod 600 it")]
    ReadableByOthers { path: PathBuf, mode: u32 },
    #[error("the users file {path} is wrong: {message}")]
    Parse { path: PathBuf, message: String },
    #[error("there is a user {0} already")]
    Exists(UserName),
    #[error("there is no user {0}")]
    Unknown(UserName),
    #[error("{0} is the last administrator")]
    LastAdministrator(UserName),
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl UsersError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Service
    }
}

/// Users are some dozens; a file beyond this is none of ours.
const MAX_BYTES: u64 = 1 << 20;

impl Users {
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&User> {
        self.all.iter().find(|user| user.name.as_str() == name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &User> {
        self.all.iter()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn add(&mut self, user: User) -> Result<(), UsersError> {
        if self.find(user.name.as_str()).is_some() {
            return Err(UsersError::Exists(user.name));
        }
        self.all.push(user);
        Ok(())
    }

    /// Somebody must remain who can let others in.
    pub fn remove(&mut self, name: &UserName) -> Result<(), UsersError> {
        let user = self.find(name.as_str());
        let role = user.ok_or_else(|| UsersError::Unknown(name.clone()))?.role;
        let of_role = self.all.iter().filter(|user| user.role == role);
        if role == Role::Administrator && of_role.count() == 1 {
            return Err(UsersError::LastAdministrator(name.clone()));
        }
        self.all.retain(|user| user.name != *name);
        Ok(())
    }

    /// Replaces a password; `must_change`: by one that its user did not choose.
    pub fn set_password(
        &mut self,
        name: &UserName,
        password: HashedPassword,
        must_change: bool,
    ) -> Result<(), UsersError> {
        let user = self.all.iter_mut().find(|user| user.name == *name);
        let user = user.ok_or_else(|| UsersError::Unknown(name.clone()))?;
        user.password = password;
        user.must_change = must_change;
        Ok(())
    }

    /// Reads the file at `path`. A file that others may read is refused.
    pub fn read(path: &Path) -> Result<Self, UsersError> {
        let failed = |source| UsersError::Read {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = path.to_owned();
            return Err(UsersError::ReadableByOthers { path, mode });
        }
        let mut text = String::new();
        let mut bounded = file.take(MAX_BYTES);
        bounded.read_to_string(&mut text).map_err(failed)?;
        Self::parse(&text).map_err(|message| UsersError::Parse {
            path: path.to_owned(),
            message,
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let users: Self = toml::from_str(text).map_err(|error| {
            // The message alone: the whole error quotes the line, and with it perhaps a hash.
            error.message().replace('\n', " ")
        })?;
        for (i, user) in users.all.iter().enumerate() {
            if users.all.iter().take(i).any(|u| u.name == user.name) {
                return Err(format!("two users are named {}", user.name));
            }
        }
        Ok(users)
    }

    /// Changes the file at `path`, or makes it: whole or not at all, one writer after the other. Run
    /// by root, it stays usable for the service, whose `state_dir` says as whom that runs.
    pub fn change<T>(
        path: &Path,
        state_dir: &Path,
        change: impl FnOnce(&mut Self) -> Result<T, UsersError>,
    ) -> Result<T, UsersError> {
        let failed = |source| UsersError::Write {
            path: path.to_owned(),
            source,
        };
        let owner = Owner::of(path, state_dir).map_err(failed)?;
        let lock = owner.open(&beside(path, "lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let mut users = match Self::read(path) {
            Err(UsersError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Self::default()
            }
            read => read?,
        };
        let changed = change(&mut users)?;
        users.write(path, owner).map_err(failed)?;
        Ok(changed)
    }

    fn write(&self, path: &Path, owner: Owner) -> io::Result<()> {
        let text = toml::to_string(self).map_err(io::Error::other)?;
        let text = format!("# Written by `hepar user` and by the page.\n\n{text}");
        let fresh = beside(path, "new");
        let mut file = owner.open(&fresh)?;
        file.set_len(0)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        File::open(directory_of(path))?.sync_all()
    }
}

/// Whose the users file is, and what lies beside it.
#[derive(Clone, Copy, Debug)]
struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    /// The owner of the file that is there; of a new one, the state directory's.
    fn of(path: &Path, state_dir: &Path) -> io::Result<Self> {
        let like = fs::metadata(path)
            .or_else(|_| fs::metadata(state_dir))
            .or_else(|_| fs::metadata(directory_of(path)))?;
        Ok(Self {
            user: like.uid(),
            group: like.gid(),
        })
    }

    /// Opens a file that only its owner may read, and makes it if need be. Nothing that a link leads
    /// to is given away.
    fn open(self, path: &Path) -> io::Result<File> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)?;
        let found = file.metadata()?;
        if found.uid() != self.user && found.nlink() == 1 {
            fchown(&file, Some(self.user), Some(self.group))?;
        }
        Ok(file)
    }
}

fn directory_of(path: &Path) -> &Path {
    let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    directory.unwrap_or(Path::new("."))
}

/// `users.toml` → `users.toml.lock`.
fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::status::access::password::Password;

    fn user(name: &str, role: Role) -> User {
        User {
            name: UserName::parse(name).unwrap(),
            role,
            password: HashedPassword::of(&Password::new("correct horse".to_owned()), "").unwrap(),
            must_change: false,
        }
    }

    #[test]
    fn names_can_stand_anywhere() {
        for good in ["anna", "A.B-c_1", "anna@ward.example"] {
            assert_eq!(UserName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "an na", "<b>", "a\nb", "ärzte", "a/b", &"x".repeat(33)] {
            assert_eq!(UserName::parse(bad), Err(UserNameError), "{bad:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_and_private() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("users.toml");
        let (anna, bert) = (
            user("anna", Role::Administrator),
            user("bert", Role::Viewer),
        );
        for user in [&anna, &bert] {
            Users::change(&path, home.path(), |users| users.add(user.clone())).unwrap();
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let users = Users::read(&path).unwrap();
        assert_eq!(users.find("bert"), Some(&bert));
        assert_eq!(users.iter().count(), 2);

        let twice = Users::change(&path, home.path(), |users| users.add(bert.clone()));
        assert!(matches!(twice, Err(UsersError::Exists(_))));
        let last = Users::change(&path, home.path(), |users| users.remove(&anna.name));
        assert!(matches!(last, Err(UsersError::LastAdministrator(_))));
        Users::change(&path, home.path(), |users| users.remove(&bert.name)).unwrap();
        assert_eq!(Users::read(&path).unwrap().find("bert"), None);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("users.toml");
        Users::change(&path, home.path(), |users| {
            users.add(user("anna", Role::Viewer))
        })
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Users::read(&path).unwrap_err().to_string();
        assert!(
            refused.contains("640") && refused.contains("chmod 600"),
            "{refused}"
        );
    }

    #[test]
    fn a_wrong_file_is_explained_without_showing_a_hash() {
        let hash = user("anna", Role::Viewer).password;
        let hash = hash.as_str();
        let anna = format!("[[user]]\nname=\"anna\"\nrole=\"viewer\"\npassword=\"{hash}\"\n");
        let wrong = [
            (anna.replace("viewer", "root"), "root"),
            (anna.replace("anna", "an na"), "user name"),
            (anna.replace("argon2id", "argon2d"), "argon2id"),
            (anna.replace("role", "rolle"), "rolle"),
            (format!("{anna}{anna}"), "two users are named anna"),
        ];
        for (text, words) in wrong {
            let message = Users::parse(&text).unwrap_err();
            assert!(message.contains(words), "{message}");
            assert!(!message.contains("m=19456"), "{message}");
        }
        assert!(Users::parse("").unwrap().is_empty());
    }

    #[test]
    fn a_crowd_of_writers_loses_nobody() {
        let home = tempfile::tempdir().unwrap();
        let (home, path) = (home.path(), &home.path().join("users.toml"));
        let template = &user("template", Role::Viewer);
        std::thread::scope(|scope| {
            for i in 0..8 {
                scope.spawn(move || {
                    let name = UserName::parse(&format!("user{i}")).unwrap();
                    let user = User {
                        name,
                        ..template.clone()
                    };
                    Users::change(path, home, |users| users.add(user)).unwrap();
                });
            }
        });
        assert_eq!(Users::read(path).unwrap().iter().count(), 8);
    }

    #[test]
    fn what_root_makes_belongs_to_whom_the_service_runs_as() {
        const SERVICE: u32 = 65534;
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let home = tempfile::tempdir().unwrap();
        let (state_dir, etc) = (home.path().join("state"), home.path().join("etc"));
        for directory in [&state_dir, &etc] {
            fs::create_dir(directory).unwrap();
        }
        std::os::unix::fs::chown(&state_dir, Some(SERVICE), Some(SERVICE)).unwrap();
        for directory in [&state_dir, &etc] {
            let path = directory.join("users.toml");
            let lock = beside(&path, "lock");
            for name in ["anna", "bert"] {
                let user = user(name, Role::Viewer);
                Users::change(&path, &state_dir, |users| users.add(user)).unwrap();
            }
            for made in [&path, &lock] {
                let made = fs::metadata(made).unwrap();
                assert_eq!((made.uid(), made.gid()), (SERVICE, SERVICE));
                assert_eq!(made.mode() & 0o777, 0o600);
            }
            // As an earlier root may have left it.
            std::os::unix::fs::chown(&lock, Some(0), Some(0)).unwrap();
            Users::change(&path, &state_dir, |_| Ok(())).unwrap();
            assert_eq!(fs::metadata(&lock).unwrap().uid(), SERVICE);
        }
    }

    #[test]
    fn a_link_in_the_place_of_the_lock_is_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("users.toml");
        std::os::unix::fs::symlink("/dev/null", beside(&path, "lock")).unwrap();
        let refused = Users::change(&path, home.path(), |_| Ok(()));
        assert!(matches!(refused, Err(UsersError::Write { .. })));
    }
}
