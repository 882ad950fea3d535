use std::{fs, path::PathBuf};

use clap::Args;

use super::{Failure, OrFail};

#[derive(Args, Debug)]
pub struct Man {
    /// Where hepar.1 and a page for each subcommand go.
    dir: PathBuf,
}

impl Man {
    /// `command` is the whole command line.
    pub fn run(self, command: clap::Command) -> Result<(), Failure> {
        fs::create_dir_all(&self.dir)?;
        let pages = clap_mangen::generate_to(command, &self.dir);
        pages.or_fail(
            Failure::IO,
            format!("cannot write to {}", self.dir.display()),
        )
    }
}
