//! What is asked and answered of Storage Commitment.

use dicom_dictionary_std::uids;

use super::table::Table;
use crate::{
    association::dimse::ReportStatus,
    deliver::DeliverError,
    dicom::{
        DimseStatus, Remedy,
        commitment::{
            ALL_COMMITTED, INSTANCE, LONGEST_REPORT, NOT_ALL, REQUEST, ReportError,
            is_cured_by_sending,
        },
    },
};

pub(super) fn behaviour() -> String {
    let heard = HEARD.map(|code| {
        let status = DimseStatus(code);
        [
            format!("{code:04X}"),
            status.meaning().to_owned(),
            after_request(status).to_owned(),
        ]
    });
    let heard = Table::new(["Status", "Meaning", "What we do"])
        .row(["0000", "success", "the report is waited for"])
        .rows(heard);
    let reasons = REASONS.map(|code| {
        let reason = DimseStatus(code);
        let cure = if is_cured_by_sending(reason) {
            "the object is sent again, then asked about again"
        } else {
            "the object is asked about again"
        };
        [
            format!("{code:04X}"),
            reason.meaning().to_owned(),
            cure.to_owned(),
        ]
    });
    let reasons = Table::new(["Failure reason", "Meaning", "What we do"]).rows(reasons);
    let refusals = REFUSALS.map(|error| answer(ReportStatus::refused(error), &error.to_string()));
    let answers = Table::new(["Status", "Meaning", "When"])
        .row([
            "0000",
            "success",
            "what it says is on stable storage, or was before",
        ])
        .rows(refusals)
        .rows([
            answer(
                ReportStatus::UNKNOWN_TRANSACTION,
                "the destination with this AE title was told no such transaction",
            ),
            answer(
                ReportStatus::NOT_RECORDED,
                "it could not be recorded; it may be reported again",
            ),
        ]);
    format!(
        "### 5.3 Storage Commitment Push Model as SCU

Once objects are stored at a destination that is configured so, it is asked to commit to them, one
transaction for each series: N-ACTION, action type {REQUEST}, on instance `{INSTANCE}`, with Transaction UID
and Referenced SOP Sequence. Transaction UIDs are random (`2.25.`).

{heard}
What could not be asked is asked again with growing pauses. A destination that has not reported
within the time of the configuration is asked again under a new Transaction UID; its report on a
former one counts as well.

The report, N-EVENT-REPORT of event type {ALL_COMMITTED} or {NOT_ALL}, is taken on the association of the request, which
stays open for it for some seconds, and on any association that the destination opens to the listener.
There it proposes `{class}` and selects the SCP role (SCP/SCU role selection, PS3.7 D.3.3.4), which is
agreed to as SCP and never as SCU; a destination that is asked to commit may leave the selection out.
An object counts as committed where the Referenced SOP Sequence names it and the Failed SOP Sequence does
not. A report is at most {LONGEST_REPORT} bytes long.

{reasons}
A report is answered:

{answers}",
        class = uids::STORAGE_COMMITMENT_PUSH_MODEL,
    )
}

fn answer(status: ReportStatus, when: &str) -> [String; 3] {
    let status = status.status();
    [
        format!("{:04X}", status.0),
        status.meaning().to_owned(),
        when.to_owned(),
    ]
}

fn after_request(status: DimseStatus) -> &'static str {
    let error = DeliverError::Status {
        name: String::new(),
        status,
        comment: None,
    };
    match error.remedy() {
        Remedy::Wait => "asked again: it may pass by itself",
        Remedy::Resend | Remedy::Service => "asked again, but a person has to act there",
    }
}

/// Statuses an N-ACTION request may be answered with (PS3.7 §10.1.4.1.10).
const HEARD: [u16; 13] = [
    0x0110, 0x0112, 0x0114, 0x0115, 0x0117, 0x0118, 0x0119, 0x0123, 0x0124, 0x0210, 0x0211, 0x0212,
    0x0213,
];

/// Failure reasons of a report (PS3.3 C.14.1.1).
const REASONS: [u16; 6] = [0x0110, 0x0112, 0x0119, 0x0122, 0x0131, 0x0213];

const REFUSALS: [ReportError; 6] = [
    ReportError::Instance,
    ReportError::EventType(NOT_ALL + 1),
    ReportError::NoEventType,
    ReportError::NoDataSet,
    ReportError::TooLong,
    ReportError::NoTransaction,
];
