//! Neighbours of a simulated node: connections, routing table, refused handshakes.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::services::node::{
    Direction, Found, LookUp, LookUpQuestion, Member, Peer, PeerRole, QuestionEnd,
};
use p2p_shared::services::node::{RefusedHandshake, RoutingBucket, RoutingContact};
use p2p_shared::time::UnixMillis;

use super::{HOSTILE, node_id, node_name, noise, unit, wave};

/// Contacts that a bucket holds at most.
const K: usize = 20;
const OPERATORS: [&str; 2] = ["alice", "deploy-bot"];

pub fn address(index: usize) -> SocketAddr {
    let [high, low] = (index as u16 + 11).to_be_bytes();
    (Ipv4Addr::new(10, 20, high, low), 5_678).into()
}

pub fn peers(members: &[Member], index: usize, step: u64) -> Vec<Peer> {
    let others = members.iter().enumerate().filter(|(other, _)| *other != index);
    let nodes = others.map(|(other, member)| node_peer(member, index, other, step));
    let operators = OPERATORS.iter().enumerate().map(|(at, name)| operator_peer(name, index, at, step));
    let mut peers: Vec<Peer> = nodes.chain(operators).collect();
    peers.sort_by(|one, other| one.name.cmp(&other.name));
    peers
}

fn node_peer(member: &Member, index: usize, other: usize, step: u64) -> Peer {
    let pair = noise(index, 500, other as u64);
    Peer {
        id: member.id,
        name: member.name.clone(),
        role: PeerRole::Node,
        address: address(other),
        direction: if other < index { Direction::Outbound } else { Direction::Inbound },
        state: Some(member.state),
        rtt_ms: 0.2 + (pair % 400) as f32 / 10.0 + wave(index, 501 + other as u64, step, 20) * 3.0,
        clock_ahead_ms: Some(pair as i64 % 7 - 3),
        age_ms: pair % 90_000_000 + step * 1_000,
        silent_ms: pair % 900,
        sent_bytes: pair % 900_000_000 + step * 4_100,
        received_bytes: pair % 700_000_000 + step * 5_300,
        sent_packets: 2_000 + pair % 90_000 + step * 9,
        lost_packets: pair % 9,
        version: member.version.clone(),
    }
}

fn operator_peer(name: &str, index: usize, at: usize, step: u64) -> Peer {
    Peer {
        id: node_id(1_000_000 + at),
        name: node_name(name),
        role: PeerRole::Operator,
        address: (Ipv4Addr::new(192, 0, 2, 40 + at as u8), 50_000 + index as u16 % 9_000).into(),
        direction: Direction::Inbound,
        state: None,
        rtt_ms: 18.0 + unit(index, 600 + at as u64, step) * 4.0,
        clock_ahead_ms: None,
        age_ms: 61_000 * (at as u64 + 1) + step * 1_000,
        silent_ms: 40,
        sent_bytes: 120_000 + step * 900,
        received_bytes: 9_000 + step * 40,
        sent_packets: 900 + step * 4,
        lost_packets: 0,
        version: "0.1.0".to_owned(),
    }
}

pub fn routing(members: &[Member], index: usize, step: u64) -> Vec<RoutingBucket> {
    let mut buckets: BTreeMap<u16, Vec<(usize, &Member)>> = BTreeMap::new();
    for (other, member) in members.iter().enumerate().filter(|(other, _)| *other != index) {
        buckets.entry(shared_bits(members[index].id, member.id)).or_default().push((other, member));
    }
    let bucket = |(shared_bits, found): (u16, Vec<(usize, &Member)>)| RoutingBucket {
        shared_bits,
        waiting: u16::try_from(found.len().saturating_sub(K)).unwrap_or(u16::MAX),
        contacts: found.iter().take(K).map(|(other, member)| contact(member, index, *other, step)).collect(),
    };
    buckets.into_iter().rev().map(bucket).collect()
}

