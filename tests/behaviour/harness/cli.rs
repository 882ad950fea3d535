//! The command line, run to its end.

use std::{
    ffi::OsStr,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

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

/// Runs `hepar` with these arguments in `directory`, and `input` as its standard input.
pub fn hepar_told<A: AsRef<OsStr>>(directory: &Path, arguments: &[A], input: &str) -> Finished {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hepar"))
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that fails before it reads closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
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
