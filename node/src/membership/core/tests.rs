//! One core against a hand-driven mesh: what it believes, what it refuses, what it answers.

use std::sync::Arc;

use p2p_shared::time::UnixMillis;
use p2p_shared::tls::{RevokedKey, RevokedList, RevokedReason, SignedRevoked};
use proptest::prelude::*;

use super::io::Input;
use super::message::{Claim, Doubt, Entry, MESSAGE_BYTES_MAX};
use super::record::{Facts, SharedRevoked, VerifiedFacts};
use super::*;

const START: Millis = Millis::from_secs(100);

fn id(byte: u8) -> NodeId {
    NodeId::new([byte; 32])
}

fn facts_saying(byte: u8, sequence: u64, version: &str) -> SharedFacts {
    let facts = Facts {
        name: format!("node-{byte}").parse().unwrap(),
        addresses: Vec::new(),
        labels: Vec::new(),
        version: version.into(),
        started: UnixMillis(1),
        expires: None,
        sequence,
        left: false,
        http: None,
    };
    let payload = format!("{byte} {sequence} {version}").into_bytes();
    let mut signature = vec![byte; 64];
    signature[..8].copy_from_slice(&sequence.to_be_bytes());
    signature[8..16].fill(version.len() as u8);
    let signed = SignedFacts { certificate: vec![byte; 400], payload, signature };
    Arc::new(VerifiedFacts { id: id(byte), facts, signed })
}

fn facts(byte: u8, sequence: u64) -> SharedFacts {
    facts_saying(byte, sequence, "0.1.0")
}

fn claim(subject: u8, sequence: u64, doubt: Doubt, accuser: u8) -> Claim {
    Claim { subject: id(subject), sequence, doubt, accuser: id(accuser) }
}

/// Node 0 and everything that comes out of it.
struct Bench {
    core: Membership,
    now: Millis,
    outputs: Vec<Output>,
}

impl Bench {
    /// A node that has heard the facts, with sequence 10, of members 1 to `members`.
    fn new(members: u8) -> Self {
        let start = Start {
            config: Config::default(),
            seed: 1,
            now: START,
            own: facts(0, 10),
            known: Vec::new(),
            revoked: None,
        };
        let mut bench = Self { core: Membership::new(start), now: START, outputs: Vec::new() };
        for member in 1..=members {
            bench.tell(member, Gossip::default(), vec![facts(member, 10)]);
        }
        bench.outputs.clear();
        bench
    }

    fn input(&mut self, input: Input) {
        self.core.handle(self.now, input);
        while let Some(output) = self.core.poll_output() {
            self.outputs.push(output);
        }
    }

    fn received(from: u8, body: Body, gossip: Gossip, facts: Vec<SharedFacts>) -> (NodeId, Received) {
        let view = View { sequence: 10, fingerprint: 0, revoked: 0 };
        (id(from), Received { message: Message { view, body, gossip }, facts, revoked: None })
    }

    fn tell(&mut self, from: u8, gossip: Gossip, facts: Vec<SharedFacts>) {
        let (from, received) = Self::received(from, Body::News, gossip, facts);
        self.input(Input::Notice { from, received });
    }

    fn claim(&mut self, from: u8, claim: Claim) {
        self.tell(from, Gossip { claims: vec![claim], ..Gossip::default() }, Vec::new());
    }

    /// Asks, and takes the one answer.
    fn ask(&mut self, from: u8, body: Body) -> Body {
        self.outputs.clear();
        let (from, received) = Self::received(from, body, Gossip::default(), Vec::new());
        self.input(Input::Request { from, token: ReplyToken(7), received });
        let mut answers = self.outputs.iter().filter_map(|output| match output {
            Output::Reply { token: ReplyToken(7), message, .. } => Some(message.body.clone()),
            _ => None,
        });
        let answer = answers.next().expect("an answer");
        assert_eq!(answers.next(), None, "one answer");
        answer
    }

