//! Which engine serves: the one asked for, or the best that loads and is right.

use std::{path::PathBuf, thread};

use serde::{Deserialize, Serialize};

use super::{
    Engine, EngineError, check,
    onnxruntime::{Files, Provider},
    tract::Plans,
};
use crate::model::Bundle;

/// Which engine the configuration asks for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineChoice {
    /// CUDA, then ONNX Runtime on the CPU, then tract: the first that loads and passes the check.
    /// Not TensorRT, which builds its plan for minutes before it can serve: that is asked for.
    #[default]
    Auto,
    TensorRt,
    Cuda,
    OnnxRuntime,
    Tract,
}

#[derive(Clone, Debug)]
pub struct EngineOptions {
    pub choice: EngineChoice,
    /// ONNX Runtime's shared library; without it only tract can run.
    pub onnxruntime_library: Option<PathBuf>,
    /// Where TensorRT keeps the plans it built; without it they are built at every start.
    pub tensorrt_plans: Option<PathBuf>,
    /// Worker threads on a CPU; at least one is started.
    pub workers: usize,
}

impl Default for EngineOptions {
    /// The best there is, on every core.
    fn default() -> Self {
        Self {
            choice: EngineChoice::Auto,
            onnxruntime_library: None,
            tensorrt_plans: None,
            workers: thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// One worker computes on the accelerator while the other decodes and lays out the next slice.
const WORKERS_PER_ACCELERATOR: usize = 2;

/// One engine per worker, the first of them checked: they share one plan or one file.
pub(super) fn engines(
    bundle: &Bundle,
    options: &EngineOptions,
) -> Result<Vec<Box<dyn Engine>>, EngineError> {
    let asked = match options.choice {
        EngineChoice::Auto => return best(bundle, options),
        EngineChoice::Tract => return on_tract(bundle, options),
        EngineChoice::OnnxRuntime => ("onnxruntime", Provider::Cpu),
        EngineChoice::Cuda => ("cuda", Provider::Cuda),
        EngineChoice::TensorRt => {
            let plans = options.tensorrt_plans.clone();
            ("tensorrt", Provider::TensorRt { plans })
        }
    };
    let (name, provider) = asked;
    on_onnxruntime(bundle, options, provider, name)
}

fn best(bundle: &Bundle, options: &EngineOptions) -> Result<Vec<Box<dyn Engine>>, EngineError> {
    if options.onnxruntime_library.is_some() {
        for (name, provider) in [("cuda", Provider::Cuda), ("onnxruntime", Provider::Cpu)] {
            match on_onnxruntime(bundle, options, provider, name) {
                Ok(engines) => return Ok(engines),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(engine = name, error, "engine passed over");
                }
            }
        }
    }
    on_tract(bundle, options)
}

fn on_tract(bundle: &Bundle, options: &EngineOptions) -> Result<Vec<Box<dyn Engine>>, EngineError> {
    let plans = Plans::load(bundle)?;
    started(bundle, options.workers, || Ok(Box::new(plans.engine()?)))
}

fn on_onnxruntime(
    bundle: &Bundle,
    options: &EngineOptions,
    provider: Provider,
    name: &'static str,
) -> Result<Vec<Box<dyn Engine>>, EngineError> {
    let library = options
        .onnxruntime_library
        .as_deref()
        .ok_or(EngineError::NoLibrary(name))?;
    let workers = match provider {
        Provider::Cpu => options.workers,
        Provider::Cuda | Provider::TensorRt { .. } => WORKERS_PER_ACCELERATOR,
    };
    let files = Files::open(library, bundle, provider)?;
    started(bundle, workers, || Ok(Box::new(files.engine()?)))
}

fn started(
    bundle: &Bundle,
    workers: usize,
    engine: impl Fn() -> Result<Box<dyn Engine>, EngineError>,
) -> Result<Vec<Box<dyn Engine>>, EngineError> {
    let mut first = engine()?;
    let agreement = check(&mut *first, bundle)?;
    let info = first.info();
    tracing::info!(engine = info.name, device = info.device, %agreement, "engine passed its check");
    let mut engines = vec![first];
    for _ in 1..workers {
        engines.push(engine()?);
    }
    Ok(engines)
}
