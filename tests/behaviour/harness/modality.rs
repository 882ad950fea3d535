//! Scanners: three programs that share no code with the appliance or with each other's network.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::PathBuf,
    process::{Command, ExitStatus},
};

use serde_json::Value;

use super::{
    place::{python, tool},
    process::Running,
    wait_for,
};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sender {
    Storescu,
    Dcmsend,
    Pynetdicom,
}

/// A scanner that pushes files over C-STORE.
#[derive(Clone, Debug)]
pub struct Modality {
    sender: Sender,
    ae_title: String,
    options: Vec<String>,
}

impl Modality {
    /// DCMTK's plain sender: proposes a fixed list of contexts.
    pub fn storescu(options: &[&str]) -> Self {
        Self::new(Sender::Storescu, options)
    }

    /// DCMTK's other sender: proposes what the files need.
    pub fn dcmsend(options: &[&str]) -> Self {
        Self::new(Sender::Dcmsend, options)
    }

    /// The scriptable sender, `tests/peers/scanner.py`.
    pub fn pynetdicom(options: &[&str]) -> Self {
        Self::new(Sender::Pynetdicom, options)
    }

    fn new(sender: Sender, options: &[&str]) -> Self {
        Self {
            sender,
            ae_title: "CT1".to_owned(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
        }
    }

    /// The same scanner under another title.
    #[must_use]
    pub fn named(mut self, ae_title: &str) -> Self {
        ae_title.clone_into(&mut self.ae_title);
        self
    }

    /// Sends the files and waits for the end of it.
    pub fn send(&self, to: SocketAddr, files: &[PathBuf]) -> Sent {
        self.start(to, files).finish()
    }

    /// Starts to send the files.
    pub fn start(&self, to: SocketAddr, files: &[PathBuf]) -> Sending {
        let mut command = match self.sender {
            Sender::Storescu => tool("storescu"),
            Sender::Dcmsend => tool("dcmsend"),
            Sender::Pynetdicom => python("peers/scanner.py"),
        };
        match self.sender {
            Sender::Storescu | Sender::Dcmsend => {
                command.args(["-v", "-aet", &self.ae_title, "-aec", CALLED]);
            }
            Sender::Pynetdicom => {
                command.args(["--calling", &self.ae_title, "--called", CALLED]);
            }
        }
        command
            .args(&self.options)
            .arg(to.ip().to_string())
            .arg(to.port().to_string())
            .args(files);
        Sending {
            sender: self.sender,
            running: self.spawn(&mut command),
        }
    }

    fn spawn(&self, command: &mut Command) -> Running {
        Running::spawn(&format!("{:?} {}", self.sender, self.ae_title), command)
    }
}

/// The appliance's title, as scanners are set up with.
const CALLED: &str = "HEPAR";

/// A transfer under way.
pub struct Sending {
    sender: Sender,
    running: Running,
}

impl Sending {
    /// How many instances were answered with success so far.
    pub fn acknowledged(&self) -> usize {
        match self.sender {
            Sender::Storescu => count(&self.running.stderr(), "Received Store Response (Success)"),
            Sender::Dcmsend => count(
                &self.running.stderr(),
                "Received C-STORE Response (Success)",
            ),
            Sender::Pynetdicom => self.acknowledged_instances().len(),
        }
    }

    /// The instances that were answered with success so far; the scriptable sender alone says so.
    pub fn acknowledged_instances(&self) -> BTreeSet<String> {
        answers(&self.running.stdout())
            .into_iter()
            .filter(|(_, status)| *status == Some(0))
            .map(|(sop_instance, _)| sop_instance)
            .collect()
    }

    pub fn wait_for_acknowledged(&self, instances: usize) {
        let what = format!("{instances} acknowledged instances");
        wait_for(&what, || (self.acknowledged() >= instances).then_some(()));
    }

    pub fn finish(mut self) -> Sent {
        let status = self.running.wait();
        Sent {
            status,
            acknowledged: self.acknowledged(),
            stdout: self.running.stdout(),
            stderr: self.running.stderr(),
        }
    }
}

/// What came of a transfer.
#[derive(Debug)]
pub struct Sent {
    pub status: ExitStatus,
    /// Instances that were answered with success.
    pub acknowledged: usize,
    pub stdout: String,
    pub stderr: String,
}

impl Sent {
    /// Everything must have been answered with success.
    pub fn expect_all(&self, instances: usize) {
        assert!(
            self.status.success() && self.acknowledged == instances,
            "{} of {instances} were acknowledged ({})\n{}\n{}",
            self.acknowledged,
            self.status,
            self.stdout,
            self.stderr
        );
    }

    /// The statuses in the order of sending; the scriptable sender alone says so.
    pub fn statuses(&self) -> Vec<Option<u64>> {
        let answers = answers(&self.stdout);
        answers.into_iter().map(|(_, status)| status).collect()
    }

    /// How the scriptable sender's last association ended.
    pub fn end(&self) -> String {
        let last = self.stdout.lines().last().unwrap();
        let last: Value = serde_json::from_str(last).unwrap();
        last["end"].as_str().unwrap().to_owned()
    }
}

fn count(text: &str, words: &str) -> usize {
    text.matches(words).count()
}

/// (SOP instance, status) of each complete line that `scanner.py` printed.
fn answers(stdout: &str) -> Vec<(String, Option<u64>)> {
    stdout
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter_map(|line| {
            let sop_instance = line.get("sop_instance")?.as_str()?.to_owned();
            Some((sop_instance, line["status"].as_u64()))
        })
        .collect()
}
