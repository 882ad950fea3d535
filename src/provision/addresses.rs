//! What this machine is called on the network.

#![warn(clippy::indexing_slicing)]

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// The names and addresses that a browser may use for a page on `listening`; the host's own first.
pub(super) fn own_names(listening: SocketAddr) -> Vec<String> {
    let mut names = vec![host_name()];
    let addresses = if listening.ip().is_unspecified() {
        own_addresses()
    } else {
        vec![listening.ip()]
    };
    names.push("localhost".to_owned());
    names.extend(addresses.iter().map(ToString::to_string));
    names.push(Ipv4Addr::LOCALHOST.to_string());
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// The address to type into a browser elsewhere.
pub(super) fn to_call(listening: SocketAddr) -> String {
    if !listening.ip().is_unspecified() {
        return listening.to_string();
    }
    match own_addresses().first() {
        Some(address) => SocketAddr::new(*address, listening.port()).to_string(),
        None => format!("{}:{}", host_name(), listening.port()),
    }
}

fn host_name() -> String {
    let names = rustix::system::uname();
    let name = names.nodename().to_string_lossy().into_owned();
    // RFC 1123 2.1; anything else is no name that a certificate may bear.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    if (1..=253).contains(&name.len()) && name.bytes().all(plain) {
        name
    } else {
        "hepar".to_owned()
    }
}

/// Addresses of this machine that others can reach, IPv4 first.
fn own_addresses() -> Vec<IpAddr> {
    let trie = fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let v6 = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let mut addresses = local_v4(&trie);
    addresses.extend(global_v6(&v6));
    addresses
}

/// In fib_trie(the kernel's routing table as text) a local address is a leaf `|-- 10.0.0.5` that a
/// line `/32 host LOCAL` follows.
fn local_v4(trie: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    let mut leaf = None;
    for line in trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse::<Ipv4Addr>().ok();
        } else if line.ends_with("host LOCAL")
            && let Some(address) = leaf
            && !address.is_loopback()
            && !found.contains(&address.into())
        {
            found.push(address.into());
        }
    }
    found
}

/// Lines of if_inet6: 32 hexadecimal digits, then index, prefix length, scope (00 is global), flags
/// and the interface, each after a space.
fn global_v6(table: &str) -> Vec<IpAddr> {
    let global = table.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let bits = u128::from_str_radix(fields.next()?, 16).ok()?;
        (fields.nth(2)? == "00").then(|| IpAddr::from(Ipv6Addr::from_bits(bits)))
    });
    global.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_the_kernels_tables() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     \
                    +-- 10.1.0.0/24 2 0 2\n        |-- 10.1.0.0\n           /24 link UNICAST\n        \
                    |-- 10.1.0.7\n           /32 host LOCAL\n     |-- 127.0.0.1\n           \
                    /32 host LOCAL\nLocal:\n        |-- 10.1.0.7\n           /32 host LOCAL\n        \
                    |-- 10.1.0.255\n           /32 link BROADCAST\n";
        assert_eq!(local_v4(trie), [IpAddr::from([10, 1, 0, 7])]);
        let inet6 = "20010db8000000000000000000000005 02 40 00 80     eth0\n\
                     fe80000000000000021122fffe334455 02 40 20 80     eth0\n\
                     00000000000000000000000000000001 01 80 10 80       lo\n";
        let expected: IpAddr = "2001:db8::5".parse().unwrap();
        assert_eq!(global_v6(inet6), [expected]);
        assert!(local_v4("|-- x\n/32 host LOCAL").is_empty() && global_v6("zz").is_empty());
    }

    #[test]
    fn the_certificate_bears_what_a_browser_may_type() {
        let names = own_names("10.9.8.7:8443".parse().unwrap());
        for name in ["10.9.8.7", "localhost", "127.0.0.1"] {
            assert!(names.iter().any(|own| own == name), "{names:?}");
        }
        assert_eq!(to_call("10.9.8.7:8443".parse().unwrap()), "10.9.8.7:8443");
    }
}
