//! The appliance: the real binary, as a department would run it.

use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    browser::Browser, certificates::Issued, cli::hepar_in, pacs::Pacs, phantoms::Series,
    place::own_address, process::Running, wait_for,
};

/// What is written into the configuration file.
pub struct Setup {
    destinations: String,
    listener: String,
    callers: String,
    status: String,
    state: Option<PathBuf>,
    model: String,
    tls: Option<SocketAddr>,
    more: String,
    retention: String,
    series: String,
}

impl Setup {
    /// What slices that wait for their series may take in memory.
    #[must_use]
    pub fn waiting_memory_mb(mut self, bound: u16) -> Self {
        writeln!(self.series, "waiting-memory-mb = {bound}").unwrap();
        self
    }

    /// How long it keeps what is done with.
    #[must_use]
    pub fn keeping_for(mut self, duration: &str) -> Self {
        writeln!(self.retention, "keep = \"{duration}\"").unwrap();
        self
    }

    /// The model's bundle lies in this directory.
    #[must_use]
    pub fn with_bundle_at(mut self, directory: &str) -> Self {
        writeln!(self.model, "bundle = \"{directory}\"").unwrap();
        self
    }

    /// Bundles signed with this key may be installed.
    #[must_use]
    pub fn trusting(mut self, key: &str) -> Self {
        writeln!(self.model, "trusted-keys = [\"{key}\"]").unwrap();
        self
    }

    /// Lines of the section `[status]`. What they name by `HOME` lies in [`Hepar::home`].
    #[must_use]
    pub fn status(mut self, lines: &str) -> Self {
        self.status.push_str(lines);
        self
    }

    /// A destination of the name `pacs`.
    #[must_use]
    pub fn sending_to(self, pacs: &Pacs) -> Self {
        self.sending_to_named("pacs", pacs)
    }

    #[must_use]
    pub fn sending_to_named(self, name: &str, pacs: &Pacs) -> Self {
        self.sending_to_address(name, pacs.address())
    }

    /// A destination of any name, at which something answers to [`Pacs::AE_TITLE`].
    #[must_use]
    pub fn sending_to_address(mut self, name: &str, address: SocketAddr) -> Self {
        let ae_title = Pacs::AE_TITLE;
        write!(
            self.destinations,
            "\n[[destination]]\nname = \"{name}\"\nae-title = \"{ae_title}\"\naddress = \"{address}\"\n"
        )
        .unwrap();
        self
    }

    /// What the destination named last is sent, in the configuration's words.
    #[must_use]
    pub fn wanting(mut self, objects: &[&str]) -> Self {
        writeln!(self.destinations, "objects = {objects:?}").unwrap();
        self
    }

    /// Only these scanners may send; without any, everybody may.
    #[must_use]
    pub fn accepting(mut self, ae_title: &str) -> Self {
        write!(self.callers, "\n[[caller]]\nae-title = \"{ae_title}\"\n").unwrap();
        self
    }

    /// This scanner may send, and its results go to this destination alone.
    #[must_use]
    pub fn accepting_for(mut self, ae_title: &str, destination: &str) -> Self {
        self = self.accepting(ae_title);
        writeln!(self.callers, "destinations = [\"{destination}\"]").unwrap();
        self
    }

    /// As [`Self::sending_to_named`], with more lines in the destination's section.
    #[must_use]
    pub fn sending_to_with(mut self, name: &str, pacs: &Pacs, lines: &str) -> Self {
        self = self.sending_to_named(name, pacs);
        self.destinations.push_str(lines);
        self
    }

    /// Encrypted associations are accepted as well; `lines` go into their section, and may be
    /// followed by other sections.
    #[must_use]
    pub fn encrypted(mut self, own: &Issued, lines: &str) -> Self {
        let address = own_address();
        write!(
            self.more,
            "\n[listener.tls]\naddress = \"{address}\"\ncertificate = \"{}\"\nkey = \"{}\"\n{lines}",
            own.certificate.display(),
            own.key.display()
        )
        .unwrap();
        self.tls = Some(address);
        self
    }

    /// Further sections of the configuration.
    #[must_use]
    pub fn with(mut self, sections: &str) -> Self {
        write!(self.more, "\n{sections}").unwrap();
        self
    }

    #[must_use]
    pub fn max_associations(mut self, limit: usize) -> Self {
        writeln!(self.listener, "max-associations = {limit}").unwrap();
        self
    }

    /// Its state directory is here, and not in its home.
    #[must_use]
    pub fn keeping_state_in(mut self, directory: &Path) -> Self {
        self.state = Some(directory.to_owned());
        self
    }