fn contact(member: &Member, index: usize, other: usize, step: u64) -> RoutingContact {
    let pair = noise(index, 700, other as u64);
    RoutingContact {
        id: member.id,
        name: (!pair.is_multiple_of(9)).then(|| member.name.clone()),
        addresses: member.addresses.clone(),
        seen_ms: (!pair.is_multiple_of(13)).then_some((pair + step * 1_000) % 60_000),
    }
}

fn shared_bits(one: NodeId, other: NodeId) -> u16 {
    let mut bits = 0;
    for (left, right) in one.as_bytes().iter().zip(other.as_bytes()) {
        let equal = (left ^ right).leading_zeros() as u16;
        bits += equal;
        if equal < 8 {
            break;
        }
    }
    bits
}

/// A look-up that goes to the three nodes nearest to a key: the second one does not answer, the last has the record.
pub fn look_up(members: &[Member], index: usize, name: &NodeName) -> LookUp {
    let found = members.iter().enumerate().find(|(_, member)| member.name == *name);
    let key = NodeId::new(found.map_or([7; 32], |(at, _)| node_id(at + 500_000).as_bytes().to_owned()));
    let mut near: Vec<(usize, &Member)> =
        members.iter().enumerate().filter(|(other, _)| *other != index).collect();
    near.sort_by_key(|(_, member)| shared_bits(key, member.id));
    let near = near.split_off(near.len().saturating_sub(3));
    let question = |(at, (other, member)): (usize, &(usize, &Member))| LookUpQuestion {
        id: member.id,
        name: (*other != 4).then(|| member.name.clone()),
        address: Some(address(*other)),
        hop: at as u32,
        shared_bits: shared_bits(key, member.id),
        asked_ms: at as u64 * 14,
        end: if at == 1 { QuestionEnd::Failed } else { QuestionEnd::Answered },
        took_ms: Some(if at == 1 { 2_000 } else { 9 + at as u64 }),
        slow: at == 1,
        named: if at == 1 { 0 } else { 20 },
        nearer: 2u32.saturating_sub(at as u32),
        had_record: found.is_some() && at == 2,
    };
    let questions: Vec<LookUpQuestion> = near.iter().enumerate().map(question).collect();
    LookUp {
        name: name.clone(),
        key: key.to_string(),
        own_bits: shared_bits(key, members[index].id),
        held_here: false,
        found: found.map(|(at, member)| Found {
            id: member.id,
            name: name.clone(),
            addresses: vec![address(at)],
            labels: member.labels.clone(),
            version: member.version.clone(),
            sequence: member.sequence,
            hops: 2,
            messages: 3,
        }),
        disbelieved: None,
        rounds: 2,
        messages: questions.len() as u32,
        failures: questions.iter().filter(|question| question.end == QuestionEnd::Failed).count() as u32,
        elapsed_ms: 2_017,
        questions,
    }
}

pub fn refused(index: usize, wall: UnixMillis, hostile: bool) -> Vec<RefusedHandshake> {
    const REASONS: [(&str, &str); 4] = [
        ("expired", "the certificate ended 3 days ago"),
        ("wrong_ca", "the certificate was issued by another CA than ours"),
        ("wrong_mesh", "the other side belongs to the mesh staging, this one to prod"),
        ("revoked", "the certificate was revoked on 2026-11-20"),
    ];
    let count = index % (REASONS.len() + 1);
    let mut list: Vec<RefusedHandshake> = (0..count)
        .map(|at| RefusedHandshake {
            at: UnixMillis(wall.0 - 47_000 * (at as u64 * at as u64 + 1)),
            address: (Ipv4Addr::new(198, 51, 100, at as u8 + 7), 40_000 + at as u16).into(),
            direction: if at % 2 == 0 { Direction::Inbound } else { Direction::Outbound },
            reason: REASONS[at].0.to_owned(),
            detail: REASONS[at].1.to_owned(),
            count: at as u32 * 6 + 1,
        })
        .collect();
    if hostile {
        list.extend(HOSTILE.iter().map(|text| RefusedHandshake {
            at: wall,
            address: address(9),
            direction: Direction::Inbound,
            reason: (*text).to_owned(),
            detail: (*text).to_owned(),
            count: 1,
        }));
    }
    list
}
