//! Twenty thousand frames that somebody broke on purpose, at every decoder and at a live node: nothing ends,
//! nothing grows, and an honest caller is served afterwards.
//!
//! The seed is printed when something fails; the same seed breaks the same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::BytesMut;
use p2p_node::dht::core::key::Key;
use p2p_node::dht::core::message::{Contact, Envelope, Record, Reply, Request, RequestId as DhtRequest};
use p2p_node::membership::core::message::{Body, Claim, Doubt, Entry, Gossip, Message, Tombstone, View};
use p2p_node::membership::core::record::Facts;
use p2p_node::membership::{facts, wire};
use p2p_shared::access::Role;
use p2p_shared::id::NodeId;
use p2p_shared::mesh::hello::Hello;
use p2p_shared::mesh::link::Link;
use p2p_shared::rng::Rng;
use p2p_shared::rpc::codec::{self, Encoding};
use p2p_shared::rpc::frame::{FrameDecoder, FrameKind, RequestHead, RequestId, StreamKind, put_frame};
use p2p_shared::services::{self, Services, process};
use p2p_shared::tls::Credentials;

use crate::binary::World;
use crate::ca::now;
use crate::echo::{dial, soon};

const SEED: u64 = 0x7031_7032_7033;
/// At the decoders, each of which gets all of them.
const FRAMES: usize = 20_000;
/// At a live node.
const SENT: usize = 20_000;
/// Streams of one connection at once: the node closes it after 64 that make no sense.
const BURST: usize = 72;
/// What the node may hold more after all of it than after the first tenth.
const GROWTH_KIB_MAX: u64 = 6 << 10;

fn id(first: u8) -> NodeId {
    NodeId::new([first; 32])
}

fn heads() -> Vec<Vec<u8>> {
    let head = |method: &str, encoding| RequestHead {
        method: method.into(),
        request_id: RequestId([7; 16]),
        deadline: Some(std::time::Duration::from_secs(1)),
        encoding,
        trace_id: Some([9; 16]),
        proof: Default::default(),
    };
    let both = [Encoding::Bincode, Encoding::Json];
    services::methods()
        .flat_map(|method| both.map(|encoding| head(method.name, encoding).to_bytes()))
        .collect()
}

fn hello() -> Vec<u8> {
    let methods: BTreeMap<String, u64> =
        services::schema_hashes().iter().map(|(&name, &hash)| (name.to_owned(), hash)).collect();
    Hello {
        protocol: (1, 0),
        mesh: "home".parse().unwrap(),
        version: "0.1.0".into(),
        instance: 7,
        features: 0,
        observed: Some(([127, 0, 0, 1], 5_678).into()),
        methods,
        clock: None,
        digest: Some(7),
    }
    .to_bytes()
}

fn memberships(signer: &Credentials) -> Vec<Vec<u8>> {
    let facts = Facts {
        name: signer.identity().name.clone(),
        addresses: vec![([127, 0, 0, 1], 9).into()],
        labels: Vec::new(),
        version: "0.1.0".into(),
        started: now(),
        expires: Some(now().plus(crate::ca::DAY)),
        sequence: 3,
        left: false,
        http: None,
    };
    let gossip = Gossip {
        facts: vec![facts::sign(signer, facts).unwrap().signed],
        claims: vec![Claim { subject: id(1), sequence: 4, doubt: Doubt::Lost, accuser: id(2) }],
        forgotten: vec![Tombstone { id: id(3), sequence: 5 }],
    };
    let bodies = [
        Body::Ping,
        Body::PingOther { target: id(4) },
        Body::Reached { reached: true },
        Body::Digest { after: Some(id(5)) },
        Body::Page { entries: vec![Entry { id: id(6), sequence: 1, lost: false }; 9], more: true },
        Body::Want { ids: vec![id(7); 5] },
        Body::News,
        Body::Taken,
        Body::Busy,
        Body::WantRevoked,
        Body::Revoked { list: vec![1; 300] },
    ];
    let message = |body| Message {
        view: View { sequence: 3, fingerprint: 8, revoked: 2 },
        body,
        gossip: gossip.clone(),
    };
    bodies.into_iter().map(|body| wire::encode(&message(body)).unwrap()).collect()
}

fn dht_requests() -> Vec<Vec<u8>> {
    let record = Record {
        key: Key::from([1; 32]),
        publisher: id(2),
        seq: 9,
        expires: now().plus(crate::ca::DAY),
        value: vec![5; 200],
    };
    let key = Key::from([3; 32]);
    let requests = [
        Request::Ping,
        Request::FindNode { target: key },
        Request::FindValue { key },
        Request::Store(record),
    ];
    let envelope = |message| codec::encode(&Envelope { request: DhtRequest(4), message }, Encoding::Bincode);
    requests.into_iter().map(|request| [&[1], envelope(request).unwrap().as_ref()].concat()).collect()
}

fn dht_replies() -> Vec<Vec<u8>> {
    let contacts = vec![Contact::new(id(1), [([10, 0, 0, 1], 5).into()]); 20];
    let replies = [Reply::Pong, Reply::Nodes(contacts), Reply::Stored];
    let envelope = |message| codec::encode(&Envelope { request: DhtRequest(4), message }, Encoding::Bincode);
    replies.into_iter().map(|reply| envelope(reply).unwrap().to_vec()).collect()
}

/// One valid record or message, broken in a few places.
fn broken(rng: &mut Rng, whole: &[u8]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..=rng.below(4) {
        let at = rng.below(bytes.len() as u64 + 1) as usize;
        match rng.below(7) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, rng.next_u64() as u8),
            // The lengths that bincode and frames announce.
            2 => drop(bytes.splice(at..at, [0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])),
            3 => bytes.extend_from_within(at..),
            4 => {
                let mut noise = vec![0; rng.below(64) as usize];
                rng.fill(&mut noise);
                bytes.extend(noise);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << rng.below(8);
                }
            }
        }
        bytes.truncate(16 << 10);
    }
    bytes
}

