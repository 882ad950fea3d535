//! Who may not log in may not try for ever: slowed, then locked out, and always told for how long.

use std::fs;

use crate::harness::{
    appliance::Hepar,
    browser::{PASSWORD, add_user},
};

#[test]
fn guessing_is_slowed_and_its_victim_is_not_told_apart_from_nobody() {
    let hepar = Hepar::setup().start_guarded();
    add_user(&hepar, "anna", "administrator");
    let mut browser = hepar.browser();
    let mut answers = Vec::new();
    for name in ["anna", "nobody"] {
        for guess in 0..5 {
            let reply = browser.log_in(name, &format!("guess number {guess}"));
            assert_eq!(reply.status, 401, "{name}, guess {guess}");
            answers.push(reply.body.replace(&reply.hidden("csrf"), ""));
        }
        let reply = browser.log_in(name, PASSWORD);
        assert_eq!(reply.status, 429, "{name}");
        let seconds: u64 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=1).contains(&seconds), "{seconds}");
    }
    let (known, unknown) = answers.split_at(5);
    let words = |body: &String| body.split_once("role=\"alert\"").unwrap().1[..60].to_owned();
    assert_eq!(words(&known[0]), words(&unknown[0]));
    let log = hepar.log();
    assert!(
        log.contains("login failed") && log.contains("anna"),
        "{log}"
    );
    for secret in ["guess number", PASSWORD] {
        assert!(!log.contains(secret), "{secret} is in\n{log}");
    }
}

#[test]
fn a_password_typed_as_a_name_is_written_nowhere() {
    let mut hepar = Hepar::setup().start_guarded();
    add_user(&hepar, "anna", "viewer");
    let mut browser = hepar.browser();
    // Of the form of a one-time password, so that it could be a name.
    let mistaken = "qk7w3-hn4xz-p2mva-6tged";
    for _ in 0..7 {
        assert_ne!(browser.log_in(mistaken, "anna").status, 303);
    }
    hepar.terminate();
    let trail = fs::read_to_string(hepar.state_dir().join("audit/audit-00000001.log")).unwrap();
    let log = hepar.log();
    assert!(log.contains("login failed") && trail.contains("UserID=\"?\""));
    for written in [&log, &trail] {
        assert!(!written.contains(mistaken), "{mistaken} is in\n{written}");
    }
}

#[test]
fn guessing_at_the_same_time_gains_nothing() {
    let hepar = Hepar::setup().start_guarded();
    add_user(&hepar, "anna", "viewer");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let guesses: Vec<_> = (0..16)
            .map(|i| {
                let mut browser = hepar.browser();
                scope.spawn(move || browser.log_in("anna", &format!("guess number {i}")).status)
            })
            .collect();
        guesses
            .into_iter()
            .map(|guess| guess.join().unwrap())
            .collect()
    });
    let looked_at = statuses.iter().filter(|status| **status == 401).count();
    // Five at once and, on a slow machine, one more each time that the wait ran out.
    assert!(looked_at < 10, "{statuses:?}");
    assert!(statuses.contains(&429), "{statuses:?}");
}
