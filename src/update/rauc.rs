//! Bundles, through RAUC: who signed one, what is in it, and writing it to the other slot.
//!
//! RAUC checks the signature against the keyring in its own configuration before it looks at
//! anything else, and the bundles are of its *verity* format: every block is checked against the
//! signed hash tree as it is read, so a stick that is changed or pulled out after the check cannot
//! bring other bytes in.

use std::{
    path::Path,
    process::{Command, ExitStatus},
};

use serde::Deserialize;

use crate::dicom::Remedy;

/// What a bundle whose signature holds says of itself.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct BundleFacts {
    /// The kind of box it is for.
    pub compatible: String,
    pub version: String,
}

#[derive(Debug, thiserror::Error)]
pub enum RaucError {
    #[error("cannot run rauc: this box is not updated with bundles")]
    Missing(#[source] std::io::Error),
    #[error("rauc {verb} ended with {status}: {said}")]
    Refused {
        verb: &'static str,
        status: ExitStatus,
        said: String,
    },
    #[error("rauc describes the bundle in words this version does not know")]
    Words(#[from] serde_json::Error),
}

impl RaucError {
    /// Another bundle is needed, or a person who looks at the box.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Service
    }
}

/// The updater, configured by `/etc/rauc/system.conf`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rauc;

impl Rauc {
    /// Checks the signature and reads the manifest.
    pub fn verify(self, bundle: &Path) -> Result<BundleFacts, RaucError> {
        let json = Self::run("info", &["--output-format=json"], bundle)?;
        Ok(serde_json::from_str(&json)?)
    }

    /// Verifies the bundle and writes it to the slot that does not run.
    pub fn install(self, bundle: &Path) -> Result<(), RaucError> {
        Self::run("install", &[], bundle).map(drop)
    }

    fn run(verb: &'static str, options: &[&str], bundle: &Path) -> Result<String, RaucError> {
        let mut command = Command::new("rauc");
        let output = command.arg(verb).args(options).arg(bundle).output();
        let output = output.map_err(RaucError::Missing)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last: Vec<&str> = said.lines().rev().take(2).collect();
        Err(RaucError::Refused {
            verb,
            status: output.status,
            said: last.into_iter().rev().collect::<Vec<_>>().join(" "),
        })
    }
}
