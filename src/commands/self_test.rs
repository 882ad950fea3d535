use std::{path::PathBuf, sync::Arc};

use clap::Args;

use hepar::{
    appliance::{SelfTest, engine_options, equipment, selected_bundle},
    engine::Workers,
};

use super::{Failure, OrFail, configuration, start_logging};

/// Sends a synthetic patient through the whole pipeline on this machine, in a directory and on
/// loopback ports of its own, beside a running service or without one. Ends with 0 if the SEG that
/// comes out fits the truth.
#[derive(Args, Debug)]
pub struct SelfTestCommand {
    /// The configuration file; without it, the default configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl SelfTestCommand {
    pub fn run(self) -> Result<(), Failure> {
        let config = configuration(self.config.as_deref())?;
        start_logging("warn");
        let bundle = selected_bundle(&config).map_err(anyhow::Error::msg);
        let bundle = Arc::new(bundle.or_fail(Failure::CONFIG, "cannot use the model bundle")?);
        let workers = Workers::start(&bundle, &engine_options(&config))
            .or_fail(Failure::INTERNAL, "cannot start the engine")?;
        let runtime = tokio::runtime::Runtime::new()
            .or_fail(Failure::INTERNAL, "cannot start the async runtime")?;
        let name = format!("hepar-self-test-{}", std::process::id());
        let test = SelfTest {
            workers: &workers,
            bundle: &bundle,
            equipment: &equipment(&config.state_dir()),
            directory: std::env::temp_dir().join(name),
            runtime: runtime.handle().clone(),
        };
        let outcome = test.run();
        if !outcome.passed {
            let words = format!("self-test failed: {}", outcome.words);
            return Err(Failure::new(Failure::INTERNAL, anyhow::anyhow!(words)));
        }
        println!("passed in {:.1} s: {}", outcome.seconds, outcome.words);
        Ok(())
    }
}
