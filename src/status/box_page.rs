//! The box: how hot, busy and full it is, what runs on it, and whether it still gets a patient who
//! does not exist right.

use std::{sync::Arc, time::Duration};

use askama::Template;
use axum::{
    Router,
    extract::State,
    response::{Html, Redirect},
    routing::{get, post},
};

use jiff::Timestamp;

use super::{
    clock,
    facts::{CertificateFacts, Facts},
    frame::Frame,
    server::{PageError, Pages},
};
use crate::device::{Interface, Reading};

#[derive(Template)]
#[template(path = "box.html", config = ".askama.toml")]
struct BoxPage {
    frame: Frame,
    facts: Facts,
    groups: Vec<Group>,
}

/// Readings that belong together.
struct Group {
    /// Key of its heading.
    title: &'static str,
    /// What, and how much.
    rows: Vec<(String, String)>,
}

pub(super) fn routes() -> Router<Arc<Pages>> {
    Router::new()
        .route("/box", get(show))
        .route("/box/self-test", post(test))
}

async fn show(State(pages): State<Arc<Pages>>, frame: Frame) -> Result<Html<String>, PageError> {
    let facts = pages.facts.read();
    let page = BoxPage {
        groups: groups(&facts, &frame),
        frame,
        facts,
    };
    Ok(Html(page.render()?))
}

/// Asks for a self-test; one that runs already is the answer as well.
async fn test(State(pages): State<Arc<Pages>>) -> Redirect {
    let _ = pages.self_test.try_send(());
    Redirect::to("/box")
}

impl BoxPage {
    fn test_words(&self) -> String {
        if self.facts.self_testing {
            return self.frame.say("box-self-test-runs");
        }
        let Some(test) = &self.facts.self_test else {
            return self.frame.say("box-self-test-never");
        };
        let outcome = if test.passed { "passed" } else { "failed" };
        self.frame.tell(
            "box-self-test-outcome",
            &[
                ("outcome", outcome.into()),
                ("at", clock::date_and_time(&test.at).into()),
                ("seconds", format!("{:.0}", test.seconds).into()),
            ],
        )
    }

    /// `ok` or `bad`; nothing while nothing is known.
    fn test_class(&self) -> &'static str {
        match &self.facts.self_test {
            Some(test) if test.passed => "ok",
            Some(_) => "bad",
            None => "",
        }
    }
}

fn groups(facts: &Facts, frame: &Frame) -> Vec<Group> {
    let reading = &facts.board;
    let groups = [
        ("box-heat", heat(reading, frame)),
        ("box-load", load(reading, frame)),
        ("box-disk", disk(facts, frame)),
        ("box-network", network(reading, frame)),
        ("box-system", system(facts, frame)),
        ("box-certificates", certificates(facts, frame)),
    ];
    let groups = groups.into_iter().filter(|(_, rows)| !rows.is_empty());
    groups.map(|(title, rows)| Group { title, rows }).collect()
}

/// Rows that are only there when there is something to say.
#[derive(Default)]
struct Rows(Vec<(String, String)>);

impl Rows {
    fn put(&mut self, name: String, value: Option<String>) {
        self.0.extend(value.map(|value| (name, value)));
    }
}

fn heat(reading: &Reading, frame: &Frame) -> Vec<(String, String)> {
    let mut rows = Rows::default();
    let listed = |names: &[String]| (!names.is_empty()).then(|| names.join(", "));
    rows.put(frame.say("box-slowed"), listed(&reading.slowed));
    rows.put(frame.say("box-power-alarms"), listed(&reading.power_alarms));
    for (sensor, celsius) in &reading.temperatures {
        rows.put(sensor.clone(), Some(format!("{celsius:.1} \u{b0}C")));
    }
    for (cause, count) in &reading.throttle_events {
        let name = frame.tell("box-throttle-events", &[("cause", cause.as_str().into())]);
        rows.put(name, Some(count.to_string()));
    }
    rows.put(frame.say("box-power-mode"), reading.power_mode.clone());
    for (rail, watts) in &reading.power {
        rows.put(rail.clone(), Some(format!("{watts:.1} W")));
    }
    rows.put(frame.say("box-fan"), fan(reading));
    rows.0
}

