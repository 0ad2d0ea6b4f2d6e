//! The process at the other end of a connection, where the other end is a member of the mesh.
//!
//! Members are told by the addresses at which they are reached; each that has the address is asked who holds the
//! connection seen from there. What is behind a translation of addresses is not found.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use futures::{StreamExt, stream};
use p2p_shared::error::{Code, RpcError};
use p2p_shared::services::Services;
use p2p_shared::services::node::{Member, MemberState};
use p2p_shared::services::process::{Origin, ProcessSocket};
use serde::Serialize;

use super::super::failure::{CliError, words};
use super::super::output::Streams;
use super::super::session::Session;
use crate::fleet::bears;
use crate::format::clean;

/// Connections whose other end is looked for.
const ENDS_MAX: usize = 256;
/// Of which so many at a time.
const ASKED_AT_ONCE: usize = 16;

/// A socket, and who is at its other end. The names of the fields are stable.
#[derive(Clone, Debug, Serialize)]
pub(super) struct End {
    descriptor: u32,
    protocol: String,
    local: String,
    remote: Option<String>,
    state: String,
    /// The processes there; empty if the other end is no member, or none is seen to hold it.
    peers: Vec<Peer>,
}

/// A process at the other end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Peer {
    node: String,
    pid: u32,
    name: String,
    user: String,
    command: String,
    belongs_to: Option<String>,
}

impl End {
    fn of(socket: &ProcessSocket) -> Self {
        let ProcessSocket { descriptor, protocol, local, remote, state } = socket.clone();
        Self { descriptor, protocol, local, remote, state, peers: Vec::new() }
    }

    /// Protocol, own and other address, if it is connected over the network.
    fn addresses(&self) -> Option<(&'static str, SocketAddr, SocketAddr)> {
        let protocol = match self.protocol.as_str() {
            "tcp" | "tcp6" => "tcp",
            "udp" | "udp6" => "udp",
            _ => return None,
        };
        Some((protocol, self.local.parse().ok()?, self.remote.as_ref()?.parse().ok()?))
    }
}

/// Finds the other ends of the sockets of a process on `target`.
pub(super) async fn ends(
    session: &Session,
    target: &Member,
    sockets: &[ProcessSocket],
    streams: &mut Streams<'_>,
) -> Result<Vec<End>, CliError> {
    let mut ends: Vec<End> = sockets.iter().map(End::of).collect();
    let connected = ends.iter().filter(|end| end.addresses().is_some()).count();
    if connected > ENDS_MAX {
        streams.say(&format!("of {connected} connections the other ends of {ENDS_MAX} are looked for"));
    }
    let asked = ends.iter().enumerate().filter_map(|(index, end)| Some((index, end.addresses()?)));
    let asked: Vec<_> = asked
        .take(ENDS_MAX)
        .flat_map(|(index, addresses)| {
            let there = bearers(session.members(), target, addresses.2.ip());
            there.into_iter().map(move |member| (index, addresses, member))
        })
        .collect();
    let one = |(index, addresses, member)| async move {
        (index, member, holders(session, member, addresses).await)
    };
    let mut answers = stream::iter(asked).map(one).buffer_unordered(ASKED_AT_ONCE);
    let mut failures = BTreeSet::new();
    while let Some((index, member, answer)) = answers.next().await {
        match answer {
            Ok(peers) => ends[index].peers.extend(peers),
            Err(error) if error.code == Code::Unsupported => {
                failures.insert(format!("{}: its version cannot say who holds a connection", member.name));
            }
            Err(error) => drop(failures.insert(format!("{}: {}", member.name, words(&error)))),
        }
    }
    // A member that does not answer is told once, however many connections lead to it.
    failures.iter().for_each(|failure| streams.say(failure));
    Ok(ends)
}

