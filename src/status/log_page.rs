//! The last lines of the log, chosen by level and text.

use std::sync::Arc;

use askama::Template;
use axum::{Router, extract::Query, response::Html, routing::get};
use serde::Deserialize;
use tracing::Level;

use super::{
    frame::Frame,
    logs::{self, Line},
    server::{PageError, Pages},
};

/// Lines on one page.
const MOST: usize = 500;

#[derive(Template)]
#[template(path = "log.html", config = ".askama.toml")]
struct LogPage {
    frame: Frame,
    level: String,
    text: String,
    /// The latest first.
    lines: Vec<Line>,
}

impl LogPage {
    #[expect(clippy::unused_self, reason = "templates only see the page")]
    fn levels(&self) -> [String; 3] {
        [Level::ERROR, Level::WARN, Level::INFO].map(word)
    }
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct Filter {
    level: String,
    text: String,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            level: word(Level::INFO),
            text: String::new(),
        }
    }
}

pub(super) fn routes() -> Router<Arc<Pages>> {
    Router::new().route("/log", get(show))
}

async fn show(Query(filter): Query<Filter>, frame: Frame) -> Result<Html<String>, PageError> {
    let level = filter.level.parse().unwrap_or(Level::INFO);
    let mut lines = logs::lines(level, &filter.text, MOST);
    lines.reverse();
    let page = LogPage {
        frame,
        level: word(level),
        text: filter.text,
        lines,
    };
    Ok(Html(page.render()?))
}

/// What calls for somebody stands out.
fn mark(line: &Line) -> &'static str {
    match line.level {
        Level::ERROR => "bad",
        Level::WARN => "warn",
        _ => "",
    }
}

fn word(level: Level) -> String {
    level.as_str().to_lowercase()
}
