//! What a person asked for from the page, done by the owner of all series in work.

use jiff::Timestamp;

use super::dispatcher::Dispatcher;
use crate::{
    chain,
    config::Config,
    dicom::Uid,
    encode::ObjectKind,
    spool::journal::{JournalError, SeriesRecord},
    status::{Order, Request},
};

/// Why an order is not carried out. `Display` is what the person reads.
#[derive(Debug, thiserror::Error)]
enum OrderError {
    #[error("the series is in work; wait until it has come to an end")]
    InWork,
    #[error("its slices are not kept any more; send the series from the scanner again")]
    NotKept,
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Dispatcher {
    pub(super) fn ordered(&mut self, request: Request) {
        let Request {
            order,
            series,
            answer,
        } = request;
        let done = match order {
            Order::SendAgain => self.send_again(&series),
            Order::SegmentAgain => self.segment_again(&series),
        };
        match &done {
            Ok(()) => tracing::info!(%series, ?order, "done as ordered"),
            Err(error) => tracing::warn!(%series, ?order, error = chain(error), "not done"),
        }
        // The person may have left.
        let _ = answer.send(done.map_err(|error| chain(&error)));
    }

    fn send_again(&mut self, series: &Uid) -> Result<(), OrderError> {
        if self.live.contains_key(series) {
            return Err(OrderError::InWork);
        }
        let wanted = wanted_by(&self.results.config);
        self.journal.send_again(series, &wanted, Timestamp::now())?;
        self.wake_deliverers();
        Ok(())
    }

    fn segment_again(&mut self, series: &Uid) -> Result<(), OrderError> {
        if self.live.contains_key(series) {
            return Err(OrderError::InWork);
        }
        let headers = self.intake.headers_of(series)?;
        if headers.is_empty() {
            return Err(OrderError::NotKept);
        }
        let record = self.journal.segment_again(series, Timestamp::now())?;
        self.take_up(&record, headers)?;
        Ok(())
    }
}

/// The destinations that are configured to get a series' object of an SOP class.
pub(super) fn wanted_by(config: &Config) -> impl Fn(&SeriesRecord, &Uid) -> Vec<String> {
    |record, sop_class| match ObjectKind::of(sop_class) {
        Some(kind) => config.destinations_for(&record.calling_ae, record.peer, kind),
        None => Vec::new(),
    }
}
