//! One stack out of a series that holds several.
//!
//! A series can hold two contrast phases at the same positions, or the stations of one long scan one
//! above the other, which may overlap a little. Mixing two phases slice by slice gives a volume of
//! neither; leaving out a station loses half a liver. What tells images apart is, in this order: their acquisition, their
//! temporal position, and a run of instance numbers that goes through the patient once.

use std::collections::BTreeMap;

use super::arrange::{COINCIDENT_MM, Candidate, pairs};

/// The images of one stack, and in words which they are; `None` if nothing tells them apart.
pub(super) struct Selection {
    pub(super) kept: Vec<Candidate>,
    pub(super) left_out: usize,
    /// Such as `acquisition 3`.
    pub(super) which: String,
    /// How far the series reaches beyond the stack, if that is a large part of it.
    pub(super) beyond_mm: Option<f64>,
}

/// The stack to segment, from images sorted along the normal of which some exclude each other.
pub(super) fn select(sorted: &[Candidate]) -> Option<Selection> {
    let by_acquisition = |image: &Candidate| image.acquisition_number.map(i64::from);
    let by_time = |image: &Candidate| image.temporal_position;
    let runs = runs_by_instance_number(sorted);
    let by_run = |image: &Candidate| runs.get(&place(image)).copied();
    one_of(sorted, "acquisition", by_acquisition, Stations::Join)
        .or_else(|| one_of(sorted, "temporal position", by_time, Stations::None))
        .or_else(|| one_of(sorted, "pass", by_run, Stations::None))
}

/// Whether images of several acquisitions lie among each other without ever coinciding.
pub(super) fn interleaved(sorted: &[Candidate]) -> bool {
    let extents: Vec<_> = groups(sorted, |image| image.acquisition_number.map(i64::from))
        .values()
        .map(|group| extent(group))
        .collect();
    extents.iter().enumerate().any(|(at, a)| {
        extents
            .iter()
            .skip(at + 1)
            .any(|b| overlap_mm(*a, *b) > 0.0)
    })
}

type Groups = BTreeMap<Option<i64>, Vec<Candidate>>;

fn groups(sorted: &[Candidate], key: impl Fn(&Candidate) -> Option<i64>) -> Groups {
    let mut groups = Groups::new();
    for image in sorted {
        groups.entry(key(image)).or_default().push(*image);
    }
    groups
}

/// Whether groups that lie above or below each other are parts of one scan.
#[derive(Clone, Copy, PartialEq)]
enum Stations {
    Join,
    None,
}

/// The largest group (of equals the first), joined by those above and below it if they are stations;
/// where two stations overlap, the images of the larger one are kept.
fn one_of(
    sorted: &[Candidate],
    word: &str,
    key: impl Fn(&Candidate) -> Option<i64>,
    stations: Stations,
) -> Option<Selection> {
    let groups = groups(sorted, key);
    let mut order: Vec<_> = groups.iter().collect();
    order.sort_by_key(|(key, group)| (std::cmp::Reverse(group.len()), **key));

    let mut extents: Vec<(f64, f64)> = Vec::new();
    let mut kept: Vec<Candidate> = Vec::new();
    let mut names = Vec::new();
    for (key, group) in order {
        let here = extent(group);
        let joins = || stations == Stations::Join && extents.iter().all(|at| beside(*at, here));
        if extents.is_empty() || joins() {
            let new = |image: &&Candidate| extents.iter().all(|at| outside(image, *at));
            kept.extend(group.iter().filter(new));
            extents.push(here);
            names.extend(key.map(|key| key.to_string()));
        }
    }
    kept.sort_by(|a, b| a.along_mm.total_cmp(&b.along_mm));

    let all_mm = length_mm(extent(sorted));
    let beyond_mm = all_mm - length_mm(extent(&kept));
    let covers = beyond_mm <= (1.0 - MIN_COVERAGE) * all_mm;
    let apart = !pairs(&kept).any(|(a, b)| a.coincides_with(b));
    let complete = kept.len() as f64 >= MIN_COVERAGE * distinct_positions(sorted) as f64;
    names.sort();
    names.truncate(4);
    (covers && apart && complete && kept.len() < sorted.len()).then(|| Selection {
        left_out: sorted.len() - kept.len(),
        which: format!("{word} {}", names.join(", ")),
        beyond_mm: (beyond_mm > SMALL_PART * all_mm).then_some(beyond_mm),
        kept,
    })
}

/// A chosen stack must reach over, and hold, this share of what the whole series covers: half of two
/// phases is a whole liver, a third of a scan is not. Interleaved phases hold half of all positions.
const MIN_COVERAGE: f64 = 0.45;

/// What two stations of one scan overlap by at most, as a share of the shorter one; phases of one organ
/// overlap by most of it. So much of a series may be left out without a word.
const SMALL_PART: f64 = 0.25;

fn extent(group: &[Candidate]) -> (f64, f64) {
    group
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), image| {
            (low.min(image.along_mm), high.max(image.along_mm))
        })
}

fn length_mm((low, high): (f64, f64)) -> f64 {
    high - low
}

/// Whether two extents lie one above the other, but for a small part.
fn beside(a: (f64, f64), b: (f64, f64)) -> bool {
    overlap_mm(a, b) < SMALL_PART * length_mm(a).min(length_mm(b))
}

fn outside(image: &Candidate, (low, high): (f64, f64)) -> bool {
    image.along_mm < low - COINCIDENT_MM || image.along_mm > high + COINCIDENT_MM
}

/// Negative if the two lie apart, zero if they touch.
fn overlap_mm(a: (f64, f64), b: (f64, f64)) -> f64 {
    a.1.min(b.1) - a.0.max(b.0)
}

fn distinct_positions(sorted: &[Candidate]) -> usize {
    sorted.len() - pairs(sorted).filter(|(a, b)| a.coincides_with(b)).count()
}

/// Numbers the passes through the patient: in the order of instance numbers and frames, a new one begins
/// where the direction turns round or a position comes again.
fn runs_by_instance_number(sorted: &[Candidate]) -> BTreeMap<(usize, usize), i64> {
    let mut numbered: Vec<_> = sorted
        .iter()
        .filter_map(|image| Some((image.instance_number?, image)))
        .collect();
    numbered.sort_by_key(|(number, image)| (*number, place(image)));

    let mut runs = BTreeMap::new();
    let (mut run, mut direction) = (1, 0.0);
    let mut previous: Option<&Candidate> = None;
    for (_, image) in numbered {
        let step = previous.map_or(0.0, |previous| image.along_mm - previous.along_mm);
        let turns = step * direction < 0.0;
        let stands = previous.is_some_and(|previous| previous.coincides_with(image));
        if turns || stands {
            run += 1;
            direction = 0.0;
        } else if step != 0.0 {
            direction = step;
        }
        runs.insert(place(image), run);
        previous = Some(image);
    }
    runs
}

/// The instance and the frame in it.
fn place(image: &Candidate) -> (usize, usize) {
    (image.instance, image.frame)
}
