//! The page's connections: bounded in number, encrypted where they must be, and none for ever.
//!
//! One client that dawdles over its handshake, its request or our answer holds its own connection
//! and nothing else: handshakes run beside each other, and a connection on which no byte moves is
//! closed. One address cannot take all the places either.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::{Instant, Sleep, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::access::throttle::host;

/// Connections at a time, in all. A browser opens up to six and holds one for its events.
const PLACES: usize = 256;
const PLACES_OF_ONE_ADDRESS: usize = 64;
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Above the 15 s after which the event stream says that it is alive.
const IDLE: Duration = Duration::from_mins(1);
/// Pause after a failed accept, EMFILE for instance: a hot loop does not help it pass.
const BREATH: Duration = Duration::from_millis(100);
/// RFC 8446 5.1: the first byte a TLS client sends.
const TLS_HANDSHAKE: u8 = 22;

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, Doors>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Doors>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Hands ready connections to the server.
pub(super) struct Doors {
    arrivals: mpsc::Receiver<(Connection, SocketAddr)>,
    local: SocketAddr,
}

impl Doors {
    /// The doors, and what lets people in: it must be polled beside the server.
    pub(super) fn open(
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<(Self, impl Future<Output = ()> + Send)> {
        let local = listener.local_addr()?;
        let (arrived, arrivals) = mpsc::channel(1);
        let porter = let_in(listener, tls.map(TlsAcceptor::from), arrived);
        Ok((Self { arrivals, local }, porter))
    }
}

impl axum::serve::Listener for Doors {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        match self.arrivals.recv().await {
            Some(arrival) => arrival,
            // The porter ended, so the server is about to.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }
}

async fn let_in(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    arrived: mpsc::Sender<(Connection, SocketAddr)>,
) {
    let places = Arc::new(Places::default());
    // Dropped with this future, and every handshake with it.
    let mut handshakes = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = handshakes.join_next() => continue,
        };
        let (socket, peer) = match accepted {
            Ok(pair) => pair,
            Err(err) => {
                tracing::warn!(%err, "the page could not accept a connection");
                sleep(BREATH).await;
                continue;
            }
        };
        let Some(place) = Places::take(&places, peer.ip()) else {
            continue;
        };
        let (tls, arrived) = (tls.clone(), arrived.clone());
        handshakes.spawn(async move {
            // An answer is small and wanted at once; where this fails, it only comes later.
            let _ = socket.set_nodelay(true);
            let connection = match tls {
                None => Connection::new(socket, place, IDLE),
                Some(tls) => match timeout(HANDSHAKE, encrypt(socket, &tls)).await {
                    Ok(Ok(stream)) => Connection::new(stream, place, IDLE),
                    // Scanners for open ports and browsers that distrust us are no news.
                    _ => return tracing::debug!(%peer, "no TLS handshake with the page"),
                },
            };
            let _ = arrived.send((connection, peer)).await;
        });
    }
}

async fn encrypt(
    mut socket: TcpStream,
    tls: &TlsAcceptor,
) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    let mut first = [0];
    socket.peek(&mut first).await?;
    if first != [TLS_HANDSHAKE] {
        // Somebody typed the address without https.
        let answer = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
                      This page is encrypted: its address begins with https://\n";
        socket.write_all(answer.as_bytes()).await?;
        socket.shutdown().await?;
        // Closed with its request unread, the connection would be reset and the answer lost.
        let mut unread = [0; 1024];
        while socket.read(&mut unread).await? > 0 {}
        return Err(io::ErrorKind::InvalidData.into());
    }
    tls.accept(socket).await
}

/// Who holds how many connections.
#[derive(Debug, Default)]
struct Places {
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
struct Place {
    of: Arc<Places>,
    address: IpAddr,
}

impl Places {
    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(places: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = host(address);
        let mut taken = places.taken();
        if taken.values().sum::<usize>() >= PLACES {
            return None;
        }
        let own = taken.entry(address).or_default();
        if *own >= PLACES_OF_ONE_ADDRESS {
            return None;
        }
        *own += 1;
        Some(Place {
            of: Arc::clone(places),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.of.taken();
        if let Some(own) = taken.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection that ends when nothing moves on it.
pub(super) struct Connection {
    stream: Box<dyn Duplex>,
    limit: Duration,
    idle: Pin<Box<Sleep>>,
    _place: Place,
}

impl Connection {
    fn new(stream: impl Duplex + 'static, place: Place, limit: Duration) -> Self {
        Self {
            stream: Box::new(stream),
            limit,
            idle: Box::pin(sleep(limit)),
            _place: place,
        }
    }

    /// Passes on what a poll gave: progress winds up the clock, and waiting ends when it runs down.
    fn watch<T>(
        &mut self,
        polled: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            let limit = self.limit;
            self.idle.as_mut().reset(Instant::now() + limit);
            return polled;
        }
        match self.idle.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.watch(polled, context)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(polled, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(polled, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn one_address_cannot_take_all_places_and_places_come_back() {
        let places = Arc::new(Places::default());
        let mut held: Vec<_> = std::iter::from_fn(|| Places::take(&places, address(1))).collect();
        assert_eq!(held.len(), PLACES_OF_ONE_ADDRESS);
        assert!(Places::take(&places, address(2)).is_some());
        held.pop();
        assert!(Places::take(&places, address(1)).is_some());
        drop(held);
        assert!(places.taken().is_empty());
    }

    #[test]
    fn there_are_so_many_places_and_no_more() {
        let places = Arc::new(Places::default());
        let take = |last| std::iter::repeat_with(move || address(last));
        let everybody = (0..20).flat_map(|last| take(last).take(PLACES_OF_ONE_ADDRESS));
        let held: Vec<_> = everybody
            .filter_map(|address| Places::take(&places, address))
            .collect();
        assert_eq!(held.len(), PLACES);
    }

    #[tokio::test]
    async fn a_connection_on_which_nothing_moves_is_closed() {
        let places = Arc::new(Places::default());
        let (mut client, server) = tokio::io::duplex(64);
        let place = Places::take(&places, address(1)).unwrap();
        let idle = Duration::from_millis(200);
        let mut connection = Connection::new(server, place, idle);
        client.write_all(b"x").await.unwrap();
        let mut byte = [0];
        connection.read_exact(&mut byte).await.unwrap();
        let started = Instant::now();
        let ended = connection.read(&mut byte).await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= idle);
    }
}
