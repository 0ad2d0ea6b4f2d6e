use p2p_shared::time::UnixMillis;
use proptest::prelude::*;

use super::super::queue::WAITING_MAX;
use super::*;
use crate::alerts::core::rule::How;

fn route(receiver: &str) -> Route {
    Route {
        receiver: receiver.into(),
        matchers: Vec::new(),
        group_by: vec!["alertname".into()],
        pace: Pace::default(),
    }
}

fn notice(alert: &str, number: u64, ends: Option<u64>) -> Notice {
    Notice {
        fingerprint: format!("{alert}{number}"),
        labels: [("alertname".to_owned(), alert.to_owned()), ("number".to_owned(), number.to_string())]
            .into(),
        annotations: Labels::new(),
        starts_at: UnixMillis(number),
        ends_at: ends.map(UnixMillis),
    }
}

/// An outbox, the disk behind it and the receivers before it.
struct World {
    outbox: Outbox,
    routes: Vec<Route>,
    now: Millis,
    seed: u64,
    members: BTreeMap<(GroupKey, String), Member>,
    messages: BTreeMap<u64, Message>,
    under_way: VecDeque<Message>,
    delivered: Vec<Message>,
}

impl World {
    fn new(routes: Vec<Route>) -> Self {
        Self {
            outbox: Outbox::new(Millis::ZERO, routes.clone(), Saved::default(), 1),
            routes,
            now: Millis::ZERO,
            seed: 1,
            members: BTreeMap::new(),
            messages: BTreeMap::new(),
            under_way: VecDeque::new(),
            delivered: Vec::new(),
        }
    }

    fn handle(&mut self, input: Input) {
        self.outbox.handle(self.now, input);
        while let Some(output) = self.outbox.poll_output() {
            match output {
                Output::KeepMember(group, alert, Some(member)) => {
                    drop(self.members.insert((group, alert), member))
                }
                Output::KeepMember(group, alert, None) => drop(self.members.remove(&(group, alert))),
                Output::KeepMessage(number, Some(message)) => drop(self.messages.insert(number, message)),
                Output::KeepMessage(number, None) => drop(self.messages.remove(&number)),
                Output::Send(message) => self.under_way.push_back(message),
            }
        }
    }

    fn offer(&mut self, notice: Notice) {
        self.handle(Input::Notice(notice));
    }

    /// Lets time pass; every receiver answers at once.
    fn pass(&mut self, span: Millis, outcome: Outcome) {
        let end = self.now + span;
        loop {
            while let Some(message) = self.under_way.pop_front() {
                let receiver = message.receiver.clone();
                if outcome == Outcome::Delivered {
                    self.delivered.push(message);
                }
                self.handle(Input::Outcome(receiver, outcome));
            }
            match self.outbox.poll_timeout().filter(|due| *due <= end) {
                Some(due) => self.now = self.now.max(due),
                None => break,
            }
            self.handle(Input::Time);
        }
        self.now = end;
    }

    /// The node dies and starts again, with a monotonic clock that begins anew.
    fn crash(&mut self) {
        let saved = Saved {
            members: self.members.clone().into_iter().map(|((group, _), member)| (group, member)).collect(),
            messages: self.messages.clone().into_iter().collect(),
        };
        self.under_way.clear();
        self.seed += 1;
        self.now = Millis::ZERO;
        self.outbox = Outbox::new(self.now, self.routes.clone(), saved, self.seed);
        self.handle(Input::Time);
    }

    fn told(&self) -> Vec<(&str, bool, usize)> {
        self.delivered
            .iter()
            .map(|message| {
                (message.group_labels["alertname"].as_str(), message.fires(), message.alerts.len())
            })
            .collect()
    }
}

const MINUTE: Millis = Millis(60_000);

#[test]
fn alerts_of_a_moment_are_one_message_and_the_next_waits_its_interval() {
    let mut world = World::new(vec![route("ops")]);
    world.offer(notice("disk", 1, None));
    world.offer(notice("disk", 2, None));
    world.offer(notice("cpu", 1, None));
    world.pass(Millis(999), Outcome::Delivered);
    assert_eq!(world.told(), []);
    world.pass(Millis(1), Outcome::Delivered);
    assert_eq!(world.told(), [("cpu", true, 1), ("disk", true, 2)]);
    world.offer(notice("disk", 3, None));
    world.pass(Millis(29_999), Outcome::Delivered);
    assert_eq!(world.told().len(), 2);
    world.pass(Millis(1), Outcome::Delivered);
    assert_eq!(world.told()[2], ("disk", true, 3));
}

