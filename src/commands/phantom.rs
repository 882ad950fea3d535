use std::path::PathBuf;

use clap::Args;

use hepar::phantom::{self, ExportError, PhantomSpec, Tumour};

use super::{Failure, OrFail, named};

/// Synthetic patients only: a figure measured on phantoms says nothing about patients.
#[derive(Args, Debug)]
pub struct Phantom {
    /// Where NNNN.dcm, labels.npy and truth.json go.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Everything else in one TOML file, as truth.json names it; options override it.
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    /// Which patient.
    #[arg(long)]
    seed: Option<u64>,
    /// abdomen, head, chest, pelvis, limb or cylinder.
    #[arg(long, value_parser = named::<phantom::Region>)]
    region: Option<phantom::Region>,
    /// native, late-arterial, portal-venous or delayed.
    #[arg(long, value_parser = named::<phantom::Phase>)]
    phase: Option<phantom::Phase>,
    #[arg(long)]
    slices: Option<usize>,
    #[arg(long)]
    rows: Option<usize>,
    #[arg(long)]
    columns: Option<usize>,
    /// Between slices, mm.
    #[arg(long, value_name = "MM")]
    slice_spacing: Option<f64>,
    #[arg(long, value_name = "MM")]
    slice_thickness: Option<f64>,
    /// Between pixels, mm; fits the body when not given.
    #[arg(long, value_name = "MM")]
    pixel_spacing: Option<f64>,
    /// Patient directions in which columns and rows are counted: LP, LA, RP, RA, PL, PR, AL or AR.
    #[arg(long)]
    orientation: Option<phantom::Orientation>,
    /// HFS, FFS, HFP or FFP.
    #[arg(long, value_parser = named::<phantom::PatientPosition>)]
    patient_position: Option<phantom::PatientPosition>,
    /// Tilt of every slice about the left-right axis, degrees.
    #[arg(long, allow_negative_numbers = true, value_name = "DEGREES")]
    inclination: Option<f64>,
    /// A slice that never arrives, counted from 0 along the normal; may be repeated.
    #[arg(long, value_name = "SLICE")]
    missing: Vec<usize>,
    /// How many tumours, of mixed size and kind.
    #[arg(long)]
    tumours: Option<usize>,
    /// Standard deviation, HU.
    #[arg(long, value_name = "HU")]
    noise: Option<f64>,
}

impl Phantom {
    pub fn run(self) -> Result<(), Failure> {
        let out = self.out.clone();
        let spec = self.specification()?;
        let phantom = phantom::write(&spec, &out).map_err(|error| match error {
            ExportError::Spec(error) => Failure::new(Failure::USAGE, error),
            ExportError::Encode(error) => Failure::new(Failure::INTERNAL, error),
            error => Failure::new(Failure::IO, error),
        })?;
        println!(
            "{}: {} slices, liver {:.0} ml, {} tumours of {:.1} ml",
            out.display(),
            phantom.planes.len(),
            phantom.liver_ml(),
            phantom.tumours.len(),
            phantom.tumour_ml(),
        );
        Ok(())
    }

    fn specification(self) -> Result<PhantomSpec, Failure> {
        let mut spec: PhantomSpec = match &self.spec {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .or_fail(Failure::IO, format!("cannot read {}", path.display()))?;
                toml::from_str(&text)
                    .or_fail(Failure::USAGE, format!("cannot use {}", path.display()))?
            }
            None => PhantomSpec::default(),
        };
        if let Some(region) = self.region {
            spec = PhantomSpec {
                region,
                tumours: match region {
                    phantom::Region::Abdomen => spec.tumours,
                    _ => Vec::new(),
                },
                ..spec
            };
        }
        let mut set = Setter(&mut spec);
        set.to(self.seed, |s| &mut s.seed);
        set.to(self.phase, |s| &mut s.phase);
        set.to(self.slices, |s| &mut s.slices);
        set.to(self.rows, |s| &mut s.rows);
        set.to(self.columns, |s| &mut s.columns);
        set.to(self.slice_spacing, |s| &mut s.slice_spacing);
        set.to(self.slice_thickness, |s| &mut s.slice_thickness);
        set.to(self.orientation, |s| &mut s.orientation);
        set.to(self.patient_position, |s| &mut s.patient_position);
        set.to(self.inclination, |s| &mut s.inclination);
        set.to(self.noise, |s| &mut s.noise_hu);
        if let Some(mm) = self.pixel_spacing {
            spec.pixel_spacing = Some([mm, mm]);
        }
        if let Some(count) = self.tumours {
            spec.tumours = Tumour::assorted(count, spec.seed);
        }
        spec.missing.extend(self.missing);
        Ok(spec)
    }
}

struct Setter<'a>(&'a mut PhantomSpec);

impl Setter<'_> {
    fn to<T>(&mut self, value: Option<T>, field: impl Fn(&mut PhantomSpec) -> &mut T) {
        if let Some(value) = value {
            *field(self.0) = value;
        }
    }
}
