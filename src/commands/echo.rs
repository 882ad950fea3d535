use std::path::PathBuf;

use clap::Args;

use hepar::{appliance, deliver, dicom::AeTitle};

use super::{Failure, OrFail, configuration};

#[derive(Args, Debug)]
pub struct Echo {
    /// A destination's name in the configuration, or AETITLE@host:port.
    destination: String,
    /// Store a segmentation, a report and a picture of a synthetic patient there, and say whether it
    /// takes requests to commit.
    #[arg(long)]
    objects: bool,
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Echo {
    pub fn run(self) -> Result<(), Failure> {
        let config = configuration(self.config.as_deref())?;
        let calling = config.listener.ae_title.clone();
        let configured = appliance::destination(&config, &self.destination);
        let destination = match (configured, self.destination.split_once('@')) {
            (Some(known), _) => known.map_err(|e| Failure::new(Failure::CONFIG, e))?,
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
        let interest = if self.objects {
            appliance::Interest::Commitment
        } else {
            appliance::Interest::Objects
        };
        let report =
            appliance::ask(&destination, interest).map_err(|e| Failure::new(Failure::IO, e))?;
        println!("{report}");
        if self.objects {
            let name = format!("hepar-echo-{}", std::process::id());
            let stored = appliance::send_phantom(&destination, &std::env::temp_dir().join(name))
                .or_fail(Failure::INTERNAL, "nothing could be sent")?;
            for outcome in &stored {
                println!("  {}", appliance::said(outcome));
            }
            if stored.iter().all(|(_, outcome)| outcome.is_err()) {
                let words = format!("{} stored nothing", destination.name);
                return Err(Failure::new(Failure::IO, anyhow::anyhow!(words)));
            }
        }
        Ok(())
    }
}
