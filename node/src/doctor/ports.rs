//! The two ports: free, held by the node that runs, or taken by somebody else.
//!
//! Each is bound for an instant, as the node would; who holds one is read from the kernel's tables.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use p2p_shared::error::Exit;
use socket2::{Domain, Socket, Type};

use super::finding::Finding;
use super::plan::Plan;
use super::running::{PROGRAM, Running};
use crate::host::Roots;
use crate::host::abilities::Capability;
use crate::host::occupant::{self, Occupant, Protocol};

const LOW_PORTS: u16 = 1024;

/// One port of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// UDP of the mesh, TCP of HTTP.
    pub protocol: Protocol,
    /// Where the node would listen.
    pub address: SocketAddr,
    /// What came of it.
    pub state: PortState,
}

/// What came of binding a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortState {
    /// A node can have it.
    Free,
    /// Somebody has it, who may be hidden from us.
    Held(Option<Occupant>),
    /// No interface has the address.
    NoSuchAddress,
    /// The port takes rights that this process lacks.
    NotAllowed,
    /// The kernel said something else.
    Failed(String),
}

/// Tries both.
pub(super) fn look(roots: &Roots, plan: &Plan) -> Vec<Port> {
    let wanted = [(Protocol::Udp, plan.quic), (Protocol::Tcp, plan.http)];
    let wanted = wanted.into_iter().filter_map(|(protocol, address)| Some((protocol, address?)));
    wanted.map(|(protocol, address)| Port::look(roots, protocol, address)).collect()
}

impl Port {
    /// Tries one.
    pub fn look(roots: &Roots, protocol: Protocol, address: SocketAddr) -> Self {
        let state = match bind(protocol, address) {
            Ok(()) => PortState::Free,
            Err(error) => match error.kind() {
                io::ErrorKind::AddrInUse => PortState::Held(occupant::of_port(roots, protocol, address)),
                io::ErrorKind::AddrNotAvailable => PortState::NoSuchAddress,
                io::ErrorKind::PermissionDenied => PortState::NotAllowed,
                _ => PortState::Failed(error.to_string()),
            },
        };
        Self { protocol, address, state }
    }

    const fn check(&self) -> &'static str {
        match self.protocol {
            Protocol::Udp => "udp port",
            Protocol::Tcp => "http port",
        }
    }

    const fn flag(&self) -> &'static str {
        match self.protocol {
            Protocol::Udp => "--dht-port",
            Protocol::Tcp => "--port",
        }
    }
}

/// As `transport` and `http` bind theirs; nothing listens, so nobody can connect meanwhile.
fn bind(protocol: Protocol, address: SocketAddr) -> io::Result<()> {
    let kind = if protocol == Protocol::Udp { Type::DGRAM } else { Type::STREAM };
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    if protocol == Protocol::Tcp {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())
}

/// What is to be said of the ports.
pub fn judge(ports: &[Port], running: &Running) -> Vec<Finding> {
    ports.iter().map(|port| judge_port(port, running)).collect()
}

fn judge_port(port: &Port, running: &Running) -> Finding {
    let (check, at, flag) = (port.check(), port.address, port.flag());
    let fail = |found: String, action: String| Finding::fail(check, Exit::Unavailable, found, action);
    match &port.state {
        PortState::Free if at.port() == 0 => Finding::ok(check, format!("{at}: any free port")),
        PortState::Free => Finding::ok(check, format!("{at}: free")),
        PortState::Held(holder) if running.holds(port, holder.as_ref()) => {
            let pid = running.pid().map_or_else(String::new, |pid| format!(" (pid {pid})"));
            Finding::ok(check, format!("{at}: held by the running node{pid}"))
        }
        PortState::Held(Some(Occupant { pid, program })) => fail(
            format!("{at}: held by {} (pid {pid})", another(program)),
            format!("stop it, or give the node another port with {flag}"),
        ),
        PortState::Held(None) => fail(
            format!("{at}: held by another program, which only root can name"),
            format!("sudo p2p-node doctor; or give the node another port with {flag}"),
        ),
        PortState::NoSuchAddress => fail(
            format!("{at}: no interface has this address"),
            "see `ip address`: bring it up, or change --host".into(),
        ),
        PortState::NotAllowed if at.port() < LOW_PORTS => fail(
            format!(
                "{at}: ports below {LOW_PORTS} take {}, which user lacks here",
                Capability::NetBindService
            ),
            format!("run the node as the service does, or give it a higher port with {flag}"),
        ),
        PortState::NotAllowed => fail(
            format!("{at}: not allowed"),
            "look for a security module that forbids it: `journalctl -k | grep -i denied`".into(),
        ),
        PortState::Failed(error) => fail(format!("{at}: {error}"), format!("check --host and {flag}")),
    }
}

