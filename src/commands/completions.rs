use std::io;

use clap::Args;
use clap_complete::Shell;

use super::Failure;

#[derive(Args, Debug)]
pub struct Completions {
    shell: Shell,
}

impl Completions {
    /// `command` is the whole command line.
    pub fn run(self, mut command: clap::Command) -> Result<(), Failure> {
        // Rendered first: the generator panics on a closed pipe.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "hepar", &mut script);
        io::Write::write_all(&mut io::stdout(), &script)?;
        Ok(())
    }
}
