use super::input::{QueryId, ReplyToken};
use super::message::{Refusal, Reply, Request};
use super::output::{Outcome, QueryStats};
use super::trace::{End, Question};
use super::*;

const UNIX_ZERO: UnixMillis = UnixMillis(1_800_000_000_000);
const HOUR: Millis = Millis::from_secs(3_600);

fn id(number: u8) -> NodeId {
    NodeId::new(std::array::from_fn(|index| if index == 0 { number } else { 7 }))
}

fn contact(number: u8) -> Contact {
    Contact::new(id(number), [([10, 0, 0, number], 5678).into()])
}

fn record(publisher: u8, key: Key, seq: u64) -> Record {
    let expires = UNIX_ZERO.plus(Millis::from_secs(47 * 3_600));
    Record { key, publisher: id(publisher), seq, expires, value: vec![publisher, seq as u8] }
}

/// Node 0, driven by hand.
struct Driven {
    dht: Dht,
    now: Millis,
}

impl Driven {
    fn new() -> Self {
        let peer_timeout = Millis::from_secs(120);
        let config = Config { own: id(0), seed: 1, unix_zero: UNIX_ZERO, peer_timeout };
        Self { dht: Dht::new(config), now: Millis(1_000) }
    }

    /// Node 0, knowing the nodes 1 to `count`.
    fn knowing(count: u8) -> Self {
        let mut driven = Self::new();
        for number in 1..=count {
            driven.give(Input::Connected { peer: contact(number), opened: Opened::ByUs });
        }
        driven
    }

    fn give(&mut self, input: Input) -> Vec<Output> {
        self.dht.handle(self.now, input);
        std::iter::from_fn(|| self.dht.poll_output()).collect()
    }

    fn command(&mut self, command: Command) -> Vec<Output> {
        self.give(Input::Command(command))
    }

    fn ask(&mut self, from: u8, message: Request) -> Reply {
        let outputs = self.give(Input::Request { from: contact(from), token: ReplyToken(9), message });
        let replies = outputs.into_iter().filter_map(|output| match output {
            Output::Reply { to, token: ReplyToken(9), message } if to == id(from) => Some(message),
            _ => None,
        });
        let replies: Vec<Reply> = replies.collect();
        assert_eq!(replies.len(), 1, "one request, one reply");
        replies[0].clone()
    }

    /// Goes to the next timeout before `end`.
    fn timer(&mut self, end: Millis) -> Option<Vec<Output>> {
        let at = self.dht.poll_timeout().filter(|at| *at <= end)?;
        self.now = at.max(self.now);
        Some(self.give(Input::Timer))
    }

    /// Answers all requests until nothing is left to do before `end`; what else came out is returned.
    fn run(
        &mut self,
        first: Vec<Output>,
        end: Millis,
        answer: impl Fn(&Contact, &Request) -> Option<Reply>,
    ) -> Vec<Output> {
        let (mut queue, mut rest) = (VecDeque::from(first), Vec::new());
        loop {
            while let Some(output) = queue.pop_front() {
                let Output::Request { to, request, message } = output else {
                    rest.push(output);
                    continue;
                };
                queue.extend(match answer(&to, &message) {
                    Some(message) => self.give(Input::Reply { from: to.id, request, message }),
                    None => self.give(Input::Failed(request)),
                });
            }
            match self.timer(end) {
                Some(outputs) => queue.extend(outputs),
                None => return rest,
            }
        }
    }
}

/// A peer that knows nobody and keeps everything.
fn obliging(_: &Contact, message: &Request) -> Option<Reply> {
    Some(match message {
        Request::Ping => Reply::Pong,
        Request::Store(_) => Reply::Stored,
        Request::FindNode { .. } | Request::FindValue { .. } => Reply::Nodes(Vec::new()),
    })
}

fn outcome(outputs: &[Output], wanted: QueryId) -> &Outcome {
    let found = outputs.iter().find_map(|output| match output {
        Output::Finished { query, outcome, .. } if *query == wanted => Some(outcome),
        _ => None,
    });
    found.expect("the query ended")
}

fn requests(outputs: &[Output]) -> Vec<(NodeId, RequestId, Request)> {
    let requests = outputs.iter().filter_map(|output| match output {
        Output::Request { to, request, message } => Some((to.id, *request, message.clone())),
        _ => None,
    });
    requests.collect()
}

fn questions(outputs: &[Output]) -> &[Question] {
    let found = outputs.iter().find_map(|output| match output {
        Output::Finished { questions, .. } => Some(questions),
        _ => None,
    });
    found.expect("the query ended")
}

