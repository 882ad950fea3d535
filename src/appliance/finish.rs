//! From slices that have been through the network to what leaves the box. No clock and no journal, and
//! of the disk only what it is handed to read.

use std::{collections::HashMap, io, sync::Arc};

use jiff::Zoned;
use serde::Serialize;

use super::{
    engine_room::SliceError,
    labelling::{appearance, clean, distance, label},
    second_look,
    waiting::Kept,
};
use crate::{
    chain,
    dicom::{Remedy, TroubleKind, Uid},
    encode::{
        self, CaptureInput, EncodeError, EncodedObject, Equipment, ObjectKind, ReportInput,
        SegInput,
    },
    engine::{EngineInfo, Placement, Urgency, Workers},
    mask::{self, Examination, Findings, Gate, HuHistogram, Labels, OrganSample, Outcome, View},
    model::Bundle,
    series::InstanceHeader,
    volume::{self, FrameSource, GeometryError, Stack},
};

/// A slice that has been through the network: what it says, and where that lies on the source grid.
///
/// The head looks at one slice, so it runs right after the encoder, and what waits for the rest of
/// the series is its answer, a thirtieth of the embedding's size.
#[derive(Debug)]
pub struct EncodedSlice {
    pub log_odds: Kept,
    /// The encoder's probability that the slice shows the liver at all.
    pub organ_in_view: Option<f32>,
    /// How far the encoder finds it from the slices of training.
    pub distance: Option<f32>,
    pub placement: Placement,
    pub histogram: HuHistogram,
    pub sample: OrganSample,
}

/// Everything that is known of a complete series.
pub struct Complete<'a> {
    pub headers: &'a [InstanceHeader],
    /// By instance and frame.
    pub encoded: &'a HashMap<(Uid, usize), Arc<EncodedSlice>>,
    /// Any one instance's file: patient and study are copied from it.
    pub template: &'a [u8],
    pub bundle: &'a Bundle,
    /// What the slices went through, for a second look at some.
    pub workers: &'a Workers,
    /// Of that second look.
    pub urgency: Urgency,
    pub equipment: &'a Equipment,
    /// Reads an instance once more: for the second look, and for the picture.
    pub file: &'a dyn Fn(&Uid) -> io::Result<Arc<Vec<u8>>>,
    /// Counts the results of this series, from 1.
    pub revision: u32,
    pub now: Zoned,
}

/// `result.json`.
#[derive(Debug, Serialize)]
pub struct ResultJson {
    #[serde(flatten)]
    pub findings: Findings,
    pub n_slices: usize,
    /// Between slices, rows and columns, mm.
    pub spacing: [f64; 3],
    /// The worst of the gates.
    pub verdict: Outcome,
    pub gates: Vec<Gate>,
    /// Codes of the gates that the bundle has no limits for.
    pub gates_not_asked: Vec<&'static str>,
    /// What is unusual about the geometry, in words.
    pub geometry: Vec<String>,
    /// Instances left out because they could not be read.
    pub unreadable: usize,
    pub engine: EngineInfo,
    pub model: ModelName,
    pub seg: Uid,
    pub revision: u32,
    pub notice: &'static str,
}

#[derive(Debug, Serialize)]
pub struct ModelName {
    pub name: String,
    pub version: String,
    pub digest: String,
}

impl ModelName {
    fn of(bundle: &Bundle) -> Self {
        Self {
            name: bundle.manifest.name.clone(),
            version: bundle.manifest.version.clone(),
            digest: bundle.digest.clone(),
        }
    }
}

const NOTICE: &str = "Made by software, not verified by a physician, not for diagnosis";

pub struct Finished {
    pub stack: Stack,
    pub labels: Labels,
    pub seg: EncodedObject,
    pub report: EncodedObject,
    /// `None` where nothing was found that could be shown.
    pub picture: Option<Picture>,
    pub json: ResultJson,
}

/// The slice that shows most, with its contours.
pub struct Picture {
    /// For the page.
    pub png: Vec<u8>,
    /// For a PACS.
    pub capture: EncodedObject,
}

impl Finished {
    /// What was made, by kind; the segmentation first.
    pub fn objects(&self) -> impl Iterator<Item = (ObjectKind, &EncodedObject)> {
        let picture = self.picture.as_ref();
        [
            (ObjectKind::Seg, &self.seg),
            (ObjectKind::Report, &self.report),
        ]
        .into_iter()
        .chain(picture.map(|picture| (ObjectKind::Preview, &picture.capture)))
    }
}

/// Why a complete series has no result.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    #[error("none of its {0} instances could be decoded")]
    NothingReadable(usize),
    #[error("what the network said of a slice cannot be read back")]
    ReadBack(#[from] io::Error),
    #[error("a second look at some slices")]
    SecondLook(#[from] SliceError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl FinishError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Geometry(error) => error.remedy(),
            Self::NothingReadable(_) => Remedy::Resend,
            Self::ReadBack(_) => Remedy::Service,
            Self::SecondLook(error) => error.remedy(),
            Self::Encode(error) => error.remedy(),
        }
    }

    #[must_use]
    pub fn kind(&self) -> TroubleKind {
        match self {
            Self::Geometry(error) => error.kind(),
            Self::NothingReadable(_) => TroubleKind::UnreadableSlices,
            Self::ReadBack(_) => TroubleKind::File,
            Self::SecondLook(error) => error.kind(),
            Self::Encode(_) => TroubleKind::Encoding,
        }
    }
}

