use std::path::PathBuf;

use clap::Args;

use hepar::{
    engine::{EngineChoice, EngineOptions, Workers},
    model::{Bundle, Trust, TrustedKey},
};

use super::{Failure, OrFail, model::trusted_key, named};

#[derive(Args, Debug)]
pub struct CheckModel {
    /// The bundle directory; without it, the bundle inside the binary.
    bundle: Option<PathBuf>,
    /// Which engine must reproduce the golden output.
    ///
    /// tensorrt, cuda, onnxruntime, tract, or auto: the fastest that passes its check.
    #[arg(long, default_value = "auto", value_parser = named::<EngineChoice>)]
    engine: EngineChoice,
    /// The ONNX Runtime library, for engines that need it.
    #[arg(long, value_name = "FILE")]
    onnxruntime_library: Option<PathBuf>,
    /// The bundle must be signed with this key, or with one of these; without it, nobody is asked for.
    #[arg(long, value_name = "KEY", value_parser = trusted_key)]
    trusted_key: Vec<TrustedKey>,
}

impl CheckModel {
    fn trust(&self) -> Trust {
        Trust {
            allow_unsigned: self.trusted_key.is_empty(),
            keys: self.trusted_key.clone(),
        }
    }

    pub fn run(self) -> Result<(), Failure> {
        let bundle = match &self.bundle {
            Some(directory) => Bundle::load(directory, &self.trust()),
            None => Bundle::embedded(),
        };
        let bundle = bundle.or_fail(Failure::CONFIG, "cannot use the model bundle")?;
        let options = EngineOptions {
            choice: self.engine,
            onnxruntime_library: self.onnxruntime_library,
            workers: 1,
            ..EngineOptions::default()
        };
        let workers = Workers::start(&bundle, &options)
            .or_fail(Failure::CONFIG, "the bundle does not pass its check")?;
        let (manifest, info) = (&bundle.manifest, workers.info());
        println!("{} {}", manifest.name, manifest.version);
        println!("digest       {}", bundle.digest);
        println!("origin       {}", bundle.origin);
        println!("architecture {}", manifest.architecture);
        println!("licence      {}", manifest.licence);
        println!("intended use {}", manifest.intended_use);
        println!(
            "engine       {} {} on {}",
            info.name, info.version, info.device
        );
        println!("golden slice reproduced");
        Ok(())
    }
}
