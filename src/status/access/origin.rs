//! Whether a request comes from our own page.
//!
//! Two attacks by somebody else's page in the user's browser end here. It may post to us: browsers
//! then say where the request comes from (`Sec-Fetch-Site`, `Origin`), and it has not our token. Or
//! it may give its own name our address (DNS rebinding), so that the browser takes it for us: then
//! the `Host` is a name that is not ours. Behind a login that is harmless, because the cookie is of
//! another name; on loopback without login it is everything.

use std::net::IpAddr;

use axum::http::{HeaderMap, header, uri::Authority};

/// Whether `Host` is loopback: a literal address of it, or `localhost`. The port may be a tunnel's.
pub(super) fn names_loopback(headers: &HeaderMap) -> bool {
    let Some(host) = host(headers) else {
        return false;
    };
    let name = host.host();
    let literal = name.trim_start_matches('[').trim_end_matches(']');
    let address = literal.parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Whether a request that acts may come from this page. A browser says so; who says nothing is no
/// browser, and needs the token anyway.
pub(super) fn is_ours(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site")
        && site != "same-origin"
    {
        return false;
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let origin = origin.to_str().unwrap_or_default();
    let origin = origin.split_once("://").map(|(_, authority)| authority);
    let origin = origin.and_then(|text| text.parse::<Authority>().ok());
    matches!((origin, host(headers)), (Some(origin), Some(host)) if origin == host)
}

fn host(headers: &HeaderMap) -> Option<Authority> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?.parse().ok()?;
    hosts.next().is_none().then_some(host)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn only_loopback_is_loopback() {
        for host in [
            "localhost",
            "LOCALHOST:9000",
            "127.0.0.1:8080",
            "127.3.2.1",
            "[::1]:80",
        ] {
            assert!(names_loopback(&headers(&[("host", host)])), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:8080",
            "10.0.0.1",
            "",
        ] {
            assert!(!names_loopback(&headers(&[("host", host)])), "{host}");
        }
        assert!(!names_loopback(&headers(&[])));
        let both = headers(&[("host", "localhost"), ("host", "evil.example")]);
        assert!(!names_loopback(&both));
    }

    #[test]
    fn what_another_site_posts_is_not_ours() {
        let host = ("host", "box:8443");
        for ours in [
            &[host][..],
            &[host, ("sec-fetch-site", "same-origin")],
            &[host, ("origin", "https://box:8443")],
            &[
                host,
                ("origin", "https://box:8443"),
                ("sec-fetch-site", "same-origin"),
            ],
        ] {
            assert!(is_ours(&headers(ours)), "{ours:?}");
        }
        for theirs in [
            &[host, ("sec-fetch-site", "cross-site")][..],
            &[host, ("sec-fetch-site", "same-site")],
            &[host, ("sec-fetch-site", "none")],
            &[host, ("origin", "https://evil.example")],
            &[host, ("origin", "https://box:9999")],
            &[host, ("origin", "null")],
            &[("origin", "https://box:8443")],
        ] {
            assert!(!is_ours(&headers(theirs)), "{theirs:?}");
        }
    }
}
