//! A program that runs beside the test and never outlives it.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
};

use tempfile::TempDir;

use super::wait_for;

/// A started program with its output in files. Dropped, it is killed; if the test is failing, the
/// end of what it said is shown.
pub struct Running {
    name: String,
    child: Child,
    outputs: TempDir,
}

impl Running {
    pub fn spawn(name: &str, command: &mut Command) -> Self {
        let outputs = TempDir::new().unwrap();
        let file = |name| Stdio::from(File::create(outputs.path().join(name)).unwrap());
        let child = command
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap_or_else(|err| panic!("{name} does not start ({err}); run tests/run once"));
        Self {
            name: name.to_owned(),
            child,
            outputs,
        }
    }

    /// What it printed so far.
    pub fn stdout(&self) -> String {
        self.read("stdout")
    }

    /// What it logged so far.
    pub fn stderr(&self) -> String {
        self.read("stderr")
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn wait(&mut self) -> ExitStatus {
        let what = format!("{} to end", self.name);
        wait_for(&what, || self.child.try_wait().unwrap())
    }

    /// As a power cut would: no signal handler runs.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As systemd would, to stop it.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Sends it the signal of this name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn read(&self, name: &str) -> String {
        let path: PathBuf = self.outputs.path().join(name);
        String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            for (stream, text) in [("stdout", self.stdout()), ("stderr", self.stderr())] {
                let lines: Vec<&str> = text.lines().collect();
                let end = &lines[lines.len().saturating_sub(60)..];
                eprintln!("--- {} {stream} ---\n{}", self.name, end.join("\n"));
            }
        }
    }
}
