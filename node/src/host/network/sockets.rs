//! Sockets of TCP and UDP, each with a process that holds it.

use std::collections::HashMap;

use p2p_shared::services::network::{NetSocket, NetSocketList};
use rustix::fs::CWD;

use super::error::NetworkError;
use crate::host::Roots;
use crate::host::abilities::{Capability, Rights};
use crate::host::details::sockets::{Inet, table};
use crate::host::occupant;
use crate::host::source::open_dir;

/// Which sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Only those that wait for somebody.
    pub listening: bool,
    /// Only those with this port on either side.
    pub port: Option<u16>,
    /// Most rows.
    pub limit: usize,
}

impl Question {
    fn fits(&self, protocol: &str, socket: &Inet) -> bool {
        let waits = if protocol == "tcp" { socket.state == "listen" } else { socket.remote.is_none() };
        let has = |port| socket.local.port() == port || socket.remote.is_some_and(|far| far.port() == port);
        (waits || !self.listening) && self.port.is_none_or(has)
    }
}

/// Those that are asked for. Blocks.
pub fn sockets(roots: &Roots, question: &Question) -> Result<NetSocketList, NetworkError> {
    let own = open_dir(CWD, roots.proc.join("self"));
    let own = own.map_err(|source| NetworkError::Tables { what: "sockets", source })?;
    let mut found: Vec<(&str, Inet)> = Vec::new();
    for (protocol, names) in [("tcp", ["tcp", "tcp6"]), ("udp", ["udp", "udp6"])] {
        let all = names.into_iter().flat_map(|name| table(&own, name));
        found.extend(all.filter(|socket| question.fits(protocol, socket)).map(|socket| (protocol, socket)));
    }
    let place = |(protocol, socket): &(&str, Inet)| {
        (
            socket.remote.is_some() || socket.state == "time_wait",
            socket.local.port(),
            *protocol == "udp",
            socket.local,
        )
    };
    found.sort_by(|one, other| place(one).cmp(&place(other)).then(one.1.remote.cmp(&other.1.remote)));
    let total = found.len() as u64;
    found.truncate(question.limit);
    let owners = occupant::of_sockets(roots);
    let mut names: HashMap<u32, Option<String>> = HashMap::new();
    let mut row = |(protocol, socket): (&str, Inet)| {
        let pid = owners.get(&socket.inode).copied();
        let name = |pid: u32| occupant::process(roots, pid).map(|process| process.program);
        NetSocket {
            protocol: protocol.to_owned(),
            local: socket.local,
            remote: socket.remote,
            state: socket.state.to_owned(),
            uid: socket.uid,
            pid,
            process: pid.and_then(|pid| names.entry(pid).or_insert_with(|| name(pid)).clone()),
        }
    };
    let sockets = found.into_iter().map(&mut row).collect();
    Ok(NetSocketList { sockets, total, sees_all: Rights::own(roots).has(Capability::SysPtrace) })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_listener_and_a_connection_are_found_with_their_process() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let question = Question { port: Some(port), limit: 10, listening: false };
        let found = sockets(&Roots::default(), &question).unwrap();
        assert_eq!((found.total, found.sockets[0].state.as_str()), (3, "listen"));
        let held = found.sockets.iter().filter(|socket| socket.pid == Some(std::process::id())).count();
        assert_eq!(held, 2, "nobody has accepted the other end yet: {found:?}");
        assert!(found.sockets.iter().any(|socket| socket.remote == Some(near.peer_addr().unwrap())));
        let listening = sockets(&Roots::default(), &Question { listening: true, ..question }).unwrap();
        assert_eq!(listening.sockets.len(), 1);
        let cut = sockets(&Roots::default(), &Question { limit: 1, ..question }).unwrap();
        assert_eq!((cut.total, cut.sockets.len()), (3, 1));
    }
}
