//! Solid shapes as signed distances: the vocabulary the anatomy is written in.
//!
//! Points are (x, y, z) in millimetres along LPS axes: x to the patient's left, y to the back, z to
//! the head. Distances are negative inside. They are exact at the surface and first-order right
//! near it, which is where partial volume and labels are decided; far away they only have to keep
//! their sign and not overshoot by more than [`SLACK`].

use std::sync::Arc;

pub type Point = [f32; 3];

/// How much faster than one millimetre per millimetre a distance may change. Painting relies on it
/// to settle whole blocks of pixels with one evaluation.
pub const SLACK: f32 = 2.0;

/// An axis-aligned box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    pub low: Point,
    pub high: Point,
}

#[derive(Clone, Debug)]
pub enum Shape {
    /// `turn` is (cosine, sine) of a rotation about z.
    Ellipsoid {
        centre: Point,
        radii: Point,
        turn: [f32; 2],
    },
    /// A round stick whose radius changes from one end to the other.
    Capsule {
        from: Point,
        to: Point,
        radii: [f32; 2],
    },
    /// An upright trunk: a rounded-square outline with its own depth to the front and the back.
    Column(Column),
    /// An ellipsoid above its equator and a straight column below: a diaphragm.
    Dome { centre: Point, radii: Point },
    /// A thin curved sheet: the part of a cylinder along z around (x, y) that lies within
    /// `half_width` of its middle, on the posterior (`down` 1) or anterior (-1) side.
    Arc {
        centre: [f32; 2],
        radius: f32,
        thickness: f32,
        half_width: f32,
        down: f32,
    },
    /// A union whose seams are rounded over about `softness`.
    Blend { parts: Vec<Self>, softness: f32 },
    /// `whole` without `parts`, keeping `gap` away from them.
    Except {
        whole: Arc<Self>,
        parts: Vec<(Bounds, Self)>,
        gap: f32,
    },
    /// What lies in both; `margin` lets `shape` stick out of `container` (or keeps it inside).
    Within {
        shape: Arc<Self>,
        container: Arc<Self>,
        margin: f32,
    },
    /// Everything within `by` of the shape; negative shrinks it.
    Grown { shape: Arc<Self>, by: f32 },
}

#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub centre: [f32; 2],
    pub half_width: f32,
    pub front: f32,
    pub back: f32,
    pub span: [f32; 2],
}

impl Column {
    /// 1 on the outline, and in proportion along every ray from the centre.
    fn norm(&self, x: f32, y: f32) -> f32 {
        let u = x / self.half_width;
        let v = y / if y < 0.0 { self.front } else { self.back };
        let (u2, v2) = (u * u, v * v);
        let round = (u2 + v2).sqrt();
        let square = (u2 * u2 + v2 * v2).sqrt().sqrt();
        0.68 * round + 0.32 * square
    }

    /// The point of the outline in a direction, `outward` of it; the angle runs from the back
    /// (0) over the patient's left (quarter turn) to the front.
    pub fn outline(&self, angle: f32, outward: f32) -> [f32; 2] {
        let (x, y) = (angle.sin(), angle.cos());
        let reach = 1.0 / self.norm(x, y) + outward;
        [self.centre[0] + reach * x, self.centre[1] + reach * y]
    }

    pub fn grown(self, by: f32) -> Self {
        Self {
            half_width: self.half_width + by,
            front: self.front + by,
            back: self.back + by,
            ..self
        }
    }
}

impl Shape {
    pub fn ellipsoid(centre: Point, radii: Point) -> Self {
        Self::turned(centre, radii, 0.0)
    }

    /// An ellipsoid turned about z by `angle` radians, from left towards the back.
    pub fn turned(centre: Point, radii: Point, angle: f32) -> Self {
        Self::Ellipsoid {
            centre,
            radii,
            turn: [angle.cos(), angle.sin()],
        }
    }

    pub fn capsule(from: Point, to: Point, radius: f32) -> Self {
        Self::Capsule {
            from,
            to,
            radii: [radius; 2],
        }
    }

    pub fn blend(parts: Vec<Self>, softness: f32) -> Self {
        Self::Blend { parts, softness }
    }

    pub fn except(whole: Self, parts: Vec<Self>, gap: f32) -> Self {
        // Beyond this margin a part cannot change what painting decides.
        let reach = gap + 16.0;
        Self::Except {
            whole: Arc::new(whole),
            parts: parts
                .into_iter()
                .map(|part| (part.bounds().grown(reach), part))
                .collect(),
            gap,
        }
    }

