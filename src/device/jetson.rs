//! What a Jetson tells beyond any Linux: its GPU, its power rails, its power mode, its fan.
//!
//! Node names are those of JetPack's kernels and differ from board to board; a driver that is loaded
//! late, such as the GPU's, brings its node after this service has started. Every look therefore
//! searches again.

use super::{
    Board, Reading,
    linux::Linux,
    nodes::{Nodes, name_of},
};

/// An NVIDIA Jetson module.
#[derive(Debug)]
pub struct Jetson {
    nodes: Nodes,
    linux: Linux,
}

impl Jetson {
    pub(super) fn new(nodes: Nodes) -> Self {
        let linux = Linux::new(nodes.clone());
        Self { nodes, linux }
    }

    /// Whether the machine is one.
    pub(super) fn is_there(nodes: &Nodes) -> bool {
        // A list of names, each ended by NUL.
        let compatible = nodes.text("proc/device-tree/compatible");
        compatible.is_some_and(|names| names.contains("nvidia,tegra"))
    }
}

impl Board for Jetson {
    fn look(&mut self) -> Reading {
        let nodes = &self.nodes;
        let mut reading = self.linux.look();
        if let Some(gpu) = gpu(nodes) {
            let hertz = nodes.number(&format!("{gpu}/cur_freq"));
            reading.gpu_mhz = hertz.map(|hertz| hertz as f64 / 1e6);
            let per_mille = nodes.number(&format!("{gpu}/device/load"));
            reading.gpu_load = per_mille
                .filter(|load| (0..=1000).contains(load))
                .map(|load| load as f64 / 1000.0);
        }
        reading.power_mode = power_mode(nodes);
        for sensor in nodes.entries("sys/class/hwmon", "hwmon") {
            match nodes.text(&format!("{sensor}/name")).as_deref() {
                Some("ina3221") => rails(nodes, &sensor, &mut reading),
                Some("pwmfan") => {
                    let drive = nodes.number(&format!("{sensor}/pwm1"));
                    let drive = drive.filter(|drive| (0..=255).contains(drive));
                    reading.fan_drive = drive.map(|drive| drive as f64 / 255.0);
                }
                Some("pwm_tach") => {
                    let turns = nodes
                        .number(&format!("{sensor}/rpm"))
                        .or_else(|| nodes.number(&format!("{sensor}/fan1_input")));
                    reading.fan_rpm = turns.and_then(|turns| u64::try_from(turns).ok());
                }
                Some("soctherm_oc") => over_current(nodes, &sensor, &mut reading),
                _ => {}
            }
        }
        if let Some(release) = nodes.text("etc/nv_tegra_release") {
            let line = release.lines().next().unwrap_or_default();
            let words = line.trim_start_matches(['#', ' ']);
            let release: Vec<&str> = words.split(',').take(2).collect();
            let release = release.join(",");
            reading.versions.insert("L4T".to_owned(), release);
        }
        reading
    }
}

/// Orin's and Thor's GPU by their names; of the generations before, by that of the chip.
fn gpu(nodes: &Nodes) -> Option<String> {
    let is_gpu = |path: &String| {
        let name = name_of(path);
        name.starts_with("gpu-gpc")
            || [".gpu", ".ga10b", ".gv11b", ".gp10b"]
                .iter()
                .any(|chip| name.ends_with(chip))
    };
    nodes
        .entries("sys/class/devfreq", "")
        .into_iter()
        .find(is_gpu)
}

/// Three channels: millivolts times milliamperes are microwatts. Channels without a label are
/// sums or not connected.
fn rails(nodes: &Nodes, sensor: &str, reading: &mut Reading) {
    for channel in 1..=3 {
        let read = |name: &str| nodes.number(&format!("{sensor}/{name}"));
        let Some(label) = nodes.text(&format!("{sensor}/in{channel}_label")) else {
            continue;
        };
        let milli_volt = read(&format!("in{channel}_input"));
        let milli_ampere = read(&format!("curr{channel}_input"));
        if let (Some(milli_volt), Some(milli_ampere)) = (milli_volt, milli_ampere) {
            let watts = milli_volt as f64 * milli_ampere as f64 / 1e6;
            reading.power.insert(label.clone(), watts);
        }
        let alarmed = ["max_alarm", "crit_alarm"]
            .iter()
            .any(|alarm| read(&format!("curr{channel}_{alarm}")) == Some(1));
        if alarmed {
            reading.power_alarms.push(label);
        }
    }
}

/// How often the supply was drawn on too hard and the chip slowed itself.
fn over_current(nodes: &Nodes, sensor: &str, reading: &mut Reading) {
    for path in nodes.entries(sensor, "oc") {
        let name = name_of(&path);
        let Some(alarm) = name.strip_suffix("_event_cnt") else {
            continue;
        };
        let count = nodes
            .number(&path)
            .and_then(|count| u64::try_from(count).ok());
        if let Some(count) = count {
            reading.throttle_events.insert(alarm.to_owned(), count);
        }
    }
}

/// nvpmodel(8) notes the number of the mode in force; its table has the names.
fn power_mode(nodes: &Nodes) -> Option<String> {
    let status = nodes.text("var/lib/nvpmodel/status")?;
    let number: u32 = status.trim().strip_prefix("pmode:")?.parse().ok()?;
    let table = nodes.text("etc/nvpmodel.conf").unwrap_or_default();
    // < POWER_MODEL ID=0 NAME=MAXN >
    let name = table.lines().find_map(|line| {
        let model = line.trim().strip_prefix("< POWER_MODEL ID=")?;
        let (id, rest) = model.split_once(' ')?;
        let name = rest.trim().strip_prefix("NAME=")?;
        (id.parse() == Ok(number)).then(|| name.trim_end_matches(['>', ' ']).to_owned())
    });
    Some(name.unwrap_or_else(|| format!("mode {number}")))
}
