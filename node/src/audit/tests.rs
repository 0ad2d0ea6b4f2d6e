use std::io::ErrorKind;

use p2p_shared::error::Code;
use p2p_shared::services::audit::AuditKind;
use p2p_shared::time::UnixMillis;
use proptest::prelude::*;

use super::list::{Filter, list};
use super::testing::{Memory, Step, asked, call};
use super::verify::{Broken, verify};
use super::*;

/// Several segments of some records each.
fn written(records: u64, segment_bytes: u64) -> Memory {
    let memory = Memory::default();
    let (mut journal, found) = memory.journal(segment_bytes);
    assert!(found.is_empty(), "{found:?}");
    for at in 0..records {
        journal.append(&[call(at)]).unwrap();
        journal.settle();
    }
    memory
}

fn head(memory: &Memory) -> Option<Head> {
    memory.state().head.clone()
}

fn is_whole(memory: &Memory) -> bool {
    verify(memory, head(memory).as_ref()).is_ok()
}

#[test]
fn what_was_written_verifies_also_after_a_restart() {
    let memory = written(20, 1_500);
    let whole = verify(&memory, head(&memory).as_ref()).unwrap();
    assert!(whole.segments > 3 && whole.first == 1 && whole.has_head, "{whole:?}");
    let (mut journal, found) = memory.journal(100_000);
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(journal.append(&[call(1), call(2)]).unwrap(), whole.last + 1);
    journal.settle();
    assert_eq!(verify(&memory, head(&memory).as_ref()).unwrap().last, whole.last + 2);
}

#[test]
fn the_oldest_segment_makes_room_after_the_head_knows() {
    let memory = written(200, 1_500);
    assert!(memory.state().files.values().map(Vec::len).sum::<usize>() < 20_000);
    let whole = verify(&memory, head(&memory).as_ref()).unwrap();
    assert!(whole.first > 1);
    let steps = memory.state().steps.clone();
    let removed = steps.iter().position(|step| matches!(step, Step::Removed(_))).unwrap();
    assert_eq!(steps[removed - 1], Step::Head);
}

#[test]
fn a_torn_tail_is_cut_and_told() {
    let memory = written(5, 100_000);
    let (mut journal, _) = memory.journal(100_000);
    // Written, and the power went before the head was kept, in the middle of the line.
    journal.append(&[call(9)]).unwrap();
    let length = memory.state().files[&1].len();
    memory.state().files.get_mut(&1).unwrap().truncate(length - 7);
    assert!(is_whole(&memory), "nothing is missing that was acknowledged and settled");
    let (mut journal, found) = memory.journal(100_000);
    assert!(found[0].starts_with("the last record was not finished: "), "{found:?}");
    journal.append(&[call(10)]).unwrap();
    journal.settle();
    assert!(is_whole(&memory));
}

#[test]
fn a_tail_that_was_cut_off_is_found_by_the_head_alone() {
    let memory = written(10, 100_000);
    let line = memory.state().files[&1].iter().rposition(|&byte| byte == b'{').unwrap();
    let end = memory.state().files[&1][..line].iter().rposition(|&byte| byte == b'\n').unwrap();
    memory.state().files.get_mut(&1).unwrap().truncate(end + 1);
    assert!(verify(&memory, None).is_ok());
    let error = verify(&memory, head(&memory).as_ref()).unwrap_err().to_string();
    assert!(error.starts_with("record 11: it is gone"), "{error}");
    // The node goes on in a segment of its own, and the gap stays visible.
    let (mut journal, found) = memory.journal(100_000);
    assert!(found[0].contains("somebody cut them off"), "{found:?}");
    assert_eq!(journal.append(&[call(1)]).unwrap(), 13);
    journal.settle();
    let error = verify(&memory, head(&memory).as_ref()).unwrap_err().to_string();
    assert!(error.starts_with("record 11: it is gone"), "{error}");
}

#[test]
fn records_after_tampering_go_into_a_segment_of_their_own() {
    for at in [10, 400] {
        let memory = written(3, 100_000);
        memory.state().files.get_mut(&1).unwrap()[at] ^= 1;
        let (mut journal, found) = memory.journal(100_000);
        assert!(!found.is_empty());
        journal.append(&[call(1)]).unwrap();
        journal.settle();
        assert_eq!(memory.state().files.len(), 2);
        assert!(!is_whole(&memory));
        let (_, found) = memory.journal(100_000);
        assert!(found.is_empty(), "it goes on where it was: {found:?}");
    }
}

