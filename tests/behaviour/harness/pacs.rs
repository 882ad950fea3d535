//! PACS: three receivers that share no code with the appliance.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use dicom_dictionary_std::tags;
use dicom_object::DefaultDicomObject;
use dicom_transfer_syntax_registry::entries;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    cli,
    place::{own_address, python, shared_address, tool},
    process::Running,
    wait_for,
};

enum Kind {
    Storescp(Vec<String>),
    /// As above, with its TLS switches.
    EncryptedStorescp(Vec<String>),
    Pynetdicom(Vec<String>),
    Orthanc {
        page: SocketAddr,
    },
}

/// A PACS that keeps what it is sent.
pub struct Pacs {
    kind: Kind,
    address: SocketAddr,
    running: Option<Running>,
    store: TempDir,
}

impl Pacs {
    pub const AE_TITLE: &str = "PACS";

    /// DCMTK's receiver, with its own switches.
    pub fn storescp(options: &[&str]) -> Self {
        Self::up(|| (Kind::Storescp(owned(options)), shared_address()))
    }

    /// DCMTK's receiver, told to encrypt by its own switches.
    pub fn encrypted_storescp(options: &[&str]) -> Self {
        Self::up(|| (Kind::EncryptedStorescp(owned(options)), shared_address()))
    }

    /// The scriptable receiver with a ledger, `tests/peers/pacs.py`.
    pub fn pynetdicom(options: &[&str]) -> Self {
        let mut pacs = Self::down(options);
        pacs.start();
        pacs
    }

    /// The scriptable receiver at a fixed address, not yet started.
    pub fn down(options: &[&str]) -> Self {
        Self::new(Kind::Pynetdicom(owned(options)), own_address())
    }

    pub fn orthanc() -> Self {
        Self::up(|| {
            let page = shared_address();
            (Kind::Orthanc { page }, shared_address())
        })
    }

    /// A program that takes its port on every address can lose it to another test: try again.
    fn up(place: impl Fn() -> (Kind, SocketAddr)) -> Self {
        wait_for("a PACS to start", || {
            let (kind, address) = place();
            let mut pacs = Self::new(kind, address);
            pacs.spawn();
            wait_for("a PACS to answer or end", || {
                if pacs.answers() {
                    return Some(true);
                }
                (!pacs.running.as_mut().unwrap().is_running()).then_some(false)
            })
            .then_some(pacs)
        })
    }

    fn new(kind: Kind, address: SocketAddr) -> Self {
        Self {
            kind,
            address,
            running: None,
            store: TempDir::new().unwrap(),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Brings it up where it was.
    pub fn start(&mut self) {
        self.spawn();
        if let Kind::Pynetdicom(_) = self.kind {
            let running = self.running.as_ref().unwrap();
            wait_for("the PACS to listen", || {
                running.stdout().contains("listening").then_some(())
            });
        } else {
            wait_for("the PACS to answer", || self.answers().then_some(()));
        }
    }

    pub fn stop(&mut self) {
        self.running.take().expect("it runs").kill();
    }

    fn spawn(&mut self) {
        let port = self.address.port().to_string();
        let store = self.store.path();
        let mut command = match &self.kind {
            Kind::Storescp(options) | Kind::EncryptedStorescp(options) => {
                let mut command = tool("storescp");
                command
                    .args(["-v", "-aet", Self::AE_TITLE, "-od"])
                    .arg(store)
                    .args(options)
                    .arg(&port);
                command
            }
            Kind::Pynetdicom(options) => {
                let mut command = python("peers/pacs.py");
                command
                    .args(["--ae-title", Self::AE_TITLE])
                    .args(options)
                    .arg(self.address.ip().to_string())
                    .arg(&port)
                    .arg(store);
                command
            }
            Kind::Orthanc { page } => {
                let config = store.join("orthanc.json");
                let text = orthanc_config(Self::AE_TITLE, self.address, *page, store);
                fs::write(&config, text.to_string()).unwrap();
                let mut command = tool("Orthanc");
                command.arg(config);
                command
            }
        };
        self.running = Some(Running::spawn("PACS", &mut command));
    }

    fn answers(&self) -> bool {
        if let Kind::EncryptedStorescp(_) = self.kind {
            return TcpStream::connect(self.address).is_ok();
        }
        let mut command = tool("echoscu");
        command
            .args(["-to", "2", "-aec", Self::AE_TITLE])
            .arg(self.address.ip().to_string())
            .arg(self.address.port().to_string());
        let finished = cli::run("echoscu", &mut command);
        // Some are told to reject everybody, which is an answer, too.
        finished.code == Some(0) || finished.stderr.contains("Rejected")
    }

    /// Every object it holds, as Part 10 files.
    pub fn received(&self) -> Vec<Received> {
        match &self.kind {
            Kind::Orthanc { page } => orthanc_instances(*page),
            Kind::Storescp(_) | Kind::EncryptedStorescp(_) => files(self.store.path(), |_| true),
            Kind::Pynetdicom(_) => files(self.store.path(), |path| {
                path.extension().is_some_and(|extension| extension == "dcm")
            }),
        }
    }

    /// Waits until it holds that many objects.
    pub fn wait_for_received(&self, objects: usize) -> Vec<Received> {
        wait_for(&format!("{objects} objects on the PACS"), || {
            let received = self.received();
            (received.len() >= objects).then_some(received)
        })
    }

    /// One entry per C-STORE request since it was started; the scriptable receiver alone keeps it.
    pub fn ledger(&self) -> Vec<Value> {
        let running = self.running.as_ref().expect("it runs");
        running
            .stdout()
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|entry| entry.get("sop_instance").is_some())
            .collect()
    }
}

/// Storage commitment: who is asked for it, and how it reports.
impl Pacs {
    /// Orthanc reports to whom it knows by AE title, host and port.
    pub fn knows(&self, ae_title: &str, address: SocketAddr) {
        let Kind::Orthanc { page } = &self.kind else {
            panic!("the others are told where to report");
        };
        let url = format!("http://{page}/modalities/hepar");
        let modality = json!([ae_title, address.ip().to_string(), address.port()]);
        ureq::put(url).send(modality.to_string()).unwrap();
    }

