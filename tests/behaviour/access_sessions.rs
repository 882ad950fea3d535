//! Users come, go and change their passwords; what they hold cannot be stolen or planted.

use std::{thread, time::Duration};

use crate::harness::{
    appliance::Hepar,
    browser::{PASSWORD, add_user},
    cli::hepar_in,
    wait_for,
};

#[test]
fn who_has_not_logged_in_sees_nothing() {
    let hepar = Hepar::setup().start_guarded();
    let mut browser = hepar.browser();
    for path in ["/", "/series/1.2.3", "/series/1.2.3/seg.dcm", "/password"] {
        let reply = browser.get(path);
        assert_eq!(reply.status, 303, "{path}");
        assert!(
            reply
                .header("location")
                .unwrap()
                .starts_with("/login?back=%2F")
                || reply
                    .header("location")
                    .unwrap()
                    .starts_with("/login?back=/"),
            "{reply:?}"
        );
        assert!(reply.body.is_empty(), "{path}: {}", reply.body);
    }
    for path in ["/api/status", "/api/events", "/metrics"] {
        let reply = browser.request("GET", path, &[], "");
        assert_eq!(reply.status, 401, "{path}");
    }
    assert_eq!(browser.get("/nothing/here").status, 404);
    for path in ["/healthz", "/readyz", "/assets/style.css", "/login"] {
        assert_eq!(browser.get(path).status, 200, "{path}");
    }
}

#[test]
fn a_cookie_is_hard_to_steal_and_cannot_be_planted() {
    let hepar = Hepar::setup().start_guarded();
    add_user(&hepar, "anna", "viewer");
    let mut browser = hepar.browser();
    let planted = "0".repeat(64);
    browser.set_cookie("__Host-hepar", &planted);
    let reply = browser.log_in("anna", PASSWORD);
    assert_eq!((reply.status, reply.header("location")), (303, Some("/")));
    let cookies = reply
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie");
    let cookies: Vec<_> = cookies.map(|(_, value)| value.as_str()).collect();
    let [cookie] = cookies[..] else {
        panic!("one cookie: {cookies:?}")
    };
    assert!(cookie.starts_with("__Host-hepar="), "{cookie}");
    for attribute in ["; HttpOnly", "; Secure", "; SameSite=Strict", "; Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    assert_ne!(browser.cookies()["__Host-hepar"], planted);
    let page = browser.get("/");
    assert_eq!(page.status, 200);
    assert!(page.body.contains("anna"), "the page says who is logged in");

    let held = browser.cookies()["__Host-hepar"].clone();
    let csrf = page.hidden("csrf");
    let reply = browser.post("/logout", &[("csrf", &csrf)]);
    assert_eq!(reply.status, 303);
    assert!(!browser.cookies().contains_key("__Host-hepar"));
    browser.set_cookie("__Host-hepar", &held);
    assert_eq!(
        browser.get("/").status,
        303,
        "a session that was left is over"
    );
}

#[test]
fn headers_keep_other_sites_and_plain_http_away() {
    let hepar = Hepar::setup().start_guarded();
    let reply = hepar.browser().get("/login");
    let policy = reply.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe"), "{policy}");
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cache-control", "no-store"),
        ("strict-transport-security", "max-age=31536000"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
    assert!(!reply.body.contains("<style") && !reply.body.contains("<script>"));
    let plain = crate::harness::browser::Browser::plain(hepar.page_address());
    let reply = plain.try_get("/").unwrap();
    assert_eq!(reply.status, 400);
    assert!(reply.body.contains("https://"), "{}", reply.body);
}

#[test]
fn a_password_is_changed_by_who_knows_the_old_one_and_ends_other_sessions() {
    let hepar = Hepar::setup().start_guarded();
    add_user(&hepar, "anna", "technician");
    let (mut here, mut there) = (hepar.browser(), hepar.browser());
    here.log_in("anna", PASSWORD);
    there.log_in("anna", PASSWORD);
    assert_eq!(there.get("/").status, 200);

    let csrf = here.get("/password").hidden("csrf");
    let mut change = |current: &str, new: &str, repeated: &str| {
        let fields = [
            ("csrf", csrf.as_str()),
            ("current", current),
            ("new", new),
            ("repeated", repeated),
        ];
        here.post("/password", &fields).status
    };
    let new = "a different sentence";
    assert_eq!(change("wrong password", new, new), 422);
    assert_eq!(change(PASSWORD, new, "another one altogether"), 422);
    assert_eq!(change(PASSWORD, "short", "short"), 422);
    assert_eq!(change(PASSWORD, PASSWORD, PASSWORD), 422);
    assert_eq!(change(PASSWORD, new, new), 303);
    assert_eq!(here.get("/").status, 200, "who changed it goes on");
    assert_eq!(there.get("/").status, 303, "everybody else starts anew");
    assert_eq!(there.log_in("anna", PASSWORD).status, 401);
    assert_eq!(there.log_in("anna", new).status, 303);
}

#[test]
fn who_is_removed_is_out_at_once() {
    let hepar = Hepar::setup().start_guarded();
    add_user(&hepar, "anna", "viewer");
    let mut browser = hepar.browser();
    browser.log_in("anna", PASSWORD);
    assert_eq!(browser.get("/").status, 200);
    let config = hepar.config().display().to_string();
    hepar_in(
        hepar.home(),
        &["user", "remove", "anna", "--config", &config],
    )
    .expect_success();
    wait_for("the session to end", || {
        (browser.get("/").status == 303).then_some(())
    });
    assert_eq!(browser.log_in("anna", PASSWORD).status, 401);
}

#[test]
fn a_session_that_nobody_uses_ends() {
    let hepar = Hepar::setup()
        .status("idle-logout = \"3s\"\n")
        .start_guarded();
    add_user(&hepar, "anna", "viewer");
    let mut browser = hepar.browser();
    assert_eq!(browser.log_in("anna", PASSWORD).status, 303);
    thread::sleep(Duration::from_secs(4));
    assert_eq!(browser.get("/").status, 303);
}

#[test]
fn a_client_that_dawdles_holds_up_nobody() {
    let hepar = Hepar::setup().start_guarded();
    let page = hepar.page_address();
    // None of them says a word; a handshake must not wait for another.
    let silent: Vec<_> = (0..20)
        .map(|_| std::net::TcpStream::connect(page).unwrap())
        .collect();
    assert_eq!(hepar.browser().get("/login").status, 200);
    drop(silent);
}
