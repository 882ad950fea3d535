use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use hepar::{
    config::{Config, explain},
    provision,
    status::access::Access,
};

use super::{Failure, OrFail, configuration};

#[derive(Args, Debug)]
pub struct CheckConfig {
    /// The configuration file; without it, the default configuration is printed.
    config: Option<PathBuf>,
}

impl CheckConfig {
    /// Prints every value in force, where it comes from and what it means. Fails if the page could
    /// not be served, and says all that is missing.
    pub fn run(self) -> Result<(), Failure> {
        let config = configuration(self.config.as_deref())?;
        let text = match &self.config {
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .or_fail(Failure::CONFIG, "cannot read the configuration")?,
            ),
            None => None,
        };
        println!("# Every value in force, where it comes from, what it means.");
        print!("{}", explain(&config, text.as_deref()));
        println!("\n# state directory: {}", config.state_dir().display());
        if config.callers.is_empty() {
            println!("# no [[caller]]: anyone on the network may send");
        }
        if config.destinations.is_empty() {
            println!("# no [[destination]]: results stay in the state directory and on the page");
        }
        page(&config)
    }
}

fn page(config: &Config) -> Result<(), Failure> {
    let status = &config.status;
    println!(
        "# page: {}, {}",
        if status.needs_tls() {
            "TLS"
        } else {
            "plain HTTP"
        },
        if status.needs_login() {
            "for users only"
        } else {
            "without login"
        },
    );
    let missing: Vec<String> = Access::missing(config)
        .into_iter()
        .map(|error| format!("{:#}", anyhow!(error)))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if provision::is_first_start(&config.state_dir()) {
        for problem in missing {
            println!("# {problem} (the first start of `hepar serve` makes what is missing)");
        }
        return Ok(());
    }
    Err(Failure::new(Failure::CONFIG, anyhow!(missing.join("; "))))
}
