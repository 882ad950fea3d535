//! The General Series, General Image and SOP Common attributes that every result has: its series
//! beside the source's, and when it was made.

use dicom_core::VR;
use dicom_dictionary_std::tags;
use jiff::{
    Zoned,
    tz::{Offset, TimeZone},
};

use super::{
    elements::{Item, LONG_STRING, date_and_time, printable, text, uid},
    source::Source,
};
use crate::dicom::Uid;

/// One kind of result.
pub(super) struct Kind {
    pub(super) modality: &'static str,
    /// Added to the source's SeriesNumber, so that results stand together behind the images and a
    /// result made again has the number it had.
    pub(super) series_offset: i32,
}

/// Puts what names the series and dates the instance into `object`.
pub(super) fn put(
    kind: &Kind,
    series: &Uid,
    description: &str,
    revision: u32,
    now: &Zoned,
    source: &Source,
    object: &mut Item,
) {
    let source_number = source
        .text(tags::SERIES_NUMBER)
        .and_then(|number| number.parse::<i32>().ok())
        .unwrap_or(0);
    let number = source_number.saturating_add(kind.series_offset);
    object.put(text(tags::MODALITY, VR::CS, kind.modality));
    object.put(uid(tags::SERIES_INSTANCE_UID, series));
    object.put(text(tags::SERIES_NUMBER, VR::IS, &number.to_string()));
    let description = printable(description, LONG_STRING);
    object.put(text(tags::SERIES_DESCRIPTION, VR::LO, &description));
    object.put(text(tags::INSTANCE_NUMBER, VR::IS, &revision.to_string()));

    // Every date in an object is in one zone: the source's where it says which (PS3.3 C.12.1.1.8).
    let sent_zone = source.text(tags::TIMEZONE_OFFSET_FROM_UTC);
    let zone = sent_zone.as_deref().and_then(parse_offset);
    let now = zone.map_or_else(|| now.clone(), |zone| now.with_time_zone(zone));
    let offset = now.strftime("%z").to_string();
    object.put(text(tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, &offset));

    let (date, time) = date_and_time(&now);
    for (tag, vr, value) in [
        (tags::INSTANCE_CREATION_DATE, VR::DA, &date),
        (tags::INSTANCE_CREATION_TIME, VR::TM, &time),
        (tags::CONTENT_DATE, VR::DA, &date),
        (tags::CONTENT_TIME, VR::TM, &time),
    ] {
        object.put(text(tag, vr, value));
    }
    put_series_date((&date, &time), source, object);
}

/// The source series' date: one that all results in our series share whenever they are made, and
/// that lies before their content. A scanner whose clock runs ahead of ours gives none.
fn put_series_date(made: (&str, &str), source: &Source, object: &mut Item) {
    let date = source.text(tags::SERIES_DATE);
    let time = source.text(tags::SERIES_TIME);
    if let (Some(date), Some(time)) = (date, time)
        && (date.as_str(), time.as_str()) <= made
    {
        object.put(text(tags::SERIES_DATE, VR::DA, &date));
        object.put(text(tags::SERIES_TIME, VR::TM, &time));
    }
}

/// "+0130" and the like.
fn parse_offset(text: &str) -> Option<TimeZone> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_at_checked(2)?;
    if minutes.len() != 2 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let minutes = hours.parse::<i32>().ok()? * 60 + minutes.parse::<i32>().ok()?;
    let offset = Offset::from_seconds(sign * minutes * 60).ok()?;
    Some(TimeZone::fixed(offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_zones_are_read_as_the_standard_writes_them() {
        let seconds = |text| {
            let zone = parse_offset(text)?;
            Some(zone.to_offset(jiff::Timestamp::UNIX_EPOCH).seconds())
        };
        assert_eq!(seconds("+0130"), Some(5400));
        assert_eq!(seconds("-0930"), Some(-34_200));
        assert_eq!(seconds("+0000"), Some(0));
        for wrong in ["", "0130", "+1", "+01:30", "+9999999", "UTC", "+é1"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
