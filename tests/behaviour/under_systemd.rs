//! What systemd is told: ready in time and not before, how it stands, alive, stopping.
//!
//! The manager is a notify socket of the test; `tests/package` does the same under a real systemd.

use std::{
    net::TcpListener,
    os::unix::net::UnixDatagram,
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::harness::{
    modality::Modality, phantoms::Series, place::own_address, process::Running, wait_for,
};

/// The service manager's end of the notify socket.
struct Manager {
    home: TempDir,
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        let socket = UnixDatagram::bind(home.path().join("notify")).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self {
            home,
            socket,
            heard: Vec::new(),
        }
    }

    /// Starts the service as a unit of `Type=notify` with this `WatchdogSec=` would.
    fn start(&self, address: &str, watchdog: Duration) -> Running {
        let config = self.home.path().join("hepar.toml");
        let text = format!(
            "[device]\nstate-dir = \"{}\"\n[listener]\naddress = \"{address}\"\n\
             [model]\nengine = \"tract\"\n[status]\naddress = \"{}\"\n",
            self.home.path().join("state").display(),
            own_address()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hepar"));
        command
            .args(["serve", "--config"])
            .arg(config)
            .env_remove("JOURNAL_STREAM")
            .env("NOTIFY_SOCKET", self.home.path().join("notify"))
            .env("WATCHDOG_USEC", watchdog.as_micros().to_string());
        Running::spawn("hepar", &mut command)
    }

    /// Everything that came so far.
    fn hear(&mut self) -> &[String] {
        let mut bytes = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut bytes) {
            let text = String::from_utf8_lossy(&bytes[..length]);
            self.heard.extend(text.lines().map(str::to_owned));
        }
        &self.heard
    }

    fn count(&mut self, message: &str) -> usize {
        self.hear().iter().filter(|line| *line == message).count()
    }

    fn wait_for(&mut self, what: &str, said: impl Fn(&str) -> bool) {
        wait_for(what, || {
            self.hear().iter().any(|line| said(line)).then_some(())
        });
    }
}

#[test]
fn an_address_that_has_not_come_yet_is_waited_for_and_a_stop_is_heard_meanwhile() {
    let mut manager = Manager::new();
    // TEST-NET-1, RFC 5737: nobody's.
    let mut hepar = manager.start("192.0.2.1:11112", Duration::from_mins(1));
    manager.wait_for("the wait", |line| {
        line == "STATUS=waiting for the address 192.0.2.1"
    });
    assert!(hepar.is_running());
    assert!(hepar.terminate().success(), "{}", hepar.stderr());
    assert_eq!(manager.count("READY=1"), 0);
}

#[test]
fn ready_means_that_the_next_slice_is_kept_and_the_status_line_says_the_rest() {
    let mut manager = Manager::new();
    let address = own_address();
    let mut hepar = manager.start(&address.to_string(), Duration::from_mins(2));
    manager.wait_for("READY=1", |line| line == "READY=1");
    let series = Series::three_slices(700);
    Modality::dcmsend(&[])
        .send(address, &series.files)
        .expect_all(series.len());
    manager.wait_for("the line about the model", |line| {
        line.starts_with("STATUS=receiving and segmenting with liver-tumour")
    });
    assert_eq!(hepar.terminate().code(), Some(0), "{}", hepar.stderr());
    assert_eq!(manager.count("STOPPING=1"), 1);
    assert_eq!(manager.count("READY=1"), 1);
}

#[test]
fn it_is_never_ready_when_it_cannot_receive() {
    let mut manager = Manager::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut hepar = manager.start(&address, Duration::from_mins(2));
    assert_eq!(hepar.wait().code(), Some(74));
    assert_eq!(manager.count("READY=1"), 0, "{:?}", manager.heard);
}

#[test]
fn the_watchdog_is_fed_while_the_pipeline_moves_and_not_while_it_stands_still() {
    let mut manager = Manager::new();
    let mut hepar = manager.start(&own_address().to_string(), Duration::from_secs(4));
    wait_for("the watchdog to be fed", || {
        (manager.count("WATCHDOG=1") >= 3).then_some(())
    });
    signal(&hepar, "-STOP");
    // What was on its way arrives; then nothing does, for longer than systemd would wait.
    let deadline = Instant::now() + Duration::from_secs(1);
    wait_for("what was under way", || {
        (Instant::now() > deadline).then_some(())
    });
    let before = manager.count("WATCHDOG=1");
    let deadline = Instant::now() + Duration::from_secs(5);
    wait_for("the watchdog to starve", || {
        (Instant::now() > deadline).then_some(())
    });
    assert_eq!(manager.count("WATCHDOG=1"), before);
    signal(&hepar, "-CONT");
    wait_for("the watchdog to be fed again", || {
        (manager.count("WATCHDOG=1") > before).then_some(())
    });
    assert_eq!(hepar.terminate().code(), Some(0), "{}", hepar.stderr());
}

fn signal(process: &Running, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &process.pid().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}
