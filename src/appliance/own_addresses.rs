//! The addresses that the configuration says are ours.
//!
//! After a power cut at the whole site the box is up before the switches that it hangs on. Without
//! patience every start would end at once for want of its address, and after ten of them systemd
//! would leave the box off for good.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::{config::Config, device::service_manager};

/// Waits until this machine has every address that the configuration listens at, two minutes at
/// most; the start then says which one is missing.
///
/// For before anything is opened, so that it may be given up at any time.
pub async fn wait_for_own_addresses(config: &Config) {
    let deadline = Instant::now() + PATIENCE;
    let listener = &config.listener;
    let plain = listener.plain.then_some(listener.address);
    let encrypted = listener.tls.as_ref().map(|tls| tls.address);
    let page = Some(config.status.address);
    for address in [plain, encrypted, page].into_iter().flatten() {
        wait_for(address, deadline).await;
    }
}

async fn wait_for(address: SocketAddr, deadline: Instant) {
    if is_here(address) {
        return;
    }
    let ip = address.ip();
    tracing::warn!(address = %ip, "this machine does not have the address yet, waiting for it");
    service_manager::stands(&format!("waiting for the address {ip}"));
    while !is_here(address) && Instant::now() < deadline {
        sleep(LOOK).await;
    }
}

/// Anything else that may be wrong with it is for those who listen there.
fn is_here(mut address: SocketAddr) -> bool {
    address.set_port(0);
    !UdpSocket::bind(address).is_err_and(|err| err.kind() == io::ErrorKind::AddrNotAvailable)
}

/// Ten starts that wait so long are not ten in ten minutes (systemd/hepar.service), and enough of its
/// time to start is left for the journal of a full disk.
const PATIENCE: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_is_here_is_not_waited_for_and_another_not_for_ever() {
        let begun = Instant::now();
        let soon = begun + Duration::from_mins(1);
        wait_for("127.0.0.1:104".parse().unwrap(), soon).await;
        wait_for("0.0.0.0:104".parse().unwrap(), soon).await;
        // TEST-NET-1, RFC 5737: nobody's.
        wait_for("192.0.2.1:104".parse().unwrap(), begun + LOOK).await;
        assert!(begun.elapsed() >= LOOK && Instant::now() < soon);
    }
}
