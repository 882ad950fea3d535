use std::borrow::Cow;

use super::{
    Labels, LogOdds,
    probabilities::probabilities,
    runs::{Components, Connectivity, Run, Runs},
};
use crate::{
    engine::Placement,
    model::{LESION, ORGAN, Postprocess},
};

/// What the network said of one slice, and where the slice lies in its field.
#[derive(Clone, Debug)]
pub struct Said<'a> {
    pub log_odds: Cow<'a, LogOdds>,
    pub placement: &'a Placement,
}

/// Lesions that the network is not sure enough of become organ. How sure it is of one is the mean
/// over its voxels of the probability of a lesion, each slice without its neighbours.
///
/// A boundary is where a lesion is as likely as not, so a small one that is real is less certain
/// than a large one; noise in a single slice, which hardly got over the boundary, is less certain
/// than either.
///
/// `said` is asked for slices that show a lesion only; its errors are returned, and nothing is changed.
pub fn absorb_uncertain_lesions<'a, E>(
    labels: &mut Labels,
    said: impl Fn(usize) -> Result<Said<'a>, E>,
    rules: &Postprocess,
) -> Result<(), E> {
    if rules.minimum_lesion_certainty == 0.0 {
        return Ok(());
    }
    let lesions = Runs::of(&labels.slices, |label| label == LESION);
    let components = lesions.components(Connectivity::Corners);
    let certainties = certainties(&lesions, &components, said)?;
    for (run, component) in lesions.all.iter().zip(&components.of_run) {
        if certainties[*component as usize] < rules.minimum_lesion_certainty {
            labels.of_mut(*run).fill(ORGAN);
        }
    }
    Ok(())
}

/// For each component, 0 to 1.
fn certainties<'a, E>(
    lesions: &Runs,
    components: &Components,
    said: impl Fn(usize) -> Result<Said<'a>, E>,
) -> Result<Vec<f64>, E> {
    let mut sums = vec![(0.0, 0_u32); components.count];
    let of_run = lesions.all.iter().zip(&components.of_run);
    let of_run: Vec<(Run, u32)> = of_run.map(|(run, of)| (*run, *of)).collect();
    for slice in of_run.chunk_by(|(a, _), (b, _)| a.slice == b.slice) {
        let Said {
            log_odds,
            placement,
        } = said(slice[0].0.slice as usize)?;
        let side = log_odds.side;
        let pixels = placement.to_source(&log_odds.pixels, side);
        // Of the network's pixels the nearest: in a mean over a lesion, what lies between two does
        // not matter.
        let nearest = |centre: f64| centre.round().clamp(0.0, side as f64 - 1.0) as usize;
        let [rows, columns] = placement.centres(side);
        for (run, component) in slice {
            let (sum, count) = &mut sums[*component as usize];
            let row = nearest(rows[run.row as usize]) * side;
            for column in &columns[run.start as usize..run.end as usize] {
                let [.., lesion] = probabilities(pixels[row + nearest(*column)]);
                *sum += f64::from(lesion);
            }
            *count += run.len();
        }
    }
    let means = sums.into_iter().map(|(sum, count)| sum / f64::from(count));
    Ok(means.collect())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use ndarray::Array3;

    use super::*;
    use crate::{
        dicom::Plane,
        engine::{Logits, preprocess},
        mask::{LabelSlice, Probabilities, label_slice},
        model::Manifest,
        volume::HuSlice,
    };

    const SIDE: usize = 64;

    /// Two slices of organ in the network's field, with a sure lesion on the source's left and
    /// one that is barely one on its right.
    fn said_of(row_cosines: [f64; 3]) -> Vec<(LogOdds, Placement)> {
        let hounsfield = HuSlice {
            rows: 128,
            columns: 128,
            hu: vec![50; 128 * 128],
        };
        let plane = Plane {
            position: [0.0; 3],
            row_cosines,
            column_cosines: [0.0, 1.0, 0.0],
            pixel_spacing: [3.0; 2],
        };
        let manifest = Manifest::parse(include_str!("../model/example.toml")).unwrap();
        let (_, placement) = preprocess(&hounsfield, &plane, &manifest.input);
        let lesion = |row: usize, column: usize| match (row, column) {
            (20..28, 16..24) => 6.0,
            (20..28, 44..52) => 0.5,
            _ => -4.0,
        };
        let source: Vec<f32> = (0..SIDE * SIDE)
            .map(|at| lesion(at / SIDE, at % SIDE))
            .collect();
        // A square turned to the source and back is the same, so this is its own inverse.
        let network = placement.to_source(&source, SIDE);
        let logits = Array3::from_shape_fn((3, SIDE, SIDE), |(class, row, column)| match class {
            0 => -4.0,
            1 => 0.0,
            _ => network[row * SIDE + column],
        });
        let log_odds = LogOdds::of(&Logits(logits), &[1.0; 3]);
        vec![(log_odds, placement); 2]
    }

    /// Lesion voxels on the left and on the right half of the source.
    fn lesions_left(said: &[(LogOdds, Placement)], minimum: f64) -> [usize; 2] {
        let rules = Postprocess {
            minimum_lesion_certainty: minimum,
            ..Postprocess::default()
        };
        let slices = said
            .iter()
            .map(|(log_odds, placement)| label_slice(&Probabilities::of(log_odds), placement));
        let mut labels: Labels = slices.collect();
        let said = |slice: usize| {
            let (log_odds, placement) = &said[slice];
            Ok::<_, Infallible>(Said {
                log_odds: Cow::Borrowed(log_odds),
                placement,
            })
        };
        let organ_and_lesion = labelled(&labels);
        absorb_uncertain_lesions(&mut labels, said, &rules).unwrap();
        assert_eq!(labelled(&labels), organ_and_lesion, "nothing is dropped");
        let whole = labels.slices.iter().map(LabelSlice::whole);
        whole.fold([0, 0], |[left, right], slice| {
            let (_, columns) = slice.dim();
            let count = |from: usize, to: usize| {
                let part = slice.slice(ndarray::s![.., from..to]);
                part.iter().filter(|label| **label == LESION).count()
            };
            [
                left + count(0, columns / 2),
                right + count(columns / 2, columns),
            ]
        })
    }

    fn labelled(labels: &Labels) -> usize {
        let slices = labels.slices.iter();
        let whole = slices.map(LabelSlice::whole);
        whole
            .map(|slice| slice.iter().filter(|label| **label > 0).count())
            .sum()
    }

    #[test]
    fn a_lesion_that_is_barely_one_becomes_organ_and_a_sure_one_stays() {
        let said = said_of([1.0, 0.0, 0.0]);
        let [sure, unsure] = lesions_left(&said, 0.0);
        assert!(sure > 100 && unsure > 100, "{sure} {unsure}");
        assert_eq!(lesions_left(&said, 0.5), [sure, unsure]);
        assert_eq!(lesions_left(&said, 0.75), [sure, 0]);
        assert_eq!(lesions_left(&said, 1.0), [0, 0]);
    }

    #[test]
    fn it_is_looked_up_where_the_lesion_is_in_mirrored_slices_too() {
        let said = said_of([-1.0, 0.0, 0.0]);
        let [sure, _] = lesions_left(&said, 0.0);
        assert_eq!(lesions_left(&said, 0.75), [sure, 0]);
    }
}
