//! ONNX Runtime, where its library is installed: int8 on the CPU, CUDA or TensorRT beside one.
//!
//! Two traps are closed here. Without its library the first call would panic, so the library is
//! opened first and a missing or too old one is an error. And without a working accelerator it would
//! quietly compute on the CPU under the accelerator's name, so every provider has to register or
//! the engine does not load.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use ort::{
    environment::Environment,
    ep,
    logging::LogLevel,
    session::{Session, SessionInputValue, builder::GraphOptimizationLevel},
    value::{DynValue, TensorRef},
};

use super::{
    Cause, Engine, EngineError, EngineInfo, Image, Prediction, all_finite,
    graph::{Graph, Port},
    interface::{Interface, InterfaceError},
};
use crate::model::Bundle;

/// What ONNX Runtime computes on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Provider {
    /// The int8 graph as it is shipped, one thread per session.
    Cpu,
    Cuda,
    /// Plans are built for this device and bundle, once, and kept in the directory.
    TensorRt {
        plans: Option<PathBuf>,
    },
}

impl Provider {
    fn device(&self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Cuda => "CUDA",
            Self::TensorRt { .. } => "TensorRT",
        }
    }

    /// With plans in a folder of their own for a bundle and a library: TensorRT names them by graph
    /// and device, and one that another version built is not read again.
    fn keyed(self, bundle: &str, library: &str) -> Self {
        match self {
            Self::TensorRt { plans: Some(plans) } => Self::TensorRt {
                plans: Some(plans.join(format!("{bundle:.16}-{library}"))),
            },
            other => other,
        }
    }

    /// Each must register: falling back is the caller's decision, under the true name.
    fn dispatch(&self) -> Vec<ep::ExecutionProviderDispatch> {
        let cuda = || ep::CUDA::default().build().error_on_failure();
        match self {
            Self::Cpu => vec![ep::CPU::default().build().error_on_failure()],
            Self::Cuda => vec![cuda()],
            Self::TensorRt { plans } => {
                let mut tensorrt = ep::TensorRT::default()
                    .with_fp16(true)
                    .with_max_workspace_size(WORKSPACE);
                if let Some(directory) = plans {
                    tensorrt = tensorrt
                        .with_engine_cache(true)
                        .with_engine_cache_path(directory.display())
                        .with_timing_cache(true)
                        .with_timing_cache_path(directory.display());
                }
                // TensorRT leaves to CUDA what it cannot compute.
                vec![tensorrt.build().error_on_failure(), cuda()]
            }
        }
    }
}

const NAME: &str = "onnxruntime";
/// Memory TensorRT may try kernels in; the boxes share theirs with everything else.
const WORKSPACE: usize = 1 << 30;

/// There can be one per process, and one library: the first that could be opened.
static ENVIRONMENT: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

fn environment(library: &Path) -> Result<Environment, EngineError> {
    let missing = |source: Cause| EngineError::Library {
        path: library.to_owned(),
        source,
    };
    let mut opened = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((path, environment)) = &*opened {
        if path == library {
            return Ok(environment.clone());
        }
        return Err(missing(
            format!("{} is open already, restart to change it", path.display()).into(),
        ));
    }
    let environment = ort::init_from(library)
        .map_err(|error| missing(error.into()))?
        .with_name("hepar")
        .with_telemetry(false)
        .build()
        .map_err(|error| missing(error.into()))?;
    *opened = Some((library.to_owned(), environment.clone()));
    Ok(environment)
}

/// A bundle's files as one provider takes them.
pub(super) struct Files {
    library: PathBuf,
    environment: Environment,
    provider: Provider,
    encoder: Vec<u8>,
    head: Vec<u8>,
    interface: Arc<Interface>,
}

impl Files {
    pub(super) fn open(
        library: &Path,
        bundle: &Bundle,
        provider: Provider,
    ) -> Result<Self, EngineError> {
        let environment = environment(library)?;
        let encoder =
            Graph::parse(&bundle.encoder).map_err(|source| InterfaceError::Encoder { source })?;
        let head = Graph::parse(&bundle.head).map_err(|source| InterfaceError::Head { source })?;
        let interface = Arc::new(Interface::of(&encoder, &head, &bundle.manifest)?);
        let provider = provider.keyed(&bundle.digest, &version(library));
        if let Provider::TensorRt { plans: Some(plans) } = &provider {
            std::fs::create_dir_all(plans).map_err(|error| EngineError::Load {
                engine: NAME,
                file: "the folder of TensorRT's plans",
                source: error.into(),
            })?;
        }
        // Accelerators know no unsigned activations; they compute the floats in half precision.
        let (encoder, head) = match provider {
            Provider::Cpu => (bundle.encoder.clone(), bundle.head.clone()),
            Provider::Cuda | Provider::TensorRt { .. } => (
                encoder.without_activation_quantisation().encode(),
                head.without_activation_quantisation().encode(),
            ),
        };
        Ok(Self {
            library: library.to_owned(),
            environment,
            provider,
            encoder,
            head,
            interface,
        })
    }

