//! The surface in small pieces of known area, as DeepMind's `surface-distance` measures it.
//!
//! A piece (surfel) sits at every corner of the voxel grid whose eight voxels differ. Its area is
//! that of the marching-cubes surface between them. Distances run between corners; means and
//! percentiles are weighted by area, so that a steep flank does not count for more than a flat top.

use ndarray::Array3;

use super::{distance, surface::Cropped};

/// (distance in mm, area in mm2) of each surfel of one mask to the other's surface, ascending.
#[derive(Clone, Debug)]
pub struct Surfels {
    pub from_prediction: Vec<(f64, f64)>,
    pub from_truth: Vec<(f64, f64)>,
}

impl Surfels {
    /// `None` unless both masks have a voxel.
    pub fn between(masks: &Cropped, spacing_mm: [f64; 3]) -> Option<Self> {
        let areas: Vec<f64> = (0..256).map(|code| area(code, spacing_mm)).collect();
        let codes = [&masks.prediction, &masks.truth].map(corner_codes);
        let distances = [0, 1]
            .map(|side: usize| distance::to_nearest(&codes[side].mapv(is_surface), spacing_mm));
        let measured = |from: usize, to: usize| {
            let mut surfels: Vec<(f64, f64)> = codes[from]
                .iter()
                .zip(&distances[to])
                .filter(|(code, _)| is_surface(**code))
                .map(|(code, mm)| (*mm, areas[usize::from(*code)]))
                .collect();
            surfels.sort_by(|a, b| a.0.total_cmp(&b.0));
            surfels
        };
        let both = Self {
            from_prediction: measured(0, 1),
            from_truth: measured(1, 0),
        };
        (!both.from_prediction.is_empty() && !both.from_truth.is_empty()).then_some(both)
    }

    /// The larger of the two directed area-weighted percentiles.
    #[must_use]
    pub fn hausdorff(&self, percent: f64) -> f64 {
        let directed = |surfels: &[(f64, f64)]| {
            let mut left = total(surfels) * percent / 100.0;
            surfels
                .iter()
                .find(|(_, area)| {
                    left -= area;
                    left <= 1e-9
                })
                .or(surfels.last())
                .map_or(0.0, |(mm, _)| *mm)
        };
        directed(&self.from_prediction).max(directed(&self.from_truth))
    }

    /// The area-weighted mean distances, from the truth and from the prediction.
    #[must_use]
    pub fn average(&self) -> [f64; 2] {
        [&self.from_truth, &self.from_prediction]
            .map(|surfels| surfels.iter().map(|(mm, area)| mm * area).sum::<f64>() / total(surfels))
    }

    /// The share of both surfaces' area within `tolerance_mm` of the other.
    #[must_use]
    pub fn within(&self, tolerance_mm: f64) -> f64 {
        let near = |surfels: &[(f64, f64)]| {
            total(&surfels[..surfels.partition_point(|(mm, _)| *mm <= tolerance_mm)])
        };
        (near(&self.from_prediction) + near(&self.from_truth))
            / (total(&self.from_prediction) + total(&self.from_truth))
    }
}

fn total(surfels: &[(f64, f64)]) -> f64 {
    surfels.iter().map(|(_, area)| area).sum()
}

fn is_surface(code: u8) -> bool {
    code != 0 && code != u8::MAX
}

/// Which of the eight voxels around each inner grid corner are inside; bit 4 s + 2 r + c.
fn corner_codes(mask: &Array3<bool>) -> Array3<u8> {
    let (slices, rows, columns) = mask.dim();
    Array3::from_shape_fn((slices - 1, rows - 1, columns - 1), |(i, j, k)| {
        CORNERS
            .iter()
            .enumerate()
            .filter(|(_, [s, r, c])| mask[[i + s, j + r, k + c]])
            .fold(0, |code, (bit, _)| code | 1 << bit)
    })
}

/// Area of the marching-cubes surface through one cube of voxel centres: closed polygons through
/// the middles of the edges that leave the mask.
fn area(code: usize, spacing_mm: [f64; 3]) -> f64 {
    let inside = |corner: usize| code >> corner & 1 == 1;
    // Where opposite corners of a face are alike, the rarer kind is cut off by itself.
    let rarer = code.count_ones() <= 4;
    let mut segments: Vec<[Edge; 2]> = Vec::new();
    for face in FACES {
        let crossings: Vec<usize> = (0..4)
            .filter(|side| inside(face[*side]) != inside(face[(side + 1) % 4]))
            .collect();
        let edge = |side: usize| edge_of(face[side], face[(side + 1) % 4]);
        match crossings[..] {
            [a, b] => segments.push([edge(a), edge(b)]),
            [_, _, _, _] => {
                for corner in (0..4).filter(|corner| inside(face[*corner]) == rarer) {
                    segments.push([edge((corner + 3) % 4), edge(corner)]);
                }
            }
            _ => {}
        }
    }
    let mut sum = 0.0;
    while let Some([start, mut end]) = segments.pop() {
        let mut polygon = vec![start];
        while end != start {
            polygon.push(end);
            let Some(next) = segments.iter().position(|ends| ends.contains(&end)) else {
                break;
            };
            let [a, b] = segments.swap_remove(next);
            end = if a == end { b } else { a };
        }
        sum += polygon_area(&polygon, spacing_mm);
    }
    sum
}

/// An edge by its two corners, the smaller first.
type Edge = [usize; 2];

fn edge_of(a: usize, b: usize) -> Edge {
    [a.min(b), a.max(b)]
}