    /// Runs timer by timer; `mute` members never answer, the others answer every ping.
    fn run(&mut self, span: Millis, mute: &[u8]) {
        let end = self.now + span;
        while let Some(due) = self.core.poll_timeout().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.input(Input::Timer);
            let requests = self.outputs.iter().filter_map(|output| match output {
                Output::Request { to, request, .. } => Some((*to, *request)),
                _ => None,
            });
            let open: Vec<_> = requests.filter(|(to, _)| !mute.iter().any(|byte| id(*byte) == *to)).collect();
            self.outputs.retain(|output| !matches!(output, Output::Request { .. }));
            for (from, request) in open {
                let byte = from.as_bytes()[0];
                let (_, received) = Self::received(byte, Body::Taken, Gossip::default(), Vec::new());
                self.input(Input::Reply { from, request, received });
            }
        }
        self.now = end;
    }

    fn state(&self, byte: u8) -> Option<State> {
        self.core.member(&id(byte)).map(|member| member.state)
    }

    fn resigns(&self) -> Vec<u64> {
        let above = self.outputs.iter().filter_map(|output| match output {
            Output::Resign { above } => Some(*above),
            _ => None,
        });
        above.collect()
    }
}

#[test]
fn the_highest_sequence_wins_and_nothing_older_comes_back() {
    let mut bench = Bench::new(2);
    bench.tell(2, Gossip::default(), vec![facts(1, 12)]);
    bench.tell(2, Gossip::default(), vec![facts(1, 11)]);
    assert_eq!(bench.core.member(&id(1)).map(Member::sequence), Some(12));
}

#[test]
fn a_sequence_far_ahead_is_refused() {
    let mut bench = Bench::new(2);
    bench.tell(2, Gossip::default(), vec![facts(1, u64::MAX)]);
    assert_eq!(bench.core.member(&id(1)).map(Member::sequence), Some(10));
    assert_eq!(bench.core.counts().refused, 1);
}

#[test]
fn two_facts_with_one_sequence_are_counted_and_the_first_stands() {
    let mut bench = Bench::new(2);
    bench.tell(2, Gossip::default(), vec![facts_saying(1, 10, "evil")]);
    assert_eq!(bench.core.counts().forks, 1);
    assert_eq!(bench.core.member(&id(1)).unwrap().facts.facts.version, "0.1.0");
}

#[test]
fn what_others_claim_changes_no_state_while_the_member_answers() {
    let mut bench = Bench::new(6);
    for accuser in 2..=5 {
        bench.claim(accuser, claim(1, 10, Doubt::Suspect, accuser));
        bench.claim(accuser, claim(1, 10, Doubt::Lost, accuser));
    }
    bench.run(Millis(20_000), &[]);
    assert_eq!(bench.state(1), Some(State::Alive));
}

#[test]
fn a_loss_is_believed_of_a_member_that_does_not_answer_here_either() {
    let mut bench = Bench::new(6);
    bench.claim(2, claim(1, 10, Doubt::Lost, 2));
    bench.run(Millis(4_000), &[1]);
    assert_eq!(bench.state(1), Some(State::Lost));
}

#[test]
fn claims_about_older_facts_and_unknown_members_are_ignored() {
    let mut bench = Bench::new(3);
    bench.claim(2, claim(1, 9, Doubt::Lost, 2));
    bench.claim(2, claim(99, 1, Doubt::Lost, 2));
    bench.run(Millis(3_000), &[]);
    assert_eq!(bench.state(1), Some(State::Alive));
    assert_eq!(bench.state(99), None);
}

#[test]
fn a_member_with_newer_facts_is_alive_again() {
    let mut bench = Bench::new(3);
    bench.run(Millis(15_000), &[1]);
    assert_eq!(bench.state(1), Some(State::Lost));
    bench.tell(2, Gossip::default(), vec![facts(1, 11)]);
    assert_eq!(bench.state(1), Some(State::Alive));
}

#[test]
fn a_doubt_about_this_node_is_refuted_once_and_at_a_bounded_rate() {
    let mut bench = Bench::new(3);
    bench.claim(1, claim(0, 10, Doubt::Suspect, 1));
    bench.claim(2, claim(0, 10, Doubt::Lost, 2));
    assert_eq!(bench.resigns(), [10], "one is under way");
    bench.claim(2, claim(0, 11, Doubt::Lost, 2));
    bench.claim(2, claim(0, 9, Doubt::Lost, 2));
    assert_eq!(bench.resigns(), [10], "neither what we never signed nor what is refuted counts");
    for sequence in 11..100 {
        bench.input(Input::OwnFacts(facts(0, sequence)));
        bench.claim(1, claim(0, sequence, Doubt::Suspect, 1));
    }
    assert!(bench.resigns().len() <= 5, "{:?}", bench.resigns());
    bench.run(Millis(2_000), &[]);
    assert_eq!(bench.resigns().last(), Some(&99), "the last doubt is refuted in the end");
}

