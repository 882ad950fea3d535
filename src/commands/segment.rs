use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::PathBuf,
    sync::Arc,
    time::Instant,
};

use clap::Args;
use ndarray::{Array2, Axis, stack};

use hepar::{
    appliance::{self, Complete, SliceError, encode_frames, finish},
    dicom::{Remedy, Uid},
    engine::{EngineChoice, EngineOptions, Urgency, Workers},
    mask::{Findings, LabelSlice, Maps, map_slice},
    model::{Bundle, Trust},
    series::{Eligibility, InstanceHeader, judge, too_few},
};

use super::{Failure, OrFail, files_below, named};

#[derive(Args, Debug)]
pub struct Segment {
    /// DICOM files of one study, in any order and any depth; other files are passed over.
    pub(super) dir: PathBuf,
    /// Where seg.dcm, report.dcm, preview.dcm, labels.npy and result.json go.
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// The series to segment, where the directory holds several.
    #[arg(long, value_name = "UID")]
    pub(super) series: Option<Uid>,
    /// Also write how sure the model is of every voxel: lesion-probability.npy (255 is certain) and
    /// entropy.npy (255 knows nothing), shaped like labels.npy.
    #[arg(long)]
    pub(super) maps: bool,
    /// A bundle directory; without it, the bundle inside the binary.
    #[arg(long, value_name = "DIR")]
    pub(super) bundle: Option<PathBuf>,
    /// tensorrt, cuda, onnxruntime, tract, or auto: the fastest that passes its check.
    #[arg(long, default_value = "auto", value_parser = named::<EngineChoice>)]
    pub(super) engine: EngineChoice,
    /// The ONNX Runtime library, for engines that need it.
    #[arg(long, value_name = "FILE")]
    pub(super) onnxruntime_library: Option<PathBuf>,
}

/// Instances of one series with their files.
pub type Files = Vec<(InstanceHeader, Arc<Vec<u8>>)>;

impl Segment {
    pub fn run(self) -> Result<(), Failure> {
        for line in self.write()? {
            println!("{line}");
        }
        Ok(())
    }

    /// Writes the files and returns what to say of them, line by line.
    pub(super) fn write(&self) -> Result<Vec<String>, Failure> {
        let started = Instant::now();
        let instances = self.instances()?;
        let read_ms = ms(started);

        let loading = Instant::now();
        let bundle = match &self.bundle {
            Some(directory) => Bundle::load(directory, &Trust::anyone()),
            None => Bundle::embedded(),
        };
        let bundle = Arc::new(bundle.or_fail(Failure::CONFIG, "cannot use the model bundle")?);
        let options = EngineOptions {
            choice: self.engine,
            onnxruntime_library: self.onnxruntime_library.clone(),
            ..EngineOptions::default()
        };
        let workers = Workers::start(&bundle, &options)
            .or_fail(Failure::CONFIG, "cannot start the engine")?;
        let load_ms = ms(loading);

        let encoding = Instant::now();
        let encoded = encode(&instances, &workers, &bundle)?;
        let encode_ms = ms(encoding);

        let finishing = Instant::now();
        let headers: Vec<InstanceHeader> = instances.iter().map(|(h, _)| h.clone()).collect();
        let finished = finish(&Complete {
            headers: &headers,
            encoded: &encoded,
            template: &instances[0].1,
            bundle: &bundle,
            workers: &workers,
            urgency: Urgency::Live,
            equipment: &appliance::equipment(&self.out),
            file: &|instance| file_of(&instances, instance),
            revision: 1,
            now: jiff::Zoned::now(),
        })
        .map_err(|error| {
            let code = match error.remedy() {
                Remedy::Resend => Failure::USAGE,
                Remedy::Wait | Remedy::Service => Failure::INTERNAL,
            };
            Failure::new(code, error)
        })?;
        let finish_ms = ms(finishing);

        std::fs::create_dir_all(&self.out)
            .or_fail(Failure::IO, format!("cannot make {}", self.out.display()))?;
        let write = |name: &str, bytes: &[u8]| {
            let path = self.out.join(name);
            std::fs::write(&path, bytes)
                .or_fail(Failure::IO, format!("cannot write {}", path.display()))
        };
        for (kind, object) in finished.objects() {
            write(&format!("{}.dcm", kind.as_str()), &object.bytes)?;
        }
        let labels = &finished.labels.slices;
        let labels: Vec<_> = labels.iter().map(LabelSlice::whole).collect();
        self.write_volume("labels.npy", &labels)?;
        if self.maps {
            let order = finished.stack.order.iter();
            let maps = order
                .filter_map(|place| encoded.get(&(place.sop_instance.clone(), place.frame)))
                .map(|slice| Ok(map_slice(&*slice.log_odds.get()?, &slice.placement)))
                .collect::<io::Result<Vec<Maps>>>();
            let maps = maps.or_fail(Failure::IO, "cannot read a slice back")?;
            let [lesion, entropy]: [Vec<_>; 2] = [
                maps.iter().map(|map| map.lesion.clone()).collect(),
                maps.into_iter().map(|map| map.entropy).collect(),
            ];
            self.write_volume("lesion-probability.npy", &lesion)?;
            self.write_volume("entropy.npy", &entropy)?;
        }
        let mut json = serde_json::to_value(&finished.json)
            .or_fail(Failure::INTERNAL, "cannot write result.json")?;
        json["timings_ms"] = serde_json::json!({
            "read": read_ms, "load_model": load_ms, "encode": encode_ms, "finish": finish_ms,
        });
        write("result.json", format!("{json:#}\n").as_bytes())?;

        let result = &finished.json;
        let mut said = vec![format!(
            "{} slices: liver {:.0} ml, {} in {:.1} s; {}",
            result.n_slices,
            result.findings.liver_ml,
            lesions(&result.findings),
            started.elapsed().as_secs_f64(),
            self.out.display(),
        )];
        said.extend(
            result
                .geometry
                .iter()
                .map(|finding| format!("note: {finding}")),
        );
        said.extend(result.refusal().map(|reason| format!("refused: {reason}")));
        said.push(result.notice.to_owned());
        Ok(said)
    }