    /// Starts it and waits until it can receive and keep.
    pub fn start(self) -> Hepar {
        let mut hepar = self.start_without_waiting();
        hepar.wait_until_ready();
        hepar
    }

    /// Starts it with a page for users, by TLS, and waits until that answers.
    pub fn start_guarded(self) -> Hepar {
        let places = "users = \"HOME/users.toml\"\ncertificate = \"HOME/page.pem\"\nkey = \"HOME/page.key\"\n";
        let mut hepar = self.status(places).start_without_waiting();
        wait_for("the page to answer", || {
            assert!(hepar.running.is_running(), "it ended instead of serving");
            let certificate = hepar.home().join("page.pem");
            let text = fs::read_to_string(&certificate).ok()?;
            let whole = text.contains("END CERTIFICATE");
            let browser = whole.then(|| Browser::trusting(hepar.page, &certificate))?;
            (browser.try_get("/healthz")?.status == 200).then_some(())
        });
        hepar
    }

    fn start_without_waiting(self) -> Hepar {
        let home = TempDir::new().unwrap();
        let (dicom, page) = (own_address(), own_address());
        let Self {
            destinations,
            listener,
            callers,
            status,
            state,
            model,
            tls,
            more,
            retention,
            series,
        } = self;
        let status = status.replace("HOME", &home.path().display().to_string());
        // On a disk of its own it does as it would; otherwise the machine's disk may be nearly full, and
        // what a test looks for must not go for that reason.
        let no_less = if state.is_some() {
            ""
        } else {
            "min-free-percent = 0\n"
        };
        let state = state.unwrap_or_else(|| home.path().join("state"));
        let text = format!(
            "[device]\nname = \"behaviour\"\nstate-dir = \"{}\"\n\n\
             [listener]\nae-title = \"HEPAR\"\naddress = \"{dicom}\"\n{listener}\n\
             [series]\nquiet-period = \"1s\"\n{series}\n[retention]\n{no_less}{retention}\n\
             [model]\nengine = \"tract\"\n{model}\n\
             [status]\naddress = \"{page}\"\n{status}{callers}{destinations}{more}",
            state.display()
        );
        let config = home.path().join("hepar.toml");
        fs::write(&config, text).unwrap();
        Hepar {
            running: spawn(&config),
            dicom,
            tls,
            page,
            config,
            state,
            home,
        }
    }
}

/// A running appliance with a home of its own.
pub struct Hepar {
    running: Running,
    dicom: SocketAddr,
    tls: Option<SocketAddr>,
    page: SocketAddr,
    config: PathBuf,
    state: PathBuf,
    home: TempDir,
}

impl Hepar {
    /// An appliance on loopback with no destination, open to every caller.
    pub fn setup() -> Setup {
        Setup {
            destinations: String::new(),
            listener: String::new(),
            callers: String::new(),
            status: String::new(),
            state: None,
            model: String::new(),
            tls: None,
            more: String::new(),
            retention: String::new(),
            series: String::new(),
        }
    }

    pub fn start() -> Self {
        Self::setup().start()
    }

    /// Where scanners send to.
    pub fn address(&self) -> SocketAddr {
        self.dicom
    }

    /// Where encrypted scanners send to.
    pub fn tls_address(&self) -> SocketAddr {
        self.tls.expect("it was set up for encrypted associations")
    }

    pub fn page_address(&self) -> SocketAddr {
        self.page
    }

    pub fn config(&self) -> &Path {
        &self.config
    }

    pub fn state_dir(&self) -> &Path {
        &self.state
    }

    /// A directory that lives as long as the appliance and is no part of it.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Everything it logged since it was last started.
    pub fn log(&self) -> String {
        self.running.stderr()
    }

