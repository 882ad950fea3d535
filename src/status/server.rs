//! The HTTP server. Reads the journal off the async runtime; answers nothing that changes state.

use std::{convert::Infallible, path::PathBuf, sync::Arc, time::Duration};

use askama::Template;
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware,
    response::{
        Html, IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use rustls::ServerConfig;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::{StreamExt, wrappers::WatchStream};
use tokio_util::sync::CancellationToken;
use tower_http::{compression::CompressionLayer, set_header::SetResponseHeaderLayer};

use super::{
    access::{self, Access, Viewer},
    actions::{self, Orders},
    assets, box_page,
    destination_test::{self, TrialRequest},
    destinations_page::destinations_page,
    doors::{Doors, Peer},
    facts::FactsBoard,
    frame::{Frame, remember_language},
    log_page,
    metrics::MetricsHandle,
    page::StatusPage,
    series_page::series_page,
    series_slices::{Viewed, slice_picture},
    snapshot::Snapshot,
    support,
};
use crate::{
    audit::{Actor, Event as Audited, Handled},
    config::Config,
    dicom::Uid,
    spool::{
        Spool,
        journal::{Journal, JournalError, SeriesRecord, SeriesState},
    },
};

/// What the pages are made from.
pub struct Pages {
    /// The box's name.
    pub name: String,
    pub anyone_may_send: bool,
    pub journal: Arc<Journal>,
    pub facts: Arc<FactsBoard>,
    pub metrics: Option<MetricsHandle>,
    pub spool: Arc<Spool>,
    pub config: Arc<Config>,
    pub viewed: Viewed,
    /// Takes what a person asks for.
    pub orders: Orders,
    /// Who may see and do what.
    pub access: Access,
    /// By which the page is served; `None`: plain HTTP, on loopback.
    pub tls: Option<Arc<ServerConfig>>,
    /// Asks for a self-test.
    pub self_test: mpsc::Sender<()>,
    /// Asks for a destination to be tried out.
    pub trials: mpsc::Sender<TrialRequest>,
}

impl Pages {
    /// Where the `seg.dcm`, `result.json` or `preview.png` of a series lies, if it has one. While a
    /// series is in work again that is the former result's.
    pub(super) fn result_path(&self, record: &SeriesRecord, extension: &str) -> PathBuf {
        let results = self.spool.results_dir();
        let of = |revision| results.join(format!("{}.{revision}.{extension}", record.series));
        let in_work = !record.state.is_settled() && record.state != SeriesState::Delivering;
        let former = record.revision.checked_sub(1).filter(|_| in_work);
        let current = of(record.revision);
        match former.map(of) {
            Some(former) if !current.is_file() => former,
            _ => current,
        }
    }

    /// The series in the hands of a person, for the audit trail, which names its patient by the
    /// result or, where there is none, by an instance.
    pub(super) fn handled(&self, record: &SeriesRecord, by: Actor) -> Result<Handled, PageError> {
        let result = self.result_path(record, "seg.dcm");
        let file = if result.is_file() {
            result
        } else {
            let instances = self.journal.instances_of(&record.series)?;
            let first = instances.first();
            first.map_or(result, |first| self.spool.path_of(&first.sop_instance))
        };
        Ok(Handled {
            by,
            study: record.study.clone(),
            series: record.series.clone(),
            file,
        })
    }

    /// Notes that a patient's name or pictures are shown: once for each login and series, however
    /// many pictures that takes.
    pub(super) fn note_look(
        &self,
        viewer: &Viewer,
        record: &SeriesRecord,
    ) -> Result<(), PageError> {
        if self.access.is_first_look(viewer, &record.series) {
            let handled = self.handled(record, viewer.actor())?;
            self.access.audit(Audited::Looked(handled));
        }
        Ok(())
    }
}

/// A browser that came by TLS once comes by TLS for a year (RFC 6797).
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// The page is redrawn at most this often, however fast slices arrive.
const REDRAW: Duration = Duration::from_millis(250);

/// However little happens, the page hears something as often as this: that a box without power says
/// nothing is all that tells of it.
const ALIVE: Duration = Duration::from_secs(5);

/// Serves the page on `listener` until `stop`.
pub async fn serve(
    listener: TcpListener,
    pages: Arc<Pages>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
    };
    let router = Router::new()
        .route("/", get(status_page))
        .route("/series/{id}", get(series_page))
        .route("/series/{id}/slices/{file}", get(slice_picture))
        .route("/series/{id}/seg.dcm", get(seg))
        .route("/series/{id}/result.json", get(result_json))
        .route("/series/{id}/preview.png", get(preview))
        .route("/destinations", get(destinations_page))
        .route("/api/status", get(api_status))
        .route("/api/events", get(events))
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .merge(actions::routes())
        .merge(assets::routes())
        .merge(access::routes())
        .merge(box_page::routes())
        .merge(destination_test::routes())
        .merge(log_page::routes())
        .merge(support::routes())
        .layer(middleware::from_fn(remember_language))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&pages),
            access::gate,
        ))
        .layer(CompressionLayer::new())
        .layer(header(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ))
        .layer(header(header::X_FRAME_OPTIONS, "DENY"))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // Not "no-referrer": with that, browsers post our own forms with `Origin: null`.
        .layer(header(header::REFERRER_POLICY, "same-origin"))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .layer(SetResponseHeaderLayer::overriding(
            header::STRICT_TRANSPORT_SECURITY,
            pages.tls.is_some().then_some(HSTS),
        ))
        .with_state(Arc::clone(&pages));
    let (doors, porter) = Doors::open(listener, pages.tls.clone())?;
    let service = router.into_make_service_with_connect_info::<Peer>();
    let server = axum::serve(doors, service).into_future();
    // A browser holds its event stream open for ever, so stopping does not wait for connections.
    tokio::select! {
        ended = server => ended,
        () = porter => Ok(()),
        () = stop.cancelled() => Ok(()),
    }
}

