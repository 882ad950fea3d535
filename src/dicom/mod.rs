//! Words that everyone shares: identifiers, codes, planes, DIMSE statuses, and how a data set is
//! read. No I/O.

mod ae_title;
mod code;
pub mod commitment;
pub(crate) mod elements;
mod plane;
mod remedy;
pub mod sop_class;
mod status;
pub mod transfer_syntax;
mod trouble;
mod uid;
pub(crate) mod vector;

pub use ae_title::{AeTitle, AeTitleError};
pub use code::{Code, codes};
pub use elements::ElementError;
pub use plane::{Plane, PlaneText};
pub use remedy::Remedy;
pub use status::DimseStatus;
pub use trouble::{Trouble, TroubleKind};
pub use uid::{Uid, UidError};

/// Identifies this implementation in every association and every file's meta information
/// (PS3.7 D.3.3.2). Under 2.25 as PS3.5 B.2 allows; drawn once, never changed.
pub const IMPLEMENTATION_CLASS_UID: &str = "2.25.302934714026214731205087433241205612873";

/// At most 16 characters (PS3.7 D.3.3.2.3).
pub const IMPLEMENTATION_VERSION_NAME: &str = concat!("HEPAR_", env!("CARGO_PKG_VERSION"));
