//! Who a cookie stands for, and until when.
//!
//! Kept in memory: a restart asks everybody to log in again. The cookie's value is 256 random bits,
//! made at the login and never taken from the browser, so nobody can plant one; only its digest is
//! kept.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use super::{
    token::{Digest, Token},
    users::UserName,
};
use crate::dicom::Uid;

/// Everybody who is logged in.
#[derive(Debug)]
pub struct Sessions {
    /// Without a person's doing anything, a session ends after this.
    idle: Duration,
    /// Whatever is done, a session ends after this.
    longest: Duration,
    open: HashMap<Digest, Open>,
}

/// One login.
#[derive(Clone, Debug)]
pub struct Session {
    pub user: UserName,
    /// Of the password hash at the login: another password ends the session.
    pub password: Digest,
    /// What a form must carry to be this session's.
    pub csrf: Token,
}

#[derive(Debug)]
struct Open {
    session: Session,
    since: Instant,
    last_used: Instant,
    /// Series whose patient was looked at.
    looked_at: HashSet<Uid>,
}

/// Whether a request shows that a person is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Activity {
    /// Somebody clicked.
    Person,
    /// The page refreshes itself; an unattended screen must not stay logged in by that.
    Refresh,
}

/// Each costs some hundred bytes, and nobody has that many browsers.
const PER_USER: usize = 16;

impl Sessions {
    #[must_use]
    pub fn new(idle: Duration, longest: Duration) -> Self {
        Self {
            idle,
            longest,
            open: HashMap::new(),
        }
    }

    /// Opens a session; its cookie's value. The user's oldest one ends if there are too many.
    pub fn open(&mut self, user: UserName, password: Digest, now: Instant) -> Token {
        self.forget_ended(now);
        let of_user = self.open.iter().filter(|(_, o)| o.session.user == user);
        if of_user.clone().count() >= PER_USER {
            let oldest = of_user.min_by_key(|(_, open)| open.last_used);
            if let Some(key) = oldest.map(|(key, _)| *key) {
                self.open.remove(&key);
            }
        }
        let cookie = Token::random();
        let open = Open {
            session: Session {
                user,
                password,
                csrf: Token::random(),
            },
            since: now,
            last_used: now,
            looked_at: HashSet::new(),
        };
        self.open.insert(cookie.digest(), open);
        cookie
    }

    /// The session of this cookie, if it has not ended.
    pub fn find(&mut self, cookie: Digest, activity: Activity, now: Instant) -> Option<Session> {
        let (idle, longest) = (self.idle, self.longest);
        let open = self.open.get_mut(&cookie)?;
        if open.ended(idle, longest, now) {
            self.open.remove(&cookie);
            return None;
        }
        if activity == Activity::Person {
            open.last_used = now;
        }
        Some(open.session.clone())
    }

    /// Notes that a series is looked at in the session of this cookie; whether for the first time.
    pub fn look(&mut self, cookie: Digest, series: &Uid) -> bool {
        let open = self.open.get_mut(&cookie);
        open.is_some_and(|open| open.looked_at.insert(series.clone()))
    }

    /// Ends the session of this cookie; who it was.
    pub fn close(&mut self, cookie: Digest) -> Option<UserName> {
        self.open.remove(&cookie).map(|open| open.session.user)
    }

    fn forget_ended(&mut self, now: Instant) {
        let (idle, longest) = (self.idle, self.longest);
        self.open.retain(|_, open| !open.ended(idle, longest, now));
    }
}

impl Open {
    fn ended(&self, idle: Duration, longest: Duration, now: Instant) -> bool {
        now.duration_since(self.last_used) >= idle || now.duration_since(self.since) >= longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn sessions() -> Sessions {
        Sessions::new(30 * MINUTE, 720 * MINUTE)
    }

    fn anna() -> (UserName, Digest) {
        (UserName::parse("anna").unwrap(), Digest::of("hash"))
    }

    #[test]
    fn a_session_ends_when_nobody_has_been_there() {
        let (mut sessions, t0) = (sessions(), Instant::now());
        let (user, password) = anna();
        let cookie = sessions.open(user, password, t0).digest();
        let mut find = |minutes: u32, activity| {
            let found = sessions.find(cookie, activity, t0 + minutes * MINUTE);
            found.is_some()
        };
        assert!(find(29, Activity::Person));
        assert!(find(58, Activity::Refresh));
        assert!(!find(59, Activity::Person), "a refresh is no person");
        assert!(!find(1, Activity::Person), "what has ended stays ended");
    }

    #[test]
    fn a_session_ends_however_busy_it_is() {
        let (mut sessions, t0) = (sessions(), Instant::now());
        let (user, password) = anna();
        let cookie = sessions.open(user, password, t0).digest();
        for minutes in (0..720).step_by(20) {
            let now = t0 + minutes * MINUTE;
            assert!(sessions.find(cookie, Activity::Person, now).is_some());
        }
        let now = t0 + 720 * MINUTE;
        assert!(sessions.find(cookie, Activity::Person, now).is_none());
    }

    #[test]
    fn only_a_cookie_that_was_handed_out_is_known() {
        let (mut sessions, now) = (sessions(), Instant::now());
        let planted = Token::random().digest();
        assert!(sessions.find(planted, Activity::Person, now).is_none());
        let (user, password) = anna();
        let first = sessions.open(user.clone(), password, now);
        let second = sessions.open(user.clone(), password, now);
        assert_ne!(first.digest(), second.digest());
        let csrf = |s: &mut Sessions, cookie: &Token| {
            let session = s.find(cookie.digest(), Activity::Person, now).unwrap();
            session.csrf.digest()
        };
        assert_ne!(csrf(&mut sessions, &first), csrf(&mut sessions, &second));
        assert_eq!(sessions.close(first.digest()), Some(user));
        assert_eq!(sessions.close(first.digest()), None);
        let still = sessions.find(second.digest(), Activity::Person, now);
        assert!(still.is_some(), "logging out ends one session");
    }

    #[test]
    fn a_login_looks_at_a_series_for_the_first_time_once() {
        let (mut sessions, now) = (sessions(), Instant::now());
        let (user, password) = anna();
        let [first, second] = [(); 2].map(|()| sessions.open(user.clone(), password, now).digest());
        let series = |text| Uid::parse(text).unwrap();
        assert!(sessions.look(first, &series("1.2.3")));
        assert!(!sessions.look(first, &series("1.2.3")));
        assert!(sessions.look(first, &series("1.2.4")));
        assert!(sessions.look(second, &series("1.2.3")), "another login");
        sessions.close(first);
        assert!(!sessions.look(first, &series("1.2.5")));
    }

    #[test]
    fn a_user_cannot_fill_the_memory() {
        let (mut sessions, t0) = (sessions(), Instant::now());
        let (user, password) = anna();
        let first = sessions.open(user.clone(), password, t0).digest();
        for i in 1..=100 {
            sessions.open(user.clone(), password, t0 + i * Duration::from_secs(1));
        }
        assert_eq!(sessions.open.len(), PER_USER);
        assert!(sessions.find(first, Activity::Person, t0).is_none());
    }
}
