//! Randomness that depends on place and seed only, so that the same spot looks the same in every
//! slice, thread, orientation and resolution.

use super::shape::Point;

/// A smooth random field over space: value noise on a cubic lattice.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    seed: u32,
    lattice_mm: f32,
}

impl Field {
    pub fn new(seed: u64, purpose: u32, lattice_mm: f32) -> Self {
        let low = mixed(seed as u32 ^ purpose.wrapping_mul(0x9e37_79b9));
        let seed = mixed(low ^ (seed >> 32) as u32);
        Self { seed, lattice_mm }
    }

    /// Three independent values, each in -1..1 and 0 on average.
    pub fn vector(self, p: Point) -> Point {
        let mut sum = [0.0; 3];
        self.corners(p, |weight, bits| {
            for (axis, total) in sum.iter_mut().enumerate() {
                *total += weight * (((bits >> (10 * axis)) & 1023) as f32 / 511.5 - 1.0);
            }
        });
        sum
    }

    /// One value in -1..1.
    pub fn value(self, p: Point) -> f32 {
        let mut sum = 0.0;
        self.corners(p, |weight, bits| {
            sum += weight * ((bits & 1023) as f32 / 511.5 - 1.0);
        });
        sum
    }

    /// The lattice points around a place: weight and random bits of each.
    #[inline]
    fn corners(self, p: Point, mut corner: impl FnMut(f32, u32)) {
        let cell = p.map(|x| (x / self.lattice_mm).floor());
        let [u, v, w] = [0, 1, 2].map(|i| eased(p[i] / self.lattice_mm - cell[i]));
        let [x, y, z] = cell.map(|x| x as i32);
        for place in 0..8 {
            let (i, j, k) = (place & 1, (place >> 1) & 1, place >> 2);
            let weight = side(i, u) * side(j, v) * side(k, w);
            corner(weight, hashed(self.seed, x + i, y + j, z + k));
        }
    }
}

/// How the patient differs from the plain shapes: every point is looked up a little aside.
#[derive(Clone, Copy, Debug)]
pub struct Warp {
    coarse: Field,
    fine: Field,
    amplitude_mm: f32,
}

impl Warp {
    pub fn new(seed: u64, amplitude_mm: f32) -> Self {
        Self {
            coarse: Field::new(seed, 1, 55.0),
            fine: Field::new(seed, 2, 20.0),
            amplitude_mm,
        }
    }

    /// No point moves farther than this along an axis.
    pub fn reach_mm(&self) -> f32 {
        1.3 * self.amplitude_mm
    }

    pub fn apply(&self, p: Point) -> Point {
        let (far, near) = (self.coarse.vector(p), self.fine.vector(p));
        [0, 1, 2].map(|i| p[i] + self.amplitude_mm * (far[i] + 0.3 * near[i]))
    }
}

/// Gaussian-like noise of unit deviation from one random word: the sum of its four bytes.
pub fn gaussian(bits: u32) -> f32 {
    let sum = (bits & 255) + ((bits >> 8) & 255) + ((bits >> 16) & 255) + (bits >> 24);
    // Four uniform bytes: mean 510, variance 4 (256^2 - 1) / 12.
    (sum as f32 - 510.0) / 147.8
}

fn side(corner: i32, along: f32) -> f32 {
    if corner == 1 { along } else { 1.0 - along }
}

fn eased(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

fn hashed(seed: u32, x: i32, y: i32, z: i32) -> u32 {
    let packed = (x as u32).wrapping_mul(0x8da6_b343)
        ^ (y as u32).wrapping_mul(0xd816_3841)
        ^ (z as u32).wrapping_mul(0xcb1a_b31f);
    mixed(packed ^ seed)
}

/// Spreads every input bit over the word (the finaliser of MurmurHash3, a published constant set).
fn mixed(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x85eb_ca6b);
    x ^= x >> 13;
    x = x.wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_continuous_and_bounded() {
        let field = Field::new(7, 3, 20.0);
        let mut last = field.value([-60.0, 3.0, 5.0]);
        for step in 1..1200 {
            let here = field.value([-60.0 + 0.1 * step as f32, 3.0, 5.0]);
            assert!((here - last).abs() < 0.03 && here.abs() <= 1.0);
            last = here;
        }
    }

    #[test]
    fn noise_has_zero_mean_and_unit_deviation() {
        let samples: Vec<f32> = (0..100_000).map(|i| gaussian(mixed(i))).collect();
        let mean = samples.iter().sum::<f32>() / samples.len() as f32;
        let variance = samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03);
    }
}