#[test]
fn what_is_resolved_is_told_after_it_fired_and_not_at_all_if_it_was_not_told() {
    let mut world = World::new(vec![route("ops")]);
    world.offer(notice("cpu", 1, None));
    world.offer(notice("cpu", 1, Some(9)));
    world.offer(notice("load", 1, Some(9)));
    world.pass(MINUTE, Outcome::Delivered);
    assert!(world.delivered.is_empty() && world.members.is_empty());
    world.offer(notice("cpu", 1, None));
    world.pass(MINUTE, Outcome::Delivered);
    world.offer(notice("cpu", 1, Some(9)));
    world.offer(notice("cpu", 1, Some(9)));
    world.pass(MINUTE, Outcome::Delivered);
    assert_eq!(world.told(), [("cpu", true, 1), ("cpu", false, 1)]);
    assert!(world.members.is_empty() && world.messages.is_empty());
}

#[test]
fn the_same_alert_again_is_told_once_and_one_that_begins_anew_again() {
    let mut world = World::new(vec![route("ops")]);
    for _ in 0..3 {
        world.offer(notice("cpu", 1, None));
        world.pass(MINUTE, Outcome::Delivered);
        world.crash();
    }
    assert_eq!(world.told(), [("cpu", true, 1)]);
    world.offer(Notice { starts_at: UnixMillis(77), ..notice("cpu", 1, None) });
    world.pass(MINUTE, Outcome::Delivered);
    assert_eq!(world.told(), [("cpu", true, 1); 2]);
}

#[test]
fn a_receiver_that_is_away_gets_the_same_message_once_it_is_back() {
    let mut world = World::new(vec![route("ops")]);
    world.offer(notice("cpu", 1, None));
    world.pass(MINUTE, Outcome::Failed(None));
    let id = world.messages.values().next().unwrap().id.clone();
    world.crash();
    world.pass(MINUTE, Outcome::Failed(None));
    world.pass(MINUTE, Outcome::Delivered);
    assert_eq!(world.delivered.iter().map(|message| &message.id).collect::<Vec<_>>(), [&id]);
    assert!(world.messages.is_empty());
}

#[test]
fn a_message_that_is_refused_is_not_sent_again() {
    let mut world = World::new(vec![route("ops")]);
    world.offer(notice("cpu", 1, None));
    world.pass(MINUTE, Outcome::Refused);
    world.pass(MINUTE, Outcome::Delivered);
    assert!(world.delivered.is_empty() && world.messages.is_empty());
}

#[test]
fn a_receiver_that_asks_for_time_gets_it() {
    let mut world = World::new(vec![route("ops")]);
    world.offer(notice("cpu", 1, None));
    world.pass(Millis(1_000), Outcome::Failed(Some(Millis(50_000))));
    world.pass(Millis(49_999), Outcome::Delivered);
    assert!(world.delivered.is_empty());
    world.pass(Millis(1), Outcome::Delivered);
    assert_eq!(world.delivered.len(), 1);
}

#[test]
fn every_receiver_gets_what_fits_it_and_one_that_hangs_delays_no_other() {
    let mut pager = route("pager");
    pager.matchers = vec![Matcher::new("alertname", How::Is, "disk").unwrap()];
    let mut world = World::new(vec![route("ops"), pager]);
    world.offer(notice("disk", 1, None));
    world.offer(notice("cpu", 1, None));
    world.now = Millis(1_000);
    world.handle(Input::Time);
    // Nobody answers: one message to each is under way.
    let under_way: Vec<&str> = world.under_way.iter().map(|message| message.receiver.as_str()).collect();
    assert_eq!(under_way, ["ops", "pager"]);
    world.pass(MINUTE, Outcome::Delivered);
    assert_eq!(world.told(), [("cpu", true, 1), ("disk", true, 1), ("disk", true, 1)]);
}

#[test]
fn a_storm_is_sent_at_a_bounded_rate_and_held_in_a_bounded_queue() {
    let mut world = World::new(vec![route("ops")]);
    for number in 0..1_000 {
        world.offer(notice(&format!("alert-{number}"), 1, None));
    }
    world.pass(MINUTE, Outcome::Failed(None));
    assert_eq!(world.messages.len(), WAITING_MAX);
    world.pass(MINUTE, Outcome::Delivered);
    let before = world.delivered.len();
    world.pass(MINUTE, Outcome::Delivered);
    assert_eq!(world.delivered.len() - before, 30);
    world.pass(Millis::from_secs(3_600), Outcome::Delivered);
    assert_eq!(world.delivered.len(), 1_000);
}

