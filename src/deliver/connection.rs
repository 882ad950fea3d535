//! The connection under an association: plain or encrypted, patient within bounds, and cut short
//! when we are stopping.
//!
//! Blocking calls wait for a tick at most, then look at the clock and at the stop signal. That holds
//! for a peer that says a byte at a time, too.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustls::{ClientConnection, StreamOwned};
use socket2::{Domain, Protocol, Socket, Type};
use tokio_util::sync::CancellationToken;

use super::{DeliverError, Destination};
use crate::tls;

/// How long one may take, and whether we are still wanted.
#[derive(Debug)]
pub(super) struct Patience {
    name: String,
    stop: CancellationToken,
    stopping_since: Option<Instant>,
}

impl Patience {
    pub fn new(name: &str, stop: &CancellationToken) -> Self {
        Self {
            name: name.to_owned(),
            stop: stop.clone(),
            stopping_since: None,
        }
    }

    /// How long to wait next. What is in hand may be finished after the signal to stop, if it
    /// makes haste.
    pub fn left(
        &mut self,
        mut deadline: Instant,
        step: &'static str,
    ) -> Result<Duration, DeliverError> {
        let now = Instant::now();
        if self.stop.is_cancelled() {
            let since = *self.stopping_since.get_or_insert(now);
            if now >= since + LAST_WORDS {
                let name = self.name.clone();
                return Err(DeliverError::Stopped { name });
            }
            deadline = deadline.min(since + LAST_WORDS);
        }
        let left = deadline.saturating_duration_since(now);
        if left.is_zero() {
            let name = self.name.clone();
            return Err(DeliverError::TimedOut { name, step });
        }
        Ok(left.min(TICK))
    }
}

#[derive(Debug)]
pub(super) enum Connection {
    Plain(TimedSocket),
    Tls(Box<StreamOwned<ClientConnection, TimedSocket>>),
}

/// A socket all of whose reads and writes end at one moment. One call of TLS makes many of them, and
/// goes on for as long as each brings a byte.
#[derive(Debug)]
pub(super) struct TimedSocket {
    stream: TcpStream,
    until: Instant,
}

impl TimedSocket {
    /// Good for nothing until it is given time.
    fn new(stream: TcpStream) -> Self {
        let until = Instant::now();
        Self { stream, until }
    }

    fn allow(&mut self, time: Duration) {
        self.until = Instant::now() + time;
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(Some(left))
    }
}

impl Read for TimedSocket {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(bytes)
    }
}

impl Write for TimedSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Connection {
    /// Connects, and shakes hands where the destination wants TLS.
    pub fn open(destination: &Destination, patience: &mut Patience) -> Result<Self, DeliverError> {
        let unreachable = |source| DeliverError::Unreachable {
            name: destination.name.clone(),
            address: destination.address.clone(),
            source: Arc::new(source),
        };
        let addresses = destination.address.to_socket_addrs().map_err(unreachable)?;
        let addresses: Vec<SocketAddr> = addresses.collect();
        let stream = connect_first(&addresses, destination.timeouts.connect, patience)?
            .map_err(unreachable)?;
        let stream = TimedSocket::new(stream);
        match &destination.tls {
            None => Ok(Self::Plain(stream)),
            Some(tls) => encrypt(stream, tls, destination, patience),
        }
    }

    /// How long reading and writing may take from now on, all calls together.
    pub fn allow(&mut self, time: Duration) {
        match self {
            Self::Plain(socket) => socket.allow(time),
            Self::Tls(stream) => stream.sock.allow(time),
        }
    }

    /// Says that no more follows; TLS distinguishes an end from a cut.
    pub fn close(&mut self) {
        self.allow(TICK);
        if let Self::Tls(stream) = self {
            stream.conn.send_close_notify();
            // The peer may be gone already.
            let _ = stream.conn.write_tls(&mut stream.sock);
        }
    }
}