/// The members that have an address; the loopback address is everybody's own.
fn bearers<'a>(members: &'a [Member], target: &'a Member, address: IpAddr) -> Vec<&'a Member> {
    let address = address.to_canonical();
    if address.is_loopback() {
        return vec![target];
    }
    let has = |member: &&Member| {
        let there = matches!(member.state, MemberState::Alive | MemberState::Suspect);
        there && bears(member, address)
    };
    members.iter().filter(has).collect()
}

/// Who holds the connection on `member`, seen from there.
async fn holders(
    session: &Session,
    member: &Member,
    (protocol, local, remote): (&str, SocketAddr, SocketAddr),
) -> Result<Vec<Peer>, RpcError> {
    let node = session.reach(member).await?;
    let process = node.process();
    let list = process.holders(protocol.to_owned(), remote.to_string(), local.to_string()).await?;
    let mut peers = Vec::new();
    for info in list.processes {
        // It may have ended meanwhile: then nothing is known of where it came from.
        let details = process.inspect(list.boot_id.clone(), info.key.pid, info.key.start_ticks).await.ok();
        peers.push(Peer {
            node: member.name.to_string(),
            pid: info.key.pid,
            name: info.name,
            user: info.user,
            command: info.command,
            belongs_to: details.and_then(|details| details.origin).as_ref().map(Origin::sentence),
        });
    }
    Ok(peers)
}

/// A line for each socket, and one for each process at its other end.
pub(super) fn lines(ends: &[End]) -> String {
    let mut text = String::new();
    for end in ends {
        let remote = end.remote.as_deref().map(|remote| format!(" -> {}", clean(remote))).unwrap_or_default();
        let state = if end.state.is_empty() { String::new() } else { format!(" {}", end.state) };
        text.push_str(&format!("{} {}{remote}{state}\n", end.protocol, clean(&end.local)));
        for peer in &end.peers {
            let command = if peer.command.is_empty() { &peer.name } else { &peer.command };
            let origin = peer.belongs_to.as_deref().unwrap_or("not known");
            text.push_str(&format!(
                "  {}: {} {} of {}, belongs to: {}\n",
                clean(&peer.node),
                peer.pid,
                clean(command),
                clean(&peer.user),
                clean(origin)
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use p2p_shared::id::NodeId;
    use p2p_shared::time::UnixMillis;

    use super::*;

    fn member(name: &str, address: &str, state: MemberState) -> Member {
        Member {
            name: name.parse().unwrap(),
            id: NodeId::new([1; 32]),
            state,
            state_since: UnixMillis(0),
            addresses: vec![address.parse().unwrap()],
            version: String::new(),
            labels: Vec::new(),
            started: UnixMillis(0),
            sequence: 1,
            http: None,
        }
    }

    #[test]
    fn the_other_end_is_told_by_its_address() {
        let one = member("web-1", "10.0.0.1:5678", MemberState::Alive);
        let two = member("web-2", "10.0.0.2:5678", MemberState::Alive);
        let lost = member("old", "10.0.0.2:5678", MemberState::Lost);
        let members = [one.clone(), two, lost];
        let names = |address: &str| -> Vec<String> {
            let found = bearers(&members, &one, address.parse().unwrap());
            found.iter().map(|member| member.name.to_string()).collect()
        };
        assert_eq!(names("::ffff:10.0.0.2"), ["web-2"]);
        assert_eq!(names("127.0.0.1"), ["web-1"]);
        assert!(names("192.0.2.1").is_empty());
    }

    #[test]
    fn only_what_is_connected_over_the_network_has_another_end() {
        let socket = |protocol: &str, remote: Option<&str>| ProcessSocket {
            descriptor: 3,
            protocol: protocol.into(),
            local: "10.0.0.1:4000".into(),
            remote: remote.map(Into::into),
            state: "established".into(),
        };
        let addresses = |socket: &ProcessSocket| End::of(socket).addresses().is_some();
        assert!(addresses(&socket("tcp6", Some("[::1]:22"))));
        assert!(!addresses(&socket("tcp", None)) && !addresses(&socket("unix", Some("10.0.0.2:1"))));
    }
}
