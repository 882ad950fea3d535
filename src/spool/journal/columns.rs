//! How our types lie in SQLite columns: identifiers and states as text, times as whole
//! microseconds since 1970, paths as bytes, structures as JSON.

use std::{
    ffi::OsString,
    net::IpAddr,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rusqlite::{
    Row,
    types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef},
};

use super::{CommitmentState, DeliveryState, SeriesState};
use crate::dicom::{AeTitle, Remedy, Trouble, TroubleKind, Uid};

/// A column of our own making that holds what we never write: the file is damaged.
fn unexpected<E: std::error::Error + Send + Sync + 'static>(err: E) -> FromSqlError {
    FromSqlError::Other(Box::new(err))
}

macro_rules! text_column {
    ($type:ty, $as_str:expr, $parse:expr) => {
        impl ToSql for $type {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                let as_str: fn(&Self) -> &str = $as_str;
                Ok(as_str(self).into())
            }
        }

        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let parse: fn(&str) -> FromSqlResult<Self> = $parse;
                parse(value.as_str()?)
            }
        }
    };
}

text_column!(Uid, Self::as_str, |text| Self::parse(text)
    .map_err(unexpected));
text_column!(AeTitle, Self::as_str, |text| Self::parse(text)
    .map_err(unexpected));
text_column!(SeriesState, |state| state.as_str(), |text| Self::ALL
    .into_iter()
    .find(|state| state.as_str() == text)
    .ok_or(FromSqlError::InvalidType));
text_column!(DeliveryState, |state| state.as_str(), |text| Self::ALL
    .into_iter()
    .find(|state| state.as_str() == text)
    .ok_or(FromSqlError::InvalidType));
text_column!(CommitmentState, |state| state.as_str(), |text| Self::ALL
    .into_iter()
    .find(|state| state.as_str() == text)
    .ok_or(FromSqlError::InvalidType));
text_column!(
    Remedy,
    |remedy| match remedy {
        Self::Resend => "resend",
        Self::Wait => "wait",
        Self::Service => "service",
    },
    |text| match text {
        "resend" => Ok(Self::Resend),
        "wait" => Ok(Self::Wait),
        "service" => Ok(Self::Service),
        _ => Err(FromSqlError::InvalidType),
    }
);

impl ToSql for TroubleKind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

/// A point in time.
pub(super) struct Micros(pub(super) Timestamp);

impl ToSql for Micros {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_microsecond().into())
    }
}

impl FromSql for Micros {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Timestamp::from_microsecond(value.as_i64()?)
            .map(Self)
            .map_err(unexpected)
    }
}

/// A peer's address.
pub(super) struct Peer(pub(super) IpAddr);

impl ToSql for Peer {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.to_string().into())
    }
}

impl FromSql for Peer {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Self).map_err(unexpected)
    }
}

/// A path, which need not be UTF-8.
pub(super) struct PathBytes<'a>(pub(super) &'a Path);

impl ToSql for PathBytes<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_os_str().as_bytes().into())
    }
}

pub(super) fn path_of(row: &Row<'_>, column: &str) -> rusqlite::Result<PathBuf> {
    let bytes: Vec<u8> = row.get(column)?;
    Ok(PathBuf::from(OsString::from_vec(bytes)))
}

/// A trouble's words and kind. A kind of a newer version is none that we know.
pub(super) fn trouble_of(
    row: &Row<'_>,
    words: &str,
    kind: &str,
) -> rusqlite::Result<Option<Trouble>> {
    let kind: Option<String> = row.get(kind)?;
    let words: Option<String> = row.get(words)?;
    Ok(words.map(|words| Trouble {
        kind: kind.as_deref().and_then(TroubleKind::named),
        words,
    }))
}

pub(super) fn time_of(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    row.get::<_, Micros>(column).map(|micros| micros.0)
}

pub(super) fn maybe_time_of(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    row.get::<_, Option<Micros>>(column)
        .map(|micros| micros.map(|micros| micros.0))
}

pub(super) fn peer_of(row: &Row<'_>, column: &str) -> rusqlite::Result<IpAddr> {
    row.get::<_, Peer>(column).map(|peer| peer.0)
}

/// JSON text that we wrote; `None` where there is none.
pub(super) struct Json(pub(super) serde_json::Value);

impl ToSql for Json {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.to_string().into())
    }
}

impl FromSql for Json {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?)
            .map(Self)
            .map_err(unexpected)
    }
}

pub(super) fn json_of(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<serde_json::Value>> {
    row.get::<_, Option<Json>>(column)
        .map(|json| json.map(|json| json.0))
}
