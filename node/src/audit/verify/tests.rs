//! Records written anew by somebody who owns the machine: every line bound as it should be, head and
//! countersignatures replaced. What others hold finds them all the same.

use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::time::UnixMillis;
use p2p_shared::witness::{AuditHead, Statement};
use proptest::prelude::*;

use super::super::chain;
use super::super::testing::{Memory, call};
use super::super::witness::{Held, Kept};
use super::*;

/// A record in several segments, and what a member that was handed every tenth head holds of it.
fn written() -> (Memory, Vec<Mark>) {
    let memory = Memory::default();
    let (mut journal, _) = memory.journal(2_000);
    let name: NodeName = "web-1".parse().unwrap();
    let mut held = Held::nothing(NodeId::new([1; 32]), name);
    for at in 0..60 {
        journal.append(&[call(at)]).unwrap();
        journal.settle();
        if at % 10 == 9 {
            let Head { seq, link, .. } = journal.head();
            let statement = Statement { certificate: Vec::new(), payload: Vec::new(), signature: Vec::new() };
            held.take(Kept {
                head: AuditHead { seq, link, at: UnixMillis(at) },
                statement,
                taken: UnixMillis(at),
            });
        }
    }
    let mark = |kept: &Kept| Mark { by: "web-2".into(), seq: kept.head.seq, link: kept.head.link.clone() };
    (memory, held.heads.iter().map(mark).collect())
}

/// What somebody does to the record that begins with number 1.
#[derive(Clone, Debug)]
enum Forgery {
    /// It ends before this record.
    Cut(usize),
    /// Somebody else asked for this.
    Change(usize),
    /// This never happened.
    Drop(usize),
    /// So many records follow the end, after it was cut before this one.
    Regrow(usize, u64),
}

fn forgery() -> impl Strategy<Value = Forgery> {
    let any = || any::<usize>();
    prop_oneof![
        any().prop_map(Forgery::Cut),
        any().prop_map(Forgery::Change),
        any().prop_map(Forgery::Drop),
        (any(), 1..80_u64).prop_map(|(from, more)| Forgery::Regrow(from, more)),
    ]
}

/// Writes the whole record anew, as it should be bound, with the head that belongs to it.
fn forge(memory: &Memory, forgery: &Forgery) {
    let mut state = memory.state();
    let mut records: Vec<Record> = Vec::new();
    for mut rest in state.files.values().map(Vec::as_slice) {
        while !rest.is_empty() {
            let line = chain::take(rest).unwrap();
            records.push(Record::from_text(line.text).unwrap());
            rest = &rest[line.bytes..];
        }
    }
    let is_call = |record: &&mut Record| matches!(record.what, What::Call(_));
    // The first line only says that a segment begins.
    let some = |index: usize, count: usize| 1 + index % (count - 1);
    let count = records.len();
    match *forgery {
        Forgery::Cut(from) => records.truncate(some(from, count)),
        Forgery::Change(index) => {
            let calls = records.iter_mut().filter(is_call).count();
            let record = records.iter_mut().filter(is_call).nth(index % calls).unwrap();
            if let What::Call(asked) = &mut record.what {
                asked.who = "bob".into();
            }
        }
        Forgery::Drop(index) => {
            records.remove(some(index, count));
        }
        Forgery::Regrow(from, more) => {
            records.truncate(some(from, count));
            let last = call(1_000).what;
            let record =
                |at| Record { seq: 0, at_ms: UnixMillis(at), node: "web-1".into(), what: last.clone() };
            records.extend((1_000..1_000 + more).map(record));
        }
    }
    state.files.clear();
    let (mut link, mut segment) = (Link::default(), 1);
    for (record, seq) in records.iter_mut().zip(1..) {
        record.seq = seq;
        if let What::Segment { previous } = &mut record.what {
            *previous = link.to_text();
            segment = seq;
        }
        link = chain::put(state.files.entry(segment).or_default(), link, &record.to_text());
    }
    state.head = Some(Head { oldest: 1, seq: records.len() as u64, link: link.to_text() });
}

fn judge(memory: &Memory, marks: &[Mark]) -> Result<usize, Broken> {
    let asked: Vec<u64> = marks.iter().map(|mark| mark.seq).collect();
    let head = memory.state().head.clone();
    judge_marks(&verify_for(memory, head.as_ref(), &asked)?, marks)
}

#[test]
fn what_was_written_agrees_with_all_that_is_held() {
    let (memory, marks) = written();
    assert_eq!(judge(&memory, &marks).unwrap(), marks.len());
    assert_eq!(marks.len(), 6);
}

#[test]
fn what_is_no_longer_kept_is_not_missed() {
    let (memory, mut marks) = written();
    let first = *memory.state().files.keys().nth(1).unwrap();
    memory.state().files.remove(&1);
    memory.state().head.as_mut().unwrap().oldest = first;
    marks.insert(0, Mark { by: "web-2".into(), seq: first - 1, link: String::new() });
    let compared = judge(&memory, &marks).unwrap();
    assert!(compared > 0 && compared < marks.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn a_record_written_anew_with_its_head_is_found_by_what_others_hold(forgery in forgery()) {
        static WRITTEN: std::sync::LazyLock<(Memory, Vec<Mark>)> = std::sync::LazyLock::new(written);
        let (memory, marks) = (WRITTEN.0.copy(), &WRITTEN.1);
        forge(&memory, &forgery);
        let head = memory.state().head.clone();
        prop_assert!(verify(&memory, head.as_ref()).is_ok(), "nothing on the machine itself shows it");
        let broken = judge(&memory, marks);
        prop_assert!(matches!(broken, Err(Broken::At { .. })), "{broken:?}");
    }
}
