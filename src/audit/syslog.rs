//! The trail's way to a syslog server: syslog over TLS (RFC 5425), from the files, at least once.
//!
//! Syslog has no acknowledgements, so a record counts as sent when the other side's kernel has
//! acknowledged it and the connection is still open a moment later; the place in the trail is then
//! made durable. What a server, or a relay before it, lost after that is lost to it, and still in
//! the files; what it was sent twice it has twice.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use rustls::{ClientConnection, StreamOwned};
use socket2::SockRef;

use super::{AuditError, Cursor, send_queue};
use crate::{chain, tls};

/// Where the trail is sent.
pub struct Syslog {
    /// `host:port`.
    pub address: String,
    pub tls: tls::Client,
    /// Of the trail.
    pub directory: PathBuf,
    /// Is told why the server cannot be reached, once, and `None` when it can again.
    pub report: Box<dyn Fn(Option<String>) + Send>,
}

type Link = StreamOwned<ClientConnection, TcpStream>;

impl Syslog {
    /// Sends until the other end of `wake` is dropped; each touch says that there is more.
    pub fn start(self, wake: Receiver<()>) -> Result<JoinHandle<()>, AuditError> {
        thread::Builder::new()
            .name("audit-syslog".to_owned())
            .spawn(move || self.run(&wake))
            .map_err(AuditError::Thread)
    }

    fn run(&self, wake: &Receiver<()>) {
        let mut link = None;
        let mut pause = SHORTEST_PAUSE;
        let mut failing = false;
        loop {
            let wait = match self.send(&mut link) {
                Ok(Progress::Sent) => {
                    if std::mem::take(&mut failing) {
                        tracing::info!(server = self.address, "the audit trail is sent again");
                        (self.report)(None);
                    }
                    pause = SHORTEST_PAUSE;
                    Duration::ZERO
                }
                Ok(Progress::Nothing) => IDLE,
                Err(error) => {
                    link = None;
                    if !std::mem::replace(&mut failing, true) {
                        let words = words(&error);
                        tracing::warn!(
                            server = self.address,
                            error = words,
                            "the audit trail cannot be sent; it waits in its files"
                        );
                        (self.report)(Some(words));
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    pause
                }
            };
            match wake.recv_timeout(wait) {
                // Whatever woke us, a server that failed a moment ago is left alone for a moment.
                Ok(()) if failing => thread::sleep(SHORTEST_PAUSE),
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn send(&self, link: &mut Option<Link>) -> io::Result<Progress> {
        let place = self.directory.join("sent.json");
        let here = Cursor::load(&place);
        let (records, next) = here.read(&self.directory, BATCH)?;
        if records.is_empty() {
            if next != here {
                next.save(&place)?;
            }
            return Ok(Progress::Nothing);
        }
        let open = match link {
            Some(open) => open,
            None => link.insert(self.connect()?),
        };
        for record in &records {
            // RFC 5425 §4.3: the length in bytes, a space, the message.
            open.write_all(format!("{} {record}", record.len()).as_bytes())?;
        }
        open.flush()?;
        send_queue::wait_until_empty(&open.sock, PATIENCE)?;
        is_still_open(open)?;
        next.save(&place)?;
        Ok(Progress::Sent)
    }

    fn connect(&self) -> io::Result<Link> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in self.address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(socket) => {
                    socket.set_read_timeout(Some(PATIENCE))?;
                    socket.set_write_timeout(Some(PATIENCE))?;
                    // What is given up is not sent behind the next connection's back.
                    SockRef::from(&socket).set_tcp_user_timeout(Some(PATIENCE))?;
                    let connection =
                        ClientConnection::new(Arc::clone(&self.tls.config), self.tls.name.clone())
                            .map_err(io::Error::other)?;
                    return Ok(StreamOwned::new(connection, socket));
                }
                Err(err) => last = err,
            }
        }
        Err(last)
    }
}

enum Progress {
    Sent,
    Nothing,
}

/// Syslog servers say nothing, so anything but silence is the end.
fn is_still_open(link: &mut Link) -> io::Result<()> {
    link.sock.set_read_timeout(Some(MOMENT))?;
    let read = link.read(&mut [0]);
    link.sock.set_read_timeout(Some(PATIENCE))?;
    match read {
        Err(err)
            if matches!(
                err.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            ) =>
        {
            Ok(())
        }
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(_) => Ok(()),
        Err(err) => Err(err),
    }
}

fn words(error: &io::Error) -> String {
    match tls::Problem::behind(error) {
        Some(problem) => format!("it {problem}"),
        None => chain(error),
    }
}

const BATCH: usize = 100;
/// For connecting, for the handshake, for taking and acknowledging what we send.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection must outlive what was written to it.
const MOMENT: Duration = Duration::from_millis(300);
const IDLE: Duration = Duration::from_mins(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, path::Path};

