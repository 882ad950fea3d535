//! Associations over real sockets on loopback. The peers are `dicom-ul`, as a client where a client
//! behaves, and by its PDUs alone where it does not.

mod doors;
mod neighbours;
mod receiving;
mod reporting;

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Mutex,
    time::Duration,
};

use dicom_dictionary_std::uids;
use dicom_ul::{
    ClientAssociation, ClientAssociationOptions,
    pdu::{Pdu as UlPdu, UserVariableItem},
};
use tokio::{net::TcpListener, runtime::Runtime, task::JoinHandle, time::timeout};

use super::{
    dimse::{Command, store_request},
    pdu::{Part, push_data},
    *,
};
use crate::spool::{DiskSpace, RealDisk};

const CT: &str = uids::CT_IMAGE_STORAGE;
const LE: &str = uids::EXPLICIT_VR_LITTLE_ENDIAN;

fn title(text: &str) -> AeTitle {
    AeTitle::parse(text).unwrap()
}

fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

fn policy() -> Policy {
    Policy::new(title("HEPAR"))
}

/// The real disk, until it is told to fail.
#[derive(Clone, Default)]
struct FailingDisk {
    real: RealDisk,
    failure: Arc<Mutex<Option<io::ErrorKind>>>,
}

impl Disk for FailingDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.real.create_dir(dir)
    }
    fn lock(&self, path: &Path) -> io::Result<Option<std::fs::File>> {
        self.real.lock(path)
    }
    fn write_synced(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        match *self.failure.lock().unwrap() {
            Some(kind) => Err(kind.into()),
            None => self.real.write_synced(path, parts),
        }
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.real.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.real.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.real.sync_dir(dir)
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.real.read(path)
    }
    fn read_head(&self, path: &Path, bytes: usize) -> io::Result<Vec<u8>> {
        self.real.read_head(path, bytes)
    }
    fn modified(&self, path: &Path) -> io::Result<std::time::SystemTime> {
        self.real.modified(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.real.list(dir)
    }
    fn space(&self, dir: &Path) -> io::Result<DiskSpace> {
        self.real.space(dir)
    }
}

/// An acceptor at work.
struct Server {
    address: SocketAddr,
    /// Of the encrypted door.
    tls_address: SocketAddr,
    spool: Arc<Spool<FailingDisk>>,
    disk: FailingDisk,
    admission: watch::Sender<Admission>,
    events: mpsc::Receiver<Event>,
    stop: CancellationToken,
    tracker: TaskTracker,
    serving: Option<JoinHandle<io::Result<()>>>,
    runtime: Runtime,
    _state: tempfile::TempDir,
}

impl Server {
    fn start(policy: Policy) -> Self {
        Self::with_doors(policy, None)
    }

    /// With an encrypted door beside the plain one.
    fn with_doors(policy: Policy, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let runtime = Runtime::new().unwrap();
        let state = tempfile::tempdir().unwrap();
        let disk = FailingDisk::default();
        let spool = Arc::new(Spool::open(state.path(), disk.clone()).unwrap());
        let (admission, admitted) = watch::channel(Admission::Open);
        let (sender, events) = mpsc::channel(256);
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let bind = || runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (plain, encrypted) = (bind(), tls.map(|tls| (bind(), tls)));
        let address = plain.local_addr().unwrap();
        let tls_address = encrypted
            .as_ref()
            .map_or(address, |(listener, _)| listener.local_addr().unwrap());
        let mut doors = vec![Door::from(plain)];
        doors.extend(encrypted.map(|(listener, tls)| Door {
            listener,
            tls: Some(tls),
        }));
        let serving = tracker.spawn_on(
            serve(
                doors,
                Arc::new(policy),
                Arc::clone(&spool),
                admitted,
                sender,
                tracker.clone(),
                stop.clone(),
            ),
            runtime.handle(),
        );
        Self {
            address,
            tls_address,
            spool,
            disk,
            admission,
            events,
            stop,
            tracker,
            serving: Some(serving),
            runtime,
            _state: state,
        }
    }

    /// The next thing that happens to an association after it was opened.
    fn event(&mut self) -> Event {
        loop {
            let event = self
                .runtime
                .block_on(async { timeout(SOON, self.events.recv()).await })
                .expect("an event in time")
                .expect("the acceptor lives");
            if !matches!(event, Event::Opened { .. }) {
                return event;
            }
        }
    }

    fn ended(&mut self) -> Ended {
        match self.event() {
            Event::Ended { how, .. } => how,
            other => panic!("the association should have ended, not {other:?}"),
        }
    }

    /// Cancels, and waits until nothing more is accepted.
    fn stop(&mut self) {
        self.stop.cancel();
        let serving = self.serving.take().expect("stopped once");
        self.runtime.block_on(serving).unwrap().unwrap();
    }

