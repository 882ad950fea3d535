//! Whether the pipeline still moves, asked of the pipeline itself.
//!
//! A timer that says "alive" goes on saying so while nothing is received any more. So what feeds
//! the watchdog goes the way of an instance: through the DICOM port, through the dispatcher's
//! queue, into the journal. Whatever is stuck on the way, the answer does not come.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{Appliance, dispatcher::Message};

/// What does not answer. Only a restart helps.
#[derive(Debug, thiserror::Error)]
pub enum Stuck {
    #[error("the dispatcher does not take messages")]
    Dispatcher,
    #[error("the journal cannot be read")]
    Journal,
    #[error("the engine does not come back")]
    Engine,
    #[error("nobody answers on the DICOM port")]
    Listener(#[source] io::Error),
}

impl Appliance {
    /// `Ok` when a connection through the DICOM port and a message through the dispatcher and its
    /// journal were both answered within `patience`.
    pub async fn pulse(&self, patience: Duration) -> Result<(), Stuck> {
        ask(&self.inbox, patience).await?;
        knock(self.dicom_address, patience).await
    }
}

async fn ask(dispatcher: &mpsc::Sender<Message>, patience: Duration) -> Result<(), Stuck> {
    let (answer, answered) = oneshot::channel();
    let asked = timeout(patience, async {
        dispatcher.send(Message::Pulse(answer)).await.ok()?;
        answered.await.ok()
    });
    match asked.await {
        Ok(Some(moves)) => moves,
        Ok(None) | Err(_) => Err(Stuck::Dispatcher),
    }
}

/// Connects, says nothing, and waits to be hung up on. That a connection opens proves nothing, the
/// kernel does that alone; that it is closed again means somebody attended to it.
async fn knock(listener: SocketAddr, patience: Duration) -> Result<(), Stuck> {
    let attended = timeout(patience, async {
        let mut stream = TcpStream::connect(reachable(listener)).await?;
        stream.shutdown().await?;
        match stream.read(&mut [0; 64]).await {
            // Hung up, politely or not, or told something.
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
            Err(error) => Err(error),
        }
    });
    match attended.await {
        Ok(answer) => answer.map_err(Stuck::Listener),
        Err(_) => Err(Stuck::Listener(io::ErrorKind::TimedOut.into())),
    }
}

/// Where a listener on every address can be reached from here.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(300);
    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn a_dispatcher_that_takes_nothing_is_stuck() {
        let (inbox, mut messages) = mpsc::channel(1);
        assert!(matches!(
            ask(&inbox, PATIENCE).await,
            Err(Stuck::Dispatcher)
        ));
        // Nor does it help that the queue is full.
        assert!(matches!(
            ask(&inbox, PATIENCE).await,
            Err(Stuck::Dispatcher)
        ));
        messages.close();
        assert!(matches!(ask(&inbox, LONG).await, Err(Stuck::Dispatcher)));
    }

    #[tokio::test]
    async fn the_answer_is_the_dispatchers() {
        for stuck in [None, Some(Stuck::Journal), Some(Stuck::Engine)] {
            let (inbox, mut messages) = mpsc::channel(1);
            let words = stuck.as_ref().map(ToString::to_string);
            let dispatcher = async {
                let Some(Message::Pulse(answer)) = messages.recv().await else {
                    panic!("no pulse came");
                };
                answer.send(stuck.map_or(Ok(()), Err)).unwrap();
            };
            let (said, ()) = tokio::join!(ask(&inbox, LONG), dispatcher);
            assert_eq!(said.err().map(|it| it.to_string()), words);
        }
    }

    #[tokio::test]
    async fn a_port_that_nobody_attends_is_stuck_although_it_can_be_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert!(matches!(
            knock(address, PATIENCE).await,
            Err(Stuck::Listener(_))
        ));
        drop(listener);
        assert!(matches!(
            knock(address, LONG).await,
            Err(Stuck::Listener(_))
        ));
    }

    #[tokio::test]
    async fn a_port_on_every_address_is_asked_on_this_machine() {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let attend = async { drop(listener.accept().await.unwrap()) };
        let (said, ()) = tokio::join!(knock(address, LONG), attend);
        said.unwrap();
    }
}
