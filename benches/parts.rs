//! What one slice and one series cost in each part behind the receiver, on this machine.
//!
//! `cargo bench --bench parts` prints a table. Each figure is the fastest of its repetitions, which
//! is what the code costs when nothing else runs, and the median beside it.
//! `HEPAR_TEST_ONNXRUNTIME=/path/libonnxruntime.so` adds ONNX Runtime.

#![expect(clippy::print_stdout, reason = "the table is the result")]

use std::{
    hint::black_box,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Result;
use hepar::{
    dicom::{Plane, Uid},
    engine::{EngineChoice, EngineOptions, Urgency, Workers, preprocess},
    mask::{HuHistogram, Labels, Probabilities, label_slice, measure, neighbours, postprocess},
    model::Bundle,
    phantom::{PhantomSpec, synthesise},
    volume::{HuSlice, Stack},
};

const SIDE: usize = 512;
/// Synthesised; each stands for as many neighbours as make a series of 300.
const PHANTOM_SLICES: usize = 60;
const SLICES: usize = 300;

fn main() -> Result<()> {
    let bundle = Bundle::embedded()?;
    let spec = PhantomSpec {
        slices: PHANTOM_SLICES,
        slice_spacing: 5.0,
        rows: SIDE,
        columns: SIDE,
        ..PhantomSpec::default()
    };
    let phantom = synthesise(&spec)?;
    let middle = phantom
        .volume
        .index_axis(ndarray::Axis(0), PHANTOM_SLICES / 2);
    let slice = HuSlice {
        rows: SIDE,
        columns: SIDE,
        hu: middle.iter().copied().collect(),
    };
    let plane = phantom.planes[PHANTOM_SLICES / 2];

    println!("| part | fastest | median |\n|---|---|---|");
    slice_parts(&bundle, &slice, &plane)?;
    series_parts(&bundle, &phantom.truth)?;
    let onnxruntime_library = std::env::var_os("HEPAR_TEST_ONNXRUNTIME").map(PathBuf::from);
    engine_parts(&bundle, &slice, &plane, EngineChoice::Tract, None)?;
    if onnxruntime_library.is_some() {
        let choice = EngineChoice::OnnxRuntime;
        engine_parts(&bundle, &slice, &plane, choice, onnxruntime_library)?;
    }
    Ok(())
}

/// What every slice costs besides the network.
fn slice_parts(bundle: &Bundle, slice: &HuSlice, plane: &Plane) -> Result<()> {
    let manifest = &bundle.manifest;
    let turned = Plane {
        row_cosines: plane.column_cosines,
        column_cosines: plane.row_cosines,
        ..*plane
    };
    report("lay out a slice of 512x512", 200, || {
        preprocess(slice, plane, &manifest.input)
    });
    report("the same, transposed", 200, || {
        preprocess(slice, &turned, &manifest.input)
    });
    report("histogram of a slice", 200, || HuHistogram::of(slice));

    let workers = start(bundle, EngineChoice::Tract, None, 1)?;
    let (image, placement) = preprocess(slice, plane, &manifest.input);
    let logits = workers
        .submit(&series(), Urgency::Live, move |engine| {
            let embedding = engine.encode(&image)?;
            engine.head(&embedding)
        })
        .blocking_recv()??;
    let temperature = &manifest.output.temperature;
    let probabilities = Probabilities::of(&logits, temperature);
    report("probabilities", 200, || {
        Probabilities::of(&logits, temperature)
    });
    report("mean over 7 neighbours", 200, || {
        Probabilities::mean(vec![&probabilities; 7])
    });
    report("labels of 512x512", 200, || {
        label_slice(&probabilities, &placement)
    });
    Ok(())
}

/// What a series of 300 slices costs once, after the last slice.
fn series_parts(bundle: &Bundle, truth: &ndarray::Array3<u8>) -> Result<()> {
    let step_mm = 5.0 * PHANTOM_SLICES as f64 / SLICES as f64;
    let stack: Stack = serde_json::from_value(serde_json::json!({
        "geometry": {
            "rows": SIDE,
            "columns": SIDE,
            "row_cosines": [1.0, 0.0, 0.0],
            "column_cosines": [0.0, 1.0, 0.0],
            "pixel_spacing": [0.75, 0.75],
            "positions": (0..SLICES).map(|s| [0.0, 0.0, s as f64 * step_mm]).collect::<Vec<_>>(),
            "thickness_mm": vec![step_mm; SLICES],
            "spacing_mm": step_mm,
        },
        "order": [],
        "findings": [],
    }))?;
    let labels = Labels {
        slices: (0..SLICES)
            .map(|s| {
                truth
                    .index_axis(ndarray::Axis(0), s * PHANTOM_SLICES / SLICES)
                    .to_owned()
            })
            .collect(),
    };
    let rules = &bundle.manifest.postprocess;
    let mut cleaned = labels.clone();
    report("clean 300 slices", 10, || {
        postprocess(&mut cleaned, &stack.geometry, rules)
    });
    report("measure 300 slices", 10, || measure(&cleaned, &stack));
    let along: Vec<f64> = (0..SLICES)
        .map(|s| stack.geometry.along_normal_mm(s))
        .collect();
    report("find neighbours of 300 slices", 10, || {
        (0..SLICES)
            .map(|s| neighbours(&along, s, 3.0))
            .collect::<Vec<_>>()
    });
    Ok(())
}

fn engine_parts(
    bundle: &Bundle,
    slice: &HuSlice,
    plane: &Plane,
    choice: EngineChoice,
    library: Option<PathBuf>,
) -> Result<()> {
    let begun = Instant::now();
    let workers = start(bundle, choice, library.clone(), 1)?;
    let loaded = begun.elapsed();
    let info = workers.info();
    let name = format!("{} {} on {}", info.name, info.version, info.device);
    row(&format!("{name}: load, optimise, check"), loaded, loaded);

    let (image, _) = preprocess(slice, plane, &bundle.manifest.input);
    let [mut encoding, mut heading] = [Vec::new(), Vec::new()];
    for _ in 0..40 {
        let image = image.clone();
        let job = workers.submit(&series(), Urgency::Live, move |engine| {
            let begun = Instant::now();
            let embedding = engine.encode(&image)?;
            let encoded = begun.elapsed();
            engine.head(&embedding)?;
            Ok::<_, hepar::engine::EngineError>((encoded, begun.elapsed().saturating_sub(encoded)))
        });
        let (encoded, headed) = job.blocking_recv()??;
        encoding.push(encoded);
        heading.push(headed);
    }
    summary(&format!("{name}: encoder, one slice"), encoding);
    summary(&format!("{name}: head, one slice"), heading);
    drop(workers);

    let workers = start(bundle, choice, library, EngineOptions::default().workers)?;
    let begun = Instant::now();
    let jobs: Vec<_> = (0..60)
        .map(|_| {
            let (slice, plane, input) = (slice.clone(), *plane, bundle.manifest.input.clone());
            workers.submit(&series(), Urgency::Live, move |engine| {
                let (image, _) = preprocess(&slice, &plane, &input);
                let embedding = engine.encode(&image)?;
                engine.head(&embedding)
            })
        })
        .collect();
    for job in jobs {
        job.blocking_recv()??;
    }
    let each = begun.elapsed() / 60;
    row(
        &format!("{name}: per slice, {} workers", workers.count()),
        each,
        each,
    );
    Ok(())
}

fn start(
    bundle: &Bundle,
    choice: EngineChoice,
    onnxruntime_library: Option<PathBuf>,
    workers: usize,
) -> Result<Workers> {
    let options = EngineOptions {
        choice,
        onnxruntime_library,
        workers,
        ..EngineOptions::default()
    };
    Ok(Workers::start(bundle, &options)?)
}

fn series() -> Uid {
    Uid::derived("bench", &[])
}

fn report<T>(part: &str, times: usize, mut work: impl FnMut() -> T) {
    let taken = (0..times).map(|_| {
        let begun = Instant::now();
        black_box(work());
        begun.elapsed()
    });
    summary(part, taken.collect());
}

fn summary(part: &str, mut taken: Vec<Duration>) {
    taken.sort();
    row(part, taken[0], taken[taken.len() / 2]);
}

fn row(part: &str, fastest: Duration, median: Duration) {
    println!("| {part} | {fastest:.2?} | {median:.2?} |");
}