fn another(program: &str) -> String {
    match program {
        PROGRAM => "another node on this machine".into(),
        program => format!("another program: {program}"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;
    use crate::doctor::Verdict;
    use crate::doctor::running::Note;

    fn port(state: PortState) -> Port {
        Port { protocol: Protocol::Udp, address: "[::]:5678".parse().unwrap(), state }
    }

    fn running(pid: u32) -> Running {
        let note = Note { pid, name: "web-1".into(), quic_address: "[::]:5678".into(), http_address: None };
        Running {
            note: Some(note),
            process: Some(Occupant { pid, program: "p2p-node".into() }),
            ..Running::default()
        }
    }

    #[test]
    fn a_port_is_free_ours_or_somebody_elses() {
        let fail = Verdict::Fail(Exit::Unavailable);
        let holder = |pid, program: &str| PortState::Held(Some(Occupant { pid, program: program.into() }));
        for (state, verdict, words) in [
            (PortState::Free, Verdict::Ok, "free"),
            (holder(7, "p2p-node"), Verdict::Ok, "the running node (pid 7)"),
            (holder(8, "nginx"), fail, "nginx (pid 8)"),
            (holder(8, "p2p-node"), fail, "another node on this machine (pid 8)"),
            (PortState::NoSuchAddress, fail, "no interface"),
            (PortState::NotAllowed, fail, "not allowed"),
            (PortState::Failed("odd".into()), fail, "odd"),
        ] {
            let finding = judge_port(&port(state), &running(7));
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.found.contains(words), "{finding:?}");
        }
        // Hidden from an ordinary user: the note of the node says that it listens there.
        assert_eq!(judge_port(&port(PortState::Held(None)), &running(7)).verdict, Verdict::Ok);
        assert_eq!(judge_port(&port(PortState::Held(None)), &Running::default()).verdict, fail);
    }

    #[test]
    fn a_low_port_takes_a_right() {
        let low = Port { address: "0.0.0.0:443".parse().unwrap(), ..port(PortState::NotAllowed) };
        assert!(judge_port(&low, &Running::default()).found.contains("CAP_NET_BIND_SERVICE"));
    }

    #[test]
    fn real_sockets_are_seen() {
        let roots = Roots::default();
        let (udp, tcp) = (UdpSocket::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        for (protocol, address) in
            [(Protocol::Udp, udp.local_addr().unwrap()), (Protocol::Tcp, tcp.local_addr().unwrap())]
        {
            let Port { state, .. } = Port::look(&roots, protocol, address);
            let PortState::Held(Some(holder)) = state else { panic!("{state:?}") };
            assert_eq!(holder.pid, std::process::id());
        }
        let nowhere = Port::look(&roots, Protocol::Udp, "192.0.2.1:5678".parse().unwrap());
        assert_eq!(nowhere.state, PortState::NoSuchAddress);
        let any = Port::look(&roots, Protocol::Tcp, "127.0.0.1:0".parse().unwrap());
        assert_eq!(any.state, PortState::Free);
    }
}
