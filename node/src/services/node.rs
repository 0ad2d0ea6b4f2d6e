//! The service `node`: this node itself, and the mesh as it sees it.
//!
//! Reads the directory, the transport's table and the DHT's overview; the two things that it changes (labels,
//! forgetting) go to their owners.

use std::collections::BTreeMap;
use std::sync::Arc;

use p2p_shared::error::RpcError;
use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::mesh::link::Side;
use p2p_shared::rpc::registry::CallContext;
use p2p_shared::rpc::service::Items;
use p2p_shared::services;
use p2p_shared::services::node::{
    Direction, FleetDelta, Found, Label, LookUp, Member, MemberState, Node, NodeInfo, NodeStats, Peer,
    PeerRole, Permit, RefusedHandshake, RoutingBucket,
};
use p2p_shared::tls::PeerKind;
use tokio::time::Instant;

use super::permit::Permits;
use super::{look_up, routing};
use crate::labels::keeper::LabelKeeper;
use crate::membership::handle::{Directory, ForgetError, MembershipHandle};
use crate::naming::Naming;
use crate::portrait::Portrait;

use crate::transport::{PeerStatus, Transport};

/// Members in one message of a fleet watch: far below the limit of a frame.
const MEMBERS_PER_MESSAGE: usize = 500;

/// The implementation.
#[derive(Debug)]
pub struct NodeService {
    /// Who this node is, and what it counts.
    pub portrait: Arc<Portrait>,
    /// Who is connected.
    pub transport: Transport,
    /// Who is in the mesh.
    pub membership: MembershipHandle,
    /// Finds nodes past the directory.
    pub naming: Naming,
    /// Keeps the labels.
    pub labels: LabelKeeper,
    /// What may refuse a call.
    pub permits: Permits,
}

impl Node for NodeService {
    async fn info(&self, _: &CallContext) -> Result<NodeInfo, RpcError> {
        Ok(self.portrait.info())
    }

    async fn stats(&self, _: &CallContext) -> Result<NodeStats, RpcError> {
        Ok(self.portrait.stats())
    }

    async fn members(&self, _: &CallContext) -> Result<Vec<Member>, RpcError> {
        Ok(self.membership.members().to_vec())
    }

    async fn fleet(&self, _: &CallContext, items: Items<FleetDelta>) -> Result<(), RpcError> {
        let mut directory = self.membership.watch();
        let mut sent = Sent::default();
        loop {
            let members = Arc::clone(&directory.borrow_and_update());
            for delta in sent.advance(&members) {
                items.send(&delta).await?;
            }
            tokio::select! {
                changed = directory.changed() => {
                    changed.map_err(|_| RpcError::unavailable("this node is shutting down"))?;
                }
                () = items.closed() => return Err(RpcError::cancelled("the caller went away")),
            }
        }
    }

    async fn peers(&self, _: &CallContext) -> Result<Vec<Peer>, RpcError> {
        let states: BTreeMap<NodeId, MemberState> =
            self.membership.members().iter().map(|member| (member.id, member.state)).collect();
        Ok(self.transport.peers().iter().map(|status| peer(status, &states)).collect())
    }

    async fn refused(&self, _: &CallContext) -> Result<Vec<RefusedHandshake>, RpcError> {
        Ok(self.transport.refused())
    }

    async fn routing(&self, _: &CallContext) -> Result<Vec<RoutingBucket>, RpcError> {
        let overview = self.naming.dht().overview().await.map_err(unavailable)?;
        Ok(routing::buckets(&overview, self.portrait.id(), &self.membership.members()))
    }

    async fn find(&self, _: &CallContext, name: NodeName) -> Result<Found, RpcError> {
        self.naming.find(&name).await
    }

    async fn look_up(&self, _: &CallContext, name: NodeName) -> Result<LookUp, RpcError> {
        let traced = self.naming.look_up(&name).await?;
        let address = |id| self.transport.link(&id).map(|link| link.address());
        let members = self.membership.members();
        Ok(look_up::look_up((name, traced), self.portrait.id(), &members, address))
    }

    async fn labels(&self, _: &CallContext) -> Result<Vec<Label>, RpcError> {
        Ok(self.labels.all().await)
    }

    async fn can_i(
        &self,
        context: &CallContext,
        method: String,
        arguments: Option<String>,
    ) -> Result<Permit, RpcError> {
        let method = services::method(&method)
            .ok_or_else(|| RpcError::unsupported(format!("there is no method {method:?} on this node")))?;
        Ok(self.permits.of(method, context, arguments.as_deref()).await)
    }

    async fn set_labels(
        &self,
        _: &CallContext,
        set: Vec<Label>,
        remove: Vec<String>,
    ) -> Result<Vec<Label>, RpcError> {
        let labels = self.labels.change(set, remove).await?;
        self.membership.set_labels(labels.clone()).await;
        Ok(labels)
    }