    pub(super) fn engine(&self) -> Result<OnnxRuntime, EngineError> {
        let session = |bytes: &[u8], file| {
            self.session(bytes).map_err(|error| EngineError::Load {
                engine: NAME,
                file,
                source: error.into(),
            })
        };
        Ok(OnnxRuntime {
            info: EngineInfo {
                name: NAME.to_owned(),
                device: self.provider.device().to_owned(),
                version: version(&self.library),
            },
            encoder: session(&self.encoder, "encoder.onnx")?,
            head: session(&self.head, "head.onnx")?,
            interface: Arc::clone(&self.interface),
        })
    }

    fn session(&self, bytes: &[u8]) -> ort::Result<Session> {
        Session::builder(&self.environment)?
            .with_log_level(LogLevel::Error)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            // One worker is one thread; parallel slices beat parallel layers.
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_execution_providers(self.provider.dispatch())?
            .commit_from_memory(bytes)
    }
}

/// As the release is called in the library's file name or, where that says nothing, in the library.
fn version(library: &Path) -> String {
    let real = library
        .canonicalize()
        .unwrap_or_else(|_| library.to_owned());
    let name = real
        .file_name()
        .and_then(std::ffi::OsStr::to_str)
        .unwrap_or_default();
    let numbered = name.split_once(".so.").map(|(_, version)| version);
    // "ORT Build Info: git-branch=rel-1.31.1, git-commit-id=..., ..."
    let branch = || {
        ort::info()
            .split_once("git-branch=rel-")?
            .1
            .split(',')
            .next()
    };
    numbered.or_else(branch).unwrap_or("unknown").to_owned()
}

pub(super) struct OnnxRuntime {
    info: EngineInfo,
    encoder: Session,
    head: Session,
    interface: Arc<Interface>,
}

const ENCODER: &str = "the encoder";
const HEAD: &str = "the head";

impl Engine for OnnxRuntime {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn predict(&mut self, image: &Image) -> Result<Prediction, EngineError> {
        let interface = &*self.interface;
        let (port, logits) = (&interface.image, interface.logits.name.as_str());
        let input = TensorRef::from_array_view((port.shape.clone(), image.values.as_slice()));
        let input = input.map_err(|error| failed(ENCODER, error))?;
        let inputs = vec![(port.name.as_str(), SessionInputValue::from(input))];
        let outputs = self.encoder.run(inputs);
        let outputs = outputs.map_err(|error| failed(ENCODER, error))?;
        let output = |port: &Port| &outputs[port.name.as_str()];
        let encoded = interface.encoded.iter();
        let given = encoded.map(|port| values(output(port), ENCODER));
        let given = given.collect::<Result<Vec<_>, _>>()?;

        let taken = interface
            .head_takes
            .iter()
            .map(|&at| &interface.encoded[at]);
        let inputs = taken.map(|port| (port.name.as_str(), SessionInputValue::from(output(port))));
        let answer = self.head.run(inputs.collect::<Vec<_>>());
        let answer = answer.map_err(|error| failed(HEAD, error))?;
        interface
            .prediction(&given, values(&answer[logits], HEAD)?)
            .map_err(|error| EngineError::Run {
                engine: NAME,
                step: HEAD,
                source: error.into(),
            })
    }
}

fn values<'a>(output: &'a DynValue, step: &'static str) -> Result<&'a [f32], EngineError> {
    let (_, values) = output
        .try_extract_tensor::<f32>()
        .map_err(|error| failed(step, error))?;
    if all_finite(values) {
        return Ok(values);
    }
    Err(EngineError::NotFinite { engine: NAME, step })
}

fn failed(step: &'static str, error: ort::Error) -> EngineError {
    EngineError::Run {
        engine: NAME,
        step,
        source: error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_of_another_bundle_or_library_are_not_met() {
        let plans = |bundle: &str, library: &str| {
            let plans = Some(PathBuf::from("/var/lib/hepar/tensorrt"));
            Provider::TensorRt { plans }.keyed(bundle, library)
        };
        let first = plans("0123456789abcdef0123", "1.31.1");
        let there = PathBuf::from("/var/lib/hepar/tensorrt/0123456789abcdef-1.31.1");
        assert_eq!(first, Provider::TensorRt { plans: Some(there) });
        assert_ne!(first, plans("0123456789abcdef0123", "1.32.0"));
        assert_ne!(first, plans("fedcba9876543210fedc", "1.31.1"));
    }
}
