//! How much of what was written to a connection has not arrived at its other side.
//!
//! A write ends when the kernel has the bytes, and a connection that died keeps silent for minutes;
//! only an empty queue says that they arrived. The kernel tells its length by an ioctl (SIOCOUTQ),
//! which takes unsafe code, and by its table of sockets, which does not.

use std::{
    fs, io,
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

/// Waits until the other side has acknowledged everything that was written to `socket`.
pub(super) fn wait_until_empty(socket: &TcpStream, patience: Duration) -> io::Result<()> {
    let until = Instant::now() + patience;
    while unacknowledged(socket)? != Some(0) {
        if Instant::now() >= until {
            let words = "it does not acknowledge what it is sent";
            return Err(io::Error::new(io::ErrorKind::TimedOut, words));
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// Bytes that the other side has not acknowledged; `None` where the kernel lists no such connection,
/// because it is over.
fn unacknowledged(socket: &TcpStream) -> io::Result<Option<u64>> {
    let inode = rustix::fs::fstat(socket)?.st_ino;
    let table = match socket.local_addr()? {
        SocketAddr::V4(_) => "/proc/self/net/tcp",
        SocketAddr::V6(_) => "/proc/self/net/tcp6",
    };
    let table = fs::read_to_string(table)?;
    Ok(table.lines().find_map(|line| queue_of(inode, line)))
}

/// The queue in a line of the table, if it is this socket's (Linux, networking/proc_net_tcp).
fn queue_of(inode: u64, line: &str) -> Option<u64> {
    let mut fields = line.split_whitespace();
    let queues = fields.nth(4)?;
    let found: u64 = fields.nth(4)?.parse().ok()?;
    let (to_send, _) = queues.split_once(':')?;
    let to_send = u64::from_str_radix(to_send, 16).ok()?;
    (found == inode).then_some(to_send)
}

/// An acknowledgement takes a round trip, or 40 ms where it is delayed.
const PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
    };

    use super::*;

    #[test]
    fn the_queue_is_empty_once_the_other_side_has_taken_all() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                continue;
            };
            socket2::SockRef::from(&listener)
                .set_recv_buffer_size(4096)
                .unwrap();
            let mut socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut other, _) = listener.accept().unwrap();
            wait_until_empty(&socket, Duration::from_secs(5)).unwrap();
            socket.set_nonblocking(true).unwrap();
            let written = socket.write(&vec![7; 200_000]).unwrap();
            let stuck = wait_until_empty(&socket, Duration::from_millis(100)).unwrap_err();
            assert_eq!(stuck.kind(), io::ErrorKind::TimedOut);
            let taken = thread::spawn(move || other.read_exact(&mut vec![0; written]));
            wait_until_empty(&socket, Duration::from_secs(5)).unwrap();
            taken.join().unwrap().unwrap();
        }
    }

    #[test]
    fn a_line_of_the_table_is_read() {
        let line = "   1: 0100007F:1F90 0100007F:C350 01 0000AF10:00000000 01:00000014 \
                    00000000  1000        0 4711 3 0000000000000000 20 4 30 10 -1";
        assert_eq!(queue_of(4711, line), Some(0xAF10));
        assert_eq!(queue_of(4712, line), None);
        let heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
                       uid  timeout inode";
        assert_eq!(queue_of(4711, heading), None);
    }
}
