//! From stored values to Hounsfield units.

use crate::series::{PixelFormat, Rescale};

/// What a voxel without a measurement becomes: nothing is as thin as air, and it is what scanners
/// themselves put outside the field of view.
pub const AIR_HU: i16 = -1024;

/// How one frame's stored values become Hounsfield units.
#[derive(Clone, Copy, Debug)]
pub(super) struct ToHounsfield {
    slope: f64,
    intercept: f64,
    /// Brings the sign bit of the stored value to the sign bit of an `i16`, or bit 15.
    left: u32,
    /// Brings it back: the lowest stored bit becomes bit 0.
    right: u32,
    signed: bool,
    padding: Option<(i32, i32)>,
}

impl ToHounsfield {
    /// For pixels of at most 16 bits, of which `bits_stored` end at `high_bit`.
    pub(super) fn new(format: &PixelFormat, rescale: Rescale) -> Self {
        let left = 15_u32.saturating_sub(format.high_bit.into());
        Self {
            slope: rescale.slope,
            intercept: rescale.intercept,
            left,
            right: 16_u32.saturating_sub(format.bits_stored.into()).min(15),
            signed: format.signed,
            padding: format.padding,
        }
    }

    /// Converts stored values, given as 16 allocated bits each.
    pub(super) fn convert(&self, stored: impl ExactSizeIterator<Item = u16>) -> Vec<i16> {
        let whole =
            (self.slope - 1.0).abs() < f64::EPSILON && self.intercept.fract().abs() < f64::EPSILON;
        // What decides is decided once, so that the frequent loops have no branch and the compiler
        // makes vectors of them.
        match (whole, self.signed) {
            (true, true) => self.offset(stored, Self::signed_value),
            (true, false) => self.offset(stored, Self::unsigned_value),
            (false, _) => self.look_up(stored),
        }
    }

    fn offset(
        &self,
        stored: impl ExactSizeIterator<Item = u16>,
        value: impl Fn(&Self, u16) -> i32,
    ) -> Vec<i16> {
        let intercept = self.intercept.clamp(-131_072.0, 131_072.0) as i32;
        let hounsfield = |value: i32| {
            let hu = value + intercept;
            hu.clamp(i16::MIN.into(), i16::MAX.into()) as i16
        };
        match self.padding {
            None => stored.map(|bits| hounsfield(value(self, bits))).collect(),
            Some((low, high)) => {
                // One comparison for both ends: below `low` the difference wraps to a large number.
                let width = (high - low).cast_unsigned();
                stored
                    .map(|bits| {
                        let value = value(self, bits);
                        if value.wrapping_sub(low).cast_unsigned() <= width {
                            AIR_HU
                        } else {
                            hounsfield(value)
                        }
                    })
                    .collect()
            }
        }
    }

    /// Through a table of every stored value: 4096 entries for 12 bits, 65536 for 16, fewer than a
    /// frame has pixels.
    fn look_up(&self, stored: impl ExactSizeIterator<Item = u16>) -> Vec<i16> {
        let last = u16::MAX >> self.right;
        let table: Vec<i16> = (0..=last).map(|bits| self.hounsfield(bits)).collect();
        stored
            .map(|bits| {
                let index = usize::from((bits << self.left) >> self.right);
                table.get(index).copied().unwrap_or(AIR_HU)
            })
            .collect()
    }

    /// The exact value for stored bits that already lie at bit 0.
    fn hounsfield(&self, bits: u16) -> i16 {
        let unused = self.right;
        let value = if self.signed {
            i32::from((bits << unused).cast_signed() >> unused)
        } else {
            i32::from(bits)
        };
        match self.padding {
            Some((low, high)) if (low..=high).contains(&value) => AIR_HU,
            // A float-to-int cast saturates, which is the clamp.
            _ => (f64::from(value) * self.slope + self.intercept).round() as i16,
        }
    }

    /// Shifting up and down again drops bits above the high bit (overlays, once upon a time) and
    /// extends the sign.
    fn signed_value(&self, bits: u16) -> i32 {
        i32::from((bits << self.left).cast_signed() >> self.right)
    }

    fn unsigned_value(&self, bits: u16) -> i32 {
        i32::from((bits << self.left) >> self.right)
    }
}