    /// A well-behaved client that proposes `classes` in Explicit VR Little Endian.
    fn client(
        &self,
        calling: &str,
        classes: &[&str],
    ) -> Result<Client, dicom_ul::association::Error> {
        let mut options = ClientAssociationOptions::new()
            .calling_ae_title(calling)
            .called_ae_title("HEPAR")
            .read_timeout(SOON);
        for class in classes {
            options = options.with_presentation_context(*class, vec![LE]);
        }
        options.establish(self.address)
    }

    /// The result, source and reason bytes of the A-ASSOCIATE-RJ that a request gets.
    fn rejection(&self, calling: &str, called: &str, classes: &[&str]) -> [u8; 3] {
        let mut peer = Peer::connect(self);
        peer.associate(calling, called, classes, 0);
        match peer.bytes_to_end()[..] {
            [3, 0, 0, 0, 0, 4, 0, result, source, reason] => [result, source, reason],
            ref other => panic!("an A-ASSOCIATE-RJ and then the end were due, not {other:?}"),
        }
    }
}

type Client = ClientAssociation<TcpStream>;

/// A peer that sends what it is told.
struct Peer(TcpStream);

impl Peer {
    fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    /// Contexts 1, 3, 5... propose `classes`.
    fn associate(&mut self, calling: &str, called: &str, classes: &[&str], max_pdu: u32) {
        let contexts: Vec<_> = classes.iter().map(|class| (*class, &[LE][..])).collect();
        let variables = vec![UserVariableItem::MaxLength(max_pdu)];
        let request = testing::request([calling, called], &contexts, variables);
        let request = UlPdu::AssociationRQ(request);
        // In one write: a server that hangs up at the first byte would break the next.
        let mut bytes = Vec::new();
        dicom_ul::write_pdu(&mut bytes, &request).unwrap();
        self.send(&bytes);
    }

    /// An association on which context 1 is CT.
    fn storing(server: &Server, max_pdu: u32) -> Self {
        let mut peer = Self::connect(server);
        peer.associate("CT1", "HEPAR", &[CT], max_pdu);
        assert!(matches!(peer.pdu(), UlPdu::AssociationAC(_)));
        peer
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    fn pdu(&mut self) -> UlPdu {
        let mut bytes = vec![0; 6];
        self.0.read_exact(&mut bytes).expect("a PDU in time");
        let length = u32::from_be_bytes(bytes[2..6].try_into().unwrap()) as usize;
        bytes.resize(6 + length, 0);
        self.0.read_exact(&mut bytes[6..]).unwrap();
        dicom_ul::read_pdu(&bytes[..], 1 << 20, true)
            .unwrap()
            .unwrap()
    }

    fn bytes_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).expect("the end in time");
        bytes
    }

    /// The next response; its P-DATA PDUs must not be longer than `max_pdu` (0: no limit).
    fn response(&mut self, max_pdu: usize) -> Command {
        let mut command = Vec::new();
        loop {
            let UlPdu::PData { data } = self.pdu() else {
                panic!("a P-DATA PDU was due");
            };
            let length: usize = data.iter().map(|value| value.data.len() + 6).sum();
            assert!(max_pdu == 0 || length <= max_pdu, "{length} > {max_pdu}");
            for value in data {
                command.extend(value.data);
                if value.is_last {
                    return Command::parse(&command).unwrap();
                }
            }
        }
    }

    fn status(&mut self) -> u16 {
        self.response(0).status.unwrap().0
    }

    fn ended_by_abort(&mut self) -> bool {
        matches!(self.bytes_to_end()[..], [7, 0, 0, 0, 0, 4, 0, 0, 2, _])
    }
}

/// Command and data set of an instance, each in one PDU.
fn store_pdus(message_id: u16, instance: &str, data_set: &[u8]) -> Vec<u8> {
    let command = store_request(message_id, &uid(CT), &uid(instance));
    let mut out = Vec::new();
    push_data(&mut out, 1, Part::Command, true, &command);
    push_data(&mut out, 1, Part::DataSet, true, data_set);
    out
}

/// The start of a data set that says which instance it is, and `pixels` more bytes.
fn data_set(instance: &str, pixels: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (element, value) in [(0x16u16, CT), (0x18, instance)] {
        let padded = value.len().next_multiple_of(2);
        bytes.extend([8, 0]);
        bytes.extend(element.to_le_bytes());
        bytes.extend(b"UI");
        bytes.extend((padded as u16).to_le_bytes());
        bytes.extend(value.bytes().chain([0]).take(padded));
    }
    bytes.extend([0xE0, 0x7F, 0x10, 0, b'O', b'W', 0, 0]);
    bytes.extend((pixels as u32).to_le_bytes());
    bytes.extend((0..pixels).map(|i| i as u8));
    bytes
}

/// What the spool has under a UID, without the preamble and file meta information.
fn kept(server: &Server, instance: &str, length: usize) -> Vec<u8> {
    let file = server.spool.read(&uid(instance)).unwrap();
    file[file.len() - length..].to_vec()
}

const SOON: Duration = Duration::from_secs(10);
