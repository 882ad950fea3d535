//! The configuration file, as types.
//!
//! Every key is optional and unknown keys are errors, so that a typing mistake never silently
//! leaves a default in force. What cannot work is refused here, before a port is opened. Each section
//! of the file is a file here; it holds its defaults and its own checks.

#![deny(clippy::indexing_slicing)]

mod audit;
mod caller;
mod destination;
mod device;
mod explain;
mod listener;
mod model;
mod problem;
mod retention;
mod series;
mod status;
mod tls;

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use audit::{Audit, PatientNaming};
pub use caller::Caller;
pub use destination::{Destination, ObjectKind};
pub use device::Device;
pub use explain::explain;
pub use listener::Listener;
pub use model::{EngineChoice, Model};
pub use problem::{ConfigError, Problem};
pub use retention::Retention;
pub use series::Series;
pub use status::Status;
pub use tls::{ListenerTls, PeerTls};

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
    pub audit: Audit,
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
            destination.check(self.destinations.get(..i).unwrap_or_default())?;
        }
        for (i, caller) in self.callers.iter().enumerate() {
            let tls = self.listener.tls.as_ref();
            let before = self.callers.get(..i).unwrap_or_default();
            caller.check(before, &self.destinations, tls)?;
        }
        self.listener.check()?;
        self.series.check()?;
        self.retention.check()?;
        self.audit.check()?;
        self.status.check()
    }

    /// The destinations that are asked to answer for what they stored.
    pub fn committing(&self) -> impl Iterator<Item = &Destination> {
        self.destinations.iter().filter(|it| it.storage_commitment)
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

    /// Names of the destinations that objects of this kind go to, made from this caller's series.
    ///
    /// The first rule with its title and address decides; certificates decide who may send, not
    /// where results go.
    #[must_use]
    pub fn destinations_for(
        &self,
        calling_ae: &AeTitle,
        peer: IpAddr,
        kind: ObjectKind,
    ) -> Vec<String> {
        let mut callers = self.callers.iter();
        let rule = callers.find(|caller| caller.takes(calling_ae, peer));
        let only = rule.and_then(|caller| caller.destinations.as_ref());
        let wanting = self.destinations.iter().filter(|destination| {
            destination.objects.contains(&kind)
                && only.is_none_or(|names| names.contains(&destination.name))
        });
        wanting
            .map(|destination| destination.name.clone())
            .collect()
    }
}

/// Both from 1, as editors count.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
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
            waiting-memory-mb = 512
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
        let peer = IpAddr::from([10, 0, 0, 5]);
        let names = |kind| config.destinations_for(&ct1, peer, kind);
        assert_eq!(names(ObjectKind::Seg), ["pacs"]);
        assert!(names(ObjectKind::Report).is_empty());
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
        let elsewhere = "[[caller]]\naddress=\"10.0.0.0/8\"\n\
            [[caller]]\nae-title=\"CT\"\naddress=\"10.0.0.5\"\ndestinations=[\"a\"]\n";
        let never = parse(&format!("{elsewhere}{pacs}")).unwrap_err();
        assert!(never.to_string().contains("comes before it"), "{never}");
        let named = parse("[status]\nshow-patient=true");
        assert!(named.unwrap_err().to_string().contains("needs a login"));
        for wait in ["0s", "8days"] {
            let text = format!("{pacs}storage-commitment-wait=\"{wait}\"");
            let refused = parse(&text).unwrap_err().to_string();
            assert!(refused.contains("between 1s and 7days"), "{refused}");
        }
        let half = parse("[status]\ncertificate=\"page.pem\"");
        assert!(half.unwrap_err().to_string().contains("go together"));
    }
}
