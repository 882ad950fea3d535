//! The report a person reads: tables, and pictures of where the errors are.

use std::{
    fs,
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use askama::Template;
use ndarray::{ArrayView2, Axis};

use super::{Case, Report, Structure};

/// A report being written into a directory: pictures as cases pass by, the page at the end.
#[derive(Debug)]
pub struct HtmlReport {
    directory: PathBuf,
    cases: Vec<Gallery>,
}

#[derive(Debug)]
struct Gallery {
    name: String,
    pictures: Vec<Picture>,
}

#[derive(Debug)]
struct Picture {
    file: String,
    caption: String,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Hepar evaluation</title><style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto; padding: 0 1rem; color: #1c2733; }
pre { background: #f4f6f8; padding: 1rem; overflow-x: auto; font-size: 13px; }
figure { display: inline-block; margin: 0 1rem 1rem 0; } img { width: 520px; max-width: 100%; background: #000; }
figcaption { font-size: 13px; color: #52606d; } b { padding: 0 .4em; color: #fff; border-radius: 3px; }
.tp { background: #009e73; } .fp { background: #d55e00; } .fn { background: #0072b2; }
</style></head><body>
<h1>Evaluation of {{ report.cases.len() }} case{% if report.cases.len() != 1 %}s{% endif %}</h1>
<p>Liver means liver and tumours together. HD95 is the larger directed percentile in mm; NSD is the share of
surface within the tolerance. Cases in which neither mask has a structure are left out of its means; where only
one has, Dice and NSD are 0 and distances the diagonal of the volume. Intervals: {{ report.options.resampling.resamples }}
bootstrap resamples over patients.</p>
<pre>{{ report }}</pre>
<h2>Where the errors are</h2>
<p>Left: outlines of truth and prediction. Right: <b class="tp">found</b> <b class="fp">too much</b> <b class="fn">missed</b>,
tumours brighter than liver.</p>
{% for case in cases %}<h3>{{ case.name }}</h3>
{% for picture in case.pictures %}<figure><img src="{{ picture.file }}" alt="{{ picture.caption }}"><figcaption>{{ picture.caption }}</figcaption></figure>
{% endfor %}{% endfor %}</body></html>
"#
)]
struct Page<'a> {
    report: &'a Report,
    cases: &'a [Gallery],
}

impl HtmlReport {
    pub fn create(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            cases: Vec::new(),
        })
    }

    /// Draws the slices of a case that say most: the most liver, the most tumour, the most error.
    pub fn add(&mut self, case: &Case) -> io::Result<()> {
        let mut pictures = Vec::new();
        for slice in telling_slices(case) {
            let file = format!("case{:03}-slice{slice:04}.png", self.cases.len() + 1);
            let picture = Panel::of(case, slice);
            write_png(&self.directory.join(&file), &picture)?;
            pictures.push(Picture {
                file,
                caption: format!("slice {} of {}", slice + 1, case.truth.dim().0),
            });
        }
        self.cases.push(Gallery {
            name: case.name.clone(),
            pictures,
        });
        Ok(())
    }

    /// Writes `report.html` beside the pictures and says where.
    pub fn finish(&self, report: &Report) -> io::Result<PathBuf> {
        let page = Page {
            report,
            cases: &self.cases,
        };
        let path = self.directory.join("report.html");
        fs::write(&path, page.render().map_err(io::Error::other)?)?;
        Ok(path)
    }
}

fn telling_slices(case: &Case) -> Vec<usize> {
    let count = |slice: usize, counts: &dyn Fn(u8, u8) -> bool| {
        case.prediction
            .index_axis(Axis(0), slice)
            .iter()
            .zip(case.truth.index_axis(Axis(0), slice))
            .filter(|(p, t)| counts(**p, **t))
            .count()
    };
    let most = |counts: &dyn Fn(u8, u8) -> bool| {
        (0..case.truth.dim().0)
            .map(|slice| (count(slice, counts), slice))
            .max()
            .filter(|(voxels, _)| *voxels > 0)
            .map(|(_, slice)| slice)
    };
    let liver = |label| Structure::Liver.holds(label);
    let tumour = |label| Structure::Tumour.holds(label);
    let mut slices: Vec<usize> = [
        most(&|_, t| liver(t)),
        most(&|_, t| tumour(t)),
        most(&|p, t| liver(p) != liver(t)),
        most(&|p, t| tumour(p) != tumour(t)),
    ]
    .into_iter()
    .flatten()
    .collect();
    slices.sort_unstable();
    slices.dedup();
    slices
}

/// Two pictures of one slice side by side, 8-bit RGB.
struct Panel {
    rows: usize,
    columns: usize,
    rgb: Vec<u8>,
}

impl Panel {
    fn of(case: &Case, slice: usize) -> Self {
        let prediction = case.prediction.index_axis(Axis(0), slice);
        let truth = case.truth.index_axis(Axis(0), slice);
        let image = case.image.as_ref().map(|hu| hu.index_axis(Axis(0), slice));
        let (rows, columns) = truth.dim();
        let mut rgb = Vec::with_capacity(rows * columns * 6);
        for row in 0..rows {
            for errors in [false, true] {
                for column in 0..columns {
                    let place = (row, column);
                    let grey = image.map_or(0, |hu| grey(hu[place]));
                    let colour = if errors {
                        error_colour(prediction[place], truth[place])
                    } else {
                        outline_colour(prediction, truth, place)
                    };
                    rgb.extend(match colour {
                        Some((colour, strength)) => blended(grey, colour, strength),
                        None => [grey; 3],
                    });
                }
            }
        }
        Self {
            rows,
            columns: 2 * columns,
            rgb,
        }
    }
}

/// An abdominal window: -120 to 240 HU.
fn grey(hu: i16) -> u8 {
    ((f32::from(hu) + 120.0) / 360.0 * 255.0).clamp(0.0, 255.0) as u8
}

fn blended(grey: u8, colour: [u8; 3], strength: f32) -> [u8; 3] {
    let under = f32::from(grey) * (1.0 - strength);
    colour.map(|channel| (under + strength * f32::from(channel)) as u8)
}

/// The tumour's agreement where either sees one, else the liver's.
fn error_colour(prediction: u8, truth: u8) -> Option<([u8; 3], f32)> {
    let (structure, strength) = if prediction == 2 || truth == 2 {
        (Structure::Tumour, 0.85)
    } else {
        (Structure::Liver, 0.4)
    };
    let colour = match (structure.holds(prediction), structure.holds(truth)) {
        (true, true) => FOUND,
        (true, false) => TOO_MUCH,
        (false, true) => MISSED,
        (false, false) => return None,
    };
    Some((colour, strength))
}

fn outline_colour(
    prediction: ArrayView2<'_, u8>,
    truth: ArrayView2<'_, u8>,
    place: (usize, usize),
) -> Option<([u8; 3], f32)> {
    [(prediction, TOO_MUCH), (truth, FOUND)]
        .into_iter()
        .find(|(labels, _)| on_outline(*labels, place))
        .map(|(_, colour)| (colour, 1.0))
}

/// Whether a labelled pixel has a neighbour of a lower label.
fn on_outline(labels: ArrayView2<'_, u8>, (row, column): (usize, usize)) -> bool {
    let here = labels[(row, column)];
    let lower = |down: isize, right: isize| {
        row.checked_add_signed(down)
            .zip(column.checked_add_signed(right))
            .and_then(|place| labels.get(place))
            .is_none_or(|label| *label < here)
    };
    here > 0 && (lower(-1, 0) || lower(1, 0) || lower(0, -1) || lower(0, 1))
}

fn write_png(path: &Path, panel: &Panel) -> io::Result<()> {
    let file = BufWriter::new(fs::File::create(path)?);
    let mut encoder = png::Encoder::new(file, panel.columns as u32, panel.rows as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&panel.rgb))
        .map_err(io::Error::other)
}

