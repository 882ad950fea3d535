use std::path::PathBuf;

use clap::Args;

use hepar::{deliver, dicom::AeTitle};

use super::{Failure, configuration};

#[derive(Args, Debug)]
pub struct Echo {
    /// A destination's name in the configuration, or AETITLE@host:port.
    destination: String,
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Echo {
    pub fn run(self) -> Result<(), Failure> {
        let config = configuration(self.config.as_deref())?;
        let calling = config.listener.ae_title.clone();
        let configured = config
            .destinations
            .iter()
            .find(|d| d.name == self.destination);
        let destination = match (configured, self.destination.split_once('@')) {
            (Some(known), _) => known
                .open(calling)
                .map_err(|e| Failure::new(Failure::CONFIG, e))?,
            (None, Some((title, address))) => {
                let title = AeTitle::parse(title).map_err(|e| Failure::new(Failure::USAGE, e))?;
                deliver::Destination::new(&self.destination, title, address, calling)
            }
            (None, None) => {
                let names: Vec<_> = config.destinations.iter().map(|d| &*d.name).collect();
                let message = format!(
                    "no destination {:?}; configured: [{}]; or use AETITLE@host:port",
                    self.destination,
                    names.join(", ")
                );
                return Err(Failure::new(Failure::USAGE, anyhow::anyhow!(message)));
            }
        };
        let report = deliver::echo(&destination).map_err(|e| Failure::new(Failure::IO, e))?;
        println!("{report}");
        Ok(())
    }
}
