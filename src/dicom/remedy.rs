/// Who has to act before this can succeed. Every error enum answers it; three things listen: the
/// DIMSE status we send, whether the job is retried, and the colour on the status page.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Remedy {
    /// The sender must send something else; retrying the same bytes is futile.
    Resend,
    /// It may pass by itself: the PACS is down, the disk is briefly full, the board is hot.
    Wait,
    /// A person must come: the bundle is corrupt, the accelerator is gone, we have a bug.
    Service,
}
