use std::collections::BTreeMap;

use serde::Serialize;

/// What a look at the board showed. What could not be read is absent: a page that shows a zero for a
/// sensor that is not there is worse than one that shows nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Reading {
    /// The board's name, from its device tree or firmware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Operating system, kernel, board support: name to version.
    pub versions: BTreeMap<String, String>,
    pub uptime_seconds: Option<f64>,
    /// Whether the clock is set by a time server; `None` where nothing here can tell.
    pub clock_synchronised: Option<bool>,
    /// Degrees Celsius, by the sensor's type.
    pub temperatures: BTreeMap<String, f64>,
    /// What is being slowed down at this moment because it is hot or draws too much.
    pub slowed: Vec<String>,
    /// How often that happened since the box was switched on, by cause.
    pub throttle_events: BTreeMap<String, u64>,
    /// Of all cores since the last look, 0 to 1.
    pub cpu_load: Option<f64>,
    pub cpu_cores: Option<usize>,
    /// Over 1, 5 and 15 minutes.
    pub load_average: Option<[f64; 3]>,
    /// 0 to 1.
    pub gpu_load: Option<f64>,
    pub gpu_mhz: Option<f64>,
    pub memory_total_bytes: Option<u64>,
    pub memory_available_bytes: Option<u64>,
    /// Of this process, resident.
    pub process_bytes: Option<u64>,
    /// Watts, by the rail's name.
    pub power: BTreeMap<String, f64>,
    /// Rails whose current is above what they are made for.
    pub power_alarms: Vec<String>,
    /// The power budget in force, by the name that its table gives it.
    pub power_mode: Option<String>,
    /// 0 to 1.
    pub fan_drive: Option<f64>,
    pub fan_rpm: Option<u64>,
    pub network: BTreeMap<String, Interface>,
}

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Interface {
    /// Whether there is a carrier.
    pub up: bool,
    /// Megabits a second; `None` where there is no such thing.
    pub speed_mbit: Option<u64>,
    pub received_bytes: u64,
    pub sent_bytes: u64,
    /// Frames damaged or dropped, either way.
    pub errors: u64,
}

impl Reading {
    /// The hottest sensor and its temperature.
    #[must_use]
    pub fn hottest(&self) -> Option<(&str, f64)> {
        let by_heat = self.temperatures.iter().max_by(|a, b| a.1.total_cmp(b.1));
        by_heat.map(|(name, celsius)| (name.as_str(), *celsius))
    }
}
