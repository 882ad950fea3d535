//! The stylesheet, the script and the icons: all that a browser loads beside a page.

use axum::{
    Router,
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// `(name, content type, content)`.
const ASSETS: [(&str, &str, &str); 6] = [
    ("style.css", CSS, include_str!("assets/style.css")),
    ("page.js", JAVASCRIPT, include_str!("assets/page.js")),
    ("icon.svg", SVG, include_str!("assets/icon.svg")),
    ("green.svg", SVG, include_str!("assets/green.svg")),
    ("amber.svg", SVG, include_str!("assets/amber.svg")),
    ("red.svg", SVG, include_str!("assets/red.svg")),
];

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{name}", get(asset))
}

async fn asset(Path(name): Path<String>) -> Response {
    match ASSETS.iter().find(|(asset, ..)| *asset == name) {
        Some((_, content_type, content)) => {
            ([(header::CONTENT_TYPE, *content_type)], *content).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