    use rustls::ServerConnection;

    use super::*;
    use crate::{
        audit::file::{Limits, Trail},
        tls::{
            ClientCertificates, PeerRule,
            testing::{Authority, Life},
        },
    };

    /// Stops reading its first connection once that is encrypted, and reads all of the second.
    fn stalls_once(listener: TcpListener, tls: tls::Server) -> JoinHandle<Vec<u8>> {
        // So little that most of what is sent stays with the sender.
        SockRef::from(&listener).set_recv_buffer_size(4096).unwrap();
        thread::spawn(move || {
            let connection = || ServerConnection::new(Arc::clone(&tls.config)).unwrap();
            let (mut stalled, _) = listener.accept().unwrap();
            connection().complete_io(&mut stalled).unwrap();
            let (socket, _) = listener.accept().unwrap();
            let mut taken = Vec::new();
            // The client goes without a farewell.
            let _ = StreamOwned::new(connection(), socket).read_to_end(&mut taken);
            taken
        })
    }

    fn sender(home: &Path, address: String, authority: &Authority) -> Syslog {
        let authorities = tls::authorities(&authority.file(home, "ca.pem")).unwrap();
        let rule = PeerRule {
            authorities: Some(authorities),
            pin: None,
        };
        Syslog {
            address,
            tls: tls::Client {
                config: tls::client_config(rule, None).unwrap(),
                name: tls::server_name("localhost").unwrap(),
                certificate: None,
            },
            directory: home.join("audit"),
            report: Box::new(|_| {}),
        }
    }

    #[test]
    fn what_a_server_does_not_take_counts_as_sent_once_it_does() {
        let home = tempfile::tempdir().unwrap();
        let authority = Authority::new("hospital");
        let identity = authority
            .issue(home.path(), "syslog", Life::Valid)
            .identity();
        let tls = tls::server_config(&identity, None, ClientCertificates::Off).unwrap();
        let tls = tls::Server {
            config: tls,
            certificate: identity.certificate().clone(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = stalls_once(listener, tls);
        let syslog = sender(home.path(), address, &authority);
        let limits = Limits {
            file: 1 << 20,
            files: 2,
        };
        let records: Vec<_> = (0..BATCH)
            .map(|i| format!("<{i:02000}</AuditMessage>"))
            .collect();
        let mut trail = Trail::open(&syslog.directory, limits).unwrap();
        trail.append(&records).unwrap();

        let place = syslog.directory.join("sent.json");
        assert!(syslog.send(&mut None).is_err());
        assert_eq!(Cursor::load(&place), Cursor::default());
        let mut link = None;
        assert!(matches!(syslog.send(&mut link), Ok(Progress::Sent)));
        assert_ne!(Cursor::load(&place), Cursor::default());
        drop(link);
        let framed: Vec<_> = records
            .iter()
            .map(|record| format!("{} {record}", record.len()))
            .collect();
        assert!(server.join().unwrap() == framed.concat().as_bytes());
    }
}
