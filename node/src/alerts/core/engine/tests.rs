use proptest::prelude::*;

use super::super::alert::NAME_LABEL;
use super::super::rule::{How, Matcher, Override, Severity};
use super::super::text;
use super::*;

const WALL: u64 = 1_795_404_123_000;
const HOUR: i64 = 3_600_000;

fn rule(name: &str, expression: &str) -> Rule {
    Rule {
        name: name.into(),
        expression: text::parse(expression).unwrap(),
        severity: Severity::Warning,
        labels: Labels::new(),
        overrides: Vec::new(),
        summary: String::new(),
        telling: Telling::Told,
    }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn cpu(value: f64) -> Vec<Figure> {
    vec![Figure { metric: "cpu".into(), labels: labels(&[("node", "web-1")]), value }]
}

fn at(ms: u64) -> Now {
    Now { monotonic: Millis(ms), wall: UnixMillis(WALL + ms) }
}

fn outputs(alerts: &mut Alerts) -> Vec<Output> {
    std::iter::from_fn(|| alerts.poll_output()).collect()
}

fn with(rules: &[Rule]) -> Alerts {
    let mut alerts = Alerts::default();
    alerts.set_rules(at(0), rules.to_vec());
    alerts
}

fn state(alerts: &Alerts) -> Option<State> {
    alerts.alerts().next().map(|alert| alert.state)
}

/// A second, the value in it (`None` for no sample) and how far the wall clock is off.
type Second = (Option<f64>, i64);

fn seconds() -> impl Strategy<Value = Vec<Second>> {
    let value =
        prop_oneof![5 => Just(Some(1.0)), 4 => Just(Some(0.0)), 1 => Just(Some(0.5)), 1 => Just(None)];
    let off = prop_oneof![9 => Just(0i64), 1 => Just(HOUR), 1 => Just(-HOUR)];
    prop::collection::vec((value, off), 1..200)
}

/// When it fired and when it was resolved, by the second.
fn play(rule: &Rule, seconds: &[Second], jumps: i64) -> Vec<(usize, bool)> {
    let mut alerts = with(std::slice::from_ref(rule));
    let mut told = Vec::new();
    for (index, (value, off)) in seconds.iter().enumerate() {
        let monotonic = index as u64 * 1_000;
        let wall = UnixMillis((WALL + monotonic).saturating_add_signed(off * jumps));
        let now = Now { monotonic: Millis(monotonic), wall };
        match value {
            Some(value) => alerts.handle(now, &cpu(*value)),
            None => alerts.on_time(now),
        }
        told.extend(
            outputs(&mut alerts).into_iter().map(|output| (index, matches!(output, Output::Fires(_)))),
        );
    }
    told
}

/// The same by brute force: it fires at the end of a run of wrong seconds that is long enough, and is resolved
/// at the first that is well.
fn expected(seconds: &[Second], hold_s: usize) -> Vec<(usize, bool)> {
    let (mut told, mut wrong_since, mut fires) = (Vec::new(), None, false);
    for (index, (value, _)) in seconds.iter().enumerate() {
        let Some(value) = value else { continue };
        if *value > 0.9 {
            let since = *wrong_since.get_or_insert(index);
            if !fires && index - since >= hold_s {
                fires = true;
                told.push((index, true));
            }
        } else {
            wrong_since = None;
        }
        // Between 0.4 and 0.9 a firing alert goes on.
        if fires && *value <= 0.4 {
            fires = false;
            told.push((index, false));
        }
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_fires_after_its_time_and_is_resolved_past_the_hysteresis(seconds in seconds(), hold_s in 0usize..20) {
        let rule = rule("hot", &format!("cpu > 0.9 until 0.4 for {hold_s}s"));
        prop_assert_eq!(play(&rule, &seconds, 0), expected(&seconds, hold_s));
    }

    #[test]
    fn a_wall_clock_that_jumps_changes_nothing(seconds in seconds(), hold_s in 0usize..20) {
        let rule = rule("hot", &format!("cpu > 0.9 until 0.4 for {hold_s}s"));
        prop_assert_eq!(play(&rule, &seconds, 1), play(&rule, &seconds, 0));
    }

    #[test]
    fn every_alert_is_told_once_and_resolved_once(
        samples in prop::collection::vec(prop::collection::vec((0u8..4, any::<bool>()), 0..4), 1..100),
        silence_at in 0usize..100,
    ) {
        let mut alerts = with(&[rule("a", "cpu > 0.5"), rule("b", "cpu > 0.5 for 3s")]);
        let mut told: BTreeMap<Key, bool> = BTreeMap::new();
        for (index, sample) in samples.iter().enumerate() {
            let now = at(index as u64 * 20_000);
            if index == silence_at {
                let matchers = vec![Matcher::new("node", How::Is, "1").unwrap()];
                let ends = UnixMillis(now.wall.0 + 100_000);
                alerts.silence(now, Silence { matchers, reason: "work".into(), by: "ann".into(), starts: now.wall, ends }).unwrap();
            }
            let figure = |&(node, is_wrong): &(u8, bool)| Figure {
                metric: "cpu".into(),
                labels: labels(&[("node", &node.to_string())]),
                value: f64::from(u8::from(is_wrong)),
            };
            alerts.handle(now, &sample.iter().map(figure).collect::<Vec<_>>());
            for output in outputs(&mut alerts) {
                let (alert, fires) = match output {
                    Output::Fires(alert) => (alert, true),
                    Output::Resolves(alert) => (alert, false),
                    Output::SilenceEnded(_) => continue,
                };
                let before = told.insert((alert.rule, alert.labels), fires);
                prop_assert_eq!(before.unwrap_or(false), !fires, "they alternate");
            }
            let timeout = alerts.poll_timeout();
            prop_assert!(timeout.is_none_or(|timeout| timeout > now.monotonic), "no timer stands still");
        }
    }
}

#[test]
fn a_figure_that_is_gone_is_neither_well_nor_wrong() {
    let mut alerts = with(&[rule("hot", "cpu > 0.9 for 10s")]);
    alerts.handle(at(0), &cpu(1.0));
    // An hour without a sample: what was wrong before it does not count.
    alerts.handle(at(3_600_000), &cpu(1.0));
    assert_eq!(state(&alerts), Some(State::Pending));
    alerts.handle(at(3_610_000), &cpu(1.0));
    assert_eq!(outputs(&mut alerts).len(), 1);
    alerts.handle(at(3_620_000), &cpu(f64::NAN));
    assert_eq!(state(&alerts), Some(State::Firing));
    let missing = alerts.poll_timeout().unwrap();
    alerts.on_time(at(missing.0));
    assert!(matches!(outputs(&mut alerts)[..], [Output::Resolves(_)]));
    assert_eq!(alerts.poll_timeout().map(|at| at.0 > missing.0), Some(true));
}

#[test]
fn an_override_has_its_own_limits_and_severity() {
    let mut rule = rule("hot", "cpu > 0.9");
    rule.overrides.push(Override {
        matchers: vec![Matcher::new("node", How::Fits, "web.*").unwrap()],
        limits: text::parse("cpu > 0.5").unwrap().limits,
        severity: Severity::Critical,
    });
    let mut alerts = with(&[rule]);
    alerts.handle(at(0), &cpu(0.6));
    let alert = alerts.alerts().next().unwrap();
    assert_eq!((alert.state, alert.severity), (State::Firing, Severity::Critical));
}

#[test]
fn what_is_silenced_is_told_when_the_silence_ends_by_the_monotonic_clock() {
    let mut alerts = with(&[rule("hot", "cpu > 0.9")]);
    let silence = |ends| Silence {
        matchers: vec![Matcher::new(NAME_LABEL, How::Is, "hot").unwrap()],
        reason: "a new fan comes".into(),
        by: "ann".into(),
        starts: UnixMillis(WALL),
        ends: UnixMillis(ends),
    };
    let id = alerts.silence(at(0), silence(WALL + 5_000)).unwrap();
    let jumped = Now { monotonic: Millis(1_000), wall: UnixMillis(WALL + 3_600_000) };
    alerts.handle(jumped, &cpu(1.0));
    assert_eq!(outputs(&mut alerts), []);
    assert_eq!(alerts.alerts().next().unwrap().silenced, Some(id));
    alerts.handle(at(5_000), &cpu(1.0));
    assert!(matches!(outputs(&mut alerts)[..], [Output::SilenceEnded(_), Output::Fires(_)]));
    // What nobody was told of need not be resolved to anybody.
    let id = alerts.silence(at(5_000), silence(WALL + 60_000)).unwrap();
    alerts.handle(at(6_000), &cpu(0.0));
    assert!(matches!(outputs(&mut alerts)[..], [Output::Resolves(_)]));
    alerts.handle(at(7_000), &cpu(1.0));
    alerts.handle(at(8_000), &cpu(0.0));
    assert_eq!(outputs(&mut alerts), []);
    assert!(alerts.unsilence(id) && !alerts.unsilence(id));
}

#[test]
fn a_silence_of_everything_or_without_a_reason_is_refused() {
    let mut alerts = with(&[]);
    let matchers = vec![Matcher::new("node", How::Is, "a").unwrap()];
    let good = Silence {
        matchers,
        reason: "work".into(),
        by: "ann".into(),
        starts: UnixMillis(WALL),
        ends: UnixMillis(WALL + 1),
    };
    for (silence, error) in [
        (Silence { matchers: Vec::new(), ..good.clone() }, SilenceError::Everything),
        (Silence { reason: " ".into(), ..good.clone() }, SilenceError::NoReason),
        (Silence { ends: UnixMillis(WALL), ..good.clone() }, SilenceError::Over),
        (Silence { ends: UnixMillis(u64::MAX), ..good.clone() }, SilenceError::TooLong),
    ] {
        assert_eq!(alerts.silence(at(0), silence), Err(error));
    }
    for _ in 0..SILENCES_MAX {
        alerts.silence(at(0), good.clone()).unwrap();
    }
    assert_eq!(alerts.silence(at(0), good), Err(SilenceError::TooMany));
}

#[test]
fn a_restart_tells_nothing_twice_and_still_resolves() {
    let rules = [rule("hot", "cpu > 0.9")];
    let mut before = with(&rules);
    before.handle(at(0), &cpu(1.0));
    let labels = before.alerts().next().unwrap().labels.clone();
    let ann = Acknowledged { by: "ann".into(), note: String::new(), at: UnixMillis(WALL) };
    assert!(before.acknowledge("hot", &labels, ann.clone()));
    let firing: Vec<_> = before.firing().collect();
    let mut after = with(&rules);
    after.restore(at(50), firing, Vec::new());
    after.handle(at(100), &cpu(1.0));
    assert_eq!(outputs(&mut after), []);
    assert_eq!(after.alerts().next().unwrap().acknowledged, Some(ann));
    after.handle(at(200), &cpu(0.0));
    assert!(matches!(outputs(&mut after)[..], [Output::Resolves(_)]));
}

#[test]
fn what_was_silenced_when_the_node_stopped_is_told_after_its_end_and_numbers_go_on() {
    let rules = [rule("hot", "cpu > 0.9")];
    let mut before = with(&rules);
    let matchers = vec![Matcher::new("node", How::Is, "web-1").unwrap()];
    let (starts, ends) = (UnixMillis(WALL), UnixMillis(WALL + 60_000));
    let silence = Silence { matchers, reason: "work".into(), by: "ann".into(), starts, ends };
    let id = before.silence(at(0), silence.clone()).unwrap();
    before.handle(at(0), &cpu(1.0));
    let firing: Vec<_> = before.firing().collect();
    let silences: Vec<_> = before.silences().map(|(id, silence)| (id, silence.clone())).collect();
    let mut after = Alerts::default();
    // The clock is years behind until somebody sets it: the silence lasts no longer than it was meant to.
    let early = Now { monotonic: Millis(0), wall: UnixMillis(0) };
    after.restore(early, firing, silences);
    after.set_rules(early, rules.to_vec());
    after.handle(at(59_000), &cpu(1.0));
    assert_eq!(outputs(&mut after), []);
    after.handle(at(61_000), &cpu(1.0));
    assert!(
        matches!(outputs(&mut after)[..], [Output::SilenceEnded(ended), Output::Fires(_)] if ended == id)
    );
    assert_ne!(after.silence(at(61_000), Silence { ends: UnixMillis(WALL + 90_000), ..silence }), Ok(id));
}

#[test]
fn a_rule_that_is_only_shown_tells_nobody() {
    let mut alerts = with(&[Rule { telling: Telling::Shown, ..rule("hot", "cpu > 0.9") }]);
    alerts.handle(at(0), &cpu(1.0));
    assert_eq!(state(&alerts), Some(State::Firing));
    alerts.handle(at(1_000), &cpu(0.0));
    assert_eq!((state(&alerts), outputs(&mut alerts)), (Some(State::Resolved), Vec::new()));
}

#[test]
fn a_rule_of_other_figures_or_labels_begins_anew() {
    let mut alerts = with(&[rule("hot", "cpu > 0.9")]);
    alerts.handle(at(0), &cpu(1.0));
    outputs(&mut alerts);
    alerts.set_rules(at(1), vec![Rule { labels: labels(&[("team", "web")]), ..rule("hot", "cpu > 0.9") }]);
    assert!(matches!(outputs(&mut alerts)[..], [Output::Resolves(_)]));
    alerts.handle(at(2), &cpu(1.0));
    assert!(matches!(&outputs(&mut alerts)[..], [Output::Fires(alert)] if alert.labels["team"] == "web"));
}

#[test]
fn rules_that_go_resolve_their_alerts_and_rules_that_stay_keep_them() {
    let mut alerts = with(&[rule("hot", "cpu > 0.9"), rule("warm", "cpu > 0.5")]);
    alerts.handle(at(0), &cpu(1.0));
    assert_eq!(outputs(&mut alerts).len(), 2);
    alerts.set_rules(at(10), vec![rule("warm", "cpu > 0.6")]);
    let told = outputs(&mut alerts);
    assert!(matches!(&told[..], [Output::Resolves(alert)] if alert.rule == "hot"));
    alerts.handle(at(20), &cpu(1.0));
    assert_eq!(outputs(&mut alerts), []);
}

#[test]
fn the_number_of_alerts_is_bounded() {
    let mut alerts = with(&[rule("hot", "cpu > 0.9")]);
    let figure = |node: usize| Figure {
        metric: "cpu".into(),
        labels: labels(&[("node", &node.to_string())]),
        value: 1.0,
    };
    alerts.handle(at(0), &(0..ALERTS_MAX + 5).map(figure).collect::<Vec<_>>());
    assert_eq!((alerts.alerts().count(), alerts.refused()), (ALERTS_MAX, 5));
    // What is resolved makes room.
    alerts.handle(at(1), &[Figure { value: 0.0, ..figure(0) }, figure(ALERTS_MAX + 5)]);
    assert_eq!((alerts.alerts().count(), alerts.refused()), (ALERTS_MAX, 5));
    assert!(alerts.alerts().all(|alert| alert.state == State::Firing));
}
