use proptest::prelude::*;

use super::super::Share;
use super::*;

fn drain(fanout: &mut Fanout) -> Vec<Output> {
    std::iter::from_fn(|| fanout.poll_output()).collect()
}

fn begun(outputs: &[Output]) -> Vec<usize> {
    outputs
        .iter()
        .filter_map(|output| if let Output::Begin(index) = output { Some(*index) } else { None })
        .collect()
}

#[test]
fn nobody_is_nothing_to_do() {
    let fanout = Fanout::new(Millis(0), Plan::default(), 0);
    assert!(fanout.is_done());
    assert_eq!(fanout.poll_timeout(), None);
}

#[test]
fn a_batch_begins_when_the_one_before_has_ended_and_the_pause_is_over() {
    let plan = Plan { batch: Some(Share::Count(2)), pause: Millis(100), ..Plan::default() };
    let mut fanout = Fanout::new(Millis(0), plan, 3);
    assert_eq!(begun(&drain(&mut fanout)), [0, 1]);
    fanout.handle(Millis(10), Input::Ended(1, Outcome::Ok));
    assert!(begun(&drain(&mut fanout)).is_empty());
    fanout.handle(Millis(20), Input::Ended(0, Outcome::Ok));
    assert!(begun(&drain(&mut fanout)).is_empty());
    assert_eq!(fanout.poll_timeout(), Some(Millis(120)));
    fanout.handle(Millis(120), Input::Tick);
    assert_eq!(begun(&drain(&mut fanout)), [2]);
}

#[test]
fn one_failure_too_many_skips_what_has_not_begun() {
    let plan = Plan { batch: Some(Share::Count(2)), fail_max: Some(Share::Percent(20)), ..Plan::default() };
    let mut fanout = Fanout::new(Millis(0), plan, 6);
    fanout.handle(Millis(1), Input::Ended(0, Outcome::Unreachable));
    fanout.handle(Millis(1), Input::Ended(1, Outcome::Ok));
    assert!(!fanout.is_done());
    fanout.handle(Millis(2), Input::Ended(2, Outcome::Failed));
    assert_eq!(fanout.counts().skipped, 2);
    fanout.handle(Millis(2), Input::Ended(3, Outcome::Ok));
    assert!(fanout.is_done());
}

#[test]
fn the_time_of_all_stops_what_runs_and_skips_the_rest() {
    let plan = Plan { batch: Some(Share::Count(1)), total_time: Some(Millis(50)), ..Plan::default() };
    let mut fanout = Fanout::new(Millis(0), plan, 3);
    assert_eq!(fanout.poll_timeout(), Some(Millis(50)));
    drain(&mut fanout);
    fanout.handle(Millis(50), Input::Tick);
    let outputs = drain(&mut fanout);
    assert!(outputs.contains(&Output::Stop(0)) && outputs.contains(&Output::Ended(0, Outcome::TimedOut)));
    assert_eq!((fanout.counts().timed_out, fanout.counts().skipped), (1, 2));
    fanout.handle(Millis(51), Input::Ended(0, Outcome::Ok));
    assert_eq!(fanout.counts().ok, 0, "what comes after the end counts no more");
}

fn outcome() -> impl Strategy<Value = Outcome> {
    proptest::sample::select(&Outcome::ALL[..6])
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        // Answers and crashes, also of targets that do not run, or are none.
        40 => (0usize..40, outcome()).prop_map(|(index, outcome)| Input::Ended(index, outcome)),
        10 => Just(Input::Tick),
        1 => Just(Input::Cancel),
    ]
}

fn share() -> impl Strategy<Value = Share> {
    prop_oneof![(0usize..8).prop_map(Share::Count), (0u8..=100).prop_map(Share::Percent)]
}

prop_compose! {
    fn plan()(
        batch in proptest::option::of(share()),
        pause in 0u64..50,
        fail_max in proptest::option::of(share()),
        target in proptest::option::of(1u64..200),
        total in proptest::option::of(1u64..2_000),
    ) -> Plan {
        Plan {
            batch,
            pause: Millis(pause),
            fail_max,
            target_time: target.map(Millis),
            total_time: total.map(Millis),
        }
    }
}

/// What an observer knows from the outputs alone.
#[derive(Default)]
struct Seen {
    running: Vec<usize>,
    begun: usize,
    ended: Vec<Option<Outcome>>,
}

impl Seen {
    fn take(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Begin(index) => {
                    assert_eq!(self.ended[index], None, "an ended target is not begun");
                    assert!(!self.running.contains(&index));
                    self.running.push(index);
                    self.begun += 1;
                }
                Output::Stop(index) => assert!(self.running.contains(&index)),
                Output::Ended(index, outcome) => {
                    assert_eq!(self.ended[index].replace(outcome), None, "a target ends once");
                    let was_running = self.running.contains(&index);
                    self.running.retain(|running| *running != index);
                    assert_eq!(was_running, outcome != Outcome::Skipped);
                }
            }
        }
    }

    fn check(&self, fanout: &Fanout) {
        let (counts, ended) = (fanout.counts(), self.ended.iter().flatten());
        assert_eq!(counts.total(), ended.clone().count());
        for outcome in Outcome::ALL {
            assert_eq!(counts.get(outcome), ended.clone().filter(|ended| **ended == outcome).count());
        }
        let limit = fanout.plan.batch.map_or(AT_ONCE_MAX, |batch| batch.at_least_one(self.ended.len()));
        assert!(self.running.len() <= limit);
        let failures = ended.filter(|outcome| outcome.is_failure()).count();
        let over = fanout.plan.fail_max.is_some_and(|share| failures > share.at_most(self.ended.len()));
        assert!(!over || self.ended.len() == counts.total() + self.running.len(), "nothing waits any more");
        assert!(
            fanout.is_done() || !self.running.is_empty() || fanout.poll_timeout().is_some(),
            "it is stuck"
        );
    }
}

proptest! {
    #[test]
    fn whatever_happens_each_target_ends_once_and_the_counts_add_up(
        plan in plan(),
        targets in 0usize..40,
        inputs in proptest::collection::vec((0u64..40, input()), 0..120),
    ) {
        let mut now = Millis(0);
        let mut fanout = Fanout::new(now, plan, targets);
        let mut seen = Seen { ended: vec![None; targets], ..Seen::default() };
        seen.take(drain(&mut fanout));
        seen.check(&fanout);
        for (span, input) in inputs {
            now = now + Millis(span);
            fanout.handle(now, input);
            seen.take(drain(&mut fanout));
            seen.check(&fanout);
        }
        // From here on all answer, and it comes to its end.
        while !fanout.is_done() {
            let input = seen.running.first().map_or(Input::Tick, |&index| Input::Ended(index, Outcome::Ok));
            now = now.max(fanout.poll_timeout().unwrap_or(now));
            fanout.handle(now, input);
            seen.take(drain(&mut fanout));
            seen.check(&fanout);
        }
        prop_assert_eq!(fanout.counts().total(), targets);
        prop_assert!(seen.running.is_empty());
    }
}
