//! The box's clock, as the page shows it.
//!
//! Times in results come from it, and a technician compares it with the console's. Whether it is
//! set by a time server is said beside it.

use std::path::Path;

use jiff::{Timestamp, Zoned, tz::TimeZone};

/// systemd-timesyncd makes this file once it has set the clock; systemd-timesyncd.service(8).
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";

#[derive(Clone, Debug)]
pub(super) struct Clock {
    now: Zoned,
    /// Whether a time server is known to set it. Other ways of setting a clock leave no trace that
    /// an unprivileged process could read, so `false` says no more than that.
    pub synchronised: bool,
}

impl Clock {
    pub(super) fn read() -> Self {
        Self {
            now: Zoned::now(),
            synchronised: Path::new(SYNCHRONISED).exists(),
        }
    }

    /// `14:05:31 CET`.
    pub(super) fn words(&self) -> String {
        self.now.strftime("%H:%M:%S %Z").to_string()
    }

    /// For the script that lets it run: milliseconds since 1970.
    pub(super) fn milliseconds(&self) -> i64 {
        self.now.timestamp().as_millisecond()
    }

    pub(super) fn offset_seconds(&self) -> i32 {
        self.now.offset().seconds()
    }

    /// The zone's abbreviation, `CET`.
    pub(super) fn zone(&self) -> String {
        self.now.strftime("%Z").to_string()
    }
}

/// `14:05:31`.
pub(super) fn time_of_day(time: &Timestamp) -> String {
    let local = time.to_zoned(TimeZone::system());
    local.strftime("%H:%M:%S").to_string()
}

/// `14:05`, with the date unless it is today's: what began on Friday must not read as today's.
pub(super) fn beginning(time: &Timestamp) -> String {
    beginning_seen(time, &Zoned::now())
}

fn beginning_seen(time: &Timestamp, now: &Zoned) -> String {
    let local = time.to_zoned(now.time_zone().clone());
    let format = if local.date() == now.date() {
        "%H:%M"
    } else {
        "%Y-%m-%d %H:%M"
    };
    local.strftime(format).to_string()
}

/// `2026-11-21`.
pub(super) fn date(time: &Timestamp) -> String {
    let local = time.to_zoned(TimeZone::system());
    local.strftime("%Y-%m-%d").to_string()
}

/// `2026-11-21 14:05:31`.
pub(super) fn date_and_time(time: &Timestamp) -> String {
    format!("{} {}", date(time), time_of_day(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_began_on_another_day_has_its_date() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-22T00:30:00Z").to_zoned(TimeZone::fixed(jiff::tz::offset(1)));
        let today = at("2026-11-21T23:05:00Z");
        assert_eq!(beginning_seen(&today, &now), "00:05");
        let before_midnight = at("2026-11-21T22:05:00Z");
        assert_eq!(beginning_seen(&before_midnight, &now), "2026-11-21 23:05");
    }
}
