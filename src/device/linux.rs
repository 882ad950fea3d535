//! What every Linux tells: load, memory, heat, network, clock.

use std::collections::BTreeMap;

use super::{
    Board, Interface, Reading,
    nodes::{Nodes, name_of},
};

/// Any machine with Linux.
#[derive(Debug)]
pub struct Linux {
    nodes: Nodes,
    /// Busy and all time of all cores at the last look, in the kernel's ticks.
    ticks: Option<[u64; 2]>,
}

impl Linux {
    pub(super) fn new(nodes: Nodes) -> Self {
        Self { nodes, ticks: None }
    }
}

impl Board for Linux {
    fn look(&mut self) -> Reading {
        let ticks = ticks(&self.nodes);
        let cpu_load = load_between(self.ticks, ticks);
        self.ticks = ticks;
        let nodes = &self.nodes;
        let [memory_total_bytes, memory_available_bytes] =
            ["MemTotal:", "MemAvailable:"].map(|key| kibibytes(nodes, "proc/meminfo", key));
        Reading {
            model: nodes
                .text("proc/device-tree/model")
                .or_else(|| nodes.text("sys/class/dmi/id/product_name")),
            versions: versions(nodes),
            uptime_seconds: words(nodes, "proc/uptime").first().copied(),
            clock_synchronised: clock_synchronised(nodes),
            temperatures: temperatures(nodes),
            slowed: slowed(nodes),
            throttle_events: throttle_events(nodes),
            cpu_load,
            cpu_cores: cores(nodes),
            load_average: words(nodes, "proc/loadavg")
                .get(..3)
                .and_then(|three| three.try_into().ok()),
            memory_total_bytes,
            memory_available_bytes,
            process_bytes: kibibytes(nodes, "proc/self/status", "VmRSS:"),
            network: network(nodes),
            ..Reading::default()
        }
    }
}

/// The numbers that a line begins with.
fn words(nodes: &Nodes, path: &str) -> Vec<f64> {
    let text = nodes.text(path).unwrap_or_default();
    let numbers = text.split_whitespace().map_while(|word| word.parse().ok());
    numbers.filter(|number: &f64| number.is_finite()).collect()
}

/// "Key:   1234 kB", in bytes.
fn kibibytes(nodes: &Nodes, path: &str, key: &str) -> Option<u64> {
    let text = nodes.text(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Busy and all ticks of the line for all cores: user, nice, system, idle, iowait, irq, softirq,
/// steal (proc_stat(5)).
fn ticks(nodes: &Nodes) -> Option<[u64; 2]> {
    let text = nodes.text("proc/stat")?;
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .take(8)
        .map_while(|word| word.parse().ok())
        .collect();
    let idle = ticks.get(3)?.checked_add(*ticks.get(4)?)?;
    let all = ticks.iter().try_fold(0_u64, |sum, n| sum.checked_add(*n))?;
    Some([all.checked_sub(idle)?, all])
}

fn load_between(before: Option<[u64; 2]>, now: Option<[u64; 2]>) -> Option<f64> {
    let ([busy_before, all_before], [busy, all]) = (before?, now?);
    let passed = all.checked_sub(all_before).filter(|ticks| *ticks > 0)?;
    let worked = busy.checked_sub(busy_before)?;
    Some((worked as f64 / passed as f64).min(1.0))
}

fn cores(nodes: &Nodes) -> Option<usize> {
    let text = nodes.text("proc/stat")?;
    let is_core = |line: &&str| {
        let number = line
            .strip_prefix("cpu")
            .and_then(|rest| rest.split(' ').next());
        number.is_some_and(|number| number.parse::<u16>().is_ok())
    };
    Some(text.lines().filter(is_core).count()).filter(|cores| *cores > 0)
}

fn versions(nodes: &Nodes) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    if let Some(kernel) = nodes.text("proc/sys/kernel/osrelease") {
        versions.insert("kernel".to_owned(), kernel);
    }
    let release = nodes.text("etc/os-release").unwrap_or_default();
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    if let Some(name) = name {
        versions.insert("system".to_owned(), name.trim_matches('"').to_owned());
    }
    versions
}

/// systemd-timesyncd(8) keeps a directory while it runs and a file in it once the clock is set.
fn clock_synchronised(nodes: &Nodes) -> Option<bool> {
    let set = nodes.exists("run/systemd/timesync/synchronized");
    (set || nodes.exists("run/systemd/timesync")).then_some(set)
}

/// What silicon can have while it works; zones that are switched off read as -256.
const SENSIBLE_CELSIUS: std::ops::RangeInclusive<f64> = -40.0..=150.0;

/// By the zone's type; a second zone of a type gets its number.
fn temperatures(nodes: &Nodes) -> BTreeMap<String, f64> {
    let mut temperatures = BTreeMap::new();
    for zone in nodes.entries("sys/class/thermal", "thermal_zone") {
        let Some(kind) = nodes.text(&format!("{zone}/type")) else {
            continue;
        };
        let Some(milli) = nodes.number(&format!("{zone}/temp")) else {
            continue;
        };
        let celsius = milli as f64 / 1000.0;
        if !SENSIBLE_CELSIUS.contains(&celsius) {
            continue;
        }
        let name = if temperatures.contains_key(&kind) {
            let number = name_of(&zone).trim_start_matches("thermal_zone");
            format!("{kind} {number}")
        } else {
            kind
        };
        temperatures.insert(name, celsius);
    }
    temperatures
}

/// Cooling devices in action. A fan that turns slows nothing.
fn slowed(nodes: &Nodes) -> Vec<String> {
    let devices = nodes.entries("sys/class/thermal", "cooling_device");
    let mut slowed: Vec<String> = devices
        .iter()
        .filter(|device| nodes.number(&format!("{device}/cur_state")) > Some(0))
        .filter_map(|device| nodes.text(&format!("{device}/type")))
        .filter(|kind| !kind.to_ascii_lowercase().contains("fan"))
        .collect();
    slowed.dedup();
    slowed
}

/// How often a core was slowed because it was hot; the worst core counts.
fn throttle_events(nodes: &Nodes) -> BTreeMap<String, u64> {
    let cores = nodes.entries("sys/devices/system/cpu", "cpu");
    let counts = cores.iter().filter_map(|core| {
        let count = nodes.number(&format!("{core}/thermal_throttle/core_throttle_count"))?;
        u64::try_from(count).ok()
    });
    let worst = counts.max();
    worst
        .map(|count| ("cpu".to_owned(), count))
        .into_iter()
        .collect()
}

fn network(nodes: &Nodes) -> BTreeMap<String, Interface> {
    let interfaces = nodes.entries("sys/class/net", "");
    let own = interfaces.iter().filter(|path| name_of(path) != "lo");
    own.map(|path| (name_of(path).to_owned(), interface(nodes, path)))
        .collect()
}

fn interface(nodes: &Nodes, path: &str) -> Interface {
    let number = |name: &str| {
        let number = nodes.number(&format!("{path}/{name}"))?;
        u64::try_from(number).ok()
    };
    let count = |name: &str| number(&format!("statistics/{name}")).unwrap_or(0);
    Interface {
        up: number("carrier") == Some(1),
        speed_mbit: number("speed"),
        received_bytes: count("rx_bytes"),
        sent_bytes: count("tx_bytes"),
        errors: ["rx_errors", "tx_errors", "rx_dropped", "tx_dropped"]
            .map(count)
            .into_iter()
            .fold(0, u64::saturating_add),
    }
}
