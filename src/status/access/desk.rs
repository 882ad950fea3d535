//! Where a person is recognised: by cookie, by name and password, or by not needing either.

use std::{
    collections::HashMap,
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use axum::http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::{
    directory::Directory,
    opening::{AccessError, monitoring_token, page_tls},
    password::{HashedPassword, Password},
    people::Person,
    record::{self, Happened},
    session::{Activity, Sessions},
    throttle::{Consequence, Throttle, Wait},
    token::{Digest, Token},
    users::{User, UserName, Users, UsersError},
    viewer::Viewer,
};
use crate::{
    audit::{Event, Log, Refusals},
    config::Config,
    dicom::Uid,
    tls,
};

/// Everything the gate and the login page know.
#[derive(Debug)]
pub struct Access {
    /// `None`: on loopback, without login.
    pub(super) login: Option<Login>,
    pub(super) transport: Transport,
    monitoring: Option<Digest>,
    /// What forms carry where there is no login. A page that another site made cannot read it.
    csrf: Token,
    throttle: Mutex<Throttle>,
    /// Those that need no name and no password, and so come as often as somebody likes.
    refusals: Mutex<Refusals>,
    /// `None`: nobody keeps a trail, as in a demonstration.
    audit: Option<Log>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Transport {
    Plain,
    Encrypted,
}

#[derive(Debug)]
pub(super) struct Login {
    pub directory: Arc<Directory>,
    state_dir: PathBuf,
    pub sessions: Mutex<Sessions>,
    /// Since the start.
    last_logins: Mutex<HashMap<UserName, Timestamp>>,
    show_patient: bool,
    /// What a password of nobody is compared with.
    nobody: HashedPassword,
    /// Who may look at a password now, and who may wait for that.
    looking: Semaphore,
    queue: Semaphore,
}

/// Passwords looked at together: 19 MiB and a core each.
const LOOKING: usize = 2;
/// Logins in hand; the next is told to come again.
const QUEUE: usize = 32;

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Denied {
    /// Wrong name or password; which of them is nobody's business.
    Wrong,
    Wait(Wait),
    /// Too many logins at once.
    Busy,
}

impl Access {
    /// Reads users, certificate and token as configured; with the TLS that the page is served by.
    /// Takes some tens of milliseconds.
    pub fn open(config: &Config) -> Result<(Self, Option<tls::Server>), AccessError> {
        let status = &config.status;
        let login = status.needs_login().then(|| Login::open(config));
        let tls = status.needs_tls().then(|| page_tls(config)).transpose()?;
        let access = Self {
            login: login.transpose()?,
            transport: match tls {
                Some(_) => Transport::Encrypted,
                None => Transport::Plain,
            },
            monitoring: monitoring_token(config)?,
            csrf: Token::random(),
            throttle: Mutex::default(),
            refusals: Mutex::new(Refusals::new(Instant::now())),
            audit: None,
        };
        Ok((access, tls))
    }

    /// Who logs in, fails to, and is refused goes into this trail.
    pub fn audit_by(&mut self, audit: Log) {
        self.audit = Some(audit);
    }

    /// Notes in the audit trail what a user did with a series.
    pub(in crate::status) fn audit(&self, event: Event) {
        if let Some(audit) = &self.audit {
            audit.record(event);
        }
    }

    /// Whether a user looks at a series for the first time since their login.
    pub(in crate::status) fn is_first_look(&self, viewer: &Viewer, series: &Uid) -> bool {
        match (&self.login, viewer.session) {
            (Some(login), Some(session)) => login.sessions().look(session, series),
            _ => false,
        }
    }

    /// Notes what happened, in the log and in the audit trail; both let only some a minute of what
    /// nothing else slows.
    pub(super) fn record(&self, happened: Happened<'_>, address: IpAddr) {
        if !happened.is_unthrottled() || self.refusals().is_to_be_written(Instant::now()) {
            record::log(happened, address);
        }
        if let Some(event) = record::event(happened, address) {
            self.audit(event);
        }
    }

    /// Everything that [`Self::open`] would refuse, for whoever wants to know it all at once.
    #[must_use]
    pub fn missing(config: &Config) -> Vec<AccessError> {
        let status = &config.status;
        let login = status.needs_login().then(|| Login::open(config).map(drop));
        let tls = status.needs_tls().then(|| page_tls(config).map(drop));
        let token = Some(monitoring_token(config).map(drop));
        let checks = [login, tls, token].into_iter().flatten();
        checks.filter_map(Result::err).collect()
    }

    /// Who sends this request; `None`: somebody who has not logged in.
    pub(super) async fn recognise(
        &self,
        headers: &HeaderMap,
        activity: Activity,
    ) -> Option<Viewer> {
        let Some(login) = &self.login else {
            return Some(Viewer::on_the_box(self.csrf.clone()));
        };
        let cookie = Digest::of(cookie(headers, self.session_cookie())?);
        let session = login.sessions().find(cookie, activity, Instant::now())?;
        let users = login.directory.users().await;
        let user = users.find(session.user.as_str());
        let user = user.filter(|user| Digest::of(user.password.as_str()) == session.password);
        let Some(user) = user else {
            login.sessions().close(cookie);
            return None;
        };
        Some(Viewer {
            user: Some(user.name.clone()),
            role: Some(user.role),
            csrf: Some(session.csrf),
            session: Some(cookie),
            address: None,
            patients: login.show_patient,
            must_change: user.must_change,
        })
    }

    /// Whether the request carries the monitoring system's token.
    pub(super) fn is_monitoring(
        &self,
        headers: &HeaderMap,
        address: IpAddr,
    ) -> Result<bool, Denied> {
        let sent = headers.get(header::AUTHORIZATION);
        let sent = sent.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let (Some(sent), Some(expected)) = (sent, self.monitoring) else {
            return Ok(false);
        };
        let mut throttle = self.throttle();
        if let Some(wait) = throttle.address_waits(address, Instant::now()) {
            return Err(Denied::Wait(wait));
        }
        if Digest::of(sent) == expected {
            return Ok(true);
        }
        throttle.wrong_token(address, Instant::now());
        self.record(Happened::WrongToken, address);
        Err(Denied::Wrong)
    }

    /// The user of this name, if the password is theirs.
    pub(super) async fn authenticate(
        &self,
        name: &str,
        password: Password,
        address: IpAddr,
    ) -> Result<User, Denied> {
        let login = self.login.as_ref().ok_or(Denied::Wrong)?;
        // Who was added a moment ago is let in.
        let users = login.directory.look_again().await;
        let known = users.find(name).cloned();
        // A name that nobody has may be a password in the wrong field: it is counted, and not told.
        let user = known.as_ref().map_or("?", |user| user.name.as_str());
        // What cannot be a name is all one.
        let counted = UserName::parse(name).ok();
        let counted = counted.as_ref().map_or("?", UserName::as_str);
        let began = self.throttle().begin(counted, address, Instant::now());
        let consequence = began.map_err(|wait| {
            self.record(Happened::TooSoon { user, wait }, address);
            Denied::Wait(wait)
        })?;
        if !login.is_of(known.as_ref(), password).await? {
            self.record(Happened::LoginFailed { user }, address);
            if consequence == Consequence::Locked {
                self.record(Happened::LockedOut { user }, address);
            }
            return Err(Denied::Wrong);
        }
        self.throttle().succeeded(counted, address);
        known.ok_or(Denied::Wrong)
    }

    /// Opens a session for who was authenticated; the cookie to set.
    pub(super) fn admit(&self, user: &User) -> Option<HeaderValue> {
        let login = self.login.as_ref()?;
        login
            .last_logins()
            .insert(user.name.clone(), Timestamp::now());
        let password = Digest::of(user.password.as_str());
        let mut sessions = login.sessions();
        let value = sessions.open(user.name.clone(), password, Instant::now());
        drop(sessions);
        self.set_cookie(self.session_cookie(), value.as_str())
    }

    /// Everybody who may log in, as in the users file; `None`: nobody has to.
    pub(super) async fn people(&self, now: Instant) -> Option<Vec<Person>> {
        let login = self.login.as_ref()?;
        let users = login.directory.users().await;
        let (last_logins, throttle) = (login.last_logins(), self.throttle());
        let person = |user: &User| Person {
            name: user.name.to_string(),
            role: user.role,
            must_change: user.must_change,
            last_login: last_logins.get(&user.name).copied(),
            locked_for: throttle.locked_for(user.name.as_str(), now),
        };
        Some(users.iter().map(person).collect())
    }

    /// Ends the session of this request; the cookie that takes the old one away.
    pub(super) fn dismiss(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let name = self.session_cookie();
        if let (Some(login), Some(value)) = (&self.login, cookie(headers, name)) {
            login.sessions().close(Digest::of(value));
        }
        let kept = self.set_cookie(name, "")?;
        let gone = format!("{}; Max-Age=0", kept.to_str().ok()?);
        HeaderValue::from_str(&gone).ok()
    }

    /// What a form must carry: its session's token, or before a login what the browser was given
    /// with the login page.
    pub(super) fn expected_csrf(
        &self,
        headers: &HeaderMap,
        viewer: Option<&Viewer>,
    ) -> Option<Digest> {
        match viewer {
            Some(viewer) => viewer.csrf.as_ref().map(Token::digest),
            None => cookie(headers, self.visitor_cookie()).map(Digest::of),
        }
    }

    /// `Secure` and `__Host-` keep a neighbour on the same name, or plain HTTP, from setting it.
    fn set_cookie(&self, name: &str, value: &str) -> Option<HeaderValue> {
        let secure = match self.transport {
            Transport::Encrypted => "; Secure",
            Transport::Plain => "",
        };
        let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}");
        HeaderValue::from_str(&cookie).ok()
    }

    fn session_cookie(&self) -> &'static str {
        match self.transport {
            Transport::Encrypted => "__Host-hepar",
            Transport::Plain => "hepar",
        }
    }

    /// Binds the login form to this browser: what the form must carry, and the cookie to set. What
    /// the browser has already is kept, because it may show the form twice.
    pub(super) fn visitor(&self, headers: &HeaderMap) -> (String, Option<HeaderValue>) {
        let name = self.visitor_cookie();
        let ours = |value: &&str| value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit());
        if let Some(value) = cookie(headers, name).filter(ours) {
            return (value.to_owned(), None);
        }
        let value = Token::random().as_str().to_owned();
        let cookie = self.set_cookie(name, &value);
        (value, cookie)
    }

    fn visitor_cookie(&self) -> &'static str {
        match self.transport {
            Transport::Encrypted => "__Host-hepar-visitor",
            Transport::Plain => "hepar-visitor",
        }
    }

    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Login {
    fn open(config: &Config) -> Result<Self, AccessError> {
        let (address, path) = (config.status.address, config.users_file());
        let read = Directory::open(path.clone());
        let directory = read.map_err(|source| AccessError::Users { address, source })?;
        if directory.is_empty() {
            return Err(AccessError::Nobody { address, path });
        }
        let status = &config.status;
        Ok(Self {
            directory: Arc::new(directory),
            state_dir: config.state_dir(),
            sessions: Mutex::new(Sessions::new(status.idle_logout, status.longest_login)),
            last_logins: Mutex::default(),
            show_patient: status.show_patient,
            nobody: HashedPassword::of_nobody().map_err(AccessError::Hashing)?,
            looking: Semaphore::new(LOOKING),
            queue: Semaphore::new(QUEUE),
        })
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last_logins(&self) -> MutexGuard<'_, HashMap<UserName, Timestamp>> {
        let last = self.last_logins.lock();
        last.unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the same time whether there is such a user or not.
    async fn is_of(&self, user: Option<&User>, password: Password) -> Result<bool, Denied> {
        let hash = user.map_or(&self.nobody, |user| &user.password).clone();
        let _queued = self.queue.try_acquire().map_err(|_| Denied::Busy)?;
        let _looking = self.looking.acquire().await.map_err(|_| Denied::Busy)?;
        let looked = spawn_blocking(move || hash.is_of(&password)).await;
        Ok(looked.map_err(|_| Denied::Busy)? && user.is_some())
    }

    /// Replaces a user's own password.
    pub(super) async fn change_password(
        &self,
        name: UserName,
        password: Password,
    ) -> Result<Option<User>, UsersError> {
        let (path, state_dir) = (self.directory.path.clone(), self.state_dir.clone());
        let of = name.clone();
        let changed = spawn_blocking(move || {
            let hash = HashedPassword::of(&password, of.as_str())?;
            Users::change(&path, &state_dir, |users| {
                users.set_password(&of, hash, false)
            })
        });
        match changed.await {
            Ok(changed) => changed?,
            Err(_) => return Ok(None),
        }
        let users = self.directory.look_again().await;
        Ok(users.find(name.as_str()).cloned())
    }
}

/// The value of a cookie.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter();
    let mut pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(n, _)| *n == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tracing::Level;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::{
        audit::{Recorder, Settings},
        status::logs,
    };

    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 9, 9, 9));

    fn trail(home: &std::path::Path) -> (Log, Recorder) {
        let settings = Settings {
            directory: home.to_owned(),
            name: "CT-3 edge box".to_owned(),
            ae_title: "HEPAR".to_owned(),
            patient_ids: false,
            keep_files: 4,
        };
        Log::start(&settings, None).unwrap()
    }

    #[test]
    fn a_flood_from_another_site_washes_out_neither_the_trail_nor_the_log() {
        let home = tempfile::tempdir().unwrap();
        let (log, recorder) = trail(home.path());
        let (mut access, _) = Access::open(&Config::default()).unwrap();
        access.audit_by(log);
        let subscriber = tracing_subscriber::registry().with(logs::keep());
        tracing::subscriber::with_default(subscriber, || {
            for post in 0..1000 {
                access.record(Happened::CrossSite { path: "/plover" }, THERE);
                if post == 500 {
                    access.record(Happened::LoggedIn { user: "anna" }, THERE);
                }
            }
        });
        recorder.finish();

        let logged = logs::lines(Level::TRACE, "/plover", usize::MAX);
        assert_eq!(logged.len(), 60);
        let trail = fs::read_to_string(home.path().join("audit-00000001.log")).unwrap();
        let count = |word: &str| trail.lines().filter(|line| line.contains(word)).count();
        assert_eq!(count("Use of Restricted Function"), 60);
        assert_eq!(count("940 events were not recorded one by one"), 1);
        assert_eq!(count("UserID=\"anna\""), 1);
    }
}
