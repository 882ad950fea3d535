use std::path::PathBuf;

use clap::Args;

use super::{Failure, OrFail, configuration};

#[derive(Args, Debug)]
pub struct CheckConfig {
    /// The configuration file; without it, the default configuration is printed.
    config: Option<PathBuf>,
}

impl CheckConfig {
    pub fn run(self) -> Result<(), Failure> {
        let config = configuration(self.config.as_deref())?;
        let text = toml::to_string(&config)
            .or_fail(Failure::INTERNAL, "cannot print the configuration")?;
        println!("# Every value in force.\n{text}");
        println!("# state directory: {}", config.state_dir().display());
        if config.callers.is_empty() {
            println!("# no [[caller]]: anyone on the network may send");
        }
        if config.destinations.is_empty() {
            println!("# no [[destination]]: results stay in the state directory and on the page");
        }
        Ok(())
    }
}
