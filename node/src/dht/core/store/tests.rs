use proptest::prelude::*;

use super::*;

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const DUE: Millis = Millis::from_secs(3_600);

fn id(byte: u8) -> NodeId {
    NodeId::new([byte; 32])
}

fn key(first: u8, second: u8) -> Key {
    let mut bytes = [0; 32];
    (bytes[0], bytes[1]) = (first, second);
    Key::from(bytes)
}

fn record(publisher: u8, key: Key, seq: u64, value: &[u8]) -> Record {
    let expires = NOW.plus(Millis::from_secs(3_600));
    Record { key, publisher: id(publisher), seq, expires, value: value.to_vec() }
}

fn store(capacity: usize) -> Store {
    Store::new(NodeId::new([0; 32]), capacity)
}

proptest! {
    #[test]
    fn the_highest_sequence_wins_in_any_order(seqs in prop::collection::vec(0..50_u64, 1..40)) {
        let mut store = store(10);
        for &seq in &seqs {
            let _ = store.insert(NOW, DUE, record(1, key(9, 9), seq, &seq.to_be_bytes()));
        }
        let held = store.get(NOW, key(9, 9)).map(|held| held.seq);
        prop_assert_eq!(held, seqs.iter().copied().max());
    }

    #[test]
    fn it_never_holds_more_than_its_capacity(
        writes in prop::collection::vec((1..5_u8, any::<u8>(), any::<u8>(), 0..3_u64), 0..300),
    ) {
        let mut store = store(20);
        for (publisher, first, second, seq) in writes {
            let _ = store.insert(NOW, DUE, record(publisher, key(first, second), seq, b"x"));
            prop_assert!(store.count() <= 20);
            let indexed: usize = store.publishers.values().map(BTreeSet::len).sum();
            prop_assert_eq!(indexed, store.count());
            prop_assert_eq!(store.due.len(), store.count());
        }
    }
}

#[test]
fn unsound_records_are_refused() {
    let sound = record(1, key(1, 1), 1, b"x");
    let far = NOW.plus(EXPIRY_MAX).plus(CLOCK_SKEW).plus(Millis(1));
    let cases = [
        (Record { value: vec![0; VALUE_BYTES_MAX + 1], ..sound.clone() }, Refusal::TooLarge),
        (Record { value: Vec::new(), ..sound.clone() }, Refusal::Empty),
        (Record { expires: NOW, ..sound.clone() }, Refusal::Expired),
        (Record { expires: UnixMillis(0), ..sound.clone() }, Refusal::Expired),
        (Record { expires: far, ..sound.clone() }, Refusal::ExpiryTooFar),
        (Record { expires: UnixMillis(u64::MAX), ..sound.clone() }, Refusal::ExpiryTooFar),
    ];
    for (unsound, refusal) in cases {
        assert_eq!(store(10).insert(NOW, DUE, unsound), Err(refusal));
    }
    assert_eq!(store(10).insert(NOW, DUE, sound), Ok((Kept::Changed, None)));
}

#[test]
fn old_forked_and_leaping_sequences_leave_the_record_as_it_was() {
    let mut store = store(10);
    let held = record(1, key(1, 1), 7, b"held");
    store.insert(NOW, DUE, held.clone()).unwrap();
    let refused =
        |store: &mut Store, seq, value: &[u8]| store.insert(NOW, DUE, record(1, key(1, 1), seq, value));
    assert_eq!(refused(&mut store, 6, b"x"), Err(Refusal::Stale));
    assert_eq!(refused(&mut store, 7, b"x"), Err(Refusal::Conflict));
    assert_eq!(refused(&mut store, 8 + SEQUENCE_STEP_MAX, b"x"), Err(Refusal::SequenceLeap));
    assert_eq!(refused(&mut store, 7, b"held"), Ok((Kept::Same, None)));
    assert_eq!(store.conflicts(), 1);
    assert_eq!(store.get(NOW, key(1, 1)), Some(&held));
}

#[test]
fn an_expired_record_is_not_read_and_stands_in_nobodys_way() {
    let mut store = store(10);
    store.insert(NOW, DUE, record(1, key(1, 1), 7, b"x")).unwrap();
    let later = NOW.plus(Millis::from_secs(3_600));
    assert_eq!(store.get(later, key(1, 1)), None);
    let expires = later.plus(Millis(1));
    let lower = Record { expires, ..record(1, key(1, 1), 1, b"y") };
    assert_eq!(store.insert(later, DUE, lower), Ok((Kept::Changed, None)));
}

#[test]
fn when_full_the_farthest_goes_and_never_one_of_ours() {
    let mut store = store(3);
    store.insert(NOW, DUE, record(0, key(255, 0), 1, b"ours")).unwrap();
    store.insert(NOW, DUE, record(1, key(9, 0), 1, b"far")).unwrap();
    store.insert(NOW, DUE, record(2, key(5, 0), 1, b"near")).unwrap();
    assert_eq!(store.insert(NOW, DUE, record(3, key(100, 0), 1, b"x")), Err(Refusal::Full));
    let nearer = store.insert(NOW, DUE, record(3, key(1, 0), 1, b"x"));
    assert_eq!(nearer, Ok((Kept::Changed, Some(key(9, 0)))));
    assert!(store.get(NOW, key(255, 0)).is_some());
}

#[test]
fn a_publisher_with_many_records_evicts_its_own() {
    let mut store = store(10);
    store.insert(NOW, DUE, record(1, key(200, 0), 1, b"of another")).unwrap();
    for near in 1..100 {
        let _ = store.insert(NOW, DUE, record(2, key(0, near), 1, b"flood"));
    }
    assert_eq!(store.count(), 10);
    assert!(store.get(NOW, key(200, 0)).is_some());
}

#[test]
fn records_come_due_in_order_and_can_be_put_off() {
    let mut store = store(10);
    store.insert(NOW, Millis(20), record(1, key(1, 0), 1, b"x")).unwrap();
    store.insert(NOW, Millis(10), record(1, key(2, 0), 1, b"x")).unwrap();
    assert_eq!(store.next_due(), Some(Millis(10)));
    assert_eq!(store.due(Millis(9)), None);
    assert_eq!(store.due(Millis(10)), Some(key(2, 0)));
    store.set_due(key(2, 0), Millis(30));
    assert_eq!(store.next_due(), Some(Millis(20)));
}
