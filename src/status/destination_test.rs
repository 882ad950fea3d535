//! A destination tried out from the page, and what it said.

use std::sync::Arc;

use askama::Template;
use axum::{
    Form, Router,
    extract::{Path, State},
    response::Html,
    routing::post,
};
use serde::Deserialize;
use tokio::sync::oneshot;

use super::{
    frame::Frame,
    server::{PageError, Pages},
};

/// Asks for a destination to be tried.
#[derive(Debug)]
pub struct TrialRequest {
    /// Its name.
    pub destination: String,
    /// Whether results of a synthetic patient are to be stored there.
    pub with_objects: bool,
    /// `None`: there is no destination of that name.
    pub answer: oneshot::Sender<Option<TrialReport>>,
}

/// What a destination said.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TrialReport {
    /// Whether it answers and talks about our objects.
    pub works: bool,
    pub lines: Vec<String>,
}

#[derive(Template)]
#[template(path = "destination_test.html", config = ".askama.toml")]
struct TestPage {
    frame: Frame,
    name: String,
    report: TrialReport,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    /// A checkbox: there or not.
    objects: Option<String>,
}

pub(super) fn routes() -> Router<Arc<Pages>> {
    Router::new().route("/destinations/{name}/test", post(test))
}

async fn test(
    State(pages): State<Arc<Pages>>,
    Path(name): Path<String>,
    frame: Frame,
    Form(wanted): Form<Wanted>,
) -> Result<Html<String>, PageError> {
    let (answer, answered) = oneshot::channel();
    let request = TrialRequest {
        destination: name.clone(),
        with_objects: wanted.objects.is_some(),
        answer,
    };
    let sent = pages.trials.send(request).await;
    sent.map_err(|_| PageError::Interrupted)?;
    let report = answered.await.map_err(|_| PageError::Interrupted)?;
    let page = TestPage {
        frame,
        name,
        report: report.ok_or(PageError::NoSuchDestination)?,
    };
    Ok(Html(page.render()?))
}
