use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};

use hepar::{
    appliance::{Appliance, StartError, wait_for_own_addresses},
    config::Config,
    device::service_manager,
    provision::{self, ProvisionError},
    status,
};

use super::{Failure, OrFail, configuration, start_logging};

#[derive(Args, Debug)]
pub struct Serve {
    /// The configuration file; without it, the default configuration. The first start writes it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The configuration, and what the page needs: where the state directory was never used, what is
/// missing is made and shown once.
fn first_start(path: Option<&Path>) -> Result<Config, Failure> {
    let unused = provision::is_first_start(&Config::default().state_dir());
    let new = path.filter(|path| unused && !path.exists());
    if let Some(path) = new {
        provision::write_configuration(path)?;
    }
    let config = configuration(path)?;
    if provision::is_first_start(&config.state_dir()) {
        let mut made = provision::provision(&config)?;
        made.configuration = new.map(Path::to_owned);
        // Not by way of the log: the page shows that, and a password is in here.
        eprint!("{made}");
    }
    Ok(config)
}

impl Serve {
    pub fn run(self) -> Result<(), Failure> {
        let config = first_start(self.config.as_deref())?;
        start_logging("info,jpeg2k=warn");
        let runtime = tokio::runtime::Runtime::new()
            .or_fail(Failure::INTERNAL, "cannot start the async runtime")?;
        let metrics =
            status::install_metrics().or_fail(Failure::INTERNAL, "cannot start counting")?;
        runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            tokio::select! {
                () = wait_for_own_addresses(&config) => {}
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
            }
            let appliance = Appliance::start(config, Some(metrics)).await?;
            service_manager::ready();
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = report(&appliance) => {}
                () = feed_watchdog(&appliance) => {}
            }
            service_manager::stopping();
            appliance.stop().await;
            Ok(())
        })
    }
}

/// Tells the service manager how the appliance stands, whenever that changes. Never ends.
async fn report(appliance: &Appliance) {
    let mut changes = appliance.facts().watch();
    let mut told = String::new();
    loop {
        let line = service_manager::line(&appliance.facts().read());
        if line != told {
            service_manager::stands(&line);
            told = line;
        }
        // At most a line a second, however fast slices arrive.
        tokio::time::sleep(Duration::from_secs(1)).await;
        // The appliance holds the sender, so this only ends by a change.
        let _ = changes.changed().await;
    }
}

/// Feeds the watchdog as long as the pipeline moves. Never ends.
async fn feed_watchdog(appliance: &Appliance) {
    let Some(patience) = service_manager::watchdog() else {
        return std::future::pending().await;
    };
    let step = patience / 4;
    loop {
        let next = Instant::now() + step;
        match appliance.pulse(step).await {
            Ok(()) => service_manager::alive(),
            Err(stuck) => tracing::error!(
                error = &stuck as &dyn std::error::Error,
                "the pipeline is stuck; the watchdog is not fed"
            ),
        }
        tokio::time::sleep_until(next).await;
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let code = match error {
            StartError::Page(_) | StartError::Tls { .. } => Self::CONFIG,
            _ => Self::IO,
        };
        Self::new(code, error)
    }
}

impl From<ProvisionError> for Failure {
    fn from(error: ProvisionError) -> Self {
        let code = match error {
            ProvisionError::Written(_) | ProvisionError::Half { .. } => Self::CONFIG,
            _ => Self::IO,
        };
        Self::new(code, error)
    }
}
