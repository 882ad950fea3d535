use std::fmt;

/// What did not work, in words and by kind.
///
/// The words name the thing concerned and carry the figures; they are English. The kind is what can
/// be said in any language, and is what the page says first where its reader's is another.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(into = "String")]
pub struct Trouble {
    /// `None`: a kind that this version does not know, or written down before there were kinds.
    pub kind: Option<TroubleKind>,
    pub words: String,
}

impl Trouble {
    #[must_use]
    pub fn new(kind: TroubleKind, words: impl Into<String>) -> Self {
        Self {
            kind: Some(kind),
            words: words.into(),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl From<Trouble> for String {
    fn from(trouble: Trouble) -> Self {
        trouble.words
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// What kind of trouble a series, a destination or the model is in.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum TroubleKind {
            $($(#[$doc])* $kind,)*
        }

        impl TroubleKind {
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// As in the journal, and in the message `trouble-…` of each language.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
            }
        }
    };
}

kinds! {
    /// Not axial CT in Hounsfield units, whatever else it is.
    NotSegmentable = "not-segmentable",
    TooFewSlices = "too-few-slices",
    /// Of different sizes, spacings or frames of reference.
    MixedSlices = "mixed-slices",
    RotatedSlices = "rotated-slices",
    CoincidentSlices = "coincident-slices",
    UnreadableSlices = "unreadable-slices",
    /// A gate refuses an answer; the series' own list says which.
    Gates = "gates",
    /// Loading or running a network.
    Engine = "engine",
    GoldenCheck = "golden-check",
    Model = "model",
    Crashed = "crashed",
    EndedTheProcess = "ended-the-process",
    File = "file",
    DiskFull = "disk-full",
    Journal = "journal",
    Encoding = "encoding",
    NotDelivered = "not-delivered",
    Unreachable = "unreachable",
    Tls = "tls",
    Stopping = "stopping",
    AssociationRefused = "association-refused",
    ClassNotTaken = "class-not-taken",
    ErrorStatus = "error-status",
    Aborted = "aborted",
    TimedOut = "timed-out",
    ConnectionBroken = "connection-broken",
    ProtocolViolated = "protocol-violated",
    NotSendable = "not-sendable",
    SendingCrashed = "sending-crashed",
    /// A destination that results wait for is not in the configuration any more.
    NotConfigured = "not-configured",
    /// A destination says that it does not keep what it stored.
    NotCommitted = "not-committed",
    CommitmentNotReported = "commitment-not-reported",
}
