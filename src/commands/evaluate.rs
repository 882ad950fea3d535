use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;

use hepar::{
    dicom::Uid,
    engine::{EngineChoice, EngineOptions, Urgency, Workers},
    evaluate::{
        BothEmpty, Case, HtmlReport, Options, Report, evaluate, pairs, series_image, slices,
    },
    model::{Bundle, Trust},
};

use super::{Failure, OrFail, named, segment::Segment};

/// Scores segmentations against a truth: overlap, surfaces, volumes and lesions, with intervals.
#[derive(Args, Debug)]
pub struct Evaluate {
    /// Directory with labels.npy, or directory of such directories: what `segment` writes.
    ///
    /// With --bundle, the data to segment first: cases with DICOM files, labels.npy and truth.json
    /// as `phantom` writes them, or images/, masks/ and split.json.
    predictions: PathBuf,
    /// The truth, of the same form and with the same names.
    #[arg(required_unless_present = "bundle", conflicts_with = "bundle")]
    truth: Option<PathBuf>,
    /// Segment the data with this bundle and score the result.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// Where report.html with its pictures, report.json and what was segmented go.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Score a structure that neither truth nor prediction has as perfect instead of leaving it out.
    #[arg(long)]
    empty_is_perfect: bool,
    /// Which patients of split.json.
    #[arg(long, default_value = "val")]
    split: String,
    /// tensorrt, cuda, onnxruntime, tract, or auto: the fastest that passes its check.
    #[arg(long, default_value = "auto", value_parser = named::<EngineChoice>)]
    engine: EngineChoice,
    /// The ONNX Runtime library, for engines that need it.
    #[arg(long, value_name = "FILE")]
    onnxruntime_library: Option<PathBuf>,
}

impl Evaluate {
    pub fn run(self) -> Result<(), Failure> {
        let mut html = self
            .out
            .as_deref()
            .map(HtmlReport::create)
            .transpose()
            .or_fail(Failure::IO, "cannot make the directory of the report")?;
        let report = match (&self.bundle, &self.truth) {
            (Some(bundle), _) if self.predictions.join("split.json").exists() => {
                self.slices(bundle, html.as_mut())?
            }
            (Some(bundle), _) => {
                let scratch;
                let out = if let Some(out) = &self.out {
                    out.join("segmented")
                } else {
                    scratch = Scratch::create()?;
                    scratch.0.clone()
                };
                self.segment(bundle, &out)?;
                self.volumes(&out, &self.predictions, html.as_mut())?
            }
            (None, truth) => {
                let truth = truth.as_deref().expect("clap asks for it");
                self.volumes(&self.predictions, truth, html.as_mut())?
            }
        };
        self.publish(&report, html.as_ref())
    }

    fn options(&self) -> Options {
        Options {
            both_empty: if self.empty_is_perfect {
                BothEmpty::ScorePerfect
            } else {
                BothEmpty::Exclude
            },
            ..Options::default()
        }
    }

    /// Scores label volumes, with the series beside the truth under the pictures.
    fn volumes(
        &self,
        predictions: &Path,
        truth: &Path,
        mut html: Option<&mut HtmlReport>,
    ) -> Result<Report, Failure> {
        let found = pairs(predictions, truth).or_fail(Failure::USAGE, "cannot pair the cases")?;
        let cases = found.into_iter().map(|paths| {
            let mut case = paths
                .read()
                .or_fail(Failure::USAGE, "cannot compare a case")?;
            if let Some(html) = html.as_deref_mut() {
                // Errors can be seen without the image, so none is no reason to stop.
                let image = series_image(&paths.truth).unwrap_or_else(|error| {
                    eprintln!("hepar: {}: no image: {error}", case.name);
                    None
                });
                case.image = image.filter(|image| image.dim() == case.truth.dim());
                draw(html, &case)?;
            }
            Ok(case)
        });
        evaluate(cases, self.options())
    }

    /// Runs `segment` on every case of the data.
    fn segment(&self, bundle: &Path, out: &Path) -> Result<(), Failure> {
        // A case is its own prediction here; only names and places are wanted.
        let cases = pairs(&self.predictions, &self.predictions)
            .or_fail(Failure::USAGE, "cannot find the cases")?;
        let single = self.predictions.join("labels.npy").exists();
        for case in cases {
            let out = if single {
                out.to_owned()
            } else {
                out.join(&case.name)
            };
            let segment = Segment {
                maps: false,
                dir: case.truth,
                out,
                series: None,
                bundle: Some(bundle.to_owned()),
                engine: self.engine,
                onnxruntime_library: self.onnxruntime_library.clone(),
            };
            for line in segment.write()? {
                eprintln!("{}: {line}", case.name);
            }
        }
        Ok(())
    }

    /// Scores single slices, through the engine and nothing after it.
    fn slices(&self, bundle: &Path, mut html: Option<&mut HtmlReport>) -> Result<Report, Failure> {
        let bundle = Bundle::load(bundle, &Trust::anyone())
            .or_fail(Failure::CONFIG, "cannot use the model bundle")?;
        let bundle = Arc::new(bundle);
        let options = EngineOptions {
            choice: self.engine,
            onnxruntime_library: self.onnxruntime_library.clone(),
            ..EngineOptions::default()
        };
        let workers = Workers::start(&bundle, &options)
            .or_fail(Failure::CONFIG, "cannot start the engine")?;
        let nobody = Uid::derived("evaluation", &[]);
        let found = slices(&self.predictions, &self.split)
            .or_fail(Failure::USAGE, "cannot find the slices")?;
        let cases = found.into_iter().map(|paths| {
            let slice = paths
                .read()
                .or_fail(Failure::USAGE, "cannot read a slice")?;
            let bundle = Arc::clone(&bundle);
            let running = workers.submit(&nobody, Urgency::Live, move |engine| {
                let labels = slice.predict(engine, &bundle.manifest);
                labels.map(|labels| slice.into_case(labels))
            });
            let case = running
                .blocking_recv()
                .or_fail(Failure::INTERNAL, "the engine stopped")?
                .or_fail(Failure::INTERNAL, "the engine failed")?;
            if let Some(html) = html.as_deref_mut() {
                draw(html, &case)?;
            }
            Ok(case)
        });
        evaluate(cases, self.options())
    }

    fn publish(&self, report: &Report, html: Option<&HtmlReport>) -> Result<(), Failure> {
        let json = serde_json::to_string_pretty(report)
            .or_fail(Failure::INTERNAL, "cannot write the report")?;
        if self.json {
            println!("{json}");
        } else {
            print!("{report}");
        }
        if let (Some(out), Some(html)) = (&self.out, html) {
            fs::write(out.join("report.json"), json)
                .or_fail(Failure::IO, "cannot write report.json")?;
            let page = html
                .finish(report)
                .or_fail(Failure::IO, "cannot write report.html")?;
            eprintln!("{}", page.display());
        }
        Ok(())
    }
}

fn draw(html: &mut HtmlReport, case: &Case) -> Result<(), Failure> {
    html.add(case)
        .or_fail(Failure::IO, "cannot write the pictures")
}

/// A directory that goes when the command ends.
struct Scratch(PathBuf);

impl Scratch {
    fn create() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("hepar-evaluate-{}", std::process::id()));
        fs::create_dir_all(&path)
            .or_fail(Failure::IO, format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left in a temporary directory is the system's to remove.
        drop(fs::remove_dir_all(&self.0));
    }
}