fn fan(reading: &Reading) -> Option<String> {
    let drive = reading.fan_drive.map(percent);
    let turns = reading.fan_rpm.map(|rpm| format!("{rpm}/min"));
    joined([drive, turns])
}

fn load(reading: &Reading, frame: &Frame) -> Vec<(String, String)> {
    let mut rows = Rows::default();
    let cores = reading
        .cpu_cores
        .map(|cores| frame.tell("box-cores", &[("cores", cores.into())]));
    let cpu = joined([reading.cpu_load.map(percent), cores]);
    rows.put(frame.say("box-cpu"), cpu);
    let average = reading.load_average.map(|average| {
        let words = average.map(|load| format!("{load:.2}"));
        words.join(" \u{b7} ")
    });
    rows.put(frame.say("box-load-average"), average);
    let gpu = joined([
        reading.gpu_load.map(percent),
        reading.gpu_mhz.map(|mhz| format!("{mhz:.0} MHz")),
    ]);
    rows.put(frame.say("box-gpu"), gpu);
    rows.put(
        frame.say("box-memory-free"),
        of(reading.memory_available_bytes, reading.memory_total_bytes),
    );
    rows.put(
        frame.say("box-memory-own"),
        reading.process_bytes.map(bytes),
    );
    rows.0
}

fn disk(facts: &Facts, frame: &Frame) -> Vec<(String, String)> {
    let mut rows = Rows::default();
    let total = Some(facts.disk_total_bytes).filter(|total| *total > 0);
    rows.put(
        frame.say("box-disk-free"),
        of(Some(facts.disk_free_bytes), total),
    );
    let left = facts.disk_hours_left.map_or_else(
        || frame.say("box-disk-lasts-unknown"),
        |hours| frame.tell("box-disk-hours", &[("hours", hours.floor().into())]),
    );
    rows.put(frame.say("box-disk-lasts"), Some(left));
    rows.0
}

fn network(reading: &Reading, frame: &Frame) -> Vec<(String, String)> {
    let words = |interface: &Interface| {
        let state = if interface.up {
            "box-link-up"
        } else {
            "box-link-down"
        };
        let speed = interface.speed_mbit.map(|speed| format!("{speed} Mbit/s"));
        let traffic = frame.tell(
            "box-traffic",
            &[
                ("received", bytes(interface.received_bytes).into()),
                ("sent", bytes(interface.sent_bytes).into()),
                ("errors", interface.errors.into()),
            ],
        );
        joined([Some(frame.say(state)), speed, Some(traffic)]).unwrap_or_default()
    };
    let interfaces = reading.network.iter();
    interfaces
        .map(|(name, interface)| (name.clone(), words(interface)))
        .collect()
}

fn system(facts: &Facts, frame: &Frame) -> Vec<(String, String)> {
    let reading = &facts.board;
    let mut rows = Rows::default();
    rows.put(frame.say("box-model"), reading.model.clone());
    rows.put("Hepar".to_owned(), Some(frame.version().to_owned()));
    if let Some(Ok(engine)) = &facts.engine {
        let name = format!("{} ({})", engine.name, engine.device);
        rows.put(frame.say("box-engine"), Some(name));
        let model = format!("{} {}", engine.model, engine.version);
        rows.put(frame.say("box-bundle"), Some(model));
    }
    for (name, version) in &reading.versions {
        let known = frame
            .language
            .tell_if_known(&format!("version-{name}"), &[]);
        rows.put(known.unwrap_or_else(|| name.clone()), Some(version.clone()));
    }
    let uptime = reading.uptime_seconds.map(|seconds| {
        let seconds = Duration::try_from_secs_f64(seconds)
            .unwrap_or_default()
            .as_secs();
        let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
        let minutes = seconds / 60 % 60;
        frame.tell(
            "box-uptime-words",
            &[
                ("days", days.into()),
                ("hours", hours.into()),
                ("minutes", minutes.into()),
            ],
        )
    });
    rows.put(frame.say("box-uptime"), uptime);
    let clock = match reading.clock_synchronised {
        Some(true) => "clock-synchronised",
        Some(false) => "box-clock-not-synchronised",
        None => "clock-unknown",
    };
    rows.put(frame.say("box-clock"), Some(frame.say(clock)));
    rows.0
}

