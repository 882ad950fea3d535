//! tract: pure Rust, on any CPU, always there.
//!
//! int8 weights are unpacked to f32 once, when the file is loaded; activation quantisation is taken
//! out, because tract computes in f32 either way. One optimised plan is shared by all workers, each
//! of which is one thread: two single-thread workers finish more slices than one worker with two.

use std::sync::Arc;

use tract_onnx::{
    prelude::{Framework, InferenceModelExt, IntoRunnable, TValue, Tensor, TractResult},
    tract_core::{
        knobs::KnobScope,
        model::typed::{TypedSimplePlan, TypedSimpleState},
    },
};

use super::{
    Engine, EngineError, EngineInfo, Image, Prediction, all_finite,
    graph::Graph,
    interface::{Interface, InterfaceError},
};
use crate::model::Bundle;

/// A bundle, optimised for this CPU, to be shared by any number of engines.
pub(super) struct Plans {
    encoder: Arc<TypedSimplePlan>,
    head: Arc<TypedSimplePlan>,
    interface: Arc<Interface>,
}

const NAME: &str = "tract";
/// Of the crate in Cargo.lock; it does not export its version.
const VERSION: &str = env!("HEPAR_TRACT_VERSION");

impl Plans {
    pub(super) fn load(bundle: &Bundle) -> Result<Self, EngineError> {
        let encoder =
            Graph::parse(&bundle.encoder).map_err(|source| InterfaceError::Encoder { source })?;
        let head = Graph::parse(&bundle.head).map_err(|source| InterfaceError::Head { source })?;
        let interface = Interface::of(&encoder, &head, &bundle.manifest)?;
        Ok(Self {
            encoder: optimise(encoder, "encoder.onnx")?,
            head: optimise(head, "head.onnx")?,
            interface: Arc::new(interface),
        })
    }

    pub(super) fn engine(&self) -> Result<TractEngine, EngineError> {
        let spawn =
            |plan: &Arc<TypedSimplePlan>, step| plan.spawn().map_err(|error| failed(step, error));
        Ok(TractEngine {
            info: EngineInfo {
                name: NAME.to_owned(),
                device: "CPU".to_owned(),
                version: VERSION.to_owned(),
            },
            encoder: spawn(&self.encoder, ENCODER)?,
            head: spawn(&self.head, HEAD)?,
            interface: Arc::clone(&self.interface),
        })
    }
}

fn optimise(graph: Graph, file: &'static str) -> Result<Arc<TypedSimplePlan>, EngineError> {
    let model = graph.without_activation_quantisation().into_model();
    let optimised = || -> TractResult<_> {
        KnobScope::new(KNOBS.iter().copied())?.enter(|| {
            tract_onnx::onnx()
                .model_for_proto_model(&model)?
                .into_optimized()?
                .into_runnable()
        })
    };
    optimised().map_err(|error| EngineError::Load {
        engine: NAME,
        file,
        source: error.into(),
    })
}

/// A convolution gathers its input patches once, for all its output channels. By default tract
/// gathers them anew for each block of channels and saves the scratch memory, at most 10 MB here; on
/// x86-64 that takes a fifth longer for the encoder and twice as long for the head. Elsewhere nobody
/// measured, so there the default stands.
const KNOBS: &[(&str, &str)] = if cfg!(target_arch = "x86_64") {
    &[
        ("TRACT_LAZY_IM2COL_MIN_KERNEL", "1000000"),
        ("TRACT_LAZY_IM2COL_MAX_EAGER_BYTES", "1000000000"),
    ]
} else {
    &[]
};

pub(super) struct TractEngine {
    info: EngineInfo,
    encoder: TypedSimpleState,
    head: TypedSimpleState,
    interface: Arc<Interface>,
}

const ENCODER: &str = "the encoder";
const HEAD: &str = "the head";

impl Engine for TractEngine {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn predict(&mut self, image: &Image) -> Result<Prediction, EngineError> {
        let interface = &*self.interface;
        let input = Tensor::from_shape(&interface.image.shape, &image.values)
            .map_err(|error| failed(ENCODER, error))?;
        let encoded = run(&mut self.encoder, vec![input.into()], ENCODER)?;
        let given = encoded
            .iter()
            .map(|output| values(output, ENCODER))
            .collect::<Result<Vec<_>, _>>()?;
        let taken = interface.head_takes.iter();
        let inputs = taken.map(|&taken| encoded[taken].clone()).collect();
        let outputs = run(&mut self.head, inputs, HEAD)?;
        interface
            .prediction(&given, values(&outputs[0], HEAD)?)
            .map_err(|error| failed(HEAD, error.into()))
    }
}

fn run(
    state: &mut TypedSimpleState,
    inputs: Vec<TValue>,
    step: &'static str,
) -> Result<Vec<TValue>, EngineError> {
    let outputs = state.run(inputs.into_iter().collect());
    outputs
        .map(tract_onnx::prelude::TVec::into_vec)
        .map_err(|error| failed(step, error))
}

fn values<'a>(tensor: &'a TValue, step: &'static str) -> Result<&'a [f32], EngineError> {
    let values = tensor
        .try_as_plain_ram()
        .and_then(|plain| plain.as_slice::<f32>())
        .map_err(|error| failed(step, error))?;
    if all_finite(values) {
        return Ok(values);
    }
    Err(EngineError::NotFinite { engine: NAME, step })
}

fn failed(step: &'static str, error: tract_onnx::prelude::TractError) -> EngineError {
    EngineError::Run {
        engine: NAME,
        step,
        source: error.into(),
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;
    use crate::engine::{check, testing};

    #[test]
    fn the_network_computes_what_its_weights_say() {
        let bundle = testing::bundle();
        let mut engine = Plans::load(&bundle).unwrap().engine().unwrap();
        let agreement = check(&mut engine, &bundle).unwrap();
        // Half precision between encoder and head, values up to 1.
        assert!(agreement.max_abs_error < 2e-3, "{agreement}");
        assert_eq!(agreement.label_disagreement, 0.0);
    }

    #[test]
    fn the_bundle_in_the_binary_computes_its_golden_output() {
        let bundle = Bundle::embedded().unwrap();
        let mut engine = Plans::load(&bundle).unwrap().engine().unwrap();
        let agreement = check(&mut engine, &bundle).unwrap();
        // A pixel between two classes may fall on either side; hardly any lies there.
        assert!(agreement.label_disagreement < 0.001, "{agreement}");
    }

    #[test]
    fn a_bundle_whose_golden_output_is_missed_is_not_used() {
        let mut bundle = testing::bundle();
        bundle.golden.logits[7] += 0.5;
        let mut engine = Plans::load(&bundle).unwrap().engine().unwrap();
        let error = check(&mut engine, &bundle).unwrap_err();
        assert!(
            error.to_string().contains("logits off by up to 0.5"),
            "{error}"
        );
    }

    #[test]
    fn a_value_that_is_not_finite_is_an_error_and_not_a_mask() {
        let bundle = testing::bundle();
        let mut engine = Plans::load(&bundle).unwrap().engine().unwrap();
        let mut image = Image {
            size: testing::SIZE,
            values: bundle.golden.image,
        };
        image.values[100] = f32::NAN;
        let error = engine.predict(&image).unwrap_err();
        assert!(matches!(error, EngineError::NotFinite { .. }), "{error}");
    }

    #[test]
    fn the_version_is_that_of_the_linked_crate() {
        assert!(VERSION.starts_with("0."), "{VERSION}");
    }
}
