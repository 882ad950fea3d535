//! How complicated an outline is: elliptical Fourier descriptors (Kuhl and Giardina, 1982).
//!
//! A smooth liver needs a few harmonics, a ragged one many. The order at which a reconstruction
//! overlaps the mask well enough is the boundary order; it explains which cases a network finds hard.

use std::f64::consts::PI;

use ndarray::{Array2, ArrayView2};
use serde::Serialize;

/// Harmonics needed to redraw an outline, how well they do, and both in one figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BoundaryOrder {
    pub order: usize,
    pub dice: f64,
    /// order + 200 (1 - Dice).
    pub complexity: f64,
}

/// A closed curve as a Fourier series.
#[derive(Clone, Debug, PartialEq)]
pub struct Descriptors {
    /// (x, y) of the centre term.
    pub centre: [f64; 2],
    /// (a, b, c, d) of each harmonic: cosine and sine of x, cosine and sine of y.
    pub harmonics: Vec<[f64; 4]>,
}

impl Descriptors {
    /// Of the closed polygon through `points` (x, y), which is not repeated at its end.
    pub fn of(points: &[[f64; 2]], order: usize) -> Option<Self> {
        if points.len() < 3 {
            return None;
        }
        let steps: Vec<[f64; 3]> = (0..points.len())
            .map(|index| {
                let ([x0, y0], [x1, y1]) = (points[index], points[(index + 1) % points.len()]);
                [x1 - x0, y1 - y0, (x1 - x0).hypot(y1 - y0)]
            })
            .filter(|[_, _, length]| *length > 0.0)
            .collect();
        let whole: f64 = steps.iter().map(|[_, _, length]| length).sum();
        let harmonics = (1..=order).map(|n| harmonic(&steps, whole, n)).collect();
        Some(Self {
            centre: centre(points[0], &steps, whole),
            harmonics,
        })
    }

    /// `count` points of the curve drawn with the first `order` harmonics.
    pub fn redraw(&self, order: usize, count: usize) -> Vec<[f64; 2]> {
        (0..count)
            .map(|index| {
                let t = 2.0 * PI * index as f64 / count as f64;
                let mut point = self.centre;
                for (n, [a, b, c, d]) in self.harmonics.iter().take(order).enumerate() {
                    let (sin, cos) = ((n + 1) as f64 * t).sin_cos();
                    point[0] += a * cos + b * sin;
                    point[1] += c * cos + d * sin;
                }
                point
            })
            .collect()
    }
}

/// The order from which the filled reconstruction has a Dice above 97 %, or gains less than 0.1 %.
/// `None` for a mask without an outline of at least three points.
pub fn boundary_order(mask: ArrayView2<'_, bool>) -> Option<BoundaryOrder> {
    let outline = outer_contour(mask);
    let points: Vec<[f64; 2]> = outline
        .iter()
        .map(|[r, c]| [*c as f64, *r as f64])
        .collect();
    let filled = fill(&points, mask.dim());
    let descriptors = Descriptors::of(&points, HIGHEST_ORDER)?;
    let mut best = 0.0;
    for order in 1..=HIGHEST_ORDER {
        let redrawn = fill(&descriptors.redraw(order, points.len().max(64)), mask.dim());
        let dice = dice(&redrawn, &filled);
        let gain = dice - best;
        best = dice;
        if dice > 0.97 || (order > 1 && gain < 0.001) || order == HIGHEST_ORDER {
            return Some(BoundaryOrder {
                order,
                dice,
                complexity: order as f64 + 200.0 * (1.0 - dice),
            });
        }
    }
    None
}

fn harmonic(steps: &[[f64; 3]], whole: f64, n: usize) -> [f64; 4] {
    let n = n as f64;
    let mut sums = [0.0; 4];
    let mut done = 0.0;
    for [dx, dy, length] in steps {
        let (sin0, cos0) = (2.0 * PI * n * done / whole).sin_cos();
        done += length;
        let (sin1, cos1) = (2.0 * PI * n * done / whole).sin_cos();
        for (sum, (slope, change)) in sums.iter_mut().zip([
            (dx / length, cos1 - cos0),
            (dx / length, sin1 - sin0),
            (dy / length, cos1 - cos0),
            (dy / length, sin1 - sin0),
        ]) {
            *sum += slope * change;
        }
    }
    sums.map(|sum| sum * whole / (2.0 * n * n * PI * PI))
}

