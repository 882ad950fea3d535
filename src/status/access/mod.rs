//! Who may see and do what on the page.
//!
//! On loopback the page asks nobody who they are: whoever has a shell on the box has the box.
//! Beyond loopback it is served by TLS and to users of the [`users`] file only. The parts that
//! decide take `now` and open nothing:
//!
//! | part | decides |
//! |---|---|
//! | [`permission`] | which role a route needs; the whole table |
//! | [`password`] | whether a password is the right one, at a bounded cost |
//! | [`users`] | who there is; a file that people and the page both edit |
//! | [`session`] | who a cookie stands for, and until when |
//! | [`throttle`] | whether a login may be tried now |

pub mod password;
pub mod permission;
pub mod session;
pub mod throttle;
pub mod token;
pub mod users;

pub use permission::Role;
