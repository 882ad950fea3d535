//! The two systems, as the firmware sees them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::dicom::Remedy;

/// One of the two places a system can be started from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Slot {
    A,
    B,
}

impl Slot {
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Numbers as the firmware's tool counts.
    #[must_use]
    pub fn number(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
        })
    }
}

impl FromStr for Slot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "A" => Ok(Self::A),
            "B" => Ok(Self::B),
            other => Err(format!("{other:?} is no slot; there are A and B")),
        }
    }
}

/// What the firmware says at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct View {
    pub running: Slot,
    /// What the next start will be from.
    pub next: Slot,
    /// Whether the firmware would still try A and B.
    pub bootable: [bool; 2],
}

#[derive(Debug, thiserror::Error)]
pub enum SlotsError {
    #[error("cannot run {tool}: this box has no A/B slots that can be switched")]
    Tool {
        tool: String,
        source: std::io::Error,
    },
    #[error("{tool} ended with {status}: {said}")]
    Refused {
        tool: String,
        status: std::process::ExitStatus,
        said: String,
    },
    #[error("{tool} does not say {what}")]
    Unclear { tool: String, what: &'static str },
}

impl SlotsError {
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        Remedy::Service
    }
}

/// The firmware's side of an update. Each change is durable, and done or not done.
pub trait Slots {
    fn view(&self) -> Result<View, SlotsError>;

    /// The next start is from `slot`.
    fn boot_next(&mut self, slot: Slot) -> Result<(), SlotsError>;

    /// The running slot is kept: the firmware stops counting down its attempts.
    fn mark_good(&mut self) -> Result<(), SlotsError>;
}