    pub fn within(self, container: &Arc<Self>, margin: f32) -> Self {
        Self::Within {
            shape: Arc::new(self),
            container: Arc::clone(container),
            margin,
        }
    }

    pub fn grown(self, by: f32) -> Self {
        Self::Grown {
            shape: Arc::new(self),
            by,
        }
    }

    /// Signed distance in mm, negative inside.
    pub fn distance(&self, p: Point) -> f32 {
        match self {
            Self::Ellipsoid {
                centre,
                radii,
                turn: [cos, sin],
            } => {
                let [x, y, z] = sub(p, *centre);
                ellipsoid([cos * x + sin * y, cos * y - sin * x, z], *radii)
            }
            Self::Capsule { from, to, radii } => {
                let (axis, rest) = (sub(*to, *from), sub(p, *from));
                let along = (dot(rest, axis) / dot(axis, axis).max(1e-6)).clamp(0.0, 1.0);
                let off = [0, 1, 2].map(|i| rest[i] - along * axis[i]);
                dot(off, off).sqrt() - (radii[0] + along * (radii[1] - radii[0]))
            }
            Self::Column(column) => {
                let (x, y) = (p[0] - column.centre[0], p[1] - column.centre[1]);
                let norm = column.norm(x, y).max(1e-3);
                let side = (x * x + y * y).sqrt() * (1.0 - 1.0 / norm);
                // In the very middle the ray has no length; any deep value will do.
                let side = if norm < 0.1 { -column.front } else { side };
                side.max(column.span[0] - p[2]).max(p[2] - column.span[1])
            }
            Self::Dome { centre, radii } => {
                let [x, y, z] = sub(p, *centre);
                ellipsoid([x, y, z.max(0.0)], *radii)
            }
            Self::Arc {
                centre,
                radius,
                thickness,
                half_width,
                down,
            } => {
                let (x, y) = (p[0] - centre[0], down * (p[1] - centre[1]));
                let sheet = ((x * x + y * y).sqrt() - radius).abs() - thickness / 2.0;
                sheet.max(x.abs() - half_width).max(-y)
            }
            Self::Blend { parts, softness } => parts.iter().fold(f32::MAX, |nearest, part| {
                smooth_min(nearest, part.distance(p), *softness)
            }),
            Self::Except { whole, parts, gap } => {
                parts.iter().fold(whole.distance(p), |d, (bounds, part)| {
                    if bounds.contain(p) {
                        d.max(gap - part.distance(p))
                    } else {
                        d
                    }
                })
            }
            Self::Within {
                shape,
                container,
                margin,
            } => {
                let d = shape.distance(p);
                // The container is the dearer of the two and irrelevant far outside the shape.
                if d > 4.0 {
                    d
                } else {
                    d.max(container.distance(p) - margin)
                }
            }
            Self::Grown { shape, by } => shape.distance(p) - by,
        }
    }

    pub fn bounds(&self) -> Bounds {
        match self {
            Self::Ellipsoid {
                centre,
                radii,
                turn: [cos, sin],
            } => {
                let reach = [
                    (cos * radii[0]).hypot(sin * radii[1]),
                    (sin * radii[0]).hypot(cos * radii[1]),
                    radii[2],
                ];
                Bounds::around(*centre, reach)
            }
            Self::Capsule { from, to, radii } => Bounds {
                low: [0, 1, 2].map(|i| from[i].min(to[i])),
                high: [0, 1, 2].map(|i| from[i].max(to[i])),
            }
            .grown(radii[0].max(radii[1])),
            Self::Column(Column {
                centre: [x, y],
                half_width,
                front,
                back,
                span,
            }) => Bounds {
                low: [x - half_width, y - front, span[0]],
                high: [x + half_width, y + back, span[1]],
            },
            Self::Dome { centre, radii } => {
                let mut bounds = Bounds::around(*centre, *radii);
                bounds.low[2] = -FAR;
                bounds
            }
            Self::Arc {
                centre: [x, y],
                radius,
                thickness,
                half_width,
                down,
            } => {
                let edge = y + down * (radius + thickness);
                Bounds {
                    low: [x - half_width, y.min(edge), -FAR],
                    high: [x + half_width, y.max(edge), FAR],
                }
            }
            Self::Blend { parts, softness } => parts
                .iter()
                .map(Self::bounds)
                .reduce(Bounds::joined)
                .unwrap_or(Bounds::around([0.0; 3], [0.0; 3]))
                .grown(softness / 2.0),
            Self::Except { whole, .. } => whole.bounds(),
            Self::Within {
                shape,
                container,
                margin,
            } => shape.bounds().common(container.bounds().grown(*margin)),
            Self::Grown { shape, by } => shape.bounds().grown(*by),
        }
    }
}

