use std::path::PathBuf;

use clap::Args;

use hepar::provision;

use super::{Failure, configuration};

#[derive(Args, Debug)]
pub struct Provision {
    /// The configuration file; written if it is not there.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Provision {
    pub fn run(self) -> Result<(), Failure> {
        let path = self.config.as_deref();
        let new = path.filter(|path| !path.exists());
        if let Some(path) = new {
            provision::write_configuration(path)?;
        }
        let config = configuration(path)?;
        let mut made = provision::provision(&config)?;
        made.configuration = new.map(ToOwned::to_owned);
        print!("{made}");
        Ok(())
    }
}