/// The mean of the curve over its length.
fn centre(start: [f64; 2], steps: &[[f64; 3]], whole: f64) -> [f64; 2] {
    let ([mut x, mut y], mut sum) = (start, [0.0; 2]);
    for [dx, dy, length] in steps {
        sum[0] += (x + dx / 2.0) * length;
        sum[1] += (y + dy / 2.0) * length;
        x += dx;
        y += dy;
    }
    sum.map(|total| total / whole)
}

/// The 8-connected outline [row, column] of the largest 8-connected piece of a mask, by Moore's
/// neighbour tracing, clockwise, every pixel.
fn outer_contour(mask: ArrayView2<'_, bool>) -> Vec<[usize; 2]> {
    let Some(start) = top_left_of_largest(mask) else {
        return Vec::new();
    };
    let (rows, columns) = mask.dim();
    let neighbour = |[row, column]: [usize; 2], direction: usize| -> Option<[usize; 2]> {
        let (down, right) = RING[direction % 8];
        let place = [
            row.checked_add_signed(down)?,
            column.checked_add_signed(right)?,
        ];
        (place[0] < rows && place[1] < columns && mask[place]).then_some(place)
    };
    let mut outline = vec![start];
    // The search starts after the direction from which the pixel was entered.
    let (mut here, mut from) = (start, 0);
    loop {
        let Some(direction) = (from..from + 8).find(|d| neighbour(here, *d).is_some()) else {
            return outline;
        };
        let Some(next) = neighbour(here, direction) else {
            return outline;
        };
        // Jacob's criterion: back at the start and about to repeat the first step.
        if here == start && outline.len() > 1 && next == outline[1] {
            outline.pop();
            return outline;
        }
        outline.push(next);
        here = next;
        // Turn back to the last empty neighbour seen: one step for a straight move, two for a
        // diagonal one.
        from = (direction + if direction % 2 == 0 { 7 } else { 6 }) % 8;
        if outline.len() > 4 * rows * columns {
            return outline;
        }
    }
}

fn top_left_of_largest(mask: ArrayView2<'_, bool>) -> Option<[usize; 2]> {
    let (rows, columns) = mask.dim();
    let mut seen = Array2::from_elem(mask.dim(), false);
    let mut best: Option<(usize, [usize; 2])> = None;
    for ((row, column), inside) in mask.indexed_iter() {
        if !inside || seen[[row, column]] {
            continue;
        }
        let mut size = 0;
        let mut frontier = vec![[row, column]];
        seen[[row, column]] = true;
        while let Some([r, c]) = frontier.pop() {
            size += 1;
            for (down, right) in RING {
                let place = r.checked_add_signed(down).zip(c.checked_add_signed(right));
                if let Some((r, c)) = place.filter(|(r, c)| *r < rows && *c < columns)
                    && mask[[r, c]]
                    && !seen[[r, c]]
                {
                    seen[[r, c]] = true;
                    frontier.push([r, c]);
                }
            }
        }
        if best.is_none_or(|(most, _)| size > most) {
            best = Some((size, [row, column]));
        }
    }
    best.map(|(_, place)| place)
}

