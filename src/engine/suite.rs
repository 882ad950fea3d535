//! What every engine must do, run by each that this machine has: tract always, ONNX Runtime where
//! `HEPAR_TEST_ONNXRUNTIME` names its library.

use std::path::{Path, PathBuf};

use super::{
    Engine, EngineChoice, EngineError, EngineOptions, Image, Logits, check, choice::engines,
    testing,
};
use crate::model::{Bundle, CLASSES};

/// Of network pixels: int8 rounding moves a boundary by less than this from where tract has it.
const MASK_DISAGREEMENT: f64 = 0.005;
/// Of the organ, against tract's.
const DICE: f64 = 0.99;

fn library() -> Option<PathBuf> {
    std::env::var_os("HEPAR_TEST_ONNXRUNTIME").map(PathBuf::from)
}

fn engine(
    bundle: &Bundle,
    choice: EngineChoice,
    library: Option<PathBuf>,
) -> Result<Box<dyn Engine>, EngineError> {
    let options = EngineOptions {
        choice,
        onnxruntime_library: library,
        tensorrt_plans: None,
        workers: 1,
    };
    engines(bundle, &options).map(|mut engines| engines.remove(0))
}

fn every_engine(bundle: &Bundle) -> Vec<Box<dyn Engine>> {
    let mut all = vec![engine(bundle, EngineChoice::Tract, None).unwrap()];
    if let Some(library) = library() {
        all.push(engine(bundle, EngineChoice::OnnxRuntime, Some(library)).unwrap());
    }
    all
}

/// The golden slice, moved and dimmed, so that engines are compared on what they were not tuned to.
fn images(bundle: &Bundle) -> Vec<Image> {
    let size = bundle.manifest.input.size;
    [(0, 1.0), (11, 0.9), (size * 7, 0.8)]
        .map(|(by, gain)| {
            let mut values: Vec<f32> = bundle.golden.image.iter().map(|v| v * gain).collect();
            values.rotate_right(by);
            Image { size, values }
        })
        .to_vec()
}

fn labels(logits: &Logits) -> Vec<usize> {
    let (_, rows, columns) = logits.0.dim();
    let label = |at: usize| {
        let of = |class: usize| logits.0[[class, at / columns, at % columns]];
        (1..CLASSES).fold(
            0,
            |best, class| if of(class) > of(best) { class } else { best },
        )
    };
    (0..rows * columns).map(label).collect()
}

fn run(engine: &mut dyn Engine, image: &Image) -> Logits {
    engine.predict(image).unwrap().logits
}

#[test]
fn every_engine_passes_the_check_of_the_bundle_in_the_binary() {
    let bundle = Bundle::embedded().unwrap();
    for mut engine in every_engine(&bundle) {
        let agreement = check(&mut *engine, &bundle).unwrap();
        assert!(agreement.holds(), "{:?}: {agreement}", engine.info());
    }
}

#[test]
fn every_engine_draws_the_mask_that_tract_draws() {
    let bundle = Bundle::embedded().unwrap();
    let mut all = every_engine(&bundle);
    let (tract, others) = all.split_first_mut().unwrap();
    for image in images(&bundle) {
        let reference = labels(&run(&mut **tract, &image));
        for other in &mut *others {
            let found = labels(&run(&mut **other, &image));
            let differ = reference.iter().zip(&found).filter(|(a, b)| a != b).count();
            let share = differ as f64 / reference.len() as f64;
            assert!(share <= MASK_DISAGREEMENT, "{:?}: {share}", other.info());

            let organ = |labels: &[usize]| labels.iter().filter(|label| **label > 0).count();
            let both = reference
                .iter()
                .zip(&found)
                .filter(|(a, b)| **a > 0 && **b > 0)
                .count();
            let dice = 2.0 * both as f64 / (organ(&reference) + organ(&found)).max(1) as f64;
            assert!(
                organ(&reference) == 0 || dice >= DICE,
                "{:?}: {dice}",
                other.info()
            );
        }
    }
}

#[test]
fn every_engine_computes_a_tiny_network_to_rounding() {
    let bundle = testing::bundle();
    for mut engine in every_engine(&bundle) {
        let agreement = check(&mut *engine, &bundle).unwrap();
        assert!(
            agreement.max_abs_error < 2e-3,
            "{:?}: {agreement}",
            engine.info()
        );
    }
}

#[test]
fn every_engine_gives_the_same_bits_twice() {
    let bundle = Bundle::embedded().unwrap();
    let image = images(&bundle).remove(1);
    for mut engine in every_engine(&bundle) {
        let first = run(&mut *engine, &image);
        assert_eq!(first, run(&mut *engine, &image), "{:?}", engine.info());
    }
}

#[test]
fn every_engine_says_so_when_a_value_is_not_finite() {
    let bundle = testing::bundle();
    let mut image = images(&bundle).remove(0);
    image.values[100] = f32::NAN;
    for mut engine in every_engine(&bundle) {
        let error = engine.predict(&image).unwrap_err();
        assert!(matches!(error, EngineError::NotFinite { .. }), "{error}");
    }
}

#[test]
fn an_engine_names_what_it_really_runs_on() {
    let bundle = testing::bundle();
    let named: Vec<_> = every_engine(&bundle)
        .iter()
        .map(|engine| {
            let info = engine.info();
            assert!(
                info.version.starts_with(|c: char| c.is_ascii_digit()),
                "{info:?}"
            );
            format!("{} on {}", info.name, info.device)
        })
        .collect();
    assert_eq!(named[0], "tract on CPU");
    assert!(named[1..].iter().all(|name| name == "onnxruntime on CPU"));
}

#[test]
fn a_missing_library_is_one_clear_error_and_auto_falls_to_tract() {
    let bundle = testing::bundle();
    let missing = Path::new("/nonexistent/libonnxruntime.so");
    let error = engine(&bundle, EngineChoice::OnnxRuntime, Some(missing.into()))
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "ONNX Runtime cannot be used from /nonexistent/libonnxruntime.so"
    );
    let error = engine(&bundle, EngineChoice::Cuda, None).err().unwrap();
    assert_eq!(
        error.to_string(),
        "engine \"cuda\" needs onnxruntime-library to be set"
    );

    let serving = engine(&bundle, EngineChoice::Auto, Some(missing.into())).unwrap();
    assert_eq!(serving.info().name, "tract");
}

#[test]
fn a_provider_that_is_not_there_never_runs_under_its_name() {
    let Some(library) = library() else { return };
    let bundle = testing::bundle();
    let found = engine(&bundle, EngineChoice::Cuda, Some(library.clone()));
    assert!(found.is_err() || found.is_ok_and(|engine| engine.info().device == "CUDA"));
    let serving = engine(&bundle, EngineChoice::Auto, Some(library)).unwrap();
    assert_eq!(serving.info().name, "onnxruntime");
}
