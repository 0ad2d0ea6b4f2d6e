use std::collections::BTreeMap;
use std::sync::Arc;

use p2p_shared::rpc::codec::{Encoding, encode};
use p2p_shared::services::process::ProcessState;
use p2p_shared::time::{Millis, UnixMillis};
use proptest::prelude::*;

use super::*;
use crate::host::moment::Moment;
use crate::host::snapshot::ProcessIdentity;

fn row(pid: u32, name: &str, cpu_ratio: f32, rss_bytes: u64) -> ProcessRow {
    let identity = ProcessIdentity {
        key: ProcessKey { pid, start_ticks: 7 },
        ppid: 1,
        name: name.into(),
        command: String::new(),
        user: "ann".into(),
        uid: 1_000,
        started: UnixMillis(5),
    };
    let usage = ProcessUsage {
        state: ProcessState::Sleeping,
        cpu_ratio,
        cpu_time_ms: 10,
        rss_bytes,
        threads: 1,
        nice: 0,
    };
    ProcessRow { identity: Arc::new(identity), usage }
}

fn snapshot(rows: Vec<ProcessRow>) -> ProcessSnapshot {
    let at = Moment { monotonic: Millis(1), since_boot: Millis(1), wall: UnixMillis(1) };
    ProcessSnapshot { at, boot_id: "boot".into(), rows }
}

/// The other side of a watch, as a console keeps it.
#[derive(Default)]
struct Receiver(BTreeMap<ProcessKey, ProcessInfo>);

impl Receiver {
    fn apply(&mut self, message: ProcessDelta) {
        if message.full {
            self.0.clear();
        }
        for key in message.gone {
            assert!(self.0.remove(&key).is_some(), "only what is known goes");
        }
        for info in message.appeared {
            self.0.insert(info.key, info);
        }
        for change in message.changed {
            self.0.get_mut(&change.key).expect("only what is known changes").usage = change.usage;
        }
    }
}

#[test]
fn the_first_message_is_full_even_without_processes() {
    let messages = Sent::default().advance(&snapshot(Vec::new()));
    assert_eq!(messages.len(), 1);
    assert!(messages[0].full && messages[0].seq == 0);
}

#[test]
fn nothing_is_sent_when_nothing_changed() {
    let mut sent = Sent::default();
    let idle = snapshot(vec![row(1, "init", 0.0, 4_096), row(2, "sh", 0.0, 4_096)]);
    assert_eq!(sent.advance(&idle).len(), 1);
    assert!(sent.advance(&idle).is_empty());
}

#[test]
fn noise_is_held_back_but_not_for_good() {
    let mut sent = Sent::default();
    sent.advance(&snapshot(vec![row(1, "a", 0.0, 0)]));
    let messages = |sent: &mut Sent, rss| sent.advance(&snapshot(vec![row(1, "a", 0.0, rss)])).len();
    assert_eq!(messages(&mut sent, 40_000), 0);
    assert_eq!(messages(&mut sent, 80_000), 1, "small steps add up");
    assert_eq!(messages(&mut sent, 90_000), 0);
}

#[test]
fn a_share_that_changes_is_sent_at_once() {
    let mut sent = Sent::default();
    sent.advance(&snapshot(vec![row(1, "a", 0.0, 0), row(2, "b", 0.0, 0)]));
    let messages = sent.advance(&snapshot(vec![row(1, "a", 0.001, 0), row(2, "b", 0.0, 0)]));
    assert_eq!(messages[0].changed.len(), 1);
    assert!(messages[0].appeared.is_empty() && messages[0].gone.is_empty() && !messages[0].full);
}

#[test]
fn a_pid_used_again_goes_and_appears() {
    let mut sent = Sent::default();
    sent.advance(&snapshot(vec![row(5, "a", 0.0, 0)]));
    let mut again = row(5, "a", 0.0, 0);
    Arc::make_mut(&mut again.identity).key.start_ticks = 99;
    let messages = sent.advance(&snapshot(vec![again]));
    assert_eq!((messages[0].gone.len(), messages[0].appeared.len()), (1, 1));
}

#[test]
fn a_long_list_is_split_into_small_messages() {
    let hostile = "\u{1}".repeat(1_024);
    let rows = (0..5_000).map(|pid| {
        let mut row = row(pid, "a", 0.0, 0);
        Arc::make_mut(&mut row.identity).command = hostile.clone();
        row
    });
    let messages = Sent::default().advance(&snapshot(rows.collect()));
    for (index, message) in messages.iter().enumerate() {
        assert_eq!((message.seq, message.full), (index as u64, index == 0));
        for encoding in [Encoding::Bincode, Encoding::Json] {
            assert!(encode(message, encoding).unwrap().len() < 1 << 20);
        }
    }
    assert_eq!(messages.iter().map(|message| message.appeared.len()).sum::<usize>(), 5_000);
}

#[test]
fn an_idle_machine_costs_under_a_kibibyte_a_second() {
    let rows = |busy: f32| {
        let rows = (0..500).map(|pid| row(pid, "idle", if pid == 7 { busy } else { 0.0 }, 4_096));
        snapshot(rows.collect())
    };
    let mut sent = Sent::default();
    sent.advance(&rows(0.0));
    let messages = sent.advance(&rows(0.01));
    let bytes: usize = messages.iter().map(|message| encode(message, Encoding::Json).unwrap().len()).sum();
    assert!(bytes < 1_024, "{bytes}");
}

fn any_rows() -> impl Strategy<Value = Vec<ProcessRow>> {
    let one = (0_u32..40, 0_u64..3, "[ab]", 0_u8..3, 0_u64..4);
    proptest::collection::vec(one, 0..30).prop_map(|all| {
        let rows = all.into_iter().map(|(pid, start_ticks, name, ratio, rss)| {
            let mut row = row(pid, &name, f32::from(ratio), rss * RSS_STEP_BYTES);
            Arc::make_mut(&mut row.identity).key.start_ticks = start_ticks;
            (row.identity.key, row)
        });
        rows.collect::<BTreeMap<_, _>>().into_values().collect()
    })
}

proptest! {
    #[test]
    fn applying_every_message_gives_the_snapshot(all in proptest::collection::vec(any_rows(), 1..6)) {
        let mut sent = Sent::default();
        let mut receiver = Receiver::default();
        let mut seq = 0;
        for rows in all {
            let new = snapshot(rows);
            for message in sent.advance(&new) {
                prop_assert_eq!(message.seq, seq);
                seq += 1;
                receiver.apply(message);
            }
            let expected: Vec<_> = new.rows.iter().map(ProcessRow::to_info).collect();
            prop_assert_eq!(receiver.0.values().cloned().collect::<Vec<_>>(), expected);
        }
    }
}
