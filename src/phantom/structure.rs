//! A shape made of something, and the label it has in the truth.

use super::{
    shape::{Bounds, Point, Shape},
    texture::Field,
};

/// What a voxel is in the truth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Label {
    Background,
    Liver,
    /// The tumour's place in the specification.
    Tumour(u8),
    /// Takes the label of what it lies in, as vessels and cysts in the liver do.
    Surroundings,
}

#[derive(Clone, Debug)]
pub struct Structure {
    pub shape: Shape,
    pub bounds: Bounds,
    pub fill: Fill,
    pub label: Label,
    /// Width in mm over which the structure fades into what it lies in.
    pub edge_mm: f32,
    pub frame: Frame,
}

/// Whether a structure belongs to the patient, who is irregular, or to the scanner, which is not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Frame {
    Patient,
    Scanner,
}

/// Hounsfield units inside a structure.
///
/// Texture is apart from the mean because it is dear and only what stays visible needs it.
#[derive(Clone, Debug)]
pub enum Fill {
    Uniform(f32),
    /// Mean, and a field with the amplitude of its swing.
    Textured {
        hu: f32,
        swing: f32,
        field: Field,
    },
    /// Gas lies on the side away from gravity of `level` (a y coordinate); fluid below it.
    GasOverFluid {
        level: f32,
        up: f32,
        fluid: f32,
    },
    /// Patches of gas in something denser, as in the colon.
    Mottled {
        hu: f32,
        field: Field,
    },
}

impl Structure {
    pub fn new(shape: Shape, fill: Fill) -> Self {
        Self {
            bounds: shape.bounds(),
            shape,
            fill,
            label: Label::Background,
            edge_mm: 0.8,
            frame: Frame::Patient,
        }
    }

    pub fn uniform(shape: Shape, hu: f32) -> Self {
        Self::new(shape, Fill::Uniform(hu))
    }

    pub fn labelled(self, label: Label) -> Self {
        Self { label, ..self }
    }

    pub fn with_edge(self, edge_mm: f32) -> Self {
        Self { edge_mm, ..self }
    }

    pub fn of_scanner(self) -> Self {
        Self {
            frame: Frame::Scanner,
            ..self
        }
    }
}

impl Fill {
    /// Hounsfield units at a place, without the texture.
    pub fn mean_hu(&self, p: Point) -> f32 {
        match self {
            Self::Uniform(hu) | Self::Textured { hu, .. } => *hu,
            Self::GasOverFluid { level, up, fluid } => {
                if (p[1] - level) * up > 0.0 {
                    GAS
                } else {
                    *fluid
                }
            }
            Self::Mottled { hu, field } => {
                let value = field.value(p);
                if value > 0.18 { GAS } else { hu + 60.0 * value }
            }
        }
    }

    /// How far the texture deviates from the mean at a place.
    pub fn texture_hu(&self, p: Point) -> f32 {
        match self {
            Self::Textured { swing, field, .. } => swing * field.value(p),
            _ => 0.0,
        }
    }
}

pub const AIR: f32 = -1000.0;
const GAS: f32 = -920.0;