#[test]
fn a_full_disk_refuses_and_leaves_nothing_half_written() {
    let memory = written(3, 100_000);
    let (mut journal, _) = memory.journal(100_000);
    let before = memory.state().files.clone();
    memory.state().space = Some(100);
    assert_eq!(journal.append(&[call(1)]).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(memory.state().files, before);
    memory.state().space = None;
    journal.append(&[call(2)]).unwrap();
    journal.settle();
    assert!(is_whole(&memory));
}

#[test]
fn the_reserve_keeps_the_record_going_on_a_full_disk() {
    let memory = written(1, 100_000);
    let (mut journal, _) = memory.journal(100_000);
    memory.state().space = Some(10_100);
    journal.settle();
    assert_eq!(memory.state().reserve, 10_000);
    journal.append(&[call(1)]).unwrap();
    journal.settle();
    assert_eq!(memory.state().reserve, 0, "given to the record");
    let head_before = head(&memory);
    journal.append(&[call(2)]).unwrap();
    journal.settle();
    assert_eq!(head(&memory), head_before, "the database is not made to grow on a full disk");
    memory.state().space = Some(50_000);
    journal.append(&[call(3)]).unwrap();
    journal.settle();
    assert_eq!(memory.state().reserve, 10_000, "kept again once there is space");
    assert!(is_whole(&memory) && head(&memory) != head_before);
}

#[test]
fn a_failed_sync_is_a_record_that_is_not_there() {
    let memory = written(3, 1);
    let (mut journal, _) = memory.journal(1);
    let before = memory.state().files.clone();
    memory.state().fails_sync = true;
    assert!(journal.append(&[call(1)]).is_err());
    assert_eq!(memory.state().files, before, "nor is the segment that was begun for it");
    memory.state().fails_sync = false;
    journal.append(&[call(1)]).unwrap();
    journal.settle();
    assert!(is_whole(&memory));
}

fn audit(memory: &Memory) -> Audit {
    let opened = memory.clone();
    Audit::start(Box::new(move || Ok(opened.journal(1 << 20))), &Handle::current(), CancellationToken::new())
}

#[tokio::test]
async fn the_record_is_on_disk_before_the_effect() {
    let memory = Memory::default();
    let audit = audit(&memory);
    audit.flush().await;
    for _ in 0..20 {
        memory.state().steps.clear();
        audit.call(asked("process.signal")).await.unwrap();
        memory.state().steps.push(Step::Effect);
        let steps = memory.state().steps.clone();
        let effect = steps.iter().position(|step| *step == Step::Effect).unwrap();
        assert_eq!(steps[..2], [Step::Appended, Step::Synced], "{effect} {steps:?}");
        assert!(effect >= 2);
        audit.flush().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_share_their_waits_for_the_disk() {
    let memory = Memory::default();
    let audit = audit(&memory);
    audit.flush().await;
    memory.state().steps.clear();
    let calls = (0..64).map(|_| audit.call(asked("process.signal")));
    // The disk is held, so that all of them wait.
    let held = memory.state();
    let mut calls = Box::pin(futures::future::join_all(calls));
    assert!(futures::FutureExt::now_or_never(calls.as_mut()).is_none());
    drop(held);
    let mut numbers: Vec<u64> = calls.await.into_iter().map(Result::unwrap).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 64);
    let synced = memory.state().steps.iter().filter(|step| **step == Step::Synced).count();
    assert!(synced <= 3, "{synced} waits for the disk");
}

#[tokio::test]
async fn an_outcome_goes_with_the_next_call_and_the_head_follows_within_a_second() {
    let memory = Memory::default();
    let audit = audit(&memory);
    audit.flush().await;
    memory.state().steps.clear();
    let began = Instant::now();
    for of in 0..20 {
        audit.outcome(Ended { of, code: "ok".into(), message: String::new(), duration_ms: 1 });
        audit.call(asked("process.signal")).await.unwrap();
    }
    let (steps, seconds) = (memory.state().steps.clone(), began.elapsed().as_secs());
    let count = |wanted: Step| steps.iter().filter(|step| **step == wanted).count() as u64;
    // On a machine that halts in between, an outcome does not wait that long.
    assert!(count(Step::Synced) < 30, "{steps:?}");
    assert!(count(Step::Head) <= seconds, "{seconds} s: {steps:?}");
    audit.flush().await;
    assert!(is_whole(&memory));
    let entries = list(&memory, &Filter { limit: 50, ..Filter::default() }).unwrap().entries;
    assert_eq!(head(&memory).unwrap().seq, entries[0].seq);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_refused_and_says_why() {
    let memory = Memory::default();
    let audit = audit(&memory);
    audit.flush().await;
    memory.state().space = Some(0);
    let error = audit.call(asked("process.signal")).await.unwrap_err();
    assert_eq!(error.code, Code::Unavailable);
    assert!(error.message.starts_with("process.signal was not done, because its audit record"), "{error}");
    memory.state().space = None;
    audit.call(asked("process.signal")).await.unwrap();
}

#[tokio::test]
async fn a_writer_that_is_to_stop_writes_what_waits_and_lets_go() {
    let (memory, stopping) = (Memory::default(), CancellationToken::new());
    let opened = memory.clone();
    let open: Opening<Memory, Memory> = Box::new(move || Ok(opened.journal(1 << 20)));
    let audit = Audit::start(open, &Handle::current(), stopping.clone());
    audit.call(asked("a.b")).await.unwrap();
    audit.outcome(Ended { of: 3, code: "ok".into(), message: String::new(), duration_ms: 1 });
    stopping.cancel();
    audit.flush().await;
    audit.queue.closed().await;
    assert_eq!(audit.call(asked("a.b")).await.unwrap_err().code, Code::Unavailable);
    let entries = list(&memory, &Filter { limit: 1, ..Filter::default() }).unwrap().entries;
    assert_eq!(entries[0].code.as_deref(), Some("ok"));
}

#[tokio::test]
async fn files_that_cannot_be_opened_are_tried_again() {
    let memory = Memory::default();
    let (opened, mut fails) = (memory.clone(), 2);
    let open = move || {
        fails -= 1;
        if fails >= 0 { Err(ErrorKind::PermissionDenied.into()) } else { Ok(opened.journal(1 << 20)) }
    };
    let audit = Audit::start(Box::new(open), &Handle::current(), CancellationToken::new());
    assert_eq!(audit.call(asked("a.b")).await.unwrap_err().code, Code::Unavailable);
    audit.call(asked("a.b")).await.unwrap();
}

#[tokio::test]
async fn entries_come_newest_first_with_their_outcomes() {
    let memory = Memory::default();
    let audit = audit(&memory);
    let done = audit.call(asked("process.signal")).await.unwrap();
    let ended = Ended { of: done, code: "ok".into(), message: String::new(), duration_ms: 3 };
    audit.outcome(ended);
    let open = audit.call(asked("node.forget")).await.unwrap();
    audit.refused(|| asked("audit.list"), &RpcError::forbidden("denied: role: audit.list"));
    audit.flush().await;
    let filter = Filter { limit: 10, ..Filter::default() };
    let entries = list(&memory, &filter).unwrap().entries;
    let told: Vec<_> =
        entries.iter().map(|entry| (entry.kind, entry.method.as_str(), entry.code.as_deref())).collect();
    assert_eq!(
        told,
        [
            (AuditKind::Refused, "audit.list", Some("forbidden")),
            (AuditKind::Call, "node.forget", None),
            (AuditKind::Call, "process.signal", Some("ok")),
            (AuditKind::Note, "", None),
        ]
    );
    assert_eq!((entries[1].seq, entries[2].seq, entries[2].duration_ms), (open, done, Some(3)));
    let only = |filter: Filter| list(&memory, &Filter { limit: 10, ..filter }).unwrap().entries.len();
    assert_eq!(only(Filter { method: Some("node.*".into()), ..Filter::default() }), 1);
    assert_eq!(only(Filter { who: Some("bob".into()), ..Filter::default() }), 0);
    assert_eq!(only(Filter { until: Some(UnixMillis(1)), ..Filter::default() }), 0);
    for times in ["since:1 until:9999999999999", "since:1970-01-01T01:00:00+01:00 until:2999-01-01T00:00:00Z"]
    {
        let parsed = Filter::parse(&format!("who:ann  method:node.* {times}"), 5).unwrap();
        assert_eq!(list(&memory, &parsed).unwrap().entries.len(), 1);
    }
    assert!(Filter::parse("whom:ann", 5).is_err() && Filter::parse("since:now", 5).is_err());
}

#[tokio::test]
async fn pages_tell_each_entry_once_and_the_last_one_says_so() {
    let memory = Memory::default();
    let audit = audit(&memory);
    let open = audit.call(asked("program.start")).await.unwrap();
    for _ in 0..6 {
        audit.call(asked("node.forget")).await.unwrap();
    }
    audit.outcome(Ended { of: open, code: "ok".into(), message: String::new(), duration_ms: 3 });
    audit.flush().await;
    let whole = list(&memory, &Filter { limit: 100, ..Filter::default() }).unwrap();
    assert_eq!((whole.entries.len(), whole.next), (8, None));
    for limit in 1..=9 {
        let (mut told, mut before) = (Vec::new(), None);
        loop {
            let page = list(&memory, &Filter { limit, before, ..Filter::default() }).unwrap();
            told.extend(page.entries);
            let Some(next) = page.next else { break };
            assert_eq!(told.len() % limit, 0, "a page is full unless it is the last");
            before = Some(next.parse().unwrap());
            // What comes meanwhile changes nothing of the pages behind.
            audit.refused(|| asked("audit.list"), &RpcError::forbidden("denied"));
            audit.flush().await;
        }
        let old: Vec<_> = told.into_iter().filter(|entry| entry.kind != AuditKind::Refused).collect();
        assert_eq!(old, whole.entries, "the outcome is told also where it is pages away: {limit}");
    }
}

/// One way to change a record.
#[derive(Clone, Debug)]
enum Tampering {
    Flip { at: usize, bit: u8 },
    Cut { at: usize, bytes: usize },
    Swap { one: usize, other: usize },
    Drop { line: usize },
    Insert { at: usize, bytes: Vec<u8> },
    Repeat { line: usize, behind: usize },
    Lose { segment: usize },
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let any = || any::<usize>();
    prop_oneof![
        (any(), 0..8_u8).prop_map(|(at, bit)| Tampering::Flip { at, bit }),
        (any(), 1..300_usize).prop_map(|(at, bytes)| Tampering::Cut { at, bytes }),
        (any(), any()).prop_map(|(one, other)| Tampering::Swap { one, other }),
        any().prop_map(|line| Tampering::Drop { line }),
        (any(), proptest::collection::vec(proptest::num::u8::ANY, 1..300))
            .prop_map(|(at, bytes)| Tampering::Insert { at, bytes }),
        (any(), any()).prop_map(|(line, behind)| Tampering::Repeat { line, behind }),
        any().prop_map(|segment| Tampering::Lose { segment }),
    ]
}

/// Changes the bytes of all segments; whether anything is another than before.
fn tamper(memory: &Memory, tampering: &Tampering) -> bool {
    let mut state = memory.state();
    let before = state.files.clone();
    if let Tampering::Lose { segment } = tampering {
        let first = *before.keys().nth(segment % before.len()).unwrap();
        state.files.remove(&first);
        return true;
    }
    let at = match tampering {
        Tampering::Flip { at, .. } | Tampering::Cut { at, .. } | Tampering::Insert { at, .. } => *at,
        Tampering::Swap { one: at, .. }
        | Tampering::Drop { line: at }
        | Tampering::Repeat { line: at, .. } => *at,
        Tampering::Lose { .. } => unreachable!(),
    };
    let first = *before.keys().nth(at % before.len()).unwrap();
    let file = state.files.get_mut(&first).unwrap();
    let mut lines: Vec<Vec<u8>> = file.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    let (at, count) = (at % file.len(), lines.len());
    match tampering {
        Tampering::Flip { bit, .. } => file[at] ^= 1 << bit,
        Tampering::Cut { bytes, .. } => drop(file.drain(at..(at + bytes).min(file.len()))),
        Tampering::Insert { bytes, .. } => drop(file.splice(at..at, bytes.iter().copied())),
        Tampering::Swap { one, other } => {
            lines.swap(one % count, other % count);
            *file = lines.concat();
        }
        Tampering::Drop { line } => {
            lines.remove(line % count);
            *file = lines.concat();
        }
        Tampering::Repeat { line, behind } => {
            let line = lines[line % count].clone();
            lines.insert(behind % count + 1, line);
            *file = lines.concat();
        }
        Tampering::Lose { .. } => {}
    }
    state.files != before
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn every_tampering_is_found(tampering in tampering()) {
        static WHOLE: std::sync::LazyLock<Memory> = std::sync::LazyLock::new(|| written(40, 2_000));
        prop_assert!(is_whole(&WHOLE));
        let memory = WHOLE.copy();
        if tamper(&memory, &tampering) {
            let broken = verify(&memory, head(&memory).as_ref());
            prop_assert!(matches!(broken, Err(Broken::At { .. })), "{broken:?}");
        }
    }
}
