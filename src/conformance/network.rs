//! What is offered and answered on the network.

use dicom_dictionary_std::uids;
use dicom_ul::pdu::Pdu;

use super::table::Table;
use crate::{
    association::{Policy, Rejection, dimse::StoreStatus},
    config::Config,
    deliver::{self, DeliverError},
    dicom::{
        AeTitle, DimseStatus, Remedy, Uid,
        sop_class::{self, NO_STORAGE, SEGMENTED, STORAGE_ARC, STORAGE_ELSEWHERE},
        transfer_syntax::DECODABLE,
    },
    encode::ObjectKind,
};

pub(super) fn sop_classes() -> String {
    let class =
        |uid: &str| Uid::parse(uid).map_or_else(|_| uid.to_owned(), |uid| sop_class::name(&uid));
    let verification = [uids::VERIFICATION].map(|uid| [class(uid), uid.to_owned()]);
    let segmented = SEGMENTED.map(|(uid, name)| [name.to_owned(), uid.to_owned()]);
    let numbered = [[
        format!("every class under `{STORAGE_ARC}`, but for those below"),
        String::new(),
    ]];
    let elsewhere = STORAGE_ELSEWHERE.map(|uid| [class(uid), uid.to_owned()]);
    let no_storage = NO_STORAGE.map(|uid| [class(uid), uid.to_owned()]);
    let private = [[
        "every class outside `1.2.840.10008.`".to_owned(),
        String::new(),
    ]];
    let objects = ObjectKind::ALL.map(ObjectKind::sop_class);
    let sent = [uids::VERIFICATION]
        .into_iter()
        .chain(objects)
        .chain([uids::STORAGE_COMMITMENT_PUSH_MODEL]);
    let sent = sent.map(|uid| [class(uid), uid.to_owned()]);
    let titles = ["SOP class", "UID"];
    let (echoed, images, kept, not_kept, sent) = (
        Table::new(titles).rows(verification),
        Table::new(titles).rows(segmented),
        Table::new(titles)
            .rows(numbered)
            .rows(elsewhere)
            .rows(private),
        Table::new(titles).rows(no_storage),
        Table::new(titles).rows(sent),
    );
    format!(
        "## 2. SOP classes

### 2.1 As SCP

{echoed}
Taken and considered for segmentation:

{images}
Taken, made durable, and shown on the page as not ours, because a scanner that pushes a whole study
must not be left with a failed queue:

{kept}
Not taken, because they store nothing although they are numbered among those that do:

{not_kept}
Storage is at level 2 (full): an instance is kept as it came. Instances are not changed and cannot
be retrieved; they are deleted by the retention rule of the configuration.

### 2.2 As SCU

{sent}
A destination is sent segmentations, and the other objects where its configuration asks for them. It
is asked to commit to them where its configuration says so; see section 5.3.
"
    )
}

pub(super) fn transfer_syntaxes() -> String {
    let taken = DECODABLE.map(|(uid, name)| [name, uid]);
    let taken = Table::new(["Transfer syntax", "UID"]).rows(taken);
    format!(
        "## 3. Transfer syntaxes

CT images are taken in these transfer syntaxes, which are exactly those that can be decoded; of
those that a sender proposes, the one that stands first here is chosen:

{taken}
Other storage classes are taken in the first of these that is proposed, else in the first transfer
syntax proposed, whichever it is, since their pixels are never decoded.

As SCU, a plain object is proposed in Explicit VR Little Endian and Implicit VR Little Endian, in
one presentation context. Where the configuration asks for it, Deflated Explicit VR Little Endian is
proposed in another, and used if that is accepted.
"
    )
}