/// What each is used for, whose name it bears, and until when it holds.
fn certificates(facts: &Facts, frame: &Frame) -> Vec<(String, String)> {
    let now = Timestamp::now();
    let certificates = facts.certificates.iter();
    let row = |certificate: &CertificateFacts| {
        let until = frame.tell(
            "box-certificate",
            &[
                ("name", certificate.name.as_str().into()),
                ("day", clock::date(&certificate.expires).into()),
            ],
        );
        let fingerprint = frame.tell(
            "box-certificate-fingerprint",
            &[("fingerprint", certificate.fingerprint.as_str().into())],
        );
        let notice = certificate.notice(now);
        let notice = notice.map(|notice| notice.words(frame.language));
        let words = [Some(until), notice, Some(fingerprint)];
        let words: Vec<String> = words.into_iter().flatten().collect();
        (certificate.used_for.words(frame.language), words.join(". "))
    };
    certificates.map(row).collect()
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn joined<const N: usize>(words: [Option<String>; N]) -> Option<String> {
    let words: Vec<String> = words.into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// "12.3 GB / 64.0 GB".
fn of(part: Option<u64>, whole: Option<u64>) -> Option<String> {
    Some(format!("{} / {}", bytes(part?), bytes(whole?)))
}

/// In decimal units, as disks and links are sold.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0);
    format!("{value:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{SelfTestFacts, language::Language};

    fn page(facts: Facts) -> String {
        let frame = Frame::for_tests(Language::english());
        let groups = groups(&facts, &frame);
        let page = BoxPage {
            frame,
            facts,
            groups,
        };
        page.render().unwrap()
    }

    #[test]
    fn what_is_not_measured_is_not_shown_as_a_zero() {
        let html = page(Facts::default());
        for absent in ["MHz", "GPU", "Fan", " W<", "0 %"] {
            assert!(!html.contains(absent), "{absent}");
        }
        assert!(html.contains("No self-test has run yet"));
    }

    #[test]
    fn heat_load_and_what_slows_the_box_stand_on_the_page() {
        let mut facts = Facts {
            disk_free_bytes: 12_345_678_901,
            disk_total_bytes: 64_000_000_000,
            disk_hours_left: Some(30.7),
            self_test: Some(SelfTestFacts {
                at: Timestamp::UNIX_EPOCH,
                passed: false,
                words: "liver 10 ml of 1500 ml".to_owned(),
                seconds: 12.3,
                liver_dice: Some(0.01),
                tumour_dice: Some(0.0),
            }),
            ..Facts::default()
        };
        facts.board.slowed.push("devfreq-17000000.gpu".to_owned());
        facts
            .board
            .temperatures
            .insert("gpu-thermal".to_owned(), 91.25);
        facts.board.gpu_load = Some(0.873);
        let interface = Interface {
            up: true,
            speed_mbit: Some(1000),
            ..Interface::default()
        };
        facts.board.network.insert("eth0".to_owned(), interface);
        let html = page(facts);
        for words in [
            "devfreq-17000000.gpu",
            "91.2 \u{b0}C",
            "87 %",
            "12.3 GB / 64.0 GB",
            "30 hours",
            "1000 Mbit/s",
            "Failed",
            "liver 10 ml of 1500 ml",
        ] {
            assert!(html.contains(words), "{words}");
        }
    }

    #[test]
    fn bytes_are_written_as_people_say_them() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1000), "1.0 kB");
        assert_eq!(bytes(64_000_000_000), "64.0 GB");
        assert_eq!(bytes(u64::MAX), "18446744.1 TB");
    }
}