#[test]
fn facts_of_ours_that_we_never_signed_raise_an_alarm() {
    let mut bench = Bench::new(3);
    bench.tell(1, Gossip::default(), vec![facts(0, 50)]);
    assert_eq!(bench.resigns(), [50], "soon after the start our store was lost");
    assert!(!bench.outputs.iter().any(|output| matches!(output, Output::Twin)));
    bench.input(Input::OwnFacts(facts(0, 51)));
    bench.run(Millis(20_000), &[]);
    bench.tell(1, Gossip::default(), vec![facts(0, 60)]);
    assert!(bench.outputs.iter().any(|output| matches!(output, Output::Twin)));
}

#[test]
fn only_who_is_gone_is_forgotten() {
    let mut bench = Bench::new(3);
    let stone = |sequence| Gossip { forgotten: vec![Tombstone { id: id(1), sequence }], ..Gossip::default() };
    bench.tell(2, stone(10), Vec::new());
    assert_eq!(bench.state(1), Some(State::Alive));
    assert_eq!(bench.core.forget(bench.now, &id(1)), Err(ForgetError::Present));
    assert_eq!(bench.core.forget(bench.now, &id(0)), Err(ForgetError::Present));
    assert_eq!(bench.core.forget(bench.now, &id(99)), Err(ForgetError::Unknown));
    bench.run(Millis(15_000), &[1]);
    bench.tell(2, stone(u64::MAX), Vec::new());
    assert_eq!(bench.state(1), Some(State::Lost), "a tombstone that would burn the counter is refused");
    bench.tell(2, stone(10), Vec::new());
    assert_eq!(bench.state(1), None);
    bench.tell(2, Gossip::default(), vec![facts(1, 10)]);
    assert_eq!(bench.state(1), None, "what was forgotten does not come back");
    bench.tell(2, Gossip::default(), vec![facts(1, 11)]);
    assert_eq!(bench.state(1), Some(State::Alive));
}

#[test]
fn a_process_that_stood_still_doubts_itself() {
    let mut bench = Bench::new(4);
    // Pings are under way, and no verdict has been reached.
    bench.run(Millis(1_200), &[1, 2, 3, 4]);
    bench.now = bench.now + Millis(30_000);
    bench.input(Input::Timer);
    assert_eq!(bench.core.counts().stalls, 1);
    bench.run(Millis(5_000), &[]);
    assert!((1..=4).all(|member| bench.state(member) == Some(State::Alive)));
    assert_eq!(bench.core.counts().lost, 0);
}

#[test]
fn a_peer_that_asks_for_the_directory_all_the_time_is_put_off() {
    let mut bench = Bench::new(3);
    let answers: Vec<Body> = (0..20).map(|_| bench.ask(1, Body::Digest { after: None })).collect();
    let pages = answers.iter().filter(|body| matches!(body, Body::Page { .. })).count();
    assert!((1..20).contains(&pages), "{pages} pages");
    assert_eq!(answers.last(), Some(&Body::Busy));
    assert!(matches!(bench.ask(2, Body::Digest { after: None }), Body::Page { .. }), "others are served");
}

#[test]
fn a_page_out_of_order_is_refused() {
    let mut bench = Bench::new(2);
    bench.input(Input::Connected(id(1)));
    let asked = bench.outputs.iter().find_map(|output| match output {
        Output::Request { request, message, .. } if message.body == (Body::Digest { after: None }) => {
            Some(*request)
        }
        _ => None,
    });
    let entry = |byte| Entry { id: id(byte), sequence: 1, lost: false };
    let body = Body::Page { entries: vec![entry(9), entry(8)], more: true };
    let (from, received) = Bench::received(1, body, Gossip::default(), Vec::new());
    bench.outputs.clear();
    bench.input(Input::Reply { from, request: asked.expect("a comparison"), received });
    assert_eq!(bench.core.counts().refused, 1);
    assert!(bench.outputs.is_empty());
}