/// Distinguishable without colour vision (Okabe and Ito).
const FOUND: [u8; 3] = [0, 158, 115];
const TOO_MUCH: [u8; 3] = [213, 94, 0];
const MISSED: [u8; 3] = [0, 114, 178];

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use ndarray::{Array3, s};

    use super::*;
    use crate::evaluate::{Labelled, Options, evaluate};

    #[test]
    fn the_page_shows_a_picture_of_each_error_in_its_colour() {
        let mut truth = Array3::from_elem((5, 30, 30), 0_u8);
        truth.slice_mut(s![1..4, 5..20, 5..20]).fill(1);
        let mut prediction = truth.clone();
        prediction.slice_mut(s![2, 25, 25]).fill(1);
        prediction.slice_mut(s![2, 10..12, 10]).fill(0);
        let case = Case {
            name: "<case & co>".to_owned(),
            patient: "<case & co>".to_owned(),
            prediction,
            truth,
            spacing_mm: Some([3.0, 1.0, 1.0]),
            labelled: Labelled::LiverAndTumour,
            image: Some(Array3::from_elem((5, 30, 30), 60)),
        };
        let panel = Panel::of(&case, 2);
        let pixel = |row: usize, column: usize| {
            let start = 3 * (row * panel.columns + 30 + column);
            [panel.rgb[start], panel.rgb[start + 1], panel.rgb[start + 2]]
        };
        assert_eq!(pixel(25, 25), blended(grey(60), TOO_MUCH, 0.4));
        assert_eq!(pixel(10, 10), blended(grey(60), MISSED, 0.4));
        assert_eq!(pixel(7, 7), blended(grey(60), FOUND, 0.4));
        assert_eq!(pixel(0, 0), [grey(60); 3]);

        let directory = tempfile::tempdir().unwrap();
        let mut html = HtmlReport::create(directory.path()).unwrap();
        html.add(&case).unwrap();
        let Ok(report) = evaluate([Ok::<_, Infallible>(case)], Options::default());
        let page = fs::read_to_string(html.finish(&report).unwrap()).unwrap();
        assert!(page.contains("case001-slice0002.png"), "{page}");
        assert!(!page.contains("<case"), "names are escaped");
        assert!(directory.path().join("case001-slice0002.png").exists());
    }
}
