//! Programs that run while they are measured, and `hepar serve` as one of them.

use std::{
    fmt::Display,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// A started program; dropped, it is killed.
pub struct Running(Child);

impl Running {
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = quiet.stderr(Stdio::null()).spawn();
        Ok(Self(child.with_context(|| {
            format!("{} does not start", command.get_program().display())
        })?))
    }

    /// A line of /proc/PID/status that counts kibibytes, in bytes.
    fn memory(&self, key: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find(|line| line.starts_with(key));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        Ok(1024 * kib.with_context(|| format!("no {key} in /proc"))?)
    }
}

/// What all threads of a process have computed so far, in their own name and in the kernel.
/// `process` is its number, or `self`.
pub fn processor_time(process: impl Display) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is the program's name, in parentheses, and may hold spaces (proc(5)).
    let (_, fields) = stat.rsplit_once(')').context("no name in /proc")?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS))
}

/// A second, as Linux counts processor time for programs (`USER_HZ`).
const TICKS: u64 = 100;

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that is Hepar.
#[derive(Clone, Debug)]
pub struct Build {
    pub name: &'static str,
    pub program: PathBuf,
}

impl Build {
    /// This program, and an older one to stand beside it if there is one.
    pub fn this_and(before: Option<&Path>) -> Result<Vec<Self>> {
        let this = Self {
            name: "**Hepar**",
            program: std::env::current_exe()?,
        };
        let before = before.map(|program| Self {
            name: "Hepar before",
            program: program.to_owned(),
        });
        Ok([this].into_iter().chain(before).collect())
    }
}

/// `hepar serve` with a state directory of its own.
pub struct Hepar {
    running: Running,
    pub dicom: SocketAddr,
    page: SocketAddr,
    pub start_to_ready: Duration,
}

/// How its title is.
pub const HEPAR_AE: &str = "HEPAR";
const POLL: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_mins(1);

impl Hepar {
    /// Starts it on loopback with its state under `dir`; results go to `pacs`.
    pub fn start(build: &Build, dir: &Path, pacs: Option<SocketAddr>) -> Result<Self> {
        let (dicom, page) = (free_address()?, free_address()?);
        let destination = pacs.map(
            |pacs| json!([{ "name": "pacs", "ae-title": super::flow::PACS_AE, "address": pacs }]),
        );
        let config = toml::to_string(&json!({
            "device": { "state-dir": dir.join("state") },
            "listener": { "ae-title": HEPAR_AE, "address": dicom },
            "status": { "address": page },
            "destination": destination.unwrap_or_else(|| json!([])),
        }))?;
        fs::create_dir_all(dir)?;
        let file = dir.join("hepar.toml");
        fs::write(&file, config)?;
        let begun = Instant::now();
        let mut serve = Command::new(&build.program);
        let running = Running::spawn(serve.args(["serve", "--config"]).arg(file))?;
        while get(page, "/readyz").is_none() {
            if begun.elapsed() > PATIENCE {
                bail!("hepar serve is not ready after {PATIENCE:?}");
            }
            thread::sleep(POLL);
        }
        Ok(Self {
            running,
            dicom,
            page,
            start_to_ready: begun.elapsed(),
        })
    }

    /// Waits until the engine has passed its check.
    pub fn wait_for_engine(&self) -> Result<()> {
        let begun = Instant::now();
        while self.status()?["engine"].is_null() {
            if begun.elapsed() > PATIENCE {
                bail!("no engine after {PATIENCE:?}");
            }
            thread::sleep(10 * POLL);
        }
        Ok(())
    }

    /// `/api/status`.
    pub fn status(&self) -> Result<Value> {
        let body = get(self.page, "/api/status").context("the page does not answer")?;
        Ok(serde_json::from_str(&body)?)
    }

    /// Memory in use now.
    pub fn resident(&self) -> Result<u64> {
        self.running.memory("VmRSS:")
    }

    /// What it has computed since it began.
    pub fn processor_time(&self) -> Result<Duration> {
        processor_time(self.running.0.id())
    }

    /// The most memory that was ever in use.
    pub fn peak_resident(&self) -> Result<u64> {
        self.running.memory("VmHWM:")
    }
}

/// A port of loopback that nobody listens on.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// The body of a page; `None` unless it is there and well.
fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
}
