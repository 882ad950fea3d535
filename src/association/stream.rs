//! The doors we listen at, and a connection's bytes, encrypted or not.

use std::{
    io,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};

use crate::tls::{Certificate, Problem};

/// Where connections come in, and how they must speak there.
#[derive(Debug)]
pub struct Door {
    pub listener: TcpListener,
    /// `None`: plain DICOM.
    pub tls: Option<Arc<ServerConfig>>,
}

impl From<TcpListener> for Door {
    fn from(listener: TcpListener) -> Self {
        Self {
            listener,
            tls: None,
        }
    }
}

#[derive(Debug)]
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Why a connection has nothing to say.
pub(super) enum Mute {
    /// It was closed, or broke, before it said anything: monitoring systems probe ports like this.
    Silent,
    Problem(Problem),
}

impl Stream {
    /// Shakes hands with a peer on an encrypted door. What it is shown of the peer is the
    /// certificate, if the peer was asked for one.
    pub(super) async fn encrypted(
        stream: TcpStream,
        config: Arc<ServerConfig>,
        peer: IpAddr,
    ) -> Result<(Self, Option<Certificate>), Mute> {
        match first_byte(&stream).await {
            None => return Err(Mute::Silent),
            // An A-ASSOCIATE-RQ; TLS begins with 22.
            Some(1) => return Err(Mute::Problem(Problem::NotTls)),
            Some(_) => {}
        }
        let accepted = TlsAcceptor::from(config).accept(stream).await;
        let stream = accepted.map_err(|err| Mute::Problem(Problem::in_handshake(&err)))?;
        let (_, connection) = stream.get_ref();
        let shown = connection.peer_certificates().and_then(<[_]>::first);
        let certificate = match shown.map(|der| Certificate::parse(der)).transpose() {
            Ok(certificate) => certificate,
            Err(reason) => return Err(Mute::Problem(Problem::BadCertificate(reason))),
        };
        let version = connection.protocol_version();
        let names = certificate.as_ref().map(Certificate::name);
        tracing::debug!(%peer, ?version, certificate = names, "encrypted");
        Ok((Self::Tls(Box::new(stream)), certificate))
    }

    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// Without taking it. `None`: there will be none.
async fn first_byte(stream: &TcpStream) -> Option<u8> {
    let mut byte = [0];
    match stream.peek(&mut byte).await {
        Ok(1) => Some(byte[0]),
        _ => None,
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => match Pin::new(stream).poll_read(context, buffer) {
                // Peers of the DCMTK family end a connection without TLS's goodbye. The upper layer
                // knows by itself whether something is missing.
                Poll::Ready(Err(err)) if err.kind() == io::ErrorKind::UnexpectedEof => {
                    Poll::Ready(Ok(()))
                }
                read => read,
            },
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
