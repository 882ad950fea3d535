//! What a person may have done from the page: a result sent again, a series segmented again.
//!
//! The page decides nothing about a series in work: it hands an [`Order`] to whoever owns the
//! series, and shows the answer. Each order has a page that asks first, so that it works without a
//! script and is never given by following a link.

use std::sync::Arc;

use askama::Template;
use axum::{
    Router,
    extract::{Path, State},
    response::{Html, Redirect},
    routing::get,
};
use tokio::sync::{mpsc, oneshot};

use super::{
    frame::Frame,
    series_row::Row,
    server::{PageError, Pages, off_runtime},
    snapshot::SeriesView,
};
use crate::{
    audit::{Actor, Event},
    dicom::Uid,
};

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    SendAgain,
    SegmentAgain,
}

impl Order {
    const ALL: [Self; 2] = [Self::SendAgain, Self::SegmentAgain];

    /// Its place under `/series/{id}/`, and the stem of its messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SendAgain => "send-again",
            Self::SegmentAgain => "segment-again",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.name() == name)
    }
}

/// An order on its way, with the way back for the answer.
#[derive(Debug)]
pub struct Request {
    pub order: Order,
    pub series: Uid,
    /// `Err`: why it cannot be done, in words.
    pub answer: oneshot::Sender<Result<(), String>>,
}

/// Orders that may wait; a person gives them one by one.
pub const ORDERS: usize = 16;

/// The other end of [`Request`]s.
pub type Orders = mpsc::Sender<Request>;

#[derive(Template)]
#[template(path = "order.html", config = ".askama.toml")]
struct OrderPage<'a> {
    frame: Frame,
    row: Row<'a>,
    order: &'static str,
    /// Why it was not done.
    refused: Option<String>,
}

pub(super) fn routes() -> Router<Arc<Pages>> {
    Router::new().route("/series/{id}/again/{order}", get(ask).post(give))
}

async fn ask(
    State(pages): State<Arc<Pages>>,
    Path((id, order)): Path<(String, String)>,
    frame: Frame,
) -> Result<Html<String>, PageError> {
    let order = Order::named(&order).ok_or(PageError::NoSuchPage)?;
    question(pages, id, order, None, frame).await
}

async fn give(
    State(pages): State<Arc<Pages>>,
    Path((id, order)): Path<(String, String)>,
    frame: Frame,
) -> Result<Result<Redirect, Html<String>>, PageError> {
    let order = Order::named(&order).ok_or(PageError::NoSuchPage)?;
    let series = Uid::parse(&id).map_err(|_| PageError::NoSuchSeries)?;
    let (answer, answered) = oneshot::channel();
    let request = Request {
        order,
        series: series.clone(),
        answer,
    };
    let sent = pages.orders.send(request).await;
    sent.map_err(|_| PageError::Interrupted)?;
    match answered.await.map_err(|_| PageError::Interrupted)? {
        Ok(()) => {
            tracing::info!(%series, order = order.name(), "ordered from the page");
            audit(Arc::clone(&pages), order, &series, frame.viewer.actor()).await?;
            Ok(Ok(Redirect::to(&format!("/series/{series}"))))
        }
        Err(why) => question(pages, id, order, Some(why), frame).await.map(Err),
    }
}

/// Who had what done with a patient's series is asked about later.
async fn audit(pages: Arc<Pages>, order: Order, series: &Uid, by: Actor) -> Result<(), PageError> {
    let series = series.clone();
    off_runtime(move || {
        let record = pages.journal.series(&series)?;
        let handled = pages.handled(&record.ok_or(PageError::NoSuchSeries)?, by)?;
        pages.access.audit(match order {
            Order::SendAgain => Event::SentAgain(handled),
            Order::SegmentAgain => Event::SegmentedAgain(handled),
        });
        Ok(())
    })
    .await
}

async fn question(
    pages: Arc<Pages>,
    id: String,
    order: Order,
    refused: Option<String>,
    frame: Frame,
) -> Result<Html<String>, PageError> {
    off_runtime(move || {
        let series = Uid::parse(&id).map_err(|_| PageError::NoSuchSeries)?;
        let record = pages.journal.series(&series)?;
        let record = record.ok_or(PageError::NoSuchSeries)?;
        let view = SeriesView::new(record, &pages.facts.read());
        let page = OrderPage {
            row: Row::new(&view, frame.language),
            order: order.name(),
            refused,
            frame,
        };
        Ok(Html(page.render()?))
    })
    .await
}

fn order_title(frame: &Frame, order: &str) -> String {
    frame.say(&format!("order-{order}"))
}

fn order_explained(frame: &Frame, order: &str) -> String {
    frame.say(&format!("order-{order}-explained"))
}
