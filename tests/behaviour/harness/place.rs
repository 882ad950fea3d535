//! Where things are: addresses nobody else uses, and the programs that `tests/run` installs.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{self, Command},
    sync::atomic::{AtomicU8, Ordering},
};

/// A free port on a loopback address that belongs to this call alone.
///
/// Tests run at the same time, and a port found free may be taken by another before it is used.
/// All of 127/8 is this machine, so every caller gets a host of its own.
pub fn own_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., a, b] = process::id().to_be_bytes();
    let host = Ipv4Addr::new(127, a, b, NEXT.fetch_add(1, Ordering::Relaxed));
    free_port(host)
}

/// A free port on every address, for programs that cannot be told to listen on one. May be lost to
/// somebody else before it is used; whoever starts such a program tries again.
pub fn shared_address() -> SocketAddr {
    let port = free_port(Ipv4Addr::UNSPECIFIED).port();
    (Ipv4Addr::LOCALHOST, port).into()
}

fn free_port(host: Ipv4Addr) -> SocketAddr {
    TcpListener::bind((host, 0)).unwrap().local_addr().unwrap()
}

/// The library that the ONNX Runtime engine loads, from the wheel in the tests' own environment.
pub fn onnxruntime_library() -> PathBuf {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-venv/lib");
    let entries = |directory: PathBuf| fs::read_dir(directory).unwrap().map(|e| e.unwrap().path());
    entries(lib)
        .map(|python| python.join("site-packages/onnxruntime/capi"))
        .flat_map(entries)
        .find(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("libonnxruntime.so.")
        })
        .expect("tests/run installs it")
}

/// A Python script of `tests/`, to be run in the tests' own environment.
pub fn python(script: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(root.join("target/test-venv/bin/python"));
    command.arg(root.join("tests").join(script));
    command
}

/// A program of Debian's packages. Orthanc lies where only root's PATH looks.
pub fn tool(name: &str) -> Command {
    let beside_root = PathBuf::from("/usr/sbin").join(name);
    Command::new(if beside_root.exists() {
        beside_root
    } else {
        name.into()
    })
}
