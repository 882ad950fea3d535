//! What can be configured, how the network is protected, which characters are read.

use super::table::Table;
use crate::config::Config;

/// The values that an integrator agrees with the sites at both ends; `hepar check-config` prints
/// all others.
pub(super) fn configuration() -> String {
    let config = Config::default();
    let listener = &config.listener;
    let keys = Table::new(["Key", "Default", "What it is"]).rows([
        [
            "`listener.ae-title`",
            listener.ae_title.as_str(),
            "our AE title, as SCP and as SCU",
        ],
        [
            "`listener.address`",
            &listener.address.to_string(),
            "address and port that scanners send to",
        ],
        [
            "`listener.max-associations`",
            &listener.max_associations.to_string(),
            "associations at a time; one caller gets half of them, at most 16",
        ],
        [
            "`caller.ae-title`, `caller.address`, `caller.certificate`",
            "anyone",
            "who may send, from where, and with which certificate",
        ],
        [
            "`caller.destinations`",
            "all",
            "where the results of this caller's series go",
        ],
        [
            "`series.quiet-period`",
            &format!("{} s", config.series.quiet_period.as_secs()),
            "silence after which a series counts as complete for want of better evidence",
        ],
        [
            "`destination.ae-title`, `destination.address`",
            "none",
            "an archive, as `host:port`",
        ],
        ["`destination.objects`", "`seg`", "what is sent there"],
        [
            "`destination.deflate`",
            "`false`",
            "whether it goes in Deflated Explicit VR Little Endian where that is taken",
        ],
        [
            "`destination.storage-commitment`",
            "`false`",
            "whether it is asked to commit to what it stored",
        ],
        [
            "`destination.storage-commitment-wait`",
            "`1h`",
            "how long its report may take before it is asked again",
        ],
        [
            "`retention.keep`",
            &format!("{} days", config.retention.keep.as_secs() / 86_400),
            "how long delivered and ignored series are kept; refused and failed ones, and objects set apart, four times as long",
        ],
    ]);
    format!(
        "## 6. Configuration

One TOML file, read at start; a key that does not exist is an error.

{keys}"
    )
}

pub(super) fn security() -> String {
    "## 7. Security and character sets

### 7.1 Security profiles

Associations can be encrypted in both directions, by the BCP 195 RFC 8996, 9325 TLS Secure Transport
Connection Profile (PS3.15 B.12): TLS 1.3, and TLS 1.2 with ephemeral keys and authenticated
encryption; nothing older, and no fallback to plain DICOM. As SCP a listener of its own (`listener.tls`) takes encrypted associations,
beside the plain one or instead of it, with client certificates off, optional or required. As SCU each
destination has its own settings (`destination.tls`): authority, pinned certificate, own certificate.
Without these settings associations are plain: then put the box on the modality network behind a
firewall, and list the callers. Callers are told apart by AE title, address or network, and
certificate.

Audit messages (PS3.15 A.5) are kept in files and, where configured, sent by syslog over TLS (RFC
5425). Patients are pseudonymised in them unless configured otherwise.

User identity negotiation (PS3.7 D.3.3.7) and digital signatures are not supported.
"
    .to_owned()
}

pub(super) fn character_sets() -> String {
    "### 7.2 Character sets

Attributes of the patient and the study are repeated in results as the bytes that were sent, together
with the Specific Character Set that explains them, whichever it is: no character set is refused, and
none is converted. Words of our own are ISO-IR 6.
"
    .to_owned()
}
