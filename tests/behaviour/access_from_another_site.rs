//! Another site in the user's browser can do nothing, and see nothing.

use crate::harness::{
    appliance::Hepar,
    browser::{PASSWORD, add_user, form},
};

#[test]
fn a_name_that_is_not_ours_is_not_answered_on_loopback() {
    let hepar = Hepar::start();
    let mut browser = hepar.browser();
    let port = hepar.page_address().port();
    for path in ["/", "/api/status", "/healthz"] {
        let foreign = format!("evil.example:{port}");
        let reply = browser.request("GET", path, &[("host", &foreign)], "");
        assert_eq!(reply.status, 421, "{path}");
        assert!(
            !reply.body.contains("behaviour"),
            "the box's name: {}",
            reply.body
        );
        let own = format!("localhost:{port}");
        let reply = browser.request("GET", path, &[("host", &own)], "");
        assert_eq!(reply.status, 200, "{path}");
    }
}

#[test]
fn a_form_of_another_site_does_nothing() {
    let hepar = Hepar::setup().start_guarded();
    add_user(&hepar, "anna", "technician");
    let mut browser = hepar.browser();
    browser.log_in("anna", PASSWORD);
    let csrf = browser.get("/").hidden("csrf");
    let origin = browser.origin();
    let good = form(&[("csrf", &csrf)]);
    let refused: [(&[(&str, &str)], &str); 6] = [
        (&[("origin", "https://evil.example")], &good),
        (&[("origin", "null")], &good),
        (&[("sec-fetch-site", "cross-site")], &good),
        (
            &[("origin", &origin), ("sec-fetch-site", "same-site")],
            &good,
        ),
        (&[("origin", &origin)], ""),
        (&[("origin", &origin)], "csrf=0000"),
    ];
    for (headers, body) in refused {
        let reply = browser.request("POST", "/logout", headers, body);
        assert_eq!(reply.status, 403, "{headers:?} {body}");
        assert_eq!(browser.get("/").status, 200, "still logged in");
    }
    let token = [("origin", origin.as_str()), ("x-csrf-token", csrf.as_str())];
    let reply = browser.request("POST", "/logout", &token, "");
    assert_eq!(reply.status, 303, "our own script may");
}

#[test]
fn another_site_cannot_log_its_own_user_in() {
    let hepar = Hepar::setup().start_guarded();
    add_user(&hepar, "mallory", "viewer");
    let mut browser = hepar.browser();
    let of_another_browser = hepar.browser().get("/login").hidden("csrf");
    browser.get("/login");
    let fields = [
        ("csrf", of_another_browser.as_str()),
        ("name", "mallory"),
        ("password", PASSWORD),
    ];
    assert_eq!(browser.post("/login", &fields).status, 403);
}

#[test]
fn a_form_on_loopback_needs_the_token_too() {
    let hepar = Hepar::start();
    let mut browser = hepar.browser();
    let reply = browser.post("/logout", &[]);
    assert_eq!(reply.status, 403);
    let reply = browser.post("/logout", &[("csrf", &"0".repeat(64))]);
    assert_eq!(reply.status, 403);
}