#[test]
fn a_traced_read_tells_every_question_and_another_keeps_none() {
    let mut driven = Driven::knowing(6);
    let key: Key = id(33).into();
    let answer = |to: &Contact, message: &Request| match to.id {
        silent if silent == id(2) => None,
        _ if matches!(message, Request::FindValue { .. }) => {
            Some(Reply::Nodes(vec![contact(33), contact(9)]))
        }
        _ => obliging(to, message),
    };
    let end = Millis::from_secs(60);
    let first = driven.command(Command::Trace { query: QueryId(1), key });
    let begun = driven.now;
    let outputs = driven.run(first, begun + Millis::from_secs(20), answer);
    let told = questions(&outputs);
    let asked: std::collections::BTreeSet<_> = told.iter().map(|question| question.contact.id).collect();
    assert_eq!((asked.len(), told.len()), (8, 8), "each once, and those whom they named");
    for question in told {
        let known = question.contact.id != id(33) && question.contact.id != id(9);
        assert_eq!(question.hop == 0, known);
        assert!(question.asked_at >= begun);
        match question.end {
            End::Failed { .. } => assert_eq!(question.contact.id, id(2)),
            End::Answered { named, nearer, had_record, .. } => {
                let on_it = question.contact.id == id(33);
                assert!(named == 2 && !had_record && (nearer == 0) == on_it, "{question:?}");
                assert_eq!(question.shared_bits == 256, on_it);
            }
            End::Open => panic!("{question:?}"),
        }
    }
    let second = driven.command(Command::Get { query: QueryId(2), key });
    assert!(questions(&driven.run(second, end, answer)).is_empty());
}

#[test]
fn contacts_that_never_answered_are_not_handed_on() {
    let mut driven = Driven::new();
    for number in 1..5 {
        driven.ask(number, Request::Ping);
    }
    driven.give(Input::Connected { peer: contact(9), opened: Opened::ByUs });
    let reply = driven.ask(8, Request::FindNode { target: id(1).into() });
    assert_eq!(reply, Reply::Nodes(vec![contact(9)]));
}

#[test]
fn answers_name_at_most_k_and_never_the_asker() {
    let mut driven = Driven::knowing(60);
    for target in [id(0).into(), id(5).into(), Key::from([0; 32]), Key::from([255; 32])] {
        let Reply::Nodes(contacts) = driven.ask(5, Request::FindNode { target }) else { panic!() };
        assert_eq!(contacts.len(), K);
        assert!(contacts.iter().all(|contact| contact.id != id(5) && contact.id != id(0)));
    }
}

#[test]
fn a_stored_record_is_reported_and_found() {
    let mut driven = Driven::new();
    let record = record(3, id(1).into(), 1);
    let outputs = driven.give(Input::Request {
        from: contact(3),
        token: ReplyToken(1),
        message: Request::Store(record.clone()),
    });
    assert!(outputs.contains(&Output::Stored(record.clone())));
    let reply = driven.ask(4, Request::FindValue { key: record.key });
    assert_eq!(reply, Reply::Value { record, closest: Vec::new() });
}

#[test]
fn a_record_that_others_are_closer_to_is_refused() {
    let mut driven = Driven::knowing(60);
    let reply = driven.ask(3, Request::Store(record(3, id(33).into(), 1)));
    assert_eq!(reply, Reply::Refused(Refusal::NotResponsible));
    assert_eq!(driven.dht.record_count(), 0);
}

#[test]
fn a_peer_that_floods_is_refused_and_others_are_not() {
    let mut driven = Driven::new();
    let mut flood = (0..100).map(|seq| driven.ask(3, Request::Store(record(3, id(1).into(), seq))));
    assert!(flood.any(|reply| reply == Reply::Refused(Refusal::RateLimited)));
    assert_eq!(driven.ask(4, Request::Store(record(4, id(2).into(), 1))), Reply::Stored);
}

#[test]
fn what_nobody_asked_for_changes_nothing() {
    let mut driven = Driven::knowing(1);
    let query = QueryId(1);
    let outputs = driven.command(Command::Get { query, key: id(1).into() });
    let (_, request, _) = requests(&outputs)[0].clone();
    let record = record(9, id(1).into(), 5);
    let message = Reply::Value { record, closest: Vec::new() };
    let forged = driven.give(Input::Reply { from: id(9), request, message: message.clone() });
    assert_eq!(forged, [Output::Strike { peer: id(9), offence: Offence::NotAsked }]);
    let unknown = driven.give(Input::Reply { from: id(1), request: RequestId(99), message });
    assert_eq!(unknown, []);
    let end = driven.give(Input::Failed(request));
    assert_eq!(outcome(&end, query), &Outcome::NotFound);
}

