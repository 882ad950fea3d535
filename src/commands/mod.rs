//! One file a subcommand.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line prints"
)]

pub mod bench;
pub mod check_config;
pub mod check_model;
pub mod completions;
pub mod conformance;
pub mod demo;
pub mod echo;
pub mod evaluate;
pub mod man;
pub mod model;
pub mod pacs;
pub mod phantom;
pub mod provision;
pub mod segment;
pub mod self_test;
pub mod serve;
pub mod update;
pub mod user;

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    process::ExitCode,
};

use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

use hepar::config::{Config, ConfigError};

/// Why a command failed, and the exit code that says so to a script.
pub struct Failure {
    code: u8,
    error: anyhow::Error,
}

impl Failure {
    pub const USAGE: u8 = 64;
    pub const INTERNAL: u8 = 70;
    pub const IO: u8 = 74;
    pub const CONFIG: u8 = 78;

    pub fn new(code: u8, error: impl Into<anyhow::Error>) -> Self {
        Self {
            code,
            error: error.into(),
        }
    }

    pub fn error(self) -> anyhow::Error {
        self.error
    }

    /// One line on stderr: what failed, and why, and why that.
    pub fn report(self) -> ExitCode {
        eprintln!("hepar: {self}");
        ExitCode::from(self.code)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Self::CONFIG, error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Self::IO, error)
    }
}

/// Adds what was being attempted, and the exit code.
pub trait OrFail<T> {
    fn or_fail(self, code: u8, attempted: impl Into<String>) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrFail<T> for Result<T, E> {
    fn or_fail(self, code: u8, attempted: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(code, error.into().context(attempted.into())))
    }
}

/// The file at `path`, or the default configuration.
fn configuration(path: Option<&Path>) -> Result<Config, Failure> {
    Ok(path.map_or_else(|| Ok(Config::default()), Config::load)?)
}

/// Logs to journald when systemd started us, else to stderr. `HEPAR_LOG` filters, as `RUST_LOG` would.
fn start_logging(default_filter: &str) {
    let filter =
        EnvFilter::try_from_env("HEPAR_LOG").unwrap_or_else(|_| EnvFilter::new(default_filter));
    let registry = tracing_subscriber::registry()
        .with(filter)
        .with(hepar::status::logs::keep());
    // systemd.exec(5): set when stderr is connected to the journal.
    let under_systemd = std::env::var_os("JOURNAL_STREAM").is_some();
    match tracing_journald::layer() {
        // Fields under their own names: `journalctl SERIES=…`, `CALLING_AE=…`, `STATUS=…`.
        Ok(journald) if under_systemd => {
            registry.with(journald.with_field_prefix(None)).init();
        }
        _ => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .with_writer(std::io::stderr)
                    .with_ansi(std::io::stderr().is_terminal())
                    .with_target(false),
            )
            .init(),
    }
}

/// A defined term, by the name it has in a configuration file.
fn named<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    let spellings = [text.to_owned(), text.to_uppercase(), text.to_lowercase()];
    let parse = |term: String| toml::Value::String(term).try_into::<T>().ok();
    let term = spellings.into_iter().find_map(parse);
    term.ok_or_else(|| "not one of the terms of --help".to_owned())
}

/// Every regular file below `dir`, in a stable order.
fn files_below(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                pending.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}