/// The pixels whose centre lies in or on a closed polygon (x, y): even-odd rule per row, and the
/// polygon's own pixels.
fn fill(polygon: &[[f64; 2]], (rows, columns): (usize, usize)) -> Array2<bool> {
    let mut filled = Array2::from_elem((rows, columns), false);
    let mut crossings = Vec::new();
    for row in 0..rows {
        let y = row as f64;
        crossings.clear();
        for (index, [x0, y0]) in polygon.iter().enumerate() {
            let [x1, y1] = polygon[(index + 1) % polygon.len()];
            if (*y0 <= y) != (y1 <= y) {
                crossings.push(x0 + (y - y0) / (y1 - y0) * (x1 - x0));
            }
        }
        crossings.sort_by(f64::total_cmp);
        for pair in crossings.chunks_exact(2) {
            let first = pair[0].ceil().max(0.0) as usize;
            let last = pair[1].floor();
            if last >= 0.0 {
                for column in first..=(last as usize).min(columns.saturating_sub(1)) {
                    filled[[row, column]] = true;
                }
            }
        }
    }
    for [x, y] in polygon {
        let (row, column) = (y.round(), x.round());
        if row >= 0.0 && column >= 0.0 && (row as usize) < rows && (column as usize) < columns {
            filled[[row as usize, column as usize]] = true;
        }
    }
    filled
}

fn dice(a: &Array2<bool>, b: &Array2<bool>) -> f64 {
    let count = |mask: &Array2<bool>| mask.iter().filter(|inside| **inside).count();
    let both = a.iter().zip(b).filter(|(a, b)| **a && **b).count();
    2.0 * both as f64 / (count(a) + count(b)).max(1) as f64
}

/// The eight neighbours (down, right), clockwise from the right.
const RING: [(isize, isize); 8] = [
    (0, 1),
    (1, 1),
    (1, 0),
    (1, -1),
    (0, -1),
    (-1, -1),
    (-1, 0),
    (-1, 1),
];

/// More harmonics than an outline at CT resolution has details.
const HIGHEST_ORDER: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of pyefd for the same outline.
    #[test]
    fn an_l_has_the_published_descriptors() {
        let outline = [[0., 0.], [4., 0.], [4., 1.], [1., 1.], [1., 3.], [0., 3.]];
        let descriptors = Descriptors::of(&outline, 4).unwrap();
        let expected = [
            [-0.985_914_51, 1.553_709_89, -0.354_624_14, -1.212_153_91],
            [-0.487_072_64, -0.234_561_82, -0.487_072_64, -0.234_561_82],
            [0.157_134_68, 0.049_409_4, -0.039_402_68, 0.295_859_46],
            [-0.046_764_2, -0.058_640_46, -0.046_764_2, -0.058_640_46],
        ];
        for (found, expected) in descriptors
            .harmonics
            .iter()
            .flatten()
            .zip(expected.iter().flatten())
        {
            assert!((found - expected).abs() < 1e-7, "{found} is not {expected}");
        }
        assert!((descriptors.centre[0] - 1.571_428_6).abs() < 1e-7);
        assert!((descriptors.centre[1] - 1.071_428_6).abs() < 1e-7);
    }

    #[test]
    fn the_outline_of_a_block_is_its_rim() {
        let mut mask = Array2::from_elem((8, 9), false);
        mask.slice_mut(ndarray::s![2..6, 3..8]).fill(true);
        let mut outline = outer_contour(mask.view());
        assert_eq!(outline.len(), 2 * (4 + 5) - 4);
        outline.sort_unstable();
        outline.dedup();
        assert_eq!(outline.len(), 14);
        mask.fill(false);
        assert!(outer_contour(mask.view()).is_empty());
        assert_eq!(boundary_order(mask.view()), None);
    }

    #[test]
    fn an_ellipse_needs_one_harmonic_and_a_star_stops_where_harmonics_gain_nothing() {
        let drawn = |radius: fn(f64) -> f64| {
            Array2::from_shape_fn((160, 160), |(row, column)| {
                let (x, y) = (column as f64 - 80.0, (row as f64 - 80.0) * 1.3);
                x.hypot(y) < radius(y.atan2(x))
            })
        };
        let ellipse = boundary_order(drawn(|_| 60.0).view()).unwrap();
        assert_eq!(ellipse.order, 1, "{ellipse:?}");
        let star = boundary_order(drawn(|angle| 45.0 + 20.0 * (7.0 * angle).cos()).view()).unwrap();
        // Seven rays: the second harmonic adds nothing, so the search ends below 97 %.
        assert_eq!(star.order, 2, "{star:?}");
        assert!(star.complexity > 10.0 * ellipse.complexity, "{star:?}");
    }
}
