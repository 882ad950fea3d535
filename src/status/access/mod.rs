//! Who may see and do what on the page.
//!
//! On loopback the page asks nobody who they are: whoever has a shell on the box has the box.
//! Beyond loopback it is served by TLS and to users of the [`users`] file only. Every request
//! passes the `gate`, which asks the parts below; those decide, take `now` and open nothing:
//!
//! | part | decides |
//! |---|---|
//! | [`permission`] | which role a route needs; the whole table |
//! | `origin` | whether a request comes from our own page, on a name of ours |
//! | [`password`] | whether a password is the right one, at a bounded cost |
//! | [`users`] | who there is; a file that people and the page both edit |
//! | [`session`] | who a cookie stands for, and until when |
//! | [`throttle`] | whether a login may be tried now |
//!
//! What happens here goes to the audit trail by `record`.

mod desk;
mod directory;
mod gate;
mod login;
mod opening;
mod origin;
pub mod password;
mod patient;
mod people;
pub mod permission;
mod record;
pub mod session;
pub mod throttle;
pub mod token;
pub mod users;
mod viewer;

pub use desk::Access;
pub(super) use gate::gate;
pub use opening::AccessError;
pub use patient::Patient;
pub use permission::Role;
pub use viewer::Viewer;

use std::sync::Arc;

use axum::Router;

use super::Pages;

/// The pages of this part.
pub(super) fn routes() -> Router<Arc<Pages>> {
    login::routes().merge(people::routes())
}