    /// The requests to commit that it took or refused; the scriptable receiver alone keeps them.
    pub fn asked_to_commit(&self) -> Vec<Asked> {
        let running = self.running.as_ref().expect("it runs");
        let text = running.stdout();
        let lines = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        lines
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter_map(|entry| {
                let transaction = entry["transaction"].as_str()?.to_owned();
                let objects = entry["objects"].as_array()?.iter();
                Some(Asked {
                    transaction,
                    objects: objects.map(|it| it.as_str().unwrap().to_owned()).collect(),
                })
            })
            .collect()
    }

    pub fn wait_to_be_asked(&self, times: usize) -> Vec<Asked> {
        wait_for(&format!("{times} requests to commit"), || {
            let asked = self.asked_to_commit();
            (asked.len() >= times).then_some(asked)
        })
    }

    /// What it was answered to its reports on the association that they were asked on.
    pub fn answers_to_reports(&self) -> Vec<String> {
        let running = self.running.as_ref().expect("it runs");
        let text = running.stdout();
        let entries = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        entries
            .filter_map(|entry| Some(entry["answer"].as_str()?.to_owned()))
            .collect()
    }
}

/// A request to commit.
#[derive(Clone)]
pub struct Asked {
    pub transaction: String,
    /// SOP class and instance, with a slash between.
    pub objects: Vec<String>,
}

impl Asked {
    /// Reports on it to `address` on an association of its own, with these switches of
    /// `tests/peers/report.py`; what it is answered.
    pub fn report(&self, address: SocketAddr, switches: &[&str]) -> String {
        let mut command = python("peers/report.py");
        command
            .arg(address.ip().to_string())
            .arg(address.port().to_string())
            .arg(&self.transaction)
            .args(switches);
        let all = if switches.contains(&"--reason") {
            "--failed"
        } else {
            "--committed"
        };
        command.arg(all).args(&self.objects);
        let finished = cli::run("report.py", &mut command);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        finished.stdout.trim().to_owned()
    }
}

fn owned(options: &[&str]) -> Vec<String> {
    options.iter().map(|&option| option.to_owned()).collect()
}

/// An object that a PACS holds.
pub struct Received {
    pub bytes: Vec<u8>,
}

impl Received {
    pub fn open(&self) -> DefaultDicomObject {
        dicom_object::from_reader(self.bytes.as_slice()).unwrap()
    }

    /// The data set in one form, whatever encoding and lengths the PACS keeps it with. Without
    /// value representations, because who receives Implicit VR has to guess them.
    pub fn data_set(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let form = entries::IMPLICIT_VR_LITTLE_ENDIAN.erased();
        let object = self.open();
        object.write_dataset_with_ts(&mut bytes, &form).unwrap();
        bytes
    }

    pub fn sop_instance(&self) -> String {
        let object = self.open();
        let element = object.element(tags::SOP_INSTANCE_UID).unwrap();
        element.to_str().unwrap().trim_end_matches('\0').to_owned()
    }
}

fn files(directory: &Path, wanted: impl Fn(&Path) -> bool) -> Vec<Received> {
    let entries = fs::read_dir(directory).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| wanted(path));
    paths.sort();
    let read = |path| Received {
        bytes: fs::read(path).unwrap(),
    };
    paths.into_iter().map(read).collect()
}

fn orthanc_config(ae_title: &str, dicom: SocketAddr, page: SocketAddr, store: &Path) -> Value {
    json!({
        "Name": "behaviour",
        "StorageDirectory": store.join("storage"),
        "IndexDirectory": store.join("index"),
        "DicomAet": ae_title,
        "DicomCheckCalledAet": true,
        "DicomPort": dicom.port(),
        "HttpPort": page.port(),
        "RemoteAccessAllowed": false,
        "AuthenticationEnabled": false,
        "Plugins": [],
    })
}

fn orthanc_instances(page: SocketAddr) -> Vec<Received> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(10)))
        .build()
        .into();
    let get = |path: &str| {
        let url = format!("http://{page}{path}");
        let mut response = agent.get(url).call().unwrap();
        response.body_mut().read_to_vec().unwrap()
    };
    let ids: Vec<String> = serde_json::from_slice(&get("/instances")).unwrap();
    ids.iter()
        .map(|id| Received {
            bytes: get(&format!("/instances/{id}/file")),
        })
        .collect()
}