pub(super) fn associations() -> String {
    let config = Config::default();
    let policy = Policy::new(config.listener.ae_title.clone());
    let limits = Table::new(["Limit, as acceptor", "Value"]).rows([
        [
            "Associations at a time",
            &config.listener.max_associations.to_string(),
        ],
        [
            "Of these from one caller: half, at most 16",
            &policy.max_associations_per_caller().to_string(),
        ],
        [
            "Maximum length received, announced (bytes)",
            &policy.max_pdu_length.to_string(),
        ],
        ["Longest data set (bytes)", &policy.max_data_set.to_string()],
        [
            "From connection to request (ARTIM)",
            &seconds(policy.request_timeout),
        ],
        [
            "Without progress until it is aborted",
            &seconds(policy.idle_timeout),
        ],
        [
            "Asynchronous operations window",
            "not negotiated: one operation at a time",
        ],
    ]);
    let requestor = destination(policy.ae_title.clone());
    let patience = requestor.timeouts;
    let requested = Table::new(["Limit, as requestor", "Value"]).rows([
        [
            "Connecting, shared by the addresses of the name",
            &seconds(patience.connect),
        ],
        [
            "Answer to the association request",
            &seconds(patience.negotiation),
        ],
        ["Answer to a request", &seconds(patience.response)],
        [
            "Presentation contexts",
            "one for each SOP class that is sent",
        ],
        ["Associations at a time, for each destination", "1"],
    ]);
    let rejections = Rejection::ALL.map(|rejection| {
        let Pdu::AssociationRJ(reject) = rejection.pdu() else {
            return [rejection.to_string(), String::new(), String::new()];
        };
        let result = format!("{:?}", reject.result).to_lowercase();
        [rejection.to_string(), result, reject.source.to_string()]
    });
    let rejections = Table::new(["When", "Result", "Source and reason"]).rows(rejections);
    format!(
        "## 4. Associations

Application context: `{application}`. Extended negotiation and user identity are
not negotiated, and roles for Storage Commitment alone (section 5.3). The called AE title must be ours; the calling AE title and its address must be among the
callers of the configuration, or anyone may call when it lists none. A destination that is asked to
commit may call to report and to verify, whether it is a caller or not, and may then not store.

{limits}
{requested}
An association is rejected (A-ASSOCIATE-RJ, PS3.8 Table 9-21) when

{rejections}
While the disk is full or cannot be written, an association that proposes storage is rejected and one
that only verifies is accepted. A presentation context that repeats an identifier is refused without a reason.
",
        application = uids::DICOM_APPLICATION_CONTEXT,
    )
}

pub(super) fn statuses() -> String {
    let failures = StoreStatus::FAILURES.map(|(status, when)| {
        let status = status.status();
        [
            format!("{:04X}", status.0),
            status.meaning().to_owned(),
            when.to_owned(),
        ]
    });
    let answered = Table::new(["Status", "Meaning", "When"])
        .row([
            "0000",
            "success",
            "the instance and its directory entry are on stable storage",
        ])
        .rows(failures);
    let heard = HEARD.map(|(from, to)| {
        let range = if from == to {
            format!("{from:04X}")
        } else {
            format!("{from:04X} to {to:04X}")
        };
        let status = DimseStatus(from);
        [
            range,
            status.meaning().to_owned(),
            behaviour(status).to_owned(),
        ]
    });
    let heard = Table::new(["Status", "Meaning", "What we do"]).rows(heard);
    format!(
        "## 5. Status codes

### 5.1 Storage as SCP

{answered}
The same instance with the same bytes is answered with success again. The same SOP Instance UID with
other bytes is kept beside the first and answered with success; the first is used. A C-STORE that is
not understood is answered and the association goes on.

### 5.2 Storage as SCU

{heard}
A destination that takes no reports or no pictures, although it is configured to get them, is not
asked again: it has the segmentation, and the page says what it does not take. Whatever else was not
delivered is shown on the page with the destination's own words, and is tried again
with growing pauses, 5 seconds at first and at most 10 minutes, until the destination has it.
"
    )
}

/// Statuses a storage SCP answers with (PS3.4 B.2.3, PS3.7 Annex C), as ranges.
const HEARD: [(u16, u16); 15] = [
    (0x0000, 0x0000),
    (0xB000, 0xB000),
    (0xB006, 0xB006),
    (0xB007, 0xB007),
    (0x0107, 0x0107),
    (0x0111, 0x0111),
    (0x0116, 0x0116),
    (0xA700, 0xA7FF),
    (0x0110, 0x0110),
    (0x0213, 0x0213),
    (0xA900, 0xA9FF),
    (0xC000, 0xCFFF),
    (0x0117, 0x0117),
    (0x0122, 0x0122),
    (0x0124, 0x0124),
];

fn behaviour(status: DimseStatus) -> &'static str {
    if status.peer_has_the_instance() {
        return "delivered";
    }
    let error = DeliverError::Status {
        name: String::new(),
        status,
        comment: None,
    };
    match error.remedy() {
        Remedy::Wait => "tried again: it may pass by itself",
        Remedy::Resend | Remedy::Service => "tried again, but a person has to act there",
    }
}

fn destination(ours: AeTitle) -> deliver::Destination {
    deliver::Destination::new("", ours.clone(), "", ours)
}

fn seconds(duration: std::time::Duration) -> String {
    format!("{} s", duration.as_secs())
}