impl ResultJson {
    /// Why no answer may be given, in words; `None` if one may.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let refusing = self
            .gates
            .iter()
            .filter(|gate| gate.outcome == Outcome::Refuse);
        let words: Vec<&str> = refusing.map(|gate| &*gate.words).collect();
        (!words.is_empty()).then(|| words.join("; "))
    }
}

/// Of everything that changes what comes out besides instances and model: this program.
pub const CONFIGURATION_DIGEST: &str = concat!("hepar ", env!("CARGO_PKG_VERSION"));

/// Labels, measures and encodes a series.
///
/// An instance that could not be decoded is left out like one that never came: the stack then has a
/// gap, and says so.
pub fn finish(complete: &Complete<'_>) -> Result<Finished, FinishError> {
    let readable: Vec<InstanceHeader> = complete
        .headers
        .iter()
        .filter(|header| is_encoded(header, complete.encoded))
        .cloned()
        .collect();
    let unreadable = complete.headers.len() - readable.len();
    if readable.is_empty() {
        return Err(FinishError::NothingReadable(complete.headers.len()));
    }
    let stack = volume::arrange(&readable)?;
    let slices: Vec<&EncodedSlice> = stack
        .order
        .iter()
        .filter_map(|place| {
            complete
                .encoded
                .get(&(place.sop_instance.clone(), place.frame))
        })
        .map(Arc::as_ref)
        .collect();
    let manifest = &complete.bundle.manifest;
    let along_mm: Vec<f64> = (0..slices.len())
        .map(|slice| stack.geometry.along_normal_mm(slice))
        .collect();
    let judged: Vec<_> = slices.iter().map(|slice| slice.organ_in_view).collect();
    let view = View::of(&judged, &along_mm);
    let mut labels = label(&slices, &along_mm, &view, &manifest.postprocess)?;
    let changes = clean(&mut labels, &slices, &stack, &manifest.postprocess)?;
    // All slices of a stack have one size and one spacing.
    let seen = slices.first().map(|slice| slice.placement.seen());
    let findings = mask::measure(&labels, &stack, &seen.unwrap_or_default());
    let (histogram, sample) = appearance(&slices, &view, &manifest.postprocess);
    let gates = mask::examine(
        &Examination {
            stack: &stack,
            histogram: &histogram,
            findings: &findings,
            changes: &changes,
            view: &view,
            sample: &sample,
            distance: distance(&slices, &labels),
            agreement: second_look::agreement(complete, &stack, &slices, &labels)?,
            lossy: readable.iter().filter(|header| header.lossy).count(),
            unusable: unreadable,
        },
        &manifest.gates,
    );
    let source = SegInput {
        template: complete.template,
        headers: &readable,
        stack: &stack,
        labels: &labels,
        segments: &manifest.segments,
        equipment: complete.equipment,
        model: encode::Model {
            name: &manifest.name,
            version: &manifest.version,
            digest: &complete.bundle.digest,
        },
        configuration_digest: CONFIGURATION_DIGEST,
        revision: complete.revision,
        now: &complete.now,
    };
    let seg = encode::segmentation(&source)?;
    let geometry: Vec<String> = stack.findings.iter().map(ToString::to_string).collect();
    let report = encode::report(&ReportInput {
        source: &source,
        segmentation: &seg,
        findings: &findings,
        remarks: &remarks(&gates, &geometry),
    })?;
    let picture = picture(&source, complete);
    let json = ResultJson {
        findings,
        n_slices: stack.order.len(),
        spacing: stack.geometry.spacing_mm(),
        verdict: mask::verdict(&gates),
        gates,
        gates_not_asked: mask::not_asked(&manifest.gates),
        geometry,
        unreadable,
        engine: complete.workers.info().clone(),
        model: ModelName::of(complete.bundle),
        seg: seg.sop_instance.clone(),
        revision: complete.revision,
        notice: NOTICE,
    };
    Ok(Finished {
        stack,
        labels,
        seg,
        report,
        picture,
        json,
    })
}

/// What a reader of the numbers should know: what is odd about the series.
fn remarks(gates: &[Gate], geometry: &[String]) -> Vec<String> {
    let doubtful = gates.iter().filter(|gate| gate.outcome != Outcome::Pass);
    let words = doubtful.map(|gate| gate.words.clone());
    words.chain(geometry.iter().cloned()).collect()
}

/// A result does not fail for want of a picture.
fn picture(source: &SegInput<'_>, complete: &Complete<'_>) -> Option<Picture> {
    let shown = encode::slice_to_show(&source.labels.slices)?;
    let place = source.stack.order.get(shown)?;
    let mut headers = complete.headers.iter();
    let header = headers.find(|header| header.sop_instance == place.sop_instance)?;
    let file = (complete.file)(&place.sop_instance).ok()?;
    let slice = FrameSource::open(&file, header).ok()?.frame(place.frame);
    let slice = &slice.ok()?;
    let labels = source.labels.slices.get(shown)?.whole();
    let png = encode::preview(slice, &labels).ok()?;
    let input = CaptureInput {
        source,
        shown,
        slice,
    };
    let capture = encode::capture(&input);
    let capture = capture.inspect_err(|error| {
        tracing::warn!(error = chain(error), "no picture of a result");
    });
    Some(Picture {
        png,
        capture: capture.ok()?,
    })
}

/// Whether the engine has all slices of an instance; instances that hold none are not asked for.
fn is_encoded(header: &InstanceHeader, encoded: &HashMap<(Uid, usize), Arc<EncodedSlice>>) -> bool {
    let slices = header.frames.iter().enumerate();
    let mut wanted = slices.filter(|(_, frame)| crate::series::is_slice(header, frame));
    wanted.all(|(frame, _)| encoded.contains_key(&(header.sop_instance.clone(), frame)))
}