    /// Writes slices as one `[slice, row, column]` array.
    fn write_volume(&self, name: &str, slices: &[Array2<u8>]) -> Result<(), Failure> {
        let views: Vec<_> = slices.iter().map(|slice| slice.view()).collect();
        let volume = stack(Axis(0), &views).or_fail(Failure::INTERNAL, "slices differ in size")?;
        ndarray_npy::write_npy(self.out.join(name), &volume)
            .or_fail(Failure::IO, format!("cannot write {name}"))
    }

    /// Reads the directory and picks the series to segment.
    fn instances(&self) -> Result<Files, Failure> {
        let unreadable = || format!("cannot read {}", self.dir.display());
        let mut by_series: BTreeMap<Uid, Files> = BTreeMap::new();
        for path in files_below(&self.dir).or_fail(Failure::IO, unreadable())? {
            let file = std::fs::read(&path)
                .or_fail(Failure::IO, format!("cannot read {}", path.display()))?;
            if let Ok(header) = InstanceHeader::read(&file) {
                let series = by_series.entry(header.series.clone()).or_default();
                series.push((header, Arc::new(file)));
            }
        }
        if let Some(wanted) = &self.series {
            by_series.retain(|series, _| series == wanted);
        }
        let mut reasons = Vec::new();
        let mut eligible: Vec<Files> = Vec::new();
        for (series, files) in by_series {
            let headers: Vec<_> = files.iter().map(|(header, _)| header.clone()).collect();
            match judge(&headers) {
                Eligibility::Eligible => eligible.push(files),
                Eligibility::NotYet => reasons.push(format!("{series}: {}", too_few(&headers))),
                Eligibility::Ignored { reason } => reasons.push(format!("{series}: {reason}")),
            }
        }
        let problem = match eligible.len() {
            1 => return Ok(eligible.remove(0)),
            0 if reasons.is_empty() => "no DICOM files of that series".to_owned(),
            0 => format!("no series can be segmented: {}", reasons.join("; ")),
            _ => {
                let uids: Vec<_> = eligible.iter().map(|f| f[0].0.series.to_string()).collect();
                format!(
                    "several series can be segmented, choose one with --series: {}",
                    uids.join(", ")
                )
            }
        };
        let problem = format!("{}: {problem}", self.dir.display());
        Err(Failure::new(Failure::USAGE, anyhow::anyhow!(problem)))
    }
}

/// The file of one of the instances.
pub fn file_of(instances: &Files, instance: &Uid) -> io::Result<Arc<Vec<u8>>> {
    let mut instances = instances.iter();
    let found = instances.find(|(header, _)| header.sop_instance == *instance);
    let found = found.map(|(_, file)| Arc::clone(file));
    found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
}

type Encoded = HashMap<(Uid, usize), Arc<appliance::EncodedSlice>>;

/// Puts every slice through the engine, all workers at once.
pub fn encode(
    instances: &Files,
    workers: &Workers,
    bundle: &Arc<Bundle>,
) -> Result<Encoded, Failure> {
    let jobs: Vec<_> = instances
        .iter()
        .map(|(header, file)| {
            let (header, file) = (header.clone(), Arc::clone(file));
            let bundle = Arc::clone(bundle);
            let series = header.series.clone();
            workers.submit(&series, Urgency::Live, move |engine| {
                let frames = 0..header.frames.len();
                let slices = encode_frames(engine, &file, &header, frames, &bundle.manifest);
                (header.sop_instance, slices)
            })
        })
        .collect();
    let mut encoded = Encoded::new();
    for job in jobs {
        let (instance, slices) = job
            .blocking_recv()
            .or_fail(Failure::INTERNAL, "the engine stopped")?;
        match slices {
            Ok(slices) => encoded.extend(
                slices
                    .into_iter()
                    .map(|(frame, slice)| ((instance.clone(), frame), Arc::new(slice))),
            ),
            // What the sender could not mend by sending it again is no gap in the stack.
            Err(error @ SliceError::Engine(_)) => {
                return Err(Failure::new(Failure::INTERNAL, error));
            }
            // Left out like a slice that never came; the geometry then has a gap and says so.
            Err(error) => eprintln!("hepar: {instance}: {:#}", anyhow::Error::from(error)),
        }
    }
    Ok(encoded)
}

/// How many there are, and how large together.
fn lesions(findings: &Findings) -> String {
    let together = findings.tumour_ml;
    match findings.lesions.len() {
        0 => "no lesion".to_owned(),
        1 => format!("1 lesion of {together:.1} ml"),
        many => format!("{many} lesions of {together:.1} ml together"),
    }
}

fn ms(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 1e4).round() / 10.0
}
