//! Each role may what it may, on every route there is.

use std::fs;

use hepar::status::access::{
    Role,
    permission::{Needs, ROUTES, Verb},
};

use crate::harness::{
    appliance::Hepar,
    browser::{Browser, PASSWORD, add_user},
};

/// Calls a route; whether the gate let it through to its handler.
fn passes(browser: &mut Browser, verb: Verb, path: &str, csrf: &str) -> bool {
    let path = path
        .replace("{id}", "1.2.3")
        .replace("{name}", "none")
        .replace("{file}", "1.png")
        .replace("{order}", "send-again");
    let reply = match verb {
        // Events would never end.
        Verb::Get if path == "/api/events" => return browser_events(browser),
        Verb::Get => browser.request("GET", &path, &[], ""),
        Verb::Post => browser.post(&path, &[("csrf", csrf)]),
    };
    match reply.status {
        401 | 403 => false,
        303 => !reply.header("location").unwrap().starts_with("/login"),
        _ => true,
    }
}

/// HEAD has the same rule and an end.
fn browser_events(browser: &mut Browser) -> bool {
    browser.request("HEAD", "/api/events", &[], "").status == 200
}

#[test]
fn every_route_is_for_the_roles_of_the_table_and_for_nobody_else() {
    let hepar = Hepar::setup().start_guarded();
    for role in Role::ALL {
        add_user(&hepar, &format!("the-{role}"), role.as_str());
    }
    // Leaving would end the test's own session; changing passwords has tests of its own.
    let own = ["/login", "/logout", "/password"];
    let routes = ROUTES.iter().filter(|(_, path, _)| !own.contains(path));
    let mut nobody = hepar.browser();
    for (verb, path, needs) in routes.clone() {
        let expected = *needs == Needs::Nothing;
        assert_eq!(
            passes(&mut nobody, *verb, path, ""),
            expected,
            "{path}, not logged in"
        );
    }
    for role in Role::ALL {
        let mut browser = hepar.browser();
        let reply = browser.log_in(&format!("the-{role}"), PASSWORD);
        assert_eq!(reply.status, 303);
        let csrf = browser.get("/").hidden("csrf");
        for (verb, path, needs) in routes.clone() {
            let expected = match needs {
                Needs::Role(least) => role >= *least,
                _ => true,
            };
            let passed = passes(&mut browser, *verb, path, &csrf);
            assert_eq!(passed, expected, "{path} as {role}");
        }
    }
}

#[test]
fn the_table_names_routes_that_exist() {
    let hepar = Hepar::start();
    let mut browser = hepar.browser();
    for (verb, path, _) in ROUTES {
        if *verb == Verb::Post || path.contains('{') || *path == "/api/events" {
            continue;
        }
        let status = browser.get(path).status;
        assert!(status == 200 || status == 303, "{path}: {status}");
    }
}

#[test]
fn the_monitoring_system_reads_figures_and_nothing_else() {
    let token = "a-token-of-thirty-two-characters";
    let hepar = Hepar::setup();
    let home = tempfile::TempDir::new().unwrap();
    let file = home.path().join("token");
    fs::write(&file, format!("{token}\n")).unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let hepar = hepar
        .status(&format!("monitoring-token = \"{}\"\n", file.display()))
        .start_guarded();
    let mut browser = hepar.browser();
    let bearer = format!("Bearer {token}");
    let mut get = |path: &str, bearer: &str| {
        let headers = [("authorization", bearer)];
        browser.request("GET", path, &headers, "").status
    };
    for path in ["/metrics", "/api/status"] {
        assert_eq!(get(path, &bearer), 200, "{path}");
        assert_eq!(
            get(path, "Bearer something-else-of-that-kind"),
            401,
            "{path}"
        );
    }
    for path in ["/", "/series/1.2.3", "/api/events"] {
        assert_eq!(get(path, &bearer), 401, "{path}");
    }
    let log = hepar.log();
    assert!(
        log.contains("wrong monitoring token") && !log.contains(token),
        "{log}"
    );
}