#[test]
fn offences_are_reported_and_do_not_stop_the_query() {
    let query = QueryId(1);
    let many = (0..K as u8 + 1).map(|number| contact(100 + number)).collect();
    let other = Reply::Value { record: record(9, id(77).into(), 5), closest: Vec::new() };
    let cases = [
        (Reply::Nodes(many), Offence::TooManyContacts),
        (other, Offence::BadRecord),
        (Reply::Stored, Offence::WrongKind),
    ];
    for (message, offence) in cases {
        let mut driven = Driven::knowing(1);
        let outputs = driven.command(Command::Get { query, key: id(1).into() });
        let (_, request, _) = requests(&outputs)[0].clone();
        let outputs = driven.give(Input::Reply { from: id(1), request, message });
        assert!(outputs.contains(&Output::Strike { peer: id(1), offence }));
        let rest = driven.run(outputs, driven.now, |_, _| None);
        assert_eq!(outcome(&rest, query), &Outcome::NotFound);
    }
}

#[test]
fn a_read_takes_the_highest_sequence_and_repairs_the_others() {
    let mut driven = Driven::knowing(3);
    let key = Key::from(id(1));
    let outputs = driven.command(Command::Get { query: QueryId(1), key });
    let asked = requests(&outputs);
    let mut outputs = Vec::new();
    for (peer, request, _) in asked {
        let seq = if peer == id(2) { 7 } else { 6 };
        let message = Reply::Value { record: record(9, key, seq), closest: Vec::new() };
        outputs.extend(driven.give(Input::Reply { from: peer, request, message }));
    }
    let expected = Outcome::Found { record: record(9, key, 7), replicas: 3 };
    assert_eq!(outcome(&outputs, QueryId(1)), &expected);
    let mut repaired: Vec<_> =
        requests(&outputs).into_iter().map(|(peer, _, message)| (peer, message)).collect();
    repaired.sort_by_key(|(peer, _)| *peer);
    let newest = Request::Store(record(9, key, 7));
    assert_eq!(repaired, [(id(1), newest.clone()), (id(3), newest)]);
}

#[test]
fn a_closer_node_without_the_record_is_given_it() {
    let mut driven = Driven::knowing(4);
    let key = Key::from(id(1));
    let first = driven.command(Command::Get { query: QueryId(1), key });
    let rest = driven.run(first, driven.now, |to, message| match message {
        Request::FindValue { key } if to.id != id(1) => {
            Some(Reply::Value { record: record(9, *key, 7), closest: Vec::new() })
        }
        _ => obliging(to, message),
    });
    assert!(matches!(outcome(&rest, QueryId(1)), Outcome::Found { replicas: 3, .. }));
    assert_eq!(driven.dht.counters().repairs, 1);
}

#[test]
fn our_own_record_is_kept_offered_to_all_and_published_again() {
    let mut driven = Driven::knowing(3);
    let own = record(0, id(1).into(), 1);
    let first = driven.command(Command::Put { query: QueryId(1), record: own.clone() });
    assert!(first.contains(&Output::Stored(own.clone())));
    let rest = driven.run(first, driven.now, obliging);
    let placed = Outcome::Placed { replicas: 4, offered: 4, refused: None };
    assert_eq!(outcome(&rest, QueryId(1)), &placed);
    let before = driven.dht.counters().requests_sent;
    let end = driven.now + HOUR;
    driven.run(Vec::new(), end, obliging);
    assert!(driven.dht.counters().requests_sent >= before + 3 + 3, "asked and offered again");
}

#[test]
fn a_record_is_gone_when_it_has_expired() {
    let mut driven = Driven::new();
    let own = record(0, id(1).into(), 1);
    driven.command(Command::Put { query: QueryId(1), record: own.clone() });
    driven.now = Millis::from_secs(47 * 3_600);
    assert_eq!(driven.dht.record(driven.now, own.key), None);
    assert!(driven.give(Input::Timer).contains(&Output::Removed(own.key)));
    assert_eq!(driven.dht.record_count(), 0);
}

#[test]
fn a_clock_that_is_set_forward_expires_records() {
    let mut driven = Driven::new();
    let own = record(0, id(1).into(), 1);
    driven.command(Command::Put { query: QueryId(1), record: own.clone() });
    driven.give(Input::WallClock(own.expires));
    assert_eq!(driven.dht.record(driven.now, own.key), None);
}

#[test]
fn an_unfit_record_is_not_offered() {
    let mut driven = Driven::knowing(3);
    let empty = Record { value: Vec::new(), ..record(0, id(1).into(), 1) };
    let outputs = driven.command(Command::Put { query: QueryId(1), record: empty });
    let stats = QueryStats::default();
    let outcome = Outcome::Unfit(Refusal::Empty);
    assert_eq!(outputs, [Output::Finished { query: QueryId(1), outcome, stats, questions: Vec::new() }]);
}