    async fn forget(&self, _: &CallContext, id: NodeId) -> Result<(), RpcError> {
        self.membership.forget(id).await.map_err(|error| match error {
            ForgetError::Unknown => RpcError::not_found(format!("{}: {error}", id.short())),
            ForgetError::Alive => RpcError::conflict(format!("{}: {error}", id.short())),
            ForgetError::Stopped => unavailable(error),
        })
    }
}

fn unavailable(error: impl std::fmt::Display) -> RpcError {
    RpcError::unavailable(error.to_string())
}

fn peer(status: &PeerStatus, states: &BTreeMap<NodeId, MemberState>) -> Peer {
    let link = &status.link;
    let identity = link.peer();
    let traffic = link.connection().stats();
    Peer {
        id: identity.id,
        name: identity.name.clone(),
        role: match identity.kind {
            PeerKind::Node => PeerRole::Node,
            PeerKind::Operator(_) => PeerRole::Operator,
        },
        address: link.address(),
        direction: match link.side() {
            Side::Dialler => Direction::Outbound,
            Side::Listener => Direction::Inbound,
        },
        state: states.get(&identity.id).copied(),
        rtt_ms: link.connection().rtt().as_secs_f32() * 1e3,
        clock_ahead_ms: status.clock_ahead_ms,
        age_ms: millis_since(link.since()),
        silent_ms: millis_since(status.heard),
        sent_bytes: traffic.udp_tx.bytes,
        received_bytes: traffic.udp_rx.bytes,
        sent_packets: traffic.path.sent_packets,
        lost_packets: traffic.path.lost_packets,
        version: link.version().to_owned(),
    }
}

fn millis_since(then: Instant) -> u64 {
    u64::try_from(then.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// What one watcher of the fleet has been told.
#[derive(Debug, Default)]
struct Sent {
    seq: u64,
    told: BTreeMap<NodeId, Member>,
}

impl Sent {
    /// The messages that bring the watcher to `members`; none if it is there.
    fn advance(&mut self, members: &Directory) -> Vec<FleetDelta> {
        let changed: Vec<Member> =
            members.iter().filter(|member| self.told.get(&member.id) != Some(member)).cloned().collect();
        let now: BTreeMap<NodeId, Member> =
            members.iter().map(|member| (member.id, member.clone())).collect();
        let forgotten: Vec<NodeId> = self.told.keys().filter(|id| !now.contains_key(id)).copied().collect();
        self.told = now;
        if self.seq > 0 && changed.is_empty() && forgotten.is_empty() {
            return Vec::new();
        }
        let mut pages: Vec<Vec<Member>> = changed.chunks(MEMBERS_PER_MESSAGE).map(<[_]>::to_vec).collect();
        if pages.is_empty() {
            pages.push(Vec::new());
        }
        let mut forgotten = Some(forgotten);
        let mut delta = |changed| {
            let seq = self.seq;
            self.seq += 1;
            FleetDelta { seq, full: seq == 0, changed, forgotten: forgotten.take().unwrap_or_default() }
        };
        pages.into_iter().map(&mut delta).collect()
    }
}

#[cfg(test)]
mod tests {
    use p2p_shared::time::UnixMillis;

    use super::*;

    fn member(index: u16, state: MemberState) -> Member {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&index.to_be_bytes());
        Member {
            name: format!("n{index}").parse().unwrap(),
            id: NodeId::new(id),
            state,
            state_since: UnixMillis(0),
            addresses: Vec::new(),
            version: String::new(),
            labels: Vec::new(),
            started: UnixMillis(0),
            sequence: 1,
            http: None,
        }
    }

    fn directory(members: &[Member]) -> Directory {
        members.into()
    }

    #[test]
    fn a_watcher_hears_all_and_then_only_what_changed() {
        let mut sent = Sent::default();
        let (one, two) = (member(1, MemberState::Alive), member(2, MemberState::Alive));
        let first = sent.advance(&directory(&[one.clone(), two.clone()]));
        assert_eq!((first.len(), first[0].full, first[0].changed.len()), (1, true, 2));
        assert!(sent.advance(&directory(&[one.clone(), two.clone()])).is_empty());
        let lost = Member { state: MemberState::Lost, ..two.clone() };
        let second = sent.advance(&directory(&[one.clone(), lost.clone()]));
        assert_eq!((second[0].seq, second[0].full, &second[0].changed), (1, false, &vec![lost]));
        let third = sent.advance(&directory(&[one]));
        assert_eq!((third[0].changed.len(), &third[0].forgotten), (0, &vec![two.id]));
    }

    #[test]
    fn an_empty_fleet_is_told_once() {
        let mut sent = Sent::default();
        assert_eq!(sent.advance(&directory(&[])).len(), 1);
        assert!(sent.advance(&directory(&[])).is_empty());
    }

    #[test]
    fn a_large_fleet_comes_in_several_messages_of_which_the_first_is_full() {
        let members: Vec<Member> = (0..1_200).map(|index| member(index, MemberState::Alive)).collect();
        let deltas = Sent::default().advance(&directory(&members));
        assert_eq!(deltas.iter().map(|delta| delta.full).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(deltas.iter().map(|delta| delta.seq).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
