//! Passwords and their hashes: argon2id, RFC 9106, in PHC string form.

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use rand::{Rng, TryRngCore, rngs::OsRng};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A password as somebody typed it. Wiped when dropped.
pub type Password = Zeroizing<String>;

/// A hash that is known to cost a bounded time and memory to check.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct HashedPassword(String);

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum PasswordError {
    #[error("a password needs at least {MIN_CHARACTERS} characters")]
    TooShort,
    #[error("a password may have at most {MAX_BYTES} bytes")]
    TooLong,
    #[error("a password must not be the user's name")]
    IsTheName,
    #[error("not an argon2id hash as `hepar user` writes it")]
    NotAHash,
    #[error("the hash asks for more memory or rounds than this box gives a login")]
    TooExpensive,
    #[error("the password could not be hashed")]
    Hashing,
}

/// Length is what counts (NIST SP 800-63B 5.1.1); no other rule makes a password better.
const MIN_CHARACTERS: usize = 10;
const MAX_BYTES: usize = 256;

/// OWASP's least: 19 MiB, two passes. A login costs the box some tens of milliseconds.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// The most a hash in a file may ask for.
const MAX_MEMORY_KIB: u32 = 64 * 1024;
const MAX_PASSES: u32 = 8;
const MAX_LANES: u32 = 4;

impl HashedPassword {
    /// Hashes a new password of `user`, if it is fit to be one. Takes tens of milliseconds.
    pub fn of(password: &Password, user: &str) -> Result<Self, PasswordError> {
        if password.chars().count() < MIN_CHARACTERS {
            return Err(PasswordError::TooShort);
        }
        if password.len() > MAX_BYTES {
            return Err(PasswordError::TooLong);
        }
        if password.eq_ignore_ascii_case(user) {
            return Err(PasswordError::IsTheName);
        }
        let params = Params::new(MEMORY_KIB, PASSES, 1, None);
        let params = params.map_err(|_| PasswordError::Hashing)?;
        let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password(password.as_bytes())
            .map_err(|_| PasswordError::Hashing)?;
        Ok(Self(hash.to_string()))
    }

    /// A hash that no password is known for: what a login as nobody is checked against, so that it
    /// takes as long as one as somebody.
    pub fn of_nobody() -> Result<Self, PasswordError> {
        Self::of(&one_time_password(), "")
    }

    /// Whether this is the password. Takes tens of milliseconds of one core.
    #[must_use]
    pub fn is_of(&self, password: &Password) -> bool {
        let Ok(hash) = PasswordHash::new(&self.0) else {
            return false;
        };
        let bytes = password.as_bytes();
        bytes.len() <= MAX_BYTES && Argon2::default().verify_password(bytes, &hash).is_ok()
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HashedPassword {
    type Error = PasswordError;

    fn try_from(text: String) -> Result<Self, PasswordError> {
        let hash = PasswordHash::new(&text).map_err(|_| PasswordError::NotAHash)?;
        if hash.algorithm != argon2::ARGON2ID_IDENT || hash.salt.is_none() || hash.hash.is_none() {
            return Err(PasswordError::NotAHash);
        }
        let params = Params::try_from(&hash).map_err(|_| PasswordError::NotAHash)?;
        if params.m_cost() > MAX_MEMORY_KIB
            || params.t_cost() > MAX_PASSES
            || params.p_cost() > MAX_LANES
        {
            return Err(PasswordError::TooExpensive);
        }
        Ok(Self(text))
    }
}

impl From<HashedPassword> for String {
    fn from(hash: HashedPassword) -> Self {
        hash.0
    }
}

/// Twenty characters that nobody confuses when they copy them from a screen: 98 bits.
#[must_use]
pub fn one_time_password() -> Password {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = OsRng.unwrap_err();
    let mut password = Password::new(String::with_capacity(23));
    for i in 0..20 {
        if i > 0 && i % 5 == 0 {
            password.push('-');
        }
        let letter = LETTERS.get(random.random_range(0..LETTERS.len()));
        password.push(char::from(*letter.expect("within the alphabet")));
    }
    password
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    #[test]
    fn a_hash_knows_its_password_and_no_other() {
        let hash = HashedPassword::of(&password("correct horse"), "anna").unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(hash.is_of(&password("correct horse")));
        assert!(!hash.is_of(&password("correct horsf")));
        assert!(!hash.is_of(&password("")));
        let again = HashedPassword::of(&password("correct horse"), "anna").unwrap();
        assert_ne!(hash, again, "each hash has a salt of its own");
    }

    #[test]
    fn weak_and_oversized_passwords_are_refused() {
        let refused = |text: &str, name| HashedPassword::of(&password(text), name).unwrap_err();
        assert_eq!(refused("short", "anna"), PasswordError::TooShort);
        assert_eq!(
            refused("Administrator", "administrator"),
            PasswordError::IsTheName
        );
        assert_eq!(refused(&"x".repeat(257), "anna"), PasswordError::TooLong);
    }

    #[test]
    fn a_hash_from_a_file_must_be_argon2id_and_affordable() {
        let hash = |text: &str| HashedPassword::try_from(text.to_owned());
        let good = HashedPassword::of(&password("correct horse"), "").unwrap();
        assert_eq!(hash(good.as_str()), Ok(good.clone()));
        let changed = |from, to| hash(&good.as_str().replace(from, to)).unwrap_err();
        assert_eq!(changed("argon2id", "argon2i"), PasswordError::NotAHash);
        assert_eq!(changed("m=19456", "m=4000000"), PasswordError::TooExpensive);
        assert_eq!(changed("t=2", "t=1000"), PasswordError::TooExpensive);
        assert_eq!(hash("hunter2").unwrap_err(), PasswordError::NotAHash);
        assert_eq!(hash("").unwrap_err(), PasswordError::NotAHash);
    }

    #[test]
    fn one_time_passwords_differ_and_are_fit_to_be_passwords() {
        let (a, b) = (one_time_password(), one_time_password());
        assert_ne!(*a, *b);
        assert_eq!(a.len(), 23);
        assert!(HashedPassword::of(&a, "administrator").is_ok());
    }
}
