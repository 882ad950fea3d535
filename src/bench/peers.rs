//! Other receivers, as far as they are installed.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use serde_json::json;

use super::{
    children::{Running, free_address},
    scanner::Scanner,
};

/// A receiver to stand beside ours.
#[derive(Clone, Debug)]
pub enum Peer {
    /// DCMTK's `storescp`, with Nagle's algorithm off as `TCP_NODELAY` asks it, or as it comes.
    Storescp { no_delay: bool },
    /// dicom-rs' `dicom-storescp`.
    DicomRs(PathBuf),
    /// With Nagle's algorithm off as well, where it uses DCMTK as a shared library.
    Orthanc,
    /// `benches/peers/receiver.py` under this interpreter.
    Pynetdicom { python: PathBuf, script: PathBuf },
}

pub const PEER_AE: &str = "PEER";
const PATIENCE: Duration = Duration::from_secs(20);

impl Peer {
    /// Those that are installed. `python` has pynetdicom, `script` is its receiver.
    pub fn installed(python: Option<&Path>, script: &Path) -> Vec<Self> {
        let mut peers = Vec::new();
        if on_path("storescp").is_some() {
            peers.extend([true, false].map(|no_delay| Self::Storescp { no_delay }));
        }
        peers.extend(on_path("dicom-storescp").map(Self::DicomRs));
        if on_path("Orthanc").is_some() {
            peers.push(Self::Orthanc);
        }
        peers.extend(python.map(|python| Self::Pynetdicom {
            python: python.to_owned(),
            script: script.to_owned(),
        }));
        peers
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Storescp { no_delay: true } => "DCMTK `storescp`, `TCP_NODELAY=1`",
            Self::Storescp { no_delay: false } => "DCMTK `storescp`",
            Self::DicomRs(_) => "dicom-rs `dicom-storescp`",
            Self::Orthanc => "Orthanc, `TCP_NODELAY=1`",
            Self::Pynetdicom { .. } => "pynetdicom",
        }
    }

    /// What survives a power cut once it has answered.
    pub fn promise(&self) -> &'static str {
        match self {
            Self::Orthanc => "content",
            _ => "nothing",
        }
    }

    /// Starts it with what it keeps under `dir`.
    pub fn start(&self, dir: &Path) -> Result<(Running, SocketAddr)> {
        let address = free_address()?;
        let port = address.port().to_string();
        let store = dir.join("store");
        fs::create_dir_all(&store)?;
        let mut command = match self {
            Self::Storescp { no_delay } => {
                let mut command = Command::new("storescp");
                if *no_delay {
                    command.env("TCP_NODELAY", "1");
                }
                command
                    .args(["-aet", PEER_AE, "-od"])
                    .arg(&store)
                    .arg(&port);
                command
            }
            Self::DicomRs(program) => {
                let mut command = Command::new(program);
                command
                    .args(["--calling-ae-title", PEER_AE, "-p", &port, "-o"])
                    .arg(&store);
                command
            }
            Self::Orthanc => {
                let config = dir.join("orthanc.json");
                let text = json!({
                    "Name": "bench",
                    "StorageDirectory": &store,
                    "IndexDirectory": &store,
                    "DicomAet": PEER_AE,
                    "DicomPort": address.port(),
                    "HttpPort": free_address()?.port(),
                    "RemoteAccessAllowed": false,
                    "AuthenticationEnabled": false,
                    "Plugins": [],
                });
                fs::write(&config, text.to_string())?;
                let mut command = Command::new("Orthanc");
                command.arg(config).env("TCP_NODELAY", "1");
                command
            }
            Self::Pynetdicom { python, script } => {
                let mut command = Command::new(python);
                command.arg(script).arg(&port).arg(&store).arg(PEER_AE);
                command
            }
        };
        let running = Running::spawn(&mut command)?;
        let begun = Instant::now();
        while Scanner::open(address, PEER_AE).is_err() {
            if begun.elapsed() > PATIENCE {
                bail!("{} does not answer after {PATIENCE:?}", self.name());
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok((running, address))
    }
}

/// Where a program is, if it is installed. Debian keeps Orthanc where only root's PATH looks.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    dirs.map(|dir| dir.join(program))
        .find(|file| file.is_file())
}
