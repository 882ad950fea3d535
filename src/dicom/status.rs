use std::fmt;

/// A DIMSE status as it travels in (0000,0900). PS3.7 Annex C, PS3.4 B.2.3 and Annex J.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DimseStatus(pub u16);

impl DimseStatus {
    pub const SUCCESS: Self = Self(0x0000);

    /// 0000, and the warnings of the Storage service after which the peer keeps the instance:
    /// 0001, 0107, 0116 and Bxxx (PS3.7 C.1.2). 0111, "duplicate SOP instance", too: the peer has it.
    #[must_use]
    pub fn peer_has_the_instance(self) -> bool {
        matches!(
            self.0,
            0x0000 | 0x0001 | 0x0107 | 0x0111 | 0x0116 | 0xB000..=0xBFFF
        )
    }

    /// The status in words a PACS administrator knows.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self.0 {
            0x0000 => "success",
            0x0105 => "no such attribute",
            0x0106 => "invalid attribute value",
            0x0107 => "attribute list error",
            0x0110 => "processing failure",
            0x0111 => "duplicate SOP instance",
            0x0112 => "no such SOP instance",
            0x0113 => "no such event type",
            0x0114 => "no such argument",
            0x0115 => "invalid argument value",
            0x0116 => "attribute value out of range",
            0x0117 => "invalid SOP instance",
            0x0118 => "no such SOP class",
            0x0119 => "class-instance conflict",
            0x0120 => "missing attribute",
            0x0121 => "missing attribute value",
            0x0122 => "SOP class not supported",
            0x0123 => "no such action",
            0x0124 => "not authorised",
            0x0131 => "duplicate transaction UID",
            0x0210 => "duplicate invocation",
            0x0211 => "unrecognised operation",
            0x0212 => "mistyped argument",
            0x0213 => "resource limitation",
            0xFE00 => "cancelled",
            0xA700..=0xA7FF => "out of resources",
            0xA900..=0xA9FF => "data set does not match SOP class",
            0xC000..=0xCFFF => "cannot understand",
            0xB000 => "coercion of data elements",
            0xB006 => "elements discarded",
            0xB007 => "data set does not match SOP class (warning)",
            0xB001..=0xBFFF | 0x0001 => "warning",
            _ => "unknown status",
        }
    }
}

impl fmt::Display for DimseStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X} ({})", self.0, self.meaning())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_count_as_kept_and_failures_do_not() {
        for kept in [0x0000, 0xB000, 0xB007, 0x0111, 0x0107] {
            assert!(DimseStatus(kept).peer_has_the_instance(), "{kept:04X}");
        }
        for lost in [0xA700, 0xA900, 0xC000, 0x0110, 0x0122, 0x0124, 0xFF00] {
            assert!(!DimseStatus(lost).peer_has_the_instance(), "{lost:04X}");
        }
    }
}