type Shared = State<Arc<Pages>>;

/// Why a request cannot be answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    #[error("no such page")]
    NoSuchPage,
    #[error("no such series")]
    NoSuchSeries,
    #[error("no such destination")]
    NoSuchDestination,
    #[error("this series has no such result")]
    NoResult,
    #[error("the journal could not be read")]
    Journal(#[from] JournalError),
    #[error("the page could not be made")]
    Template(#[from] askama::Error),
    #[error("the support bundle could not be made")]
    Bundle(#[source] std::io::Error),
    #[error("the request was interrupted")]
    Interrupted,
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NoSuchPage | Self::NoSuchSeries | Self::NoSuchDestination | Self::NoResult => {
                StatusCode::NOT_FOUND
            }
            Self::Journal(_) | Self::Template(_) | Self::Bundle(_) | Self::Interrupted => {
                tracing::error!(error = &self as &dyn std::error::Error, "page not made");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        (status, format!("{self}\n")).into_response()
    }
}

/// Runs `read` where blocking is allowed.
pub(super) async fn off_runtime<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, PageError> + Send + 'static,
) -> Result<T, PageError> {
    let read = tokio::task::spawn_blocking(read);
    read.await.map_err(|_| PageError::Interrupted)?
}

async fn snapshot(pages: Arc<Pages>) -> Result<Snapshot, PageError> {
    off_runtime(move || {
        let facts = pages.facts.read();
        let taken = Snapshot::take(&pages.name, pages.anyone_may_send, facts, &pages.journal);
        Ok(taken?)
    })
    .await
}

async fn status_page(State(pages): Shared, frame: Frame) -> Result<Html<String>, PageError> {
    let snapshot = snapshot(pages).await?;
    Ok(Html(StatusPage::new(frame, &snapshot).render()?))
}

async fn api_status(State(pages): Shared) -> Result<Json<Snapshot>, PageError> {
    Ok(Json(snapshot(pages).await?))
}

/// What the audit trail keeps of a result that is handed out.
enum Kept {
    /// A file that names its patient.
    Download(Viewer),
    /// A patient's picture.
    Look(Viewer),
    /// Numbers that name nobody.
    Nothing,
}

/// The newest revision of one of a series' result files.
async fn result_file(
    pages: Arc<Pages>,
    id: String,
    extension: &'static str,
    content_type: &'static str,
    kept: Kept,
) -> Result<Response, PageError> {
    off_runtime(move || {
        let series = Uid::parse(&id).map_err(|_| PageError::NoSuchSeries)?;
        let record = pages
            .journal
            .series(&series)?
            .ok_or(PageError::NoSuchSeries)?;
        let path = pages.result_path(&record, extension);
        let bytes = std::fs::read(path).map_err(|_| PageError::NoResult)?;
        match kept {
            Kept::Download(viewer) => {
                let handled = pages.handled(&record, viewer.actor())?;
                pages.access.audit(Audited::Downloaded(handled));
            }
            Kept::Look(viewer) => pages.note_look(&viewer, &record)?,
            Kept::Nothing => {}
        }
        Ok(([(header::CONTENT_TYPE, content_type)], bytes).into_response())
    })
    .await
}

/// The one download that names a patient.
async fn seg(
    State(pages): Shared,
    Path(id): Path<String>,
    viewer: Viewer,
) -> Result<Response, PageError> {
    let kept = Kept::Download(viewer);
    result_file(pages, id, "seg.dcm", "application/dicom", kept).await
}

async fn result_json(State(pages): Shared, Path(id): Path<String>) -> Result<Response, PageError> {
    let kept = Kept::Nothing;
    result_file(pages, id, "result.json", "application/json", kept).await
}

async fn preview(
    State(pages): Shared,
    Path(id): Path<String>,
    viewer: Viewer,
) -> Result<Response, PageError> {
    let kept = Kept::Look(viewer);
    result_file(pages, id, "preview.png", "image/png", kept).await
}

async fn events(
    State(pages): Shared,
) -> Sse<impl tokio_stream::Stream<Item = Result<Event, Infallible>>> {
    let changes = WatchStream::from_changes(pages.facts.watch());
    let events = changes
        .throttle(REDRAW)
        .map(|version| Ok(Event::default().event("changed").data(version.to_string())));
    // Not a comment, which scripts do not see.
    let alive = Event::default().event("alive").data("");
    Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE).event(alive))
}

async fn metrics(State(pages): Shared) -> Response {
    match &pages.metrics {
        Some(handle) => handle.render().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn readyz(State(pages): Shared) -> Response {
    match pages.facts.read().not_receiving {
        None => "ready\n".into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}
