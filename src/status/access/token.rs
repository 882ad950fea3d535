//! Secrets made of random bits, and what is kept of them.

use std::fmt::{self, Write as _};

use rand::{TryRngCore, rngs::OsRng};
use sha2::{Digest as _, Sha256};

/// 256 random bits in hexadecimal digits. Whoever shows them is believed, so `Debug` does not
/// show them.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// New bits of the system's own generator.
    pub fn random() -> Self {
        let mut bits = [0; 32];
        OsRng
            .try_fill_bytes(&mut bits)
            .expect("the system has a random number generator");
        Self(bits.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What is kept of a secret: enough to recognise it, useless to whoever steals it. Comparing two
/// tells nothing of the secrets by the time it takes, because nobody can steer a hash.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Digest([u8; 32]);

impl Digest {
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_differ_and_do_not_show_themselves() {
        let (a, b) = (Token::random(), Token::random());
        assert_eq!(a.as_str().len(), 64);
        assert_ne!(a.as_str(), b.as_str());
        assert_eq!(a.digest(), Digest::of(a.as_str()));
        assert_ne!(a.digest(), b.digest());
        assert!(!format!("{a:?}").contains(a.as_str()));
    }
}
