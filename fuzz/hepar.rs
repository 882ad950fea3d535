//! The folders of the appliance that read bytes of strangers, compiled as a library of their own.
//!
//! The whole library would bring the neural network's runtime with it, which takes most of an hour to
//! build with a sanitizer and reads nothing that a peer wrote.

#![allow(dead_code, reason = "only what reads bytes is called from here")]

#[path = "../src/association/mod.rs"]
pub mod association;
#[path = "../src/chain.rs"]
mod chain;
#[path = "../src/config/mod.rs"]
pub mod config;
#[path = "../src/deliver/mod.rs"]
pub mod deliver;
#[path = "../src/dicom/mod.rs"]
pub mod dicom;
#[path = "../src/encode/kind.rs"]
mod kind;
#[path = "../src/model/mod.rs"]
pub mod model;
#[path = "../src/secrets.rs"]
pub mod secrets;
#[path = "../src/series/mod.rs"]
pub mod series;
#[path = "../src/spool/mod.rs"]
pub mod spool;
#[path = "../src/tls/mod.rs"]
pub mod tls;
#[path = "../src/volume/mod.rs"]
pub mod volume;

/// What the configuration knows of encoding: the kinds of objects.
pub mod encode {
    pub use super::kind::ObjectKind;
}

/// What the configuration knows of engines: a word.
pub mod engine {
    #[derive(Clone, Debug, Default, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
    pub struct EngineChoice(String);
}

/// What the configuration knows of the first start: the file that is written then.
pub mod provision {
    pub const DEFAULT_CONFIGURATION: &str = include_str!("../src/provision/hepar.toml");
}

pub(crate) use chain::chain;
