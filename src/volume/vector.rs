//! Arithmetic of three-vectors in LPS millimetres.

pub(super) type Vector = [f64; 3];

pub(super) fn add([a, b, c]: Vector, [d, e, f]: Vector) -> Vector {
    [a + d, b + e, c + f]
}

pub(super) fn sub([a, b, c]: Vector, [d, e, f]: Vector) -> Vector {
    [a - d, b - e, c - f]
}

pub(super) fn scale([a, b, c]: Vector, factor: f64) -> Vector {
    [a * factor, b * factor, c * factor]
}

pub(super) fn dot([a, b, c]: Vector, [d, e, f]: Vector) -> f64 {
    a * d + b * e + c * f
}

pub(super) fn cross([a, b, c]: Vector, [d, e, f]: Vector) -> Vector {
    [b * f - c * e, c * d - a * f, a * e - b * d]
}

pub(super) fn norm(v: Vector) -> f64 {
    dot(v, v).sqrt()
}