#[test]
fn the_directory_is_bounded_and_who_is_gone_makes_room() {
    let many = config::MEMBERS_MAX as u64 + 10;
    let mut bench = Bench::new(1);
    let wide = |number: u64| {
        let mut bytes = [200; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        let mut facts = (*facts(200, 1)).clone();
        facts.id = NodeId::new(bytes);
        facts.signed.signature[..8].copy_from_slice(&number.to_be_bytes());
        facts.facts.left = number == 5;
        Arc::new(facts)
    };
    let all: Vec<SharedFacts> = (0..many).map(wide).collect();
    bench.tell(1, Gossip::default(), all);
    assert_eq!(bench.core.members().count(), config::MEMBERS_MAX);
    assert!(bench.core.member(&wide(5).id).is_none(), "the one that left made room");
    assert!(bench.core.member(&wide(6).id).is_some());
}

fn any_body() -> impl Strategy<Value = Body> {
    let entries = proptest::collection::vec((0u8..12, 0u64..20, any::<bool>()), 0..12).prop_map(|rows| {
        rows.into_iter().map(|(byte, sequence, lost)| Entry { id: id(byte), sequence, lost }).collect()
    });
    prop_oneof![
        Just(Body::Ping),
        (0u8..12).prop_map(|byte| Body::PingOther { target: id(byte) }),
        any::<bool>().prop_map(|reached| Body::Reached { reached }),
        proptest::option::of(0u8..12).prop_map(|after| Body::Digest { after: after.map(id) }),
        (entries, any::<bool>()).prop_map(|(entries, more)| Body::Page { entries, more }),
        proptest::collection::vec(0u8..12, 0..300)
            .prop_map(|ids| Body::Want { ids: ids.into_iter().map(id).collect() }),
        Just(Body::News),
        Just(Body::Taken),
        Just(Body::Busy),
    ]
}

fn any_gossip() -> impl Strategy<Value = Gossip> {
    let doubt = prop_oneof![Just(Doubt::Suspect), Just(Doubt::Lost), Just(Doubt::Unknown)];
    let claims = proptest::collection::vec((0u8..12, 8u64..14, doubt, 0u8..12), 0..4);
    let stones = proptest::collection::vec((0u8..12, 8u64..14), 0..3);
    (claims, stones).prop_map(|(claims, stones)| Gossip {
        facts: Vec::new(),
        claims: claims
            .into_iter()
            .map(|(who, sequence, doubt, by)| claim(who, sequence, doubt, by))
            .collect(),
        forgotten: stones.into_iter().map(|(who, sequence)| Tombstone { id: id(who), sequence }).collect(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever peers send: every request has one answer, messages stay small, this node stays alive in its
    /// own directory, and time goes on.
    #[test]
    fn nothing_a_peer_sends_breaks_the_rules(
        inputs in proptest::collection::vec(
            (1u8..12, 0u8..4, any_body(), any_gossip(), 0u64..1_500, proptest::option::of((0u8..12, 8u64..14))),
            1..60,
        ),
    ) {
        let mut bench = Bench::new(6);
        let (mut asked, mut answered) = (0, 0);
        for (from, kind, body, gossip, wait, extra) in inputs {
            bench.now = bench.now + Millis(wait);
            let known = extra.map(|(byte, sequence)| facts(byte, sequence)).into_iter().collect();
            let (from, received) = Bench::received(from, body, gossip, known);
            bench.input(match kind {
                0 => {
                    asked += 1;
                    Input::Request { from, token: ReplyToken(asked), received }
                }
                1 => Input::Notice { from, received },
                2 => Input::Reply { from, request: RequestId(wait % 40), received },
                _ => Input::Timer,
            });
            for output in bench.outputs.drain(..) {
                let message = match &output {
                    Output::Reply { message, .. } => { answered += 1; message }
                    Output::Request { message, .. } | Output::Notice { message, .. } => message,
                    _ => continue,
                };
                prop_assert!(crate::membership::wire::encode(message).unwrap().len() < MESSAGE_BYTES_MAX);
            }
            prop_assert!(bench.core.poll_timeout().is_some_and(|due| due + Millis(1_000) > bench.now));
            prop_assert_eq!(bench.state(0), Some(State::Alive));
        }
        // What was asked on behalf of others ends at its own time; nobody answers any more.
        bench.run(Millis(10_000), &(0..12).collect::<Vec<u8>>());
        let late = bench.outputs.iter().filter(|output| matches!(output, Output::Reply { .. }));
        answered += late.count() as u64;
        prop_assert_eq!(asked, answered);
    }
}

fn revoked(epoch: u64, subjects: &[u8]) -> SharedRevoked {
    let key = |&byte: &u8| RevokedKey { id: id(byte), at: UnixMillis(1), reason: RevokedReason::Unspecified };
    let list = RevokedList {
        mesh: "prod".parse().unwrap(),
        epoch,
        issued: UnixMillis(1),
        previous: [0; 32],
        keys: subjects.iter().map(key).collect(),
    };
    Arc::new(SignedRevoked { list, bytes: vec![epoch as u8; 200], digest: [subjects.len() as u8; 32] })
}

impl Bench {
    fn adopt(&mut self, list: SharedRevoked) -> io::Adoption {
        self.outputs.clear();
        let adoption = self.core.adopt_revoked(self.now, list);
        self.input(Input::Timer);
        adoption
    }

    fn lists_told(&self) -> Vec<NodeId> {
        let told = self.outputs.iter().filter_map(|output| match output {
            Output::Notice { to, message } if matches!(message.body, Body::Revoked { .. }) => Some(*to),
            _ => None,
        });
        told.collect()
    }
}

#[test]
fn a_revoked_member_is_gone_and_all_others_who_are_connected_are_told() {
    let mut bench = Bench::new(20);
    for member in 1..=10 {
        bench.input(Input::Connected(id(member)));
    }
    assert_eq!(bench.adopt(revoked(1, &[3])), io::Adoption::Adopted);
    let told = bench.lists_told();
    assert!((1..=10).filter(|&member| member != 3).all(|member| told.contains(&id(member))), "{told:?}");
    assert!(!told.contains(&id(3)), "the driver has the last word with it");
    assert!(bench.core.member(&id(3)).is_none());
    assert!(bench.outputs.iter().any(|output| matches!(output, Output::Forgotten(gone) if *gone == id(3))));
    // Neither its own word nor another member's brings it back, and it is asked nothing.
    bench.tell(4, Gossip::default(), vec![facts(3, 12)]);
    bench.tell(3, Gossip::default(), vec![facts(3, 13)]);
    assert!(bench.core.member(&id(3)).is_none());
    assert_eq!(bench.ask(3, Body::Ping), Body::Busy);
}

#[test]
fn the_highest_epoch_stays_whoever_brings_a_lower_one() {
    let mut bench = Bench::new(3);
    assert_eq!(bench.adopt(revoked(5, &[1])), io::Adoption::Adopted);
    assert_eq!(bench.adopt(revoked(4, &[])), io::Adoption::Older);
    assert_eq!(bench.adopt(revoked(5, &[1])), io::Adoption::Known);
    assert!(bench.lists_told().is_empty(), "what is known is told to nobody");
    for told in [1, 0] {
        assert_eq!(bench.adopt(revoked(5, &[1, 2])), io::Adoption::Fork);
        let alarms = bench.outputs.iter().filter(|output| matches!(output, Output::RevokedFork(_)));
        assert_eq!(alarms.count(), told, "one alarm for one list");
    }
    assert!(bench.core.member(&id(2)).is_some());
    let Body::Revoked { list } = bench.ask(2, Body::WantRevoked) else { panic!("the list") };
    assert_eq!(list, vec![5; 200]);
}

#[test]
fn who_hears_of_a_higher_epoch_asks_for_it_and_not_without_end() {
    let mut bench = Bench::new(3);
    let mut asked = 0;
    for _ in 0..50 {
        let view = View { sequence: 10, fingerprint: 0, revoked: u64::MAX };
        let message = Message { view, body: Body::News, gossip: Gossip::default() };
        bench.outputs.clear();
        bench.input(Input::Notice {
            from: id(2),
            received: Received { message, facts: vec![], revoked: None },
        });
        let wants = bench.outputs.iter().filter(
            |output| matches!(output, Output::Request { message, .. } if message.body == Body::WantRevoked),
        );
        asked += wants.count();
    }
    assert_eq!(asked, 2, "a peer that only claims it is asked as often as the limit says");
}

#[test]
fn who_is_revoked_itself_keeps_its_directory() {
    let mut bench = Bench::new(3);
    assert_eq!(bench.adopt(revoked(1, &[0])), io::Adoption::Adopted);
    assert_eq!(bench.core.members().count(), 4);
}