impl Bounds {
    fn around(centre: Point, reach: Point) -> Self {
        Self {
            low: [0, 1, 2].map(|i| centre[i] - reach[i]),
            high: [0, 1, 2].map(|i| centre[i] + reach[i]),
        }
    }

    pub fn grown(self, by: f32) -> Self {
        Self {
            low: self.low.map(|x| x - by),
            high: self.high.map(|x| x + by),
        }
    }

    fn joined(self, other: Self) -> Self {
        Self {
            low: [0, 1, 2].map(|i| self.low[i].min(other.low[i])),
            high: [0, 1, 2].map(|i| self.high[i].max(other.high[i])),
        }
    }

    fn common(self, other: Self) -> Self {
        Self {
            low: [0, 1, 2].map(|i| self.low[i].max(other.low[i])),
            high: [0, 1, 2].map(|i| self.high[i].min(other.high[i])),
        }
    }

    fn contain(&self, p: Point) -> bool {
        (0..3).all(|i| self.low[i] <= p[i] && p[i] <= self.high[i])
    }

    /// The interval the box covers along `axis`, measured from `origin`.
    pub fn along(&self, origin: Point, axis: Point) -> [f32; 2] {
        let mut interval = [0.0; 2];
        for i in 0..3 {
            let ends = [self.low[i] - origin[i], self.high[i] - origin[i]].map(|x| x * axis[i]);
            interval[0] += ends[0].min(ends[1]);
            interval[1] += ends[0].max(ends[1]);
        }
        interval
    }
}

pub fn sub(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub fn add(a: Point, b: Point) -> Point {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub fn scaled(a: Point, by: f32) -> Point {
    a.map(|x| x * by)
}

pub fn dot(a: Point, b: Point) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// First-order distance to an ellipsoid at the origin: the implicit value over its gradient.
fn ellipsoid(p: Point, radii: Point) -> f32 {
    let unit = [p[0] / radii[0], p[1] / radii[1], p[2] / radii[2]];
    let value = dot(unit, unit).sqrt();
    let slope = [unit[0] / radii[0], unit[1] / radii[1], unit[2] / radii[2]];
    let slope = dot(slope, slope).sqrt();
    if slope < 1e-9 {
        return -radii[0].min(radii[1]).min(radii[2]);
    }
    value * (value - 1.0) / slope
}

/// The smaller of two distances, rounded where they are closer than `softness`.
fn smooth_min(a: f32, b: f32, softness: f32) -> f32 {
    let overlap = (softness - (a - b).abs()).max(0.0);
    a.min(b) - overlap * overlap / (4.0 * softness.max(1e-6))
}

/// Farther than any stack reaches.
const FAR: f32 = 1e5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_millimetres_along_the_axes() {
        let organ = Shape::turned([10.0, 0.0, 0.0], [30.0, 20.0, 10.0], 0.0);
        assert!((organ.distance([50.0, 0.0, 0.0]) - 10.0).abs() < 1e-3);
        assert!((organ.distance([10.0, 15.0, 0.0]) + 5.0).abs() < 1e-3);
        let vessel = Shape::capsule([0.0; 3], [0.0, 0.0, 50.0], 4.0);
        assert!((vessel.distance([7.0, 0.0, 25.0]) - 3.0).abs() < 1e-4);
    }

    #[test]
    fn a_turned_ellipsoid_stays_inside_its_bounds() {
        let organ = Shape::turned([0.0; 3], [40.0, 10.0, 10.0], 0.6);
        let bounds = organ.bounds();
        for step in 0..360 {
            let angle = (step as f32).to_radians();
            for reach in [5.0, 20.0, 39.0, 41.0_f32] {
                let p = [reach * angle.cos(), reach * angle.sin(), 0.0];
                assert!(organ.distance(p) > 0.0 || bounds.contain(p), "{p:?}");
            }
        }
    }

    #[test]
    fn what_is_cut_out_is_not_inside() {
        let liver = Shape::except(
            Shape::ellipsoid([0.0; 3], [50.0; 3]),
            vec![Shape::ellipsoid([40.0, 0.0, 0.0], [20.0; 3])],
            2.0,
        );
        assert!(liver.distance([0.0; 3]) < 0.0);
        assert!(liver.distance([40.0, 0.0, 0.0]) > 0.0);
        assert!(liver.distance([19.0, 0.0, 0.0]) > 0.0, "inside the gap");
    }
}
