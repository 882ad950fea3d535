//! Boards as made-up trees of files.

use std::{fs, path::Path};

use tempfile::TempDir;

use super::*;

fn tree(files: &[(&str, &str)]) -> TempDir {
    let root = TempDir::new().unwrap();
    for (path, text) in files {
        put(root.path(), path, text);
    }
    root
}

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

const LINUX: &[(&str, &str)] = &[
    (
        "proc/stat",
        "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 50 0 50 350 50 0 0 0\ncpu1 50 0 50 350 50 0 0 0\nintr 1\n",
    ),
    (
        "proc/meminfo",
        "MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:    4000000 kB\n",
    ),
    ("proc/loadavg", "0.50 1.25 2.00 3/400 12345\n"),
    ("proc/uptime", "3600.50 7000.00\n"),
    ("proc/self/status", "Name:\thepar\nVmRSS:\t  123456 kB\n"),
    ("proc/sys/kernel/osrelease", "6.1.0\n"),
    (
        "etc/os-release",
        "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n",
    ),
    ("sys/class/thermal/thermal_zone0/type", "x86_pkg_temp\n"),
    ("sys/class/thermal/thermal_zone0/temp", "54000\n"),
    ("sys/class/thermal/thermal_zone1/type", "x86_pkg_temp\n"),
    ("sys/class/thermal/thermal_zone1/temp", "61500\n"),
    ("sys/class/thermal/cooling_device0/type", "Processor\n"),
    ("sys/class/thermal/cooling_device0/cur_state", "0\n"),
    (
        "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count",
        "7\n",
    ),
    (
        "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count",
        "9\n",
    ),
    ("sys/class/net/lo/carrier", "1\n"),
    ("sys/class/net/eth0/carrier", "1\n"),
    ("sys/class/net/eth0/speed", "1000\n"),
    ("sys/class/net/eth0/statistics/rx_bytes", "1000000\n"),
    ("sys/class/net/eth0/statistics/tx_bytes", "2000\n"),
    ("sys/class/net/eth0/statistics/rx_errors", "3\n"),
    ("sys/class/net/eth0/statistics/tx_dropped", "4\n"),
    ("sys/class/net/wlan0/carrier", "0\n"),
    ("sys/class/net/wlan0/speed", "-1\n"),
    ("run/systemd/timesync/synchronized", ""),
];

const JETSON: &[(&str, &str)] = &[
    (
        "proc/device-tree/compatible",
        "nvidia,p3768-0000+p3767-0000\0nvidia,tegra234\0",
    ),
    (
        "proc/device-tree/model",
        "NVIDIA Jetson Orin Nano Developer Kit\0",
    ),
    (
        "etc/nv_tegra_release",
        "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic\n",
    ),
    ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
    ("sys/class/thermal/thermal_zone0/temp", "48312\n"),
    ("sys/class/thermal/thermal_zone1/type", "gpu-thermal\n"),
    ("sys/class/thermal/thermal_zone1/temp", "51000\n"),
    ("sys/class/thermal/thermal_zone2/type", "cv0-thermal\n"),
    ("sys/class/thermal/thermal_zone2/temp", "-256000\n"),
    ("sys/class/thermal/cooling_device0/type", "pwm-fan\n"),
    ("sys/class/thermal/cooling_device0/cur_state", "2\n"),
    (
        "sys/class/thermal/cooling_device1/type",
        "devfreq-17000000.gpu\n",
    ),
    ("sys/class/thermal/cooling_device1/cur_state", "1\n"),
    ("sys/class/hwmon/hwmon0/name", "ina3221\n"),
    ("sys/class/hwmon/hwmon0/in1_label", "VDD_IN\n"),
    ("sys/class/hwmon/hwmon0/in1_input", "5000\n"),
    ("sys/class/hwmon/hwmon0/curr1_input", "1500\n"),
    ("sys/class/hwmon/hwmon0/in2_label", "VDD_CPU_GPU_CV\n"),
    ("sys/class/hwmon/hwmon0/in2_input", "5000\n"),
    ("sys/class/hwmon/hwmon0/curr2_input", "400\n"),
    ("sys/class/hwmon/hwmon0/curr2_crit_alarm", "1\n"),
    (
        "sys/class/hwmon/hwmon0/in7_label",
        "sum of shunt voltages\n",
    ),
    ("sys/class/hwmon/hwmon1/name", "pwmfan\n"),
    ("sys/class/hwmon/hwmon1/pwm1", "51\n"),
    ("sys/class/hwmon/hwmon2/name", "pwm_tach\n"),
    ("sys/class/hwmon/hwmon2/rpm", "1890\n"),
    ("sys/class/hwmon/hwmon3/name", "soctherm_oc\n"),
    ("sys/class/hwmon/hwmon3/oc1_event_cnt", "0\n"),
    ("sys/class/hwmon/hwmon3/oc3_event_cnt", "12\n"),
    ("sys/class/hwmon/hwmon3/oc3_throt_en", "1\n"),
    ("var/lib/nvpmodel/status", "pmode:0001\n"),
    (
        "etc/nvpmodel.conf",
        "# modes\n< POWER_MODEL ID=0 NAME=15W >\nCPU_ONLINE CORE_0 1\n< POWER_MODEL ID=1 NAME=7W >\n",
    ),
];

