//! What one slice and one series cost in each part behind the receiver, on one core.
//!
//! `cargo bench --bench parts` measures what needs nothing but this crate.
//! `HEPAR_TEST_ONNXRUNTIME=/path/libonnxruntime.so` adds ONNX Runtime, and `HEPAR_BENCH_INPUTS` the
//! decoders and the SEG writer, on the slices that `benches/compare` puts there.

use std::{
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use hepar::{
    dicom::{Plane, Uid},
    encode::{self, Equipment, SegInput},
    engine::{
        EngineChoice, EngineOptions, Image, Logits, Urgency, Workers, preprocess,
        without_activation_quantisation,
    },
    mask::{HuHistogram, Labels, LogOdds, Probabilities, label_slice, measure, postprocess},
    model::Bundle,
    phantom::{PhantomSpec, synthesise},
    series::InstanceHeader,
    volume::{FrameSource, HuSlice, arrange},
};
use ndarray::{Array3, Axis};
use tract_onnx::{
    prelude::{Framework, InferenceModelExt, IntoRunnable, Tensor, tvec},
    tract_core::knobs::KnobScope,
};

/// The slices of the transfer syntaxes measured, in folders of these names.
const SYNTAXES: [&str; 4] = ["uncompressed", "jpeg-lossless", "jpeg-ls", "jpeg-2000"];
/// Neighbours over which probabilities are averaged in a series of 1 mm.
const NEIGHBOURS: usize = 7;

criterion_group!(
    name = parts;
    config = Criterion::default().sample_size(10);
    targets = slice, engines, bare_tract, decoders, series
);
criterion_main!(parts);

/// What every slice costs besides the network.
fn slice(criterion: &mut Criterion) {
    let bundle = Bundle::embedded().expect("the bundle is whole");
    let (slice, plane) = abdomen();
    let input = &bundle.manifest.input;
    let turned = Plane {
        row_cosines: plane.column_cosines,
        column_cosines: plane.row_cosines,
        ..plane
    };
    let (image, placement) = preprocess(&slice, &plane, input);
    let workers = start(&bundle, EngineChoice::Tract, None);
    let logits = logits(&workers, image);
    let temperature = &bundle.manifest.output.temperature;
    let log_odds = LogOdds::of(&logits, temperature);
    let probabilities = Probabilities::of(&log_odds);

    let mut group = criterion.benchmark_group("slice");
    group.bench_function("lay out", |b| b.iter(|| preprocess(&slice, &plane, input)));
    group.bench_function("lay out, transposed", |b| {
        b.iter(|| preprocess(&slice, &turned, input));
    });
    group.bench_function("histogram", |b| b.iter(|| HuHistogram::of(&slice)));
    group.bench_function("log odds", |b| b.iter(|| LogOdds::of(&logits, temperature)));
    group.bench_function("unpack", |b| b.iter(|| Probabilities::of(&log_odds)));
    group.bench_function("mean of neighbours", |b| {
        b.iter(|| Probabilities::mean(vec![&probabilities; NEIGHBOURS]));
    });
    group.bench_function("labels", |b| {
        b.iter(|| label_slice(&probabilities, &placement));
    });
    group.finish();
}

/// Our engines on one worker: with what we do around the library.
fn engines(criterion: &mut Criterion) {
    let bundle = Bundle::embedded().expect("the bundle is whole");
    let (slice, plane) = abdomen();
    let (image, _) = preprocess(&slice, &plane, &bundle.manifest.input);
    let library = std::env::var_os("HEPAR_TEST_ONNXRUNTIME").map(PathBuf::from);
    let mut choices = vec![("tract", EngineChoice::Tract, None)];
    if library.is_some() {
        choices.push(("onnxruntime", EngineChoice::OnnxRuntime, library));
    }
    let mut group = criterion.benchmark_group("engine");
    for (name, choice, library) in choices {
        let workers = start(&bundle, choice, library);
        group.bench_function(name, |b| {
            b.iter_custom(|times| on_worker(&workers, &image, times));
        });
    }
    group.finish();
}

/// tract called directly, on the graphs and with the settings that our engine gives it.
fn bare_tract(criterion: &mut Criterion) {
    let bundle = Bundle::embedded().expect("the bundle is whole");
    let knobs = [
        ("TRACT_LAZY_IM2COL_MIN_KERNEL", "1000000"),
        ("TRACT_LAZY_IM2COL_MAX_EAGER_BYTES", "1000000000"),
    ];
    let knobs: &[_] = if cfg!(target_arch = "x86_64") {
        &knobs
    } else {
        &[]
    };
    let load = |file: &[u8]| {
        let stripped = without_activation_quantisation(file).expect("the bundle is whole");
        KnobScope::new(knobs.iter().copied())
            .expect("these settings exist")
            .enter(|| {
                tract_onnx::onnx()
                    .model_for_read(&mut stripped.as_slice())?
                    .into_optimized()?
                    .into_runnable()
            })
            .expect("tract takes the bundle")
    };
    let mut encoder = load(&bundle.encoder).spawn().expect("a plan runs");
    let mut head = load(&bundle.head).spawn().expect("a plan runs");
    let (slice, plane) = abdomen();
    let (image, _) = preprocess(&slice, &plane, &bundle.manifest.input);
    let shape = [1, 3, image.size, image.size];
    let input = Tensor::from_shape(&shape, &image.values).expect("an image fills its shape");
    let mut group = criterion.benchmark_group("engine");
    group.bench_function("bare tract", |b| {
        b.iter(|| {
            let encoded = encoder.run(tvec!(input.clone().into()));
            // The head takes the first two of what the encoder gives: embedding and skip.
            let taken = encoded.expect("tract computes").into_iter().take(2);
            head.run(taken.collect()).expect("tract computes")
        });
    });
    group.finish();
}

/// From a file's bytes to Hounsfield units.
fn decoders(criterion: &mut Criterion) {
    let Some(inputs) = inputs() else { return };
    let mut group = criterion.benchmark_group("decode");
    for syntax in SYNTAXES {
        let files = files(&inputs.join(syntax));
        group.bench_function(syntax, |b| {
            b.iter_custom(|times| {
                let begun = Instant::now();
                for _ in 0..times {
                    // All of them each time: some take twice as long as others.
                    for file in &files {
                        let header = InstanceHeader::read(file).expect("a slice");
                        let source = FrameSource::open(file, &header).expect("a slice");
                        black_box(source.frame(0).expect("pixels"));
                    }
                }
                begun.elapsed() / u32::try_from(files.len()).expect("a few files")
            });
        });
    }
    group.finish();
}

/// What a series of 300 slices costs once, after the last slice.
fn series(criterion: &mut Criterion) {
    let Some(inputs) = inputs() else { return };
    let bundle = Bundle::embedded().expect("the bundle is whole");
    let manifest = &bundle.manifest;
    let files = files(&inputs.join("series"));
    let headers: Vec<_> = files
        .iter()
        .map(|file| InstanceHeader::read(file).expect("a slice"))
        .collect();
    let stack = arrange(&headers).expect("a stack");
    let truth: Array3<u8> =
        ndarray_npy::read_npy(inputs.join("series/labels.npy")).expect("the truth");
    let labels: Labels = truth.outer_iter().map(|slice| slice.to_owned()).collect();
    let equipment = Equipment {
        manufacturer: "Hepar".to_owned(),
        model_name: "Hepar".to_owned(),
        serial_number: "1".to_owned(),
        software_versions: vec!["1".to_owned()],
    };
    let now = jiff::Zoned::now();

    let mut group = criterion.benchmark_group("series");
    group.bench_function("clean", |b| {
        b.iter_batched_ref(
            || labels.clone(),
            |labels| postprocess(labels, &stack.geometry, &manifest.postprocess),
            criterion::BatchSize::LargeInput,
        );
    });
    let seen = [0..stack.geometry.rows(), 0..stack.geometry.columns()];
    group.bench_function("measure", |b| b.iter(|| measure(&labels, &stack, &seen)));
    group.bench_function("seg", |b| {
        b.iter(|| {
            encode::segmentation(&SegInput {
                template: &files[0],
                headers: &headers,
                stack: &stack,
                labels: &labels,
                segments: &manifest.segments,
                equipment: &equipment,
                model: encode::Model {
                    name: &manifest.name,
                    version: &manifest.version,
                    digest: &bundle.digest,
                },
                configuration_digest: "bench",
                revision: 1,
                now: &now,
            })
            .expect("a segmentation")
        });
    });
    group.finish();
}

/// A slice through the liver.
fn abdomen() -> (HuSlice, Plane) {
    const SLICES: usize = 24;
    let spec = PhantomSpec {
        slices: SLICES,
        slice_spacing: 8.0,
        ..PhantomSpec::default()
    };
    let phantom = synthesise(&spec).expect("a possible phantom");
    let middle = phantom.volume.index_axis(Axis(0), SLICES / 2);
    let slice = HuSlice {
        rows: spec.rows,
        columns: spec.columns,
        hu: middle.iter().copied().collect(),
    };
    (slice, phantom.planes[SLICES / 2])
}

fn start(bundle: &Bundle, choice: EngineChoice, library: Option<PathBuf>) -> Workers {
    let options = EngineOptions {
        choice,
        onnxruntime_library: library,
        workers: 1,
        ..EngineOptions::default()
    };
    Workers::start(bundle, &options).expect("the engine passes its check")
}

fn on_worker(workers: &Workers, image: &Image, times: u64) -> Duration {
    let image = image.clone();
    let job = workers.submit(&name(), Urgency::Live, move |engine| {
        let begun = Instant::now();
        for _ in 0..times {
            black_box(engine.predict(&image).expect("the engine computes"));
        }
        begun.elapsed()
    });
    job.blocking_recv().expect("the workers run")
}

fn logits(workers: &Workers, image: Image) -> Logits {
    let job = workers.submit(&name(), Urgency::Live, move |engine| engine.predict(&image));
    let prediction = job.blocking_recv().expect("the workers run");
    prediction.expect("the engine computes").logits
}

fn name() -> Uid {
    Uid::derived("bench", &[])
}

fn inputs() -> Option<PathBuf> {
    std::env::var_os("HEPAR_BENCH_INPUTS").map(PathBuf::from)
}

fn files(dir: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(dir).expect("benches/compare makes the inputs");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "dcm"));
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read(path).expect("a file"))
        .collect()
}
