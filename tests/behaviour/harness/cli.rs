//! The command line, run to its end.

use std::{ffi::OsStr, path::Path, process::Command};

use super::process::Running;

/// What a finished command left behind.
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// The command must have succeeded; otherwise the test fails with what it said.
    pub fn expect_success(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// Runs `hepar` with these arguments in `directory`.
pub fn hepar_in<A: AsRef<OsStr>>(directory: &Path, arguments: &[A]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hepar"));
    command.args(arguments).current_dir(directory);
    run("hepar", &mut command)
}

/// Runs a program to its end.
pub fn run(name: &str, command: &mut Command) -> Finished {
    let mut running = Running::spawn(name, command);
    let code = running.wait().code();
    Finished {
        code,
        stdout: running.stdout(),
        stderr: running.stderr(),
    }
}
