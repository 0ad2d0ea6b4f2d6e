use std::collections::BTreeSet;

use p2p_shared::rng::Rng;
use proptest::prelude::*;

use super::*;
use crate::dht::core::bucket::UNVERIFIED_MAX;

const TIMEOUT: Millis = Millis::from_secs(120);

fn table() -> Table {
    Table::new(Key::from([0; 32]), TIMEOUT)
}

/// A contact of the far half, unless `first` is small.
fn contact(first: u8, number: u8) -> Contact {
    let mut bytes = [0; 32];
    (bytes[0], bytes[31]) = (first, number);
    Contact::new(NodeId::new(bytes), [([10, 0, 0, number], 5678).into()])
}

fn hear(table: &mut Table, at: u64, contact: Contact, evidence: Evidence) -> Vec<Change> {
    table.heard(Millis(at), contact, evidence, &mut Rng::new(1))
}

fn ids(table: &Table) -> BTreeSet<NodeId> {
    table.entries().map(|entry| entry.contact.id).collect()
}

#[derive(Clone, Debug)]
enum Happening {
    Answered,
    Asked,
    Missed,
}

fn happenings() -> impl Strategy<Value = Vec<(u8, u8, Happening)>> {
    let what = prop_oneof![Just(Happening::Answered), Just(Happening::Asked), Just(Happening::Missed)];
    prop::collection::vec((prop::sample::select(vec![1_u8, 2, 64, 255]), 0..60_u8, what), 0..600)
}

proptest! {
    #[test]
    fn buckets_stay_within_their_limits_and_the_order_is_that_of_brute_force(
        happenings in happenings(), target: [u8; 32], count in 1..50_usize,
    ) {
        let mut table = table();
        for (at, (first, number, what)) in happenings.into_iter().enumerate() {
            let (at, peer) = (at as u64 * 700, contact(first, number));
            match what {
                Happening::Answered => hear(&mut table, at, peer, Evidence::Answered),
                Happening::Asked => hear(&mut table, at, peer, Evidence::Asked),
                Happening::Missed => table.missed(Millis(at), peer.id),
            };
        }
        for bucket in table.buckets.values() {
            prop_assert!(bucket.entries().len() <= K);
            let unverified = bucket.entries().iter().filter(|entry| !entry.verified).count();
            prop_assert!(unverified <= UNVERIFIED_MAX);
        }
        prop_assert_eq!(ids(&table).len(), table.entries().count(), "nobody is in twice");
        let target = Key::from(target);
        let mut brute: Vec<_> = table.entries().filter(|entry| entry.is_good()).map(|entry| entry.key).collect();
        brute.sort_by_key(|key| target.distance(*key));
        brute.truncate(count);
        let closest: Vec<_> = table.closest(target, count, Entry::is_good).iter().map(|entry| entry.key).collect();
        prop_assert_eq!(closest, brute);
    }

    #[test]
    fn contacts_that_answer_are_never_pushed_out(knocks in prop::collection::vec(100..255_u8, 0..300)) {
        let mut table = table();
        for number in 0..K as u8 {
            hear(&mut table, 0, contact(255, number), Evidence::Answered);
        }
        let before = ids(&table);
        for (at, number) in knocks.into_iter().enumerate() {
            let evidence = if number % 2 == 0 { Evidence::Answered } else { Evidence::Asked };
            hear(&mut table, at as u64, contact(255, number), evidence);
        }
        prop_assert_eq!(ids(&table), before);
    }
}

#[test]
fn a_flood_of_askers_fills_half_an_empty_bucket() {
    let mut table = table();
    for number in 0..200 {
        hear(&mut table, 0, contact(255, number), Evidence::Asked);
    }
    assert_eq!(table.entries().count(), UNVERIFIED_MAX);
    for number in 200..200 + K as u8 {
        hear(&mut table, 1, contact(255, number), Evidence::Answered);
    }
    assert_eq!(table.entries().filter(|entry| entry.verified).count(), K);
}

#[test]
fn a_single_miss_drops_nobody() {
    let mut table = table();
    for number in 0..K as u8 + 5 {
        hear(&mut table, 0, contact(255, number), Evidence::Answered);
    }
    let before = ids(&table);
    for number in 0..K as u8 {
        table.missed(Millis(1_000_000), contact(255, number).id);
    }
    assert_eq!(ids(&table), before);
}

