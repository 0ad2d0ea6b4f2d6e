//! Which process is behind a port, a lock or a number.
//!
//! A port or a file enters, a process with its program leaves. Another user's descriptors are hidden from all
//! but root: then there is a holder without a name.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;

use rustix::fs::CWD;

use super::Roots;
use super::details::{files, sockets};
use super::source::open_dir;
use super::stat::number;
use super::text;

/// Longest name of a program; the kernel keeps 15 bytes.
const NAME_BYTES_MAX: usize = 64;
/// Processes that are told to share a connection.
const HOLDERS_MAX: usize = 64;
/// A longer list of locks is not read.
const LOCKS_BYTES_MAX: u64 = 4 << 20;

/// How a port is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// UDP.
    Udp,
    /// TCP; a port of it is used by who listens.
    Tcp,
}

impl Protocol {
    /// The files of the kernel.
    const fn tables(self) -> [&'static str; 2] {
        match self {
            Self::Udp => ["udp", "udp6"],
            Self::Tcp => ["tcp", "tcp6"],
        }
    }
}

/// A process, and what it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occupant {
    /// Its process id.
    pub pid: u32,
    /// The name of its program.
    pub program: String,
}

/// The process with this id, if it lives.
pub fn process(roots: &Roots, pid: u32) -> Option<Occupant> {
    let name = fs::read(roots.proc.join(pid.to_string()).join("comm")).ok()?;
    Some(Occupant { pid, program: text::lossy(name.trim_ascii_end(), NAME_BYTES_MAX) })
}

/// Who holds the port of this address; `None` if nobody is seen to.
pub fn of_port(roots: &Roots, protocol: Protocol, address: SocketAddr) -> Option<Occupant> {
    let own = open_dir(CWD, roots.proc.join("self")).ok()?;
    let inodes: Vec<u64> =
        protocol.tables().iter().flat_map(|table| sockets::bound_to(&own, table, address.port())).collect();
    holders(roots, inodes).next().and_then(|pid| process(roots, pid))
}

/// The processes that hold the connection between two addresses, as far as this node may see; blocks.
pub fn of_connection(roots: &Roots, protocol: Protocol, local: SocketAddr, remote: SocketAddr) -> Vec<u32> {
    let Ok(own) = open_dir(CWD, roots.proc.join("self")) else { return Vec::new() };
    let tables = protocol.tables().into_iter();
    let inodes = tables.filter_map(|table| sockets::connected(&own, table, local, remote)).collect();
    holders(roots, inodes).take(HOLDERS_MAX).collect()
}

/// Processes with one of these sockets among their descriptors.
fn holders(roots: &Roots, inodes: Vec<u64>) -> impl Iterator<Item = u32> {
    let held = (!inodes.is_empty()).then(|| held(roots));
    let found = held.into_iter().flatten();
    found.filter(move |(_, held)| held.iter().any(|inode| inodes.contains(inode))).map(|(pid, _)| pid)
}

/// A process that holds each socket, by the socket's inode; of several the oldest. Blocks.
pub fn of_sockets(roots: &Roots) -> HashMap<u64, u32> {
    let mut owners = HashMap::new();
    for (pid, inodes) in held(roots) {
        for inode in inodes {
            owners.entry(inode).and_modify(|owner: &mut u32| *owner = pid.min(*owner)).or_insert(pid);
        }
    }
    owners
}

/// Each process with the inodes of its sockets.
fn held(roots: &Roots) -> impl Iterator<Item = (u32, Vec<u64>)> {
    let entries = fs::read_dir(&roots.proc).into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| u32::try_from(number(entry.file_name().as_encoded_bytes())?).ok());
    pids.filter_map(|pid| {
        let dir = open_dir(CWD, roots.proc.join(pid.to_string())).ok()?;
        Some((pid, files::socket_inodes(&dir)))
    })
}

/// The process id of who has locked (flock) the file with this inode. It is 0 for one outside of our pid
/// namespace.
pub fn of_lock(roots: &Roots, inode: u64) -> Option<u32> {
    use std::io::Read;

    let file = fs::File::open(roots.proc.join("locks")).ok()?;
    let mut locks = String::new();
    file.take(LOCKS_BYTES_MAX).read_to_string(&mut locks).ok()?;
    locks.lines().find_map(|line| flock_on(line, inode))
}

/// `1: FLOCK  ADVISORY  WRITE 1234 08:01:131 0 EOF`; one who waits has `->` behind the number.
fn flock_on(line: &str, inode: u64) -> Option<u32> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    if fields.next()? != "FLOCK" {
        return None;
    }
    let (pid, file) = (fields.nth(2)?, fields.next()?);
    let locked: u64 = file.rsplit(':').next()?.parse().ok()?;
    if locked == inode { pid.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn the_holder_of_a_port_is_found() {
        let roots = Roots::default();
        let (udp, tcp) = (UdpSocket::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let us = Some(std::process::id());
        let (udp_at, tcp_at) = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
        let pid = |protocol, address| of_port(&roots, protocol, address).map(|found| found.pid);
        assert_eq!(pid(Protocol::Udp, udp_at), us);
        assert_eq!(pid(Protocol::Tcp, tcp_at), us);
        drop(udp);
        assert_ne!(pid(Protocol::Udp, udp_at), us);
    }

    #[test]
    fn both_ends_of_a_connection_are_found() {
        let roots = Roots::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().unwrap();
        let (local, remote) = (near.local_addr().unwrap(), near.peer_addr().unwrap());
        let us = vec![std::process::id()];
        assert_eq!(of_connection(&roots, Protocol::Tcp, local, remote), us);
        assert_eq!(of_connection(&roots, Protocol::Tcp, remote, local), us);
        assert!(of_connection(&roots, Protocol::Udp, local, remote).is_empty());
        drop((near, far));
        let other = SocketAddr::new(local.ip(), local.port() ^ 1);
        assert!(of_connection(&roots, Protocol::Tcp, other, remote).is_empty());
    }

    #[test]
    fn a_dead_process_has_no_program() {
        assert_eq!(process(&Roots::default(), u32::MAX), None);
        assert!(process(&Roots::default(), std::process::id()).is_some());
    }

    #[test]
    fn the_holder_of_a_lock_is_found() {
        let held = "3: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF";
        assert_eq!(flock_on(held, 131), Some(4_711));
        assert_eq!(flock_on(held, 13), None);
        assert_eq!(flock_on("3: -> FLOCK  ADVISORY  WRITE 4712 08:01:131 0 EOF", 131), None);
        assert_eq!(flock_on("1: POSIX  ADVISORY  WRITE 1 08:01:131 0 EOF", 131), None);
        assert_eq!(flock_on("", 131), None);
    }
}