impl Read for Connection {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(bytes),
            Self::Tls(stream) => stream.read(bytes),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// Connects to the first of `addresses` that answers. An address that swallows what it is sent does
/// not use up the time of those after it: each has an equal share of what is left, and never so
/// little that one lost packet decides.
fn connect_first(
    addresses: &[SocketAddr],
    time: Duration,
    patience: &mut Patience,
) -> Result<io::Result<TcpStream>, DeliverError> {
    let end = Instant::now() + time;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (address, untried) in addresses.iter().zip((1..=addresses.len() as u32).rev()) {
        let now = Instant::now();
        let share = end.saturating_duration_since(now) / untried;
        let deadline = now + share.max(LEAST_SHARE.min(time));
        match connect(*address, deadline, patience)? {
            Ok(stream) => return Ok(Ok(stream)),
            Err(err) => last = err,
        }
    }
    Ok(Err(last))
}

/// Connects without being deaf to the stop signal meanwhile. The outer error ends the attempt, the
/// inner one this address.
fn connect(
    address: SocketAddr,
    deadline: Instant,
    patience: &mut Patience,
) -> Result<io::Result<TcpStream>, DeliverError> {
    let begin = || -> io::Result<Socket> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_nonblocking(true)?;
        match socket.connect(&address.into()) {
            Err(err)
                if err.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
            {
                Err(err)
            }
            _ => Ok(socket),
        }
    };
    let socket = match begin() {
        Ok(socket) => socket,
        Err(err) => return Ok(Err(err)),
    };
    loop {
        match socket.take_error() {
            Ok(None) => {}
            Ok(Some(err)) | Err(err) => return Ok(Err(err)),
        }
        // Only a connected socket has a peer.
        if socket.peer_addr().is_ok() {
            let stream = TcpStream::from(socket);
            let ready = stream
                .set_nonblocking(false)
                .and_then(|()| stream.set_nodelay(true));
            return Ok(ready.map(|()| stream));
        }
        match patience.left(deadline, "connected") {
            Ok(left) => thread::sleep(left.min(LOOK)),
            Err(DeliverError::TimedOut { .. }) => {
                return Ok(Err(io::ErrorKind::TimedOut.into()));
            }
            Err(stopped) => return Err(stopped),
        }
    }
}

fn encrypt(
    mut socket: TimedSocket,
    tls: &tls::Client,
    destination: &Destination,
    patience: &mut Patience,
) -> Result<Connection, DeliverError> {
    let failed = |problem| DeliverError::Tls {
        name: destination.name.clone(),
        problem,
    };
    let mut connection = ClientConnection::new(Arc::clone(&tls.config), tls.name.clone())
        .map_err(|err| failed(tls::Problem::from(&err)))?;
    let deadline = Instant::now() + destination.timeouts.negotiation;
    while connection.is_handshaking() {
        let left = match patience.left(deadline, "shook hands") {
            Err(DeliverError::TimedOut { .. }) => return Err(failed(tls::Problem::TimedOut)),
            left => left?,
        };
        socket.allow(left);
        match connection.complete_io(&mut socket) {
            Ok(_) => {}
            Err(err) if is_time_out(&err) => {}
            Err(err) => return Err(failed(tls::Problem::in_handshake(&err))),
        }
    }
    let stream = StreamOwned::new(connection, socket);
    Ok(Connection::Tls(Box::new(stream)))
}

pub(super) fn is_time_out(err: &io::Error) -> bool {
    matches!(
        err.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

/// How soon the stop signal is noticed.
const TICK: Duration = Duration::from_millis(250);
/// How soon a connection that came about is noticed.
const LOOK: Duration = Duration::from_millis(5);
/// TCP asks again after one second.
const LEAST_SHARE: Duration = Duration::from_secs(2);
/// For the object in hand, once we are stopping: enough for a peer that works.
const LAST_WORDS: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    /// An address that answers nothing: its queue of connections is full. They go with the second.
    fn silent() -> (SocketAddr, Vec<Socket>) {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        listener.bind(&any.into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut sockets = vec![listener];
        for _ in 0..4 {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
            socket.set_nonblocking(true).unwrap();
            // Under way, or never answered.
            let _ = socket.connect(&address);
            sockets.push(socket);
        }
        (address.as_socket().unwrap(), sockets)
    }

    #[test]
    fn an_address_that_does_not_answer_leaves_time_for_the_next() {
        let (silent, _held) = silent();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listening = listener.local_addr().unwrap();
        let mut patience = Patience::new("pacs", &CancellationToken::new());
        let begun = Instant::now();
        let connected = connect_first(
            &[silent, listening, listening],
            3 * LEAST_SHARE,
            &mut patience,
        );
        assert_eq!(connected.unwrap().unwrap().peer_addr().unwrap(), listening);
        let waited = begun.elapsed();
        assert!(waited >= LEAST_SHARE, "it was not silent");
        assert!(waited < 2 * LEAST_SHARE, "{waited:?} of all the time");
    }
}
