//! The configuration file, as types.
//!
//! Every key is optional and unknown keys are errors, so that a typing mistake never silently
//! leaves a default in force. What cannot work is refused here, before a port is opened.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::dicom::AeTitle;

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    pub device: Device,
    pub listener: Listener,
    /// No caller at all means that anyone may send; the page then says so.
    #[serde(rename = "caller")]
    pub callers: Vec<Caller>,
    pub series: Series,
    pub model: Model,
    /// With no destination, results stay in the state directory and are downloadable.
    #[serde(rename = "destination")]
    pub destinations: Vec<Destination>,
    pub retention: Retention,
    pub status: Status,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Device {
    /// Shown on the page, so that a technician knows which box this is.
    pub name: String,
    /// Where instances, results and the journal live. `None`: `$STATE_DIRECTORY`, else `./hepar-state`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_dir: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Listener {
    pub ae_title: AeTitle,
    pub address: SocketAddr,
    pub max_associations: usize,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Caller {
    pub ae_title: AeTitle,
    /// Where this caller must call from; `None`: anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Names of destinations for this caller's results; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destinations: Option<Vec<String>>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Series {
    /// How long a series must be quiet before it counts as complete without better evidence.
    #[serde(with = "humantime_serde")]
    pub quiet_period: Duration,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Model {
    /// A bundle directory; `None`: the bundle inside the binary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<PathBuf>,
    pub engine: EngineChoice,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub onnxruntime_library: Option<PathBuf>,
}

pub use crate::engine::EngineChoice;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Destination {
    pub name: String,
    pub ae_title: AeTitle,
    /// `host:port`.
    pub address: String,
    #[serde(default = "only_seg")]
    pub objects: Vec<ObjectKind>,
}

/// What can be sent to a destination.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectKind {
    /// DICOM Segmentation.
    Seg,
    /// TID 1500 measurement report.
    Report,
    /// Secondary capture with burnt-in contours.
    Preview,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Retention {
    /// How long instances and results are kept once nothing remains to be done with them.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
    /// Below this share of free disk space the oldest finished series go earlier, percent.
    pub min_free_percent: u8,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Status {
    pub address: SocketAddr,
}

fn only_seg() -> Vec<ObjectKind> {
    vec![ObjectKind::Seg]
}

impl Default for Device {
    fn default() -> Self {
        Self {
            name: "Hepar".to_owned(),
            state_dir: None,
        }
    }
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            ae_title: AeTitle::parse("HEPAR").expect("a valid AE title"),
            address: SocketAddr::from(([0, 0, 0, 0], 11112)),
            max_associations: 32,
        }
    }
}

impl Default for Series {
    fn default() -> Self {
        Self {
            quiet_period: Duration::from_secs(5),
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            keep: Duration::from_hours(7 * 24),
            min_free_percent: 10,
        }
    }
}

impl Default for Status {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
        }
    }
}

/// Why a configuration cannot be used. Shown as one line; a person must edit the file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}: {source}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path}:{line}:{column}: {message}")]
    Parse {
        path: PathBuf,
        line: usize,
        column: usize,
        message: String,
    },
    #[error("{path}: {problem}")]
    Invalid { path: PathBuf, problem: Problem },
}

/// What is well-formed but cannot work.
#[derive(Debug, PartialEq)]
pub enum Problem {
    DestinationNamedTwice(String),
    UnknownDestination {
        caller: AeTitle,
        name: String,
    },
    NotHostAndPort {
        destination: String,
        address: String,
    },
    NoAssociations,
    QuietPeriodZero,
    Percent(u8),
    PageBeyondLoopback(SocketAddr),
    NotBuilt {
        destination: String,
        object: ObjectKind,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DestinationNamedTwice(name) => {
                write!(f, "two destinations are named {name:?}")
            }
            Self::UnknownDestination { caller, name } => {
                write!(
                    f,
                    "caller {caller} names destination {name:?}, which does not exist"
                )
            }
            Self::NotHostAndPort {
                destination,
                address,
            } => write!(
                f,
                "destination {destination:?} has address {address:?}; host:port is needed"
            ),
            Self::NoAssociations => f.write_str("listener.max-associations must be at least 1"),
            Self::QuietPeriodZero => f.write_str("series.quiet-period must be longer than 0"),
            Self::Percent(value) => {
                write!(
                    f,
                    "retention.min-free-percent is {value}; 0 to 90 are allowed"
                )
            }
            Self::PageBeyondLoopback(address) => write!(
                f,
                "status.address {address} is beyond loopback; the page has no login yet, so use \
                 127.0.0.1 and a tunnel or a reverse proxy with a login"
            ),
            Self::NotBuilt {
                destination,
                object,
            } => write!(
                f,
                "destination {destination:?} asks for {object:?} objects, which this version does not make"
            ),
        }
    }
}