#[test]
fn any_linux_tells_load_memory_heat_and_network() {
    let root = tree(LINUX);
    let mut board = board(root.path());
    let first = board.look();
    assert_eq!(first.cpu_load, None, "one look shows no load");
    put(
        root.path(),
        "proc/stat",
        "cpu  250 0 150 800 100 0 0 0 0 0\ncpu0 1\ncpu1 1\n",
    );
    let reading = board.look();
    assert_eq!(reading.cpu_load, Some(2.0 / 3.0));
    assert_eq!(reading.cpu_cores, Some(2));
    assert_eq!(reading.load_average, Some([0.5, 1.25, 2.0]));
    assert_eq!(reading.memory_total_bytes, Some(16_000_000 * 1024));
    assert_eq!(reading.memory_available_bytes, Some(4_000_000 * 1024));
    assert_eq!(reading.process_bytes, Some(123_456 * 1024));
    assert_eq!(reading.uptime_seconds, Some(3600.5));
    assert_eq!(reading.clock_synchronised, Some(true));
    assert_eq!(reading.versions["system"], "Debian GNU/Linux 12");
    assert_eq!(reading.hottest(), Some(("x86_pkg_temp 1", 61.5)));
    assert_eq!(reading.slowed, [""; 0]);
    assert_eq!(reading.throttle_events["cpu"], 9);
    assert_eq!(reading.network.len(), 2, "loopback is no interface");
    let eth0 = Interface {
        up: true,
        speed_mbit: Some(1000),
        received_bytes: 1_000_000,
        sent_bytes: 2000,
        errors: 7,
    };
    assert_eq!(reading.network["eth0"], eth0);
    assert_eq!(reading.network["wlan0"], Interface::default());
    assert_eq!(reading.power_mode, None);
}

