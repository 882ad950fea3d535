use std::path::PathBuf;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use hepar::{
    appliance::{Appliance, StartError},
    status,
};

use super::{Failure, OrFail, configuration, start_logging};

#[derive(Args, Debug)]
pub struct Serve {
    /// The configuration file; without it, the default configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Serve {
    pub fn run(self) -> Result<(), Failure> {
        let config = configuration(self.config.as_deref())?;
        start_logging("info,jpeg2k=warn");
        let runtime = tokio::runtime::Runtime::new()
            .or_fail(Failure::INTERNAL, "cannot start the async runtime")?;
        let metrics =
            status::install_metrics().or_fail(Failure::INTERNAL, "cannot start counting")?;
        runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            let appliance = Appliance::start(config, Some(metrics)).await?;
            // A failed notification must not stop a working appliance.
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
            appliance.stop().await;
            Ok(())
        })
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::new(Self::IO, error)
    }
}