#[test]
fn a_silent_contact_is_suspected_and_later_replaced() {
    let mut table = table();
    for number in 0..=K as u8 {
        hear(&mut table, 0, contact(255, number), Evidence::Answered);
    }
    let (silent, spare) = (contact(255, 3), contact(255, K as u8));
    table.missed(Millis(1), silent.id);
    assert!(table.get(silent.id).unwrap().is_good());
    hear(&mut table, 2, contact(255, 4), Evidence::Answered);
    table.missed(Millis(3), silent.id);
    assert!(!table.get(silent.id).unwrap().is_good());
    let changes = table.missed(Millis(4), silent.id);
    assert_eq!(changes, [Change::Lost(silent.id), Change::Verified(spare)]);
}

#[test]
fn without_a_spare_a_silent_contact_stays_until_the_timeout() {
    let mut table = table();
    let silent = contact(255, 1);
    hear(&mut table, 0, silent.clone(), Evidence::Answered);
    for at in 1..5 {
        assert_eq!(table.missed(Millis(at), silent.id), []);
    }
    hear(&mut table, TIMEOUT.0 - 1, contact(255, 2), Evidence::Answered);
    assert_eq!(table.missed(TIMEOUT - Millis(1), silent.id), []);
    assert_eq!(table.missed(TIMEOUT, silent.id), [Change::Lost(silent.id)]);
}

#[test]
fn nobody_is_dropped_while_nobody_is_heard() {
    let mut table = table();
    for number in 0..5 {
        hear(&mut table, 0, contact(255, number), Evidence::Answered);
    }
    for at in (TIMEOUT.0..TIMEOUT.0 * 10).step_by(10_000) {
        for number in 0..5 {
            assert_eq!(table.missed(Millis(at), contact(255, number).id), []);
        }
    }
    assert!(!table.has_good());
    hear(&mut table, TIMEOUT.0 * 10, contact(255, 1), Evidence::Asked);
    assert!(table.has_good(), "the network is back");
}

#[test]
fn unverified_contacts_are_probed_within_a_second_and_verified_ones_rest() {
    let mut table = table();
    hear(&mut table, 0, contact(255, 1), Evidence::Asked);
    assert!(table.probe_from() < Millis(VERIFY_WITHIN_MS));
    let due = table.take_due(Millis(VERIFY_WITHIN_MS), 4, Millis(11_000), Millis(1_100));
    assert_eq!(due, [contact(255, 1)]);
    hear(&mut table, 2_000, contact(255, 1), Evidence::Answered);
    assert_eq!(table.take_due(Millis(3_000), 4, Millis(13_000), Millis(3_100)), []);
    assert!(table.probe_from() >= Millis(2_000 + TIMEOUT.0 * 2 / 5));
    assert!(table.probe_from() <= Millis(2_000 + TIMEOUT.0 / 2));
}

#[test]
fn a_connected_contact_is_not_probed_until_its_connection_ends() {
    let mut table = table();
    hear(&mut table, 0, contact(255, 1), Evidence::Answered);
    table.set_connected(Millis(0), contact(255, 1).id, true);
    assert_eq!(table.take_due(Millis(1_000_000), 4, Millis::MAX, Millis::ZERO), []);
    table.set_connected(Millis(1_000_000), contact(255, 1).id, false);
    assert_eq!(table.probe_from(), Millis(1_000_000));
    assert_eq!(table.take_due(Millis(1_000_000), 4, Millis::MAX, Millis::ZERO), [contact(255, 1)]);
}

#[test]
fn we_and_contacts_without_address_are_not_in_our_table() {
    let mut table = table();
    hear(&mut table, 0, Contact::new(NodeId::new([0; 32]), [([10, 0, 0, 1], 1).into()]), Evidence::Answered);
    hear(&mut table, 0, Contact::new(NodeId::new([9; 32]), []), Evidence::Answered);
    assert_eq!(table.entries().count(), 0);
}

#[test]
fn we_are_responsible_unless_enough_others_are_closer() {
    let mut table = table();
    let (near_us, near_them) = (Key::from([0; 32]), Key::from(contact(255, 0).id));
    for number in 0..K as u8 {
        assert!(table.is_responsible(near_them));
        hear(&mut table, 0, contact(255, number), Evidence::Answered);
    }
    assert!(table.is_responsible(near_us));
    assert!(!table.is_responsible(near_them));
}