#[test]
fn a_jetson_tells_gpu_rails_mode_fan_and_what_slows_it() {
    let root = tree(JETSON);
    put(
        root.path(),
        "sys/class/devfreq/17000000.gpu/cur_freq",
        "624750000\n",
    );
    put(
        root.path(),
        "sys/class/devfreq/17000000.gpu/device/load",
        "873\n",
    );
    put(
        root.path(),
        "sys/class/devfreq/15340000.vic/cur_freq",
        "1\n",
    );
    let reading = board(root.path()).look();
    assert_eq!(
        reading.model.as_deref(),
        Some("NVIDIA Jetson Orin Nano Developer Kit")
    );
    assert_eq!(reading.versions["L4T"], "R36 (release), REVISION: 4.3");
    assert_eq!(reading.gpu_load, Some(0.873));
    assert_eq!(reading.gpu_mhz, Some(624.75));
    assert_eq!(reading.hottest(), Some(("gpu-thermal", 51.0)));
    assert_eq!(reading.temperatures.len(), 2, "a zone that is off is none");
    assert_eq!(reading.slowed, ["devfreq-17000000.gpu"]);
    assert_eq!(reading.power.len(), 2);
    assert_eq!(reading.power.get("VDD_IN"), Some(&7.5));
    assert_eq!(reading.power_alarms, ["VDD_CPU_GPU_CV"]);
    assert_eq!(reading.throttle_events["oc3"], 12);
    assert_eq!(reading.power_mode.as_deref(), Some("7W"));
    assert_eq!(reading.fan_drive, Some(0.2));
    assert_eq!(reading.fan_rpm, Some(1890));
}

#[test]
fn nodes_that_come_late_are_seen_and_those_that_vanish_are_not_missed() {
    let root = tree(JETSON);
    let mut board = board(root.path());
    assert_eq!(board.look().gpu_load, None);
    let load = "sys/class/devfreq/gpu-gpc-0/device/load";
    put(root.path(), load, "100\n");
    assert_eq!(board.look().gpu_load, Some(0.1));
    fs::remove_dir_all(root.path().join("sys/class/devfreq")).unwrap();
    fs::remove_dir_all(root.path().join("sys/class/hwmon")).unwrap();
    let reading = board.look();
    assert_eq!((reading.gpu_load, reading.fan_rpm), (None, None));
    assert!(reading.power.is_empty());
}

#[test]
fn nonsense_is_no_reading() {
    let nonsense = [
        "",
        "\n",
        "nan",
        "-1",
        "99999999999999999999",
        "0x10",
        "cpu",
        "cpu ",
        "pmode:",
        "\0\0\0",
        "cpu  18446744073709551615 1 1 1 1 1 1 1\n",
        "MemTotal: many kB\nMemAvailable: -1 kB",
    ];
    for text in nonsense {
        let root = tree(&[]);
        for (path, _) in LINUX.iter().chain(&JETSON[1..]) {
            put(root.path(), path, text);
        }
        put(
            root.path(),
            "proc/device-tree/compatible",
            "nvidia,tegra234\0",
        );
        put(root.path(), "sys/class/devfreq/17000000.gpu/cur_freq", text);
        put(
            root.path(),
            "sys/class/devfreq/17000000.gpu/device/load",
            text,
        );
        let mut board = board(root.path());
        board.look();
        let reading = board.look();
        assert_eq!(reading.cpu_load, None, "{text:?}");
        assert_eq!(reading.memory_total_bytes, None, "{text:?}");
        assert!(reading.temperatures.values().all(|celsius| *celsius < 1.0));
        assert_eq!(reading.gpu_load, None, "{text:?}");
        assert!(reading.power.is_empty(), "{text:?}");
    }
}

#[test]
fn an_empty_machine_is_a_reading_of_nothing_and_a_directory_is_no_file() {
    let root = tree(&[]);
    assert_eq!(board(root.path()).look(), Reading::default());
    fs::create_dir_all(root.path().join("proc/meminfo")).unwrap();
    assert_eq!(board(root.path()).look(), Reading::default());
}

#[test]
fn a_file_without_end_and_a_directory_without_end_are_read_in_part() {
    let root = tree(&[]);
    put(root.path(), "proc/loadavg", &"1.0 ".repeat(1_000_000));
    for zone in 0..1000 {
        let zone = format!("sys/class/thermal/thermal_zone{zone}");
        put(
            root.path(),
            &format!("{zone}/type"),
            &format!("{zone} type"),
        );
        put(root.path(), &format!("{zone}/temp"), "40000");
    }
    let reading = board(root.path()).look();
    assert_eq!(reading.load_average, Some([1.0; 3]));
    assert_eq!(reading.temperatures.len(), 256);
}