impl Config {
    /// Reads and checks the file at `path`.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Parses and checks `text`; `path` is only named in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let (line, column) = line_and_column(text, error.span().map_or(0, |span| span.start));
            ConfigError::Parse {
                path: path.to_owned(),
                line,
                column,
                message: error.message().replace('\n', " "),
            }
        })?;
        config.check().map_err(|problem| ConfigError::Invalid {
            path: path.to_owned(),
            problem,
        })?;
        Ok(config)
    }

    fn check(&self) -> Result<(), Problem> {
        for (i, destination) in self.destinations.iter().enumerate() {
            let name = &destination.name;
            if self.destinations[..i].iter().any(|d| d.name == *name) {
                return Err(Problem::DestinationNamedTwice(name.clone()));
            }
            let port = destination.address.rsplit_once(':').map(|(_, port)| port);
            if port
                .and_then(|p| p.parse::<u16>().ok())
                .is_none_or(|p| p == 0)
            {
                return Err(Problem::NotHostAndPort {
                    destination: name.clone(),
                    address: destination.address.clone(),
                });
            }
            if let Some(&object) = destination.objects.iter().find(|o| **o != ObjectKind::Seg) {
                return Err(Problem::NotBuilt {
                    destination: name.clone(),
                    object,
                });
            }
        }
        for caller in &self.callers {
            for name in caller.destinations.iter().flatten() {
                if self.destinations.iter().all(|d| d.name != *name) {
                    return Err(Problem::UnknownDestination {
                        caller: caller.ae_title.clone(),
                        name: name.clone(),
                    });
                }
            }
        }
        if self.listener.max_associations == 0 {
            return Err(Problem::NoAssociations);
        }
        if self.series.quiet_period.is_zero() {
            return Err(Problem::QuietPeriodZero);
        }
        if self.retention.min_free_percent > 90 {
            return Err(Problem::Percent(self.retention.min_free_percent));
        }
        if !self.status.address.ip().is_loopback() {
            return Err(Problem::PageBeyondLoopback(self.status.address));
        }
        Ok(())
    }

    /// The directory that holds everything this appliance must not lose.
    ///
    /// systemd names it in `STATE_DIRECTORY` (systemd.exec(5)); `state-dir` overrides that.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.device
            .state_dir
            .clone()
            .or_else(|| std::env::var_os("STATE_DIRECTORY").map(PathBuf::from))
            .unwrap_or_else(|| PathBuf::from("hepar-state"))
    }

    /// Names of the destinations that results of this caller's series go to.
    #[must_use]
    pub fn destinations_for(&self, calling_ae: &AeTitle) -> Vec<String> {
        let rule = self.callers.iter().find(|c| c.ae_title == *calling_ae);
        match rule.and_then(|caller| caller.destinations.clone()) {
            Some(names) => names,
            None => self.destinations.iter().map(|d| d.name.clone()).collect(),
        }
    }
}

/// Both from 1, as editors count.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let lines = before.split(|byte| *byte == b'\n');
    let last = lines.clone().next_back().map_or(0, <[u8]>::len);
    (lines.count(), last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("hepar.toml"))
    }

    #[test]
    fn an_empty_file_is_the_default_configuration() {
        assert_eq!(parse("").unwrap(), Config::default());
    }

    #[test]
    fn the_documented_example_is_accepted() {
        let config = parse(
            r#"
            [device]
            name = "CT-3 edge box"
            state-dir = "/var/lib/hepar"
            [listener]
            ae-title = "HEPAR"
            address = "0.0.0.0:11112"
            max-associations = 32
            [[caller]]
            ae-title = "CT1"
            address = "10.0.0.5"
            destinations = ["pacs"]
            [series]
            quiet-period = "5s"
            [model]
            bundle = "/usr/share/hepar/models/liver-tumour"
            engine = "auto"
            onnxruntime-library = "/usr/lib/libonnxruntime.so"
            [[destination]]
            name = "pacs"
            ae-title = "PACS"
            address = "10.0.0.9:104"
            objects = ["seg"]
            [status]
            address = "127.0.0.1:8080"
            "#,
        )
        .unwrap();
        let ct1 = AeTitle::parse("CT1").unwrap();
        assert_eq!(config.destinations_for(&ct1), ["pacs"]);
    }

    #[test]
    fn mistakes_are_named_with_line_and_column() {
        let cases = [
            (
                "[listener]\nae-titel = \"X\"",
                "hepar.toml:2:1: unknown field `ae-titel`",
            ),
            (
                "[listener]\nae-title = \"SEVENTEEN_LETTERS\"",
                "hepar.toml:2:12: AE title",
            ),
            ("[series]\nquiet-period = \"soon\"", "hepar.toml:2:16:"),
            ("[listener\n", "hepar.toml:1:"),
        ];
        for (text, starts) in cases {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.starts_with(starts), "{message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let pacs = "[[destination]]\nname=\"a\"\nae-title=\"A\"\naddress=\"h:104\"\n";
        let twice = parse(&format!("{pacs}{pacs}")).unwrap_err().to_string();
        assert_eq!(twice, "hepar.toml: two destinations are named \"a\"");
        let no_port = parse("[[destination]]\nname=\"a\"\nae-title=\"A\"\naddress=\"h\"");
        assert!(
            no_port
                .unwrap_err()
                .to_string()
                .contains("host:port is needed")
        );
        let unknown = parse("[[caller]]\nae-title=\"CT\"\ndestinations=[\"b\"]");
        assert!(unknown.unwrap_err().to_string().contains("does not exist"));
        let open_page = parse("[status]\naddress=\"0.0.0.0:80\"");
        assert!(
            open_page
                .unwrap_err()
                .to_string()
                .contains("beyond loopback")
        );
    }
}