#[test]
fn restored_records_are_checked_again() {
    let mut driven = Driven::new();
    let good = record(3, id(1).into(), 1);
    let stale = Record { expires: UNIX_ZERO, ..record(3, id(2).into(), 1) };
    let outputs = driven.command(Command::Restore(vec![good.clone(), stale.clone()]));
    assert_eq!(outputs, [Output::Removed(stale.key)]);
    assert_eq!(driven.dht.record(driven.now, good.key), Some(&good));
}

#[test]
fn over_sixty_four_queries_wait_and_over_the_queue_they_are_busy() {
    let mut driven = Driven::knowing(1);
    let total = (QUERIES_MAX + QUEUE_MAX + 10) as u64;
    let (mut sent, mut busy) = (Vec::new(), 0);
    for number in 0..total {
        let outputs = driven.command(Command::Get { query: QueryId(number), key: id(1).into() });
        busy +=
            outputs.iter().filter(|it| matches!(it, Output::Finished { outcome: Outcome::Busy, .. })).count();
        sent.extend(outputs);
    }
    assert_eq!(requests(&sent).len(), QUERIES_MAX);
    assert_eq!(busy, 10);
    let rest = driven.run(sent, driven.now, obliging);
    let finished = rest.iter().filter(|output| matches!(output, Output::Finished { .. })).count();
    assert_eq!(finished as u64, total);
}

#[test]
fn a_cancelled_query_ends_without_a_word_and_makes_room() {
    let mut driven = Driven::knowing(1);
    for number in 0..=QUERIES_MAX as u64 {
        driven.command(Command::Get { query: QueryId(number), key: id(1).into() });
    }
    let outputs = driven.command(Command::Cancel(QueryId(0)));
    assert_eq!(requests(&outputs).len(), 1, "the one that waited begins");
    assert!(!outputs.iter().any(|output| matches!(output, Output::Finished { .. })));
}

#[test]
fn a_driver_that_forgets_a_request_does_not_stall_the_query() {
    let mut driven = Driven::knowing(1);
    driven.command(Command::Get { query: QueryId(1), key: id(1).into() });
    let mut outputs = Vec::new();
    while let Some(more) = driven.timer(Millis::from_secs(60)) {
        outputs.extend(more);
    }
    assert_eq!(outcome(&outputs, QueryId(1)), &Outcome::NotFound);
}

#[test]
fn joining_nobody_ends_with_no_neighbours() {
    let mut driven = Driven::new();
    let first = driven.command(Command::Join { query: QueryId(1), contacts: vec![contact(1)] });
    let rest = driven.run(first, driven.now, |_, _| None);
    assert_eq!(outcome(&rest, QueryId(1)), &Outcome::Nodes(Vec::new()));
}

#[test]
fn who_joins_us_is_verified_and_asked_about_the_others() {
    let mut driven = Driven::new();
    driven.ask(1, Request::Ping);
    let end = driven.now + Millis::from_secs(3);
    let rest = driven.run(Vec::new(), end, obliging);
    assert!(rest.contains(&Output::Verified(contact(1))));
    assert!(driven.dht.counters().requests_sent >= 2, "a ping, then a question about our neighbours");
}

#[test]
fn being_alone_is_reported_once_and_forgets_nobody() {
    let mut driven = Driven::knowing(3);
    for number in 1..=3 {
        driven.give(Input::Disconnected(id(number)));
    }
    let end = driven.now + HOUR;
    let rest = driven.run(Vec::new(), end, |_, _| None);
    assert_eq!(rest.iter().filter(|output| **output == Output::Isolated).count(), 1);
    assert_eq!(driven.dht.contacts().count(), 3);
    let end = end + Millis::from_secs(120);
    let rest = driven.run(Vec::new(), end, obliging);
    assert!(!rest.contains(&Output::Isolated));
    assert!(driven.dht.contacts().all(Entry::is_good));
}

#[test]
fn a_revoked_node_and_its_records_are_dropped() {
    let mut driven = Driven::knowing(2);
    let record = record(1, id(5).into(), 1);
    driven.ask(2, Request::Store(record.clone()));
    let outputs = driven.command(Command::Forget(id(1)));
    assert_eq!(outputs, [Output::Lost(id(1)), Output::Removed(record.key)]);
}

#[test]
fn a_withdrawn_record_is_no_longer_published() {
    let mut driven = Driven::knowing(1);
    let own = record(0, id(1).into(), 1);
    driven.command(Command::Put { query: QueryId(1), record: own.clone() });
    assert_eq!(driven.command(Command::Withdraw(own.key)), [Output::Removed(own.key)]);
}
