//! Arithmetic of three-vectors in LPS millimetres.

pub(crate) type Vector = [f64; 3];

pub(crate) fn add([a, b, c]: Vector, [d, e, f]: Vector) -> Vector {
    [a + d, b + e, c + f]
}

pub(crate) fn sub([a, b, c]: Vector, [d, e, f]: Vector) -> Vector {
    [a - d, b - e, c - f]
}

pub(crate) fn scale([a, b, c]: Vector, factor: f64) -> Vector {
    [a * factor, b * factor, c * factor]
}

pub(crate) fn dot([a, b, c]: Vector, [d, e, f]: Vector) -> f64 {
    a * d + b * e + c * f
}

pub(crate) fn cross([a, b, c]: Vector, [d, e, f]: Vector) -> Vector {
    [b * f - c * e, c * d - a * f, a * e - b * d]
}

pub(crate) fn norm(v: Vector) -> f64 {
    dot(v, v).sqrt()
}