#[test]
fn of_very_many_alerts_a_message_says_how_many_more_there_are() {
    let mut world = World::new(vec![route("ops")]);
    (0..5_000).for_each(|number| world.offer(notice("disk", number, None)));
    world.pass(MINUTE, Outcome::Delivered);
    assert_eq!((world.delivered[0].alerts.len(), world.delivered[0].truncated), (100, 3_900));
    assert_eq!(world.outbox.refused(), 1_000);
}

#[test]
fn what_waits_for_a_receiver_that_is_no_more_is_forgotten() {
    let mut world = World::new(vec![route("ops")]);
    world.offer(notice("cpu", 1, None));
    world.pass(MINUTE, Outcome::Failed(None));
    world.routes = vec![route("other")];
    world.crash();
    assert!(world.messages.is_empty() && world.members.is_empty());
}

/// Something happens: an alert changes, time passes, the receiver is there or not, the node dies.
#[derive(Clone, Copy, Debug)]
enum Step {
    Fires(u64),
    Resolves(u64),
    Pass(u64, bool),
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0u64..4).prop_map(Step::Fires),
        4 => (0u64..4).prop_map(Step::Resolves),
        4 => (0u64..90_000, any::<bool>()).prop_map(|(ms, there)| Step::Pass(ms, there)),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #[test]
    fn in_the_end_the_receiver_knows_what_fires_and_every_message_came_once(steps in steps()) {
        let mut world = World::new(vec![route("ops")]);
        let mut fires = BTreeMap::new();
        for (count, step) in (1u64..).zip(steps) {
            match step {
                Step::Fires(number) => {
                    let start = *fires.entry(number).or_insert(count);
                    world.offer(Notice { starts_at: UnixMillis(start), ..notice("a", number, None) });
                }
                Step::Resolves(number) => {
                    let Some(start) = fires.remove(&number) else { continue };
                    world.offer(Notice { starts_at: UnixMillis(start), ..notice("a", number, Some(count)) });
                }
                Step::Pass(ms, there) => {
                    let outcome = if there { Outcome::Delivered } else { Outcome::Failed(None) };
                    world.pass(Millis(ms), outcome);
                }
                Step::Crash => world.crash(),
            }
        }
        world.pass(Millis::from_secs(600), Outcome::Delivered);
        let mut known: BTreeMap<&str, (u64, bool)> = BTreeMap::new();
        for notice in world.delivered.iter().flat_map(|message| &message.alerts) {
            let before = known.insert(&notice.fingerprint, (notice.starts_at.0, notice.fires()));
            if !notice.fires() {
                prop_assert_eq!(before, Some((notice.starts_at.0, true)), "resolved follows firing");
            }
        }
        let known: Vec<u64> = known.values().filter(|(_, fires)| *fires).map(|(start, _)| *start).collect();
        let mut expected: Vec<u64> = fires.values().copied().collect();
        let mut known = known;
        known.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(known, expected);
        let mut ids: Vec<&str> = world.delivered.iter().map(|message| message.id.as_str()).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), count);
        prop_assert!(world.messages.is_empty());
    }
}

#[test]
fn a_receiver_that_is_taken_away_leaves_nothing_behind_and_the_others_keep_what_waits() {
    let mut world = World::new(vec![route("ops"), route("pager")]);
    world.offer(notice("disk", 1, None));
    world.pass(Millis(1_000), Outcome::Failed(None));
    assert_eq!((world.messages.len(), world.members.len()), (2, 2));
    world.under_way.clear();
    world.outbox.route(vec![route("ops"), route("new")]);
    // The answer of the one that is gone comes late.
    world.handle(Input::Outcome("pager".into(), Outcome::Delivered));
    assert_eq!((world.messages.len(), world.members.len()), (1, 1));
    assert!(world.messages.values().all(|message| message.receiver == "ops"));
    world.pass(MINUTE, Outcome::Delivered);
    world.offer(notice("cpu", 1, None));
    world.pass(MINUTE, Outcome::Delivered);
    let told: Vec<&str> = world.delivered.iter().map(|message| message.receiver.as_str()).collect();
    assert_eq!(told, ["ops", "new", "ops"]);
}