fn frame(kind: FrameKind, payload: &[u8]) -> Vec<u8> {
    let mut wire = BytesMut::new();
    put_frame(&mut wire, kind, payload).unwrap();
    wire.to_vec()
}

#[test]
fn no_decoder_falls_over_what_somebody_broke() {
    println!("seed {SEED}");
    let mut rng = Rng::new(SEED);
    let ca = crate::ca::TestCa::new("home");
    let valid: Vec<Vec<u8>> = [
        heads(),
        vec![hello()],
        memberships(&ca.node("web-1")),
        dht_requests(),
        dht_replies(),
        vec![frame(FrameKind::Args, b"{}")],
    ]
    .concat();
    let mut read = 0;
    for _ in 0..FRAMES {
        let whole = rng.choose(&valid).unwrap();
        let bytes = broken(&mut rng, whole);
        read += usize::from(RequestHead::from_bytes(&bytes).is_ok());
        read += usize::from(Hello::from_bytes(&bytes).is_ok());
        read += usize::from(wire::decode(&bytes).is_ok());
        read += usize::from(codec::decode::<Envelope<Request>>(&bytes, Encoding::Bincode).is_ok());
        read += usize::from(codec::decode::<Envelope<Reply>>(&bytes, Encoding::Bincode).is_ok());
        for encoding in [Encoding::Bincode, Encoding::Json] {
            read += usize::from(codec::decode::<process::signal::Args>(&bytes, encoding).is_ok());
            read += usize::from(codec::decode::<process::ProcessDelta>(&bytes, encoding).is_ok());
        }
        let mut decoder = FrameDecoder::default();
        decoder.push(&bytes);
        while let Ok(Some(_)) = decoder.next_frame() {
            read += 1;
        }
    }
    // Or the bytes were so broken that nothing behind the first check was reached.
    assert!(read > FRAMES / 20, "only {read} could be read");
}

/// What an attacker sends over one stream.
struct Shot {
    kind: u8,
    bytes: Vec<u8>,
}

struct Attack {
    rng: Rng,
    calls: Vec<Vec<u8>>,
    dht: Vec<Vec<u8>>,
    membership: Vec<Vec<u8>>,
}

impl Attack {
    /// As an operator calls break, as a node messages.
    fn shot(&mut self, is_node: bool) -> Shot {
        let rng = &mut self.rng;
        let (kind, mut bytes) = match (is_node, rng.below(2)) {
            (true, 0) => (StreamKind::Dht, message(rng, &self.dht)),
            (true, _) => (StreamKind::Membership, message(rng, &self.membership)),
            (false, _) => {
                let head = rng.choose(&self.calls).unwrap().clone();
                let head = if rng.below(2) == 0 { broken(rng, &head) } else { head };
                let args = broken(rng, br#"{"interval_ms":1000,"filter":"x","pid":1}"#);
                (StreamKind::Rpc, [frame(FrameKind::Head, &head), frame(FrameKind::Args, &args)].concat())
            }
        };
        if rng.below(4) == 0 {
            bytes = broken(rng, &bytes);
        }
        let kind = if rng.below(16) == 0 { rng.next_u64() as u8 } else { kind.to_wire() };
        Shot { kind, bytes }
    }
}

fn message(rng: &mut Rng, valid: &[Vec<u8>]) -> Vec<u8> {
    let whole = rng.choose(valid).unwrap();
    frame(FrameKind::Message, &broken(rng, whole))
}

/// Sends it, and reads the beginning of the answer, if there is one.
async fn fire(link: &Link, shot: Shot) -> Option<()> {
    let (mut send, mut receive) = link.connection().open_bi().await.ok()?;
    send.write_all(&[&[shot.kind], shot.bytes.as_slice()].concat()).await.ok()?;
    send.finish().ok()?;
    receive.read_chunk(1_024, true).await.ok()?;
    Some(())
}

fn rss_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_node_that_is_thrown_nonsense_at_goes_on_and_does_not_grow() {
    println!("seed {SEED}");
    let world = World::new();
    let mut program = world.run("web-1", &world.ca.node_files("web-1"), &[]);
    let (address, _) = program.ready().await;
    let (node, operator) = (world.ca.node("eve"), world.ca.operator("mallory", Role::Viewer));
    let mut attack =
        Attack { rng: Rng::new(SEED), calls: heads(), dht: dht_requests(), membership: memberships(&node) };
    let (mut sent, mut early) = (0, None);
    while sent < SENT {
        let is_node = attack.rng.below(2) == 0;
        let link = soon("a new connection", dial(if is_node { &node } else { &operator }, address));
        let link = link.await.unwrap();
        let shots: Vec<Shot> = (0..BURST).map(|_| attack.shot(is_node)).collect();
        sent += shots.len();
        soon("answers", futures::future::join_all(shots.into_iter().map(|shot| fire(&link, shot)))).await;
        link.close(p2p_shared::mesh::failure::CloseCode::Done, "");
        if early.is_none() && sent > SENT / 10 {
            early = Some(rss_kib(program.child.id()));
        }
    }
    let honest = world.call("web-1", address, Role::Operator);
    assert_eq!(honest.node().info().await.unwrap().name.as_str(), "web-1");
    assert!(honest.process().list(None).await.unwrap().processes.len() > 1);
    let (early, late) = (early.unwrap(), rss_kib(program.child.id()));
    println!("{sent} streams; {early} KiB, then {late} KiB");
    assert!(late < early + GROWTH_KIB_MAX, "{early} KiB after a tenth, {late} KiB at the end");
    program.stop().await;
}
