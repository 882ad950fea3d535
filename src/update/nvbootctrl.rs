//! Slots on a Jetson, through NVIDIA's `nvbootctrl`.
//!
//! On Orin the UEFI firmware pairs the bootloader's and the root file system's slots. It counts down
//! the attempts of a root file system whose start nobody verified, and tries the other one when none
//! is left (Jetson Linux Developer Guide, "Update and Redundancy" and "Root File System"). Since
//! Jetson Linux 35 the tool has no verb that marks a slot unbootable; the countdown does that.

use std::{
    ffi::OsString,
    path::Path,
    process::{Command, Output},
};

use super::{Slot, Slots, SlotsError, View};

/// The tool, by name or path.
#[derive(Clone, Debug)]
pub struct Nvbootctrl {
    tool: OsString,
}

impl Default for Nvbootctrl {
    fn default() -> Self {
        Self::at(Path::new("nvbootctrl"))
    }
}

impl Nvbootctrl {
    #[must_use]
    pub fn at(tool: &Path) -> Self {
        Self { tool: tool.into() }
    }

    fn name(&self) -> String {
        self.tool.to_string_lossy().into_owned()
    }

    fn run(&self, arguments: &[&str]) -> Result<String, SlotsError> {
        let output = Command::new(&self.tool).args(arguments).output();
        let Output {
            status,
            stdout,
            stderr,
        } = output.map_err(|source| SlotsError::Tool {
            tool: self.name(),
            source,
        })?;
        let text = String::from_utf8_lossy(&stdout).into_owned();
        if status.success() {
            return Ok(text);
        }
        let said = format!("{text}{}", String::from_utf8_lossy(&stderr));
        Err(SlotsError::Refused {
            tool: format!("{} {}", self.name(), arguments.join(" ")),
            status,
            said: said.trim().replace('\n', " "),
        })
    }
}

impl Slots for Nvbootctrl {
    fn view(&self) -> Result<View, SlotsError> {
        let text = self.run(&["-t", "rootfs", "dump-slots-info"])?;
        parse(&text).map_err(|what| SlotsError::Unclear {
            tool: self.name(),
            what,
        })
    }

    fn boot_next(&mut self, slot: Slot) -> Result<(), SlotsError> {
        let number = slot.number().to_string();
        self.run(&["set-active-boot-slot", &number]).map(drop)
    }

    fn mark_good(&mut self) -> Result<(), SlotsError> {
        self.run(&["verify"]).map(drop)
    }
}

/// Reads what `nvbootctrl -t rootfs dump-slots-info` prints; the error is what is missing in it.
fn parse(text: &str) -> Result<View, &'static str> {
    let after = |prefix: &str| {
        let line = text
            .lines()
            .find_map(|line| line.trim().strip_prefix(prefix))?;
        line.trim().parse::<Slot>().ok()
    };
    let status = |slot: Slot| {
        let mut lines = text.lines().map(str::trim);
        let line = lines.find_map(|line| {
            let rest = line.strip_prefix("slot:")?;
            let (number, rest) = rest.split_once(',')?;
            (number.trim().parse() == Ok(slot.number())).then_some(rest)
        })?;
        let fields = line.split(',').filter_map(|field| field.split_once(':'));
        let mut named = fields.map(|(name, value)| (name.trim(), value.trim()));
        named.find_map(|(name, value)| (name == "status").then_some(value == "normal"))
    };
    Ok(View {
        running: after("Current rootfs slot:").ok_or("which slot runs")?,
        next: after("Active rootfs slot:").ok_or("which slot is next")?,
        bootable: [
            status(Slot::A).ok_or("the status of slot 0")?,
            status(Slot::B).ok_or("the status of slot 1")?,
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH_GOOD: &str = "Current rootfs slot: A\n\
        Active rootfs slot: B\n\
        num_slots: 2\n\
        slot: 0,             retry_count: 3,             status: normal\n\
        slot: 1,             retry_count: 3,             status: normal\n";

    #[test]
    fn the_tools_words_are_understood() {
        let view = parse(BOTH_GOOD).unwrap();
        assert_eq!((view.running, view.next), (Slot::A, Slot::B));
        assert_eq!(view.bootable, [true, true]);

        let given_up = BOTH_GOOD.replacen(
            "retry_count: 3,             status: normal",
            "retry_count: 0,             status: unbootable",
            1,
        );
        assert_eq!(parse(&given_up).unwrap().bootable, [false, true]);
    }

    #[test]
    fn words_that_are_missing_are_named_and_never_guessed() {
        for (line, what) in [
            ("Current rootfs slot: A", "which slot runs"),
            ("Active rootfs slot: B", "which slot is next"),
            ("slot: 0,", "the status of slot 0"),
            ("slot: 1,", "the status of slot 1"),
        ] {
            let text = BOTH_GOOD.replace(line, "");
            assert_eq!(parse(&text), Err(what));
        }
        assert!(parse(&BOTH_GOOD.replace("slot: A", "slot: C")).is_err());
    }

    #[test]
    fn a_box_without_the_tool_says_that_it_has_no_slots() {
        let missing = Nvbootctrl::at(Path::new("/nonexistent/nvbootctrl"));
        let error = missing.view().unwrap_err().to_string();
        assert!(error.contains("has no A/B slots"), "{error}");
    }
}
