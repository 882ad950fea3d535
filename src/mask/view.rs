use super::neighbours;
use crate::model::Postprocess;

/// Which slices of a series show the organ, by the encoder's own judgement of each whole slice.
///
/// The head looks at pixels and finds a little liver in a spleen or a pelvis; the encoder sees what
/// region the slice is of. Judgements of single slices waver, so each is averaged with its physical
/// neighbours.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Probability that the organ is in the slice, in the order of the stack.
    shown: Vec<f64>,
    along_mm: Vec<f64>,
}

/// Averaging reaches this far: organs do not come and go within a centimetre.
const REACH_MM: f64 = 10.0;

impl View {
    /// `judged` is the encoder's probability per slice; a bundle whose encoder does not judge shows
    /// the organ everywhere. `along_mm` are the slices' places along their normal, rising.
    #[must_use]
    pub fn of(judged: &[Option<f32>], along_mm: &[f64]) -> Self {
        let shown = (0..along_mm.len())
            .map(|slice| {
                let near = &judged[neighbours(along_mm, slice, REACH_MM)];
                let sum: f64 = near.iter().map(|p| f64::from(p.unwrap_or(1.0))).sum();
                sum / near.len() as f64
            })
            .collect();
        Self {
            shown,
            along_mm: along_mm.to_vec(),
        }
    }

    /// Whether what the head finds in this slice may be the organ.
    #[must_use]
    pub fn may_show_organ(&self, slice: usize, rules: &Postprocess) -> bool {
        self.shown[slice] >= rules.minimum_view
    }

    /// How far the longest stretch of slices reaches that rather show the organ than not, mm.
    pub(super) fn extent_mm(&self) -> f64 {
        let (Some(first), Some(last)) = (self.along_mm.first(), self.along_mm.last()) else {
            return 0.0;
        };
        // Each slice stands for its share of the stack.
        let step_mm = (last - first) / (self.along_mm.len() as f64 - 1.0).max(1.0);
        let slices = self.shown.iter().zip(&self.along_mm);
        let mut longest = 0.0_f64;
        let mut begun: Option<f64> = None;
        for (shown, along) in slices {
            begun = (*shown >= 0.5).then(|| begun.unwrap_or(*along));
            longest = begun.map_or(longest, |from| longest.max(along - from + step_mm));
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wavering_slice_neither_hides_nor_shows_the_organ() {
        let along: Vec<f64> = (0..40).map(|slice| f64::from(slice) * 5.0).collect();
        let mut judged: Vec<_> = (0..40)
            .map(|s| Some(f32::from(u8::from(s >= 20))))
            .collect();
        judged[5] = Some(1.0);
        judged[30] = Some(0.0);
        let view = View::of(&judged, &along);
        let rules = Postprocess {
            minimum_view: 0.3,
            ..Postprocess::default()
        };
        let shown: Vec<_> = (0..40)
            .filter(|s| view.may_show_organ(*s, &rules))
            .collect();
        assert_eq!(shown, (19..40).collect::<Vec<_>>());
        assert!(
            (view.extent_mm() - 100.0).abs() < 1e-9,
            "{}",
            view.extent_mm()
        );
    }

    #[test]
    fn without_a_judgement_every_slice_may_show_it() {
        let view = View::of(&[None; 3], &[0.0, 1.0, 2.0]);
        assert!((0..3).all(|slice| view.may_show_organ(slice, &Postprocess::default())));
        assert!((view.extent_mm() - 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_series_that_shows_none_has_no_extent() {
        let view = View::of(&[Some(0.1); 3], &[0.0, 1.0, 2.0]);
        assert!(view.extent_mm() < 1e-9);
    }
}
