//! The figures of the mesh as this node sees it: connections, members, the DHT, what was refused and dropped.

use p2p_shared::services::node::MemberState;

use super::Sources;
use super::families as f;
use super::text::Text;

pub(super) fn write(sources: &Sources, text: &mut Text) {
    let (pulse, portrait) = (*sources.pulse.borrow(), &sources.portrait);
    text.one(&f::MESH_PEERS, pulse.nodes);
    text.one(&f::MESH_OPERATORS, pulse.operators);
    let members = portrait.membership.members();
    let mut by_state = text.family(&f::MESH_MEMBERS);
    for state in [MemberState::Alive, MemberState::Suspect, MemberState::Lost, MemberState::Left] {
        by_state.put(&[state.as_str()], members.iter().filter(|member| member.state == state).count());
    }
    if let Some(rtt) = pulse.rtt {
        text.one(&f::MESH_RTT, rtt.mean_s);
        text.one(&f::MESH_RTT_MAX, rtt.max_s);
    }
    let traffic = portrait.transport.traffic();
    let mut bytes = text.family(&f::MESH_BYTES);
    bytes.put(&["received"], traffic.received_bytes);
    bytes.put(&["sent"], traffic.sent_bytes);
    text.one(&f::MESH_REFUSED, portrait.transport.refused_total());
    text.one(&f::MESH_DROPPED, portrait.transport.dropped_total());
    text.one(&f::DHT_CONTACTS, portrait.dht.contacts());
    text.one(&f::DHT_RECORDS, portrait.dht.records());
    let mut requests = text.family(&f::DHT_REQUESTS);
    requests.put(&["answered"], portrait.dht.answered.get());
    requests.put(&["failed"], portrait.dht.failed.get());
}
