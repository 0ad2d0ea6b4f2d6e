use p2p_shared::services::journal::{JournalBatch, JournalRow};
use proptest::prelude::*;

use super::merge::HOLD;
use super::*;

fn row(time_us: u64, message: &str) -> JournalRow {
    JournalRow {
        cursor: "c".into(),
        time_us,
        unit: Some("a.service".into()),
        identifier: Some("a".into()),
        pid: Some(7),
        priority: 3,
        message: message.into(),
        is_cut: false,
        fields: Vec::new(),
    }
}

fn batch(at_ms: u64, times_us: &[u64]) -> JournalBatch {
    let rows = times_us.iter().map(|time| row(*time, "m")).collect();
    JournalBatch { seq: 0, at: UnixMillis(at_ms), rows, dropped: 0 }
}

fn times(lines: &[(usize, JournalRow)]) -> Vec<u64> {
    lines.iter().map(|(_, row)| row.time_us).collect()
}

#[test]
fn a_line_waits_for_the_other_node_and_not_for_ever() {
    let mut lines = Lines::new(2, UnixMillis(0));
    lines.heard(0, batch(10, &[5_000, 9_000]), UnixMillis(10));
    assert!(lines.ready(UnixMillis(10)).is_empty());
    lines.heard(1, batch(8, &[6_000]), UnixMillis(11));
    assert_eq!(times(&lines.ready(UnixMillis(11))), [5_000, 6_000]);
    assert_eq!(times(&lines.ready(UnixMillis(10 + HOLD.0))), [9_000]);
}

#[test]
fn a_silent_node_lags_is_told_once_and_holds_nothing_up() {
    let mut lines = Lines::new(2, UnixMillis(0));
    lines.heard(0, batch(3_000, &[1]), UnixMillis(3_000));
    assert_eq!(lines.notices(UnixMillis(3_000)), [(1, Notice::Lags)]);
    assert_eq!(lines.notices(UnixMillis(3_001)), []);
    assert_eq!(times(&lines.ready(UnixMillis(3_001))), [1]);
    lines.heard(1, batch(3_002, &[]), UnixMillis(3_002));
    assert_eq!(lines.notices(UnixMillis(3_003)), [(1, Notice::Back)]);
    lines.lost(1);
    assert_eq!(lines.notices(UnixMillis(5_999)), []);
}

#[test]
fn a_clock_that_is_off_does_not_put_lines_out_of_order() {
    let mut lines = Lines::new(2, UnixMillis(0));
    // The second one's clock is five seconds ahead: what it wrote at 5,007 happened at 7.
    lines.set_offset(1, Offset { ms: 5_000 });
    lines.heard(0, batch(20, &[5_000, 9_000]), UnixMillis(20));
    lines.heard(1, batch(5_020, &[5_007_000]), UnixMillis(20));
    assert_eq!(times(&lines.ready(UnixMillis(20))), [5_000, 5_007_000, 9_000]);
}

#[test]
fn a_bad_expression_is_told_with_its_place() {
    assert_eq!(fault("abc("), Some(4));
    assert_eq!(fault("[z-a]"), Some(2));
    assert_eq!(fault("fine.*"), None);
    assert_eq!(fault("ж("), Some(2), "characters, not bytes");
}

proptest! {
    /// Whatever comes in whichever order: nothing is lost, and what was heard in time is in order.
    #[test]
    fn merging_keeps_every_line_and_the_order(
        heard in prop::collection::vec((0..3_usize, prop::collection::vec(0..500_000_u64, 0..6)), 0..30),
    ) {
        let mut lines = Lines::new(3, UnixMillis(0));
        let count: usize = heard.iter().map(|(_, times)| times.len()).sum();
        for (node, times) in &heard {
            lines.heard(*node, batch(0, times), UnixMillis(0));
        }
        prop_assert!(lines.ready(UnixMillis(0)).is_empty());
        for node in 0..3 {
            lines.heard(node, batch(1_000, &[]), UnixMillis(1));
        }
        let ready = times(&lines.ready(UnixMillis(1)));
        prop_assert_eq!(ready.len(), count);
        prop_assert!(ready.is_sorted());
        prop_assert!(lines.rest().is_empty());
    }
}

#[test]
fn a_line_reads_like_that_of_journalctl() {
    let node: NodeName = "web-1".parse().unwrap();
    let text = line(&node, 6, &row(1_700_000_000_123_456, "one\u{1b}[2J\ntwo"));
    let expected = "2023-11-14 22:13:20.123 web-1  a[7]: <err> one^[[2J\n\
                    2023-11-14 22:13:20.123 web-1  a[7]: <err> two\n";
    assert_eq!(text, expected);
}

#[test]
fn priorities_and_times_have_names() {
    for (text, number) in [("err", 3), ("ERROR", 3), ("warn", 4), ("0", 0), ("debug", 7)] {
        assert_eq!(priority(text), Ok(number));
    }
    assert!(priority("8").is_err() && priority("loud").is_err());
    let now = UnixMillis(1_700_000_000_000);
    assert_eq!(moment_from("15m", now), Ok(UnixMillis(1_699_999_100_000)));
    assert_eq!(moment_from("2023-11-14T22:13:20Z", now), Ok(now));
    assert_eq!(moment_from("1970-01-02", now), Ok(UnixMillis(86_400_000)));
    for text in ["", "m", "15", "15x", "yesterday", "2023-13-01"] {
        assert!(moment_from(text, now).is_err(), "{text}");
    }
}