    /// A figure of /proc/PID/status: `VmRSS` and `VmHWM` (peak) in kB, `Threads`.
    pub fn process_figure(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    pub fn open_files(&self) -> usize {
        let fds = fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        fds.count()
    }

    pub fn kill(&mut self) {
        self.running.kill();
    }

    /// It says nothing more, and closes nothing, as without power.
    pub fn freeze(&self) {
        self.running.signal("STOP");
    }

    pub fn thaw(&self) {
        self.running.signal("CONT");
    }

    pub fn terminate(&mut self) -> ExitStatus {
        self.running.terminate()
    }

    /// Starts it again on the same state, after [`Self::kill`] or [`Self::terminate`].
    pub fn start_again(&mut self) {
        assert!(!self.running.is_running(), "it must be stopped first");
        self.running = spawn(&self.config);
        self.wait_until_ready();
    }

    fn wait_until_ready(&mut self) {
        wait_for("the appliance to be ready", || {
            assert!(self.running.is_running(), "it ended instead of serving");
            (self.get("/readyz")?.status == 200).then_some(())
        });
    }

    /// A browser that trusts the certificate of a page by TLS, or one for a page without.
    pub fn browser(&self) -> Browser {
        let certificate = self.home().join("page.pem");
        if certificate.exists() {
            Browser::trusting(self.page, &certificate)
        } else {
            Browser::plain(self.page)
        }
    }

    /// Starts it again without waiting for the page.
    pub fn start_again_guarded(&mut self) {
        assert!(!self.running.is_running(), "it must be stopped first");
        self.running = spawn(&self.config);
        let browser = self.browser();
        wait_for("the page to answer", || {
            assert!(self.running.is_running(), "it ended instead of serving");
            (browser.try_get("/healthz")?.status == 200).then_some(())
        });
    }

    /// The page's answer; `None` if nobody answers.
    pub fn get(&self, path: &str) -> Option<Answer> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(10)))
            .build()
            .into();
        let mut response = agent
            .get(format!("http://{}{path}", self.page))
            .call()
            .ok()?;
        Some(Answer {
            status: response.status().as_u16(),
            body: response.body_mut().read_to_vec().ok()?,
        })
    }

    /// Sends a form from the page of its own that it stands on, as a browser would, and follows
    /// where it leads.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_mins(1)))
            .build()
            .into();
        let origin = format!("http://{}", self.page);
        let shown = String::from_utf8(self.get("/box").unwrap().body).unwrap();
        let token = shown.split("name=\"csrf\" value=\"").nth(1);
        let token = token.and_then(|rest| rest.split('"').next());
        let mut fields = fields.to_vec();
        fields.extend(token.map(|token| ("csrf", token)));
        let mut response = agent
            .post(format!("{origin}{path}"))
            .header("origin", &origin)
            .header("sec-fetch-site", "same-origin")
            .send_form(fields)
            .unwrap();
        Answer {
            status: response.status().as_u16(),
            body: response.body_mut().read_to_vec().unwrap(),
        }
    }

    /// Waits until the engine has passed its check.
    pub fn wait_for_engine(&self) {
        wait_for("the engine to be ready", || {
            self.status()["engine"].is_object().then_some(())
        });
    }

    /// `/api/status`.
    pub fn status(&self) -> Value {
        wait_for("an answer from /api/status", || {
            let answer = self.get("/api/status")?;
            (answer.status == 200).then(|| serde_json::from_slice(&answer.body).unwrap())
        })
    }

    /// What `/api/status` says of one series, once it says something that `condition` accepts.
    pub fn wait_for_series(
        &self,
        series: &str,
        what: &str,
        condition: impl Fn(&Value) -> bool,
    ) -> Value {
        wait_for(&format!("series {series} to be {what}"), || {
            let found = self.series(series)?;
            condition(&found).then_some(found)
        })
    }

    /// What `/api/status` says of one series.
    pub fn series(&self, series: &str) -> Option<Value> {
        let status = self.status();
        let all = status["series"].as_array().unwrap();
        all.iter().find(|entry| entry["id"] == series).cloned()
    }

    /// SOP Instance UID that `segment` gives the result of the same slices: with the same bundle
    /// and configuration, the appliance must give the same.
    pub fn expected_result(&self, series: &Series) -> String {
        let out = self.home().join(&series.uid);
        let directory = series.directory();
        let arguments = ["segment".as_ref(), directory, "--out".as_ref(), &out];
        hepar_in(self.home(), &arguments).expect_success();
        let seg = dicom_object::open_file(out.join("seg.dcm")).unwrap();
        let uid = seg.meta().media_storage_sop_instance_uid();
        uid.trim_end_matches('\0').to_owned()
    }

    /// Waits until the series is in this state.
    pub fn wait_for_state(&self, series: &str, state: &str) -> Value {
        self.wait_for_series(series, state, |found| found["state"] == state)
    }

    /// Waits until nothing more will happen with the series by itself.
    pub fn wait_for_end(&self, series: &str) -> Value {
        const ENDS: [&str; 4] = ["delivered", "ignored", "refused", "failed"];
        self.wait_for_series(series, "at an end", |found| {
            ENDS.iter().any(|end| found["state"] == *end)
        })
    }
}

/// An HTTP answer.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

fn spawn(config: &Path) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hepar"));
    command
        .args(["serve", "--config"])
        .arg(config)
        .env_remove("JOURNAL_STREAM");
    Running::spawn("hepar", &mut command)
}
