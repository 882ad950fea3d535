use super::runs::Run;

/// One slice closed by a disc: dilated, then eroded by it. What a notch in the organ's outline
/// holds, a lesion that bulges through the capsule say, lies inside; what is merely near does not.
pub(super) struct Closed {
    /// For each row of the slice, stretches of columns `start` to before `end`, apart and rising.
    rows: Vec<Vec<Span>>,
}

type Span = [i32; 2];

impl Closed {
    /// `runs` are those of one slice with `rows` rows; `spacing_mm` is between rows and columns.
    pub(super) fn of(runs: &[Run], rows: usize, spacing_mm: [f64; 2], radius_mm: f64) -> Self {
        let disc = Disc::of(spacing_mm, radius_mm);
        // Room for the dilation to leave the image, so that the erosion comes back from there.
        let margin = disc.half_widths.len() - 1;
        let mut organ = vec![Vec::new(); rows + 2 * margin];
        for run in runs {
            // Columns of an image are far below 2^31.
            organ[run.row as usize + margin].push([run.start.cast_signed(), run.end.cast_signed()]);
        }
        let dilated = disc.dilate(&organ);
        let outside: Vec<_> = dilated.iter().map(|row| complement(row)).collect();
        let eroded = disc
            .dilate(&outside)
            .into_iter()
            .map(|row| complement(&row));
        Self {
            rows: eroded.skip(margin).take(rows).collect(),
        }
    }

    /// The parts of a run that lie inside, as columns.
    pub(super) fn inside(&self, run: Run) -> impl Iterator<Item = [u32; 2]> {
        let [from, to] = [run.start.cast_signed(), run.end.cast_signed()];
        self.rows[run.row as usize]
            .iter()
            .map(move |&[start, end]| [start.max(from), end.min(to)])
            .filter(|[start, end]| start < end)
            // Between the ends of the run, which are not negative.
            .map(|part| part.map(i32::cast_unsigned))
    }
}

/// How far the disc reaches along the columns, by distance in rows.
struct Disc {
    half_widths: Vec<i32>,
}

impl Disc {
    fn of([between_rows, between_columns]: [f64; 2], radius_mm: f64) -> Self {
        let reach = (radius_mm / between_rows).floor() as usize;
        let half_width = |rows: usize| {
            let off_mm = rows as f64 * between_rows;
            ((radius_mm.powi(2) - off_mm.powi(2)).max(0.0).sqrt() / between_columns).floor() as i32
        };
        Self {
            half_widths: (0..=reach).map(half_width).collect(),
        }
    }

    fn dilate(&self, rows: &[Vec<Span>]) -> Vec<Vec<Span>> {
        let reach = self.half_widths.len() - 1;
        (0..rows.len())
            .map(|row| {
                let near = row.saturating_sub(reach)..=(row + reach).min(rows.len() - 1);
                let mut spans: Vec<Span> = near
                    .flat_map(|other| {
                        let wider = self.half_widths[other.abs_diff(row)];
                        let widen = move |&[start, end]: &Span| {
                            [start.saturating_sub(wider), end.saturating_add(wider)]
                        };
                        rows[other].iter().map(widen)
                    })
                    .collect();
                spans.sort_unstable();
                merged(&spans)
            })
            .collect()
    }
}

/// Sorted spans, those that overlap or touch made one.
fn merged(spans: &[Span]) -> Vec<Span> {
    let mut apart: Vec<Span> = Vec::with_capacity(spans.len());
    for &[start, end] in spans {
        match apart.last_mut() {
            Some([_, last]) if start <= *last => *last = end.max(*last),
            _ => apart.push([start, end]),
        }
    }
    apart
}

/// What spans that are apart and rising leave free of the whole row.
fn complement(spans: &[Span]) -> Vec<Span> {
    let starts = std::iter::once(i32::MIN).chain(spans.iter().map(|span| span[1]));
    let ends = spans
        .iter()
        .map(|span| span[0])
        .chain(std::iter::once(i32::MAX));
    starts
        .zip(ends)
        .filter(|(start, end)| start < end)
        .map(|(start, end)| [start, end])
        .collect()
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::mask::runs::Runs;

    fn closed(picture: &Array2<u8>, spacing_mm: [f64; 2], radius_mm: f64) -> Array2<u8> {
        let runs = Runs::of(&[picture.clone().into()], |label| label != 0);
        let closed = Closed::of(&runs.all, picture.nrows(), spacing_mm, radius_mm);
        let mut result = Array2::zeros(picture.dim());
        for row in 0..picture.nrows() {
            let whole = Run {
                slice: 0,
                row: row as u32,
                start: 0,
                end: picture.ncols() as u32,
            };
            for [start, end] in closed.inside(whole) {
                result
                    .slice_mut(ndarray::s![row, start as usize..end as usize])
                    .fill(1);
            }
        }
        result
    }

    /// Closing from its definition: a pixel is outside if some disc that holds it misses the organ.
    fn by_definition(picture: &Array2<u8>, spacing_mm: [f64; 2], radius_mm: f64) -> Array2<u8> {
        let (rows, columns) = picture.dim();
        let near = |a: [i32; 2], b: [i32; 2]| {
            let off = |axis: usize| f64::from(a[axis] - b[axis]) * spacing_mm[axis];
            off(0).powi(2) + off(1).powi(2) <= radius_mm.powi(2)
        };
        let reach = (radius_mm / spacing_mm[0].min(spacing_mm[1])) as i32 + 1;
        let around = |[r, c]: [i32; 2]| {
            (r - reach..=r + reach).flat_map(move |y| (c - reach..=c + reach).map(move |x| [y, x]))
        };
        let organ = |[r, c]: [i32; 2]| {
            r >= 0
                && c >= 0
                && picture
                    .get([r as usize, c as usize])
                    .is_some_and(|label| *label != 0)
        };
        Array2::from_shape_fn((rows, columns), |(r, c)| {
            let here = [r, c].map(|at| i32::try_from(at).unwrap());
            let missed = |centre: [i32; 2]| !around(centre).any(|p| near(p, centre) && organ(p));
            u8::from(!around(here).any(|centre| near(centre, here) && missed(centre)))
        })
    }

    #[test]
    fn closing_fills_notches_and_leaves_the_outline() {
        let mut picture = Array2::<u8>::zeros((40, 40));
        picture.slice_mut(ndarray::s![8..32, 5..30]).fill(1);
        picture.slice_mut(ndarray::s![16..22, 22..30]).fill(0);
        picture.slice_mut(ndarray::s![0..3, 30..40]).fill(1);
        for (spacing_mm, radius_mm) in [([1.0, 1.0], 5.0), ([0.8, 1.3], 5.0), ([2.0, 1.0], 3.0)] {
            let found = closed(&picture, spacing_mm, radius_mm);
            assert_eq!(
                found,
                by_definition(&picture, spacing_mm, radius_mm),
                "{spacing_mm:?}"
            );
        }
        let found = closed(&picture, [1.0, 1.0], 5.0);
        assert_eq!(found[[18, 24]], 1, "in the notch");
        assert_eq!(found[[18, 31]], 0, "beside the organ");
    }

    #[test]
    fn no_radius_closes_nothing() {
        let mut picture = Array2::<u8>::zeros((9, 9));
        picture[[4, 3]] = 1;
        picture[[4, 5]] = 1;
        assert_eq!(closed(&picture, [1.0, 1.0], 0.0), picture);
    }
}