/// A polygon that is not flat has the area of one of its fans of triangles: the one that is
/// largest in a cube, which is how the reference tool's table was made.
fn polygon_area(polygon: &[Edge], spacing_mm: [f64; 3]) -> f64 {
    (0..polygon.len())
        .max_by(|a, b| fan_area(polygon, *a, [1.0; 3]).total_cmp(&fan_area(polygon, *b, [1.0; 3])))
        .map_or(0.0, |start| fan_area(polygon, start, spacing_mm))
}

/// Area of the triangles from one vertex to all others.
fn fan_area(polygon: &[Edge], start: usize, spacing_mm: [f64; 3]) -> f64 {
    let point = |index: usize| {
        let [a, b] = polygon[(start + index) % polygon.len()];
        [0, 1, 2].map(|i| 0.5 * (CORNERS[a][i] + CORNERS[b][i]) as f64 * spacing_mm[i])
    };
    let first = point(0);
    let from_first = |index: usize| {
        let [x, y, z] = point(index);
        [x - first[0], y - first[1], z - first[2]]
    };
    (1..polygon.len() - 1)
        .map(|index| {
            let (u, v) = (from_first(index), from_first(index + 1));
            let cross = [
                u[1] * v[2] - u[2] * v[1],
                u[2] * v[0] - u[0] * v[2],
                u[0] * v[1] - u[1] * v[0],
            ];
            0.5 * cross.iter().map(|x| x * x).sum::<f64>().sqrt()
        })
        .sum()
}

const CORNERS: [[usize; 3]; 8] = [
    [0, 0, 0],
    [0, 0, 1],
    [0, 1, 0],
    [0, 1, 1],
    [1, 0, 0],
    [1, 0, 1],
    [1, 1, 0],
    [1, 1, 1],
];

/// Corners of each face, in order around it.
const FACES: [[usize; 4]; 6] = [
    [0, 1, 3, 2],
    [4, 5, 7, 6],
    [0, 1, 5, 4],
    [2, 3, 7, 6],
    [0, 2, 6, 4],
    [1, 3, 7, 5],
];

#[cfg(test)]
mod tests {
    use super::{
        super::surface::tests::{SPACING, near, two_ellipsoids},
        *,
    };

    fn surfels(prediction: &Array3<u8>, truth: &Array3<u8>, spacing_mm: [f64; 3]) -> Surfels {
        let masks = Cropped::of(prediction.view(), truth.view(), |label| label == 1);
        Surfels::between(&masks, spacing_mm).unwrap()
    }

    fn close(value: f64, expected: f64, tolerance: f64) {
        assert!(
            (value - expected).abs() < tolerance,
            "{value} is not {expected}"
        );
    }

    #[test]
    fn single_voxels_two_apart_give_the_published_values() {
        // In a plane with spacing (2, 1), and in space with (3, 2, 1).
        for (slices, spacing) in [(1, [5.0, 2.0, 1.0]), (100, [3.0, 2.0, 1.0])] {
            let voxel = |column| {
                let mut mask = Array3::from_elem((slices, 80, 90), 0_u8);
                mask[[slices / 2, 50, column]] = 1;
                mask
            };
            let both = surfels(&voxel(72), &voxel(70), spacing);
            for average in both.average() {
                near(average, 1.5);
            }
            near(both.hausdorff(100.0), 2.0);
            near(both.hausdorff(95.0), 2.0);
            near(both.within(1.0), 0.5);
        }
    }

    #[test]
    fn slabs_that_differ_by_one_slice_give_the_published_values() {
        let slab = |end| Array3::from_shape_fn((100, 100, 100), |(i, _, _)| u8::from(i < end));
        let both = surfels(&slab(51), &slab(50), [2.0, 1.0, 1.0]);
        let [from_truth, from_prediction] = both.average();
        close(from_truth, 0.322_447_072_676_668, 1e-9);
        close(from_prediction, 0.339_396_293_060_540_5, 1e-9);
        near(both.hausdorff(100.0), 2.0);
        close(both.within(1.0), 0.836_145_008_497_962_1, 1e-9);
        close(total(&both.from_truth), 59_575.668_777_315_04, 1e-3);
    }

    #[test]
    fn curved_surfaces_agree_with_the_reference_tool() {
        let [prediction, truth] = two_ellipsoids();
        let both = surfels(&prediction, &truth, SPACING);
        let [from_truth, from_prediction] = both.average();
        close(from_truth, 0.865_593_799_775_854_8, 1e-9);
        close(from_prediction, 0.749_301_729_317_798_5, 1e-9);
        near(both.hausdorff(100.0), 3.465_544_690_232_691_4);
        near(both.hausdorff(95.0), 2.5);
        close(both.within(1.0), 0.631_667_364_341_655_2, 1e-9);
        close(both.within(2.0), 0.885_804_134_423_684, 1e-9);
        close(both.within(3.0), 0.995_838_684_192_709_6, 1e-9);
    }

    #[test]
    fn a_cube_of_one_voxel_is_an_octahedron() {
        let mut mask = Array3::from_elem((1, 1, 1), 1_u8);
        let both = surfels(&mask, &mask, [1.0; 3]);
        // Eight triangles with sides of half a diagonal.
        close(total(&both.from_truth), 3.0_f64.sqrt(), 1e-12);
        mask[[0, 0, 0]] = 0;
        let masks = Cropped::of(mask.view(), mask.view(), |label| label == 1);
        assert!(Surfels::between(&masks, [1.0; 3]).is_none());
    }
}
