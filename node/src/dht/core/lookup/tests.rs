use std::collections::{BTreeMap, BTreeSet};

use p2p_shared::rng::Rng;
use proptest::prelude::*;

use super::*;

fn node(rng: &mut Rng) -> Contact {
    let mut bytes = [0; 32];
    rng.fill(&mut bytes);
    Contact::new(NodeId::new(bytes), [([10, 0, 0, 1], 5678).into()])
}

fn key(rng: &mut Rng) -> Key {
    node(rng).id.into()
}

fn nearest(contacts: &[Contact], target: Key, count: usize) -> Vec<Contact> {
    let mut sorted = contacts.to_vec();
    sorted.sort_by_key(|contact| target.distance(contact.id.into()));
    sorted.truncate(count);
    sorted
}

/// What a peer says when it is asked.
#[derive(Clone, Debug)]
enum Behaviour {
    Knows(Vec<usize>),
    Silent,
}

fn behaviours() -> impl Strategy<Value = Vec<Behaviour>> {
    let knows = prop::collection::vec(0..60_usize, 0..30).prop_map(Behaviour::Knows);
    prop::collection::vec(prop_oneof![4 => knows, 1 => Just(Behaviour::Silent)], 60)
}

proptest! {
    #[test]
    fn whatever_peers_say_it_ends_and_asks_nobody_twice(
        behaviours in behaviours(), seed: u64, distrustful: bool, order: bool,
    ) {
        let mut rng = Rng::new(seed);
        let (own, target) = (key(&mut rng), key(&mut rng));
        let contacts: Vec<Contact> = behaviours.iter().map(|_| node(&mut rng)).collect();
        let says: BTreeMap<NodeId, &Behaviour> =
            contacts.iter().map(|contact| contact.id).zip(&behaviours).collect();
        let mut lookup = Lookup::new(own, target, contacts[..5].iter().cloned());
        if distrustful { lookup = lookup.with_witnesses(); }
        let (mut asked, mut open, mut now) = (BTreeSet::new(), Vec::new(), Millis::ZERO);
        while !lookup.is_done() {
            while let Some(contact) = lookup.next(now) {
                prop_assert!(asked.insert(contact.id), "asked twice");
                open.push(contact.id);
            }
            prop_assert!(open.len() <= WAITING_MAX);
            prop_assert!(lookup.is_done() || !open.is_empty(), "it waits for nobody");
            if open.is_empty() { continue }
            let peer = if order { open.remove(0) } else { open.swap_remove(rng.below(open.len() as u64) as usize) };
            match says[&peer] {
                Behaviour::Knows(known) => {
                    lookup.answered(peer, known.iter().map(|&index| contacts[index].clone()));
                }
                Behaviour::Silent => lookup.failed(peer),
            }
            now = now + Millis(rng.below(400));
        }
        prop_assert!(lookup.closest().count() <= K);
        prop_assert!(lookup.asked() as usize == asked.len());
    }

    #[test]
    fn if_everybody_knows_everybody_it_finds_the_closest(seed: u64, count in 1..100_usize) {
        let mut rng = Rng::new(seed);
        let (own, target) = (key(&mut rng), key(&mut rng));
        let contacts: Vec<Contact> = (0..count).map(|_| node(&mut rng)).collect();
        let mut lookup = Lookup::new(own, target, [contacts[0].clone()]);
        while !lookup.is_done() {
            let contact = lookup.next(Millis::ZERO).unwrap();
            lookup.answered(contact.id, nearest(&contacts, target, K));
        }
        let found: Vec<Contact> = lookup.closest().cloned().collect();
        prop_assert_eq!(&found[..1], nearest(&contacts, target, 1));
        prop_assert_eq!(&found, &nearest(&found, target, K));
        if count >= K {
            prop_assert_eq!(found, nearest(&contacts, target, K));
        }
    }
}

#[test]
fn nobody_to_ask_is_the_end() {
    let mut rng = Rng::new(1);
    let mut lookup = Lookup::new(key(&mut rng), key(&mut rng), []);
    assert!(lookup.next(Millis::ZERO).is_none());
    assert!(lookup.is_done());
}

#[test]
fn it_never_asks_ourselves() {
    let mut rng = Rng::new(1);
    let own = node(&mut rng);
    let mut lookup = Lookup::new(own.id.into(), key(&mut rng), [own]);
    assert!(lookup.next(Millis::ZERO).is_none());
}

#[test]
fn a_slow_peer_gives_its_place_to_another_and_still_counts() {
    let mut rng = Rng::new(1);
    let target = key(&mut rng);
    let contacts: Vec<Contact> = (0..4).map(|_| node(&mut rng)).collect();
    let contacts = nearest(&contacts, target, 4);
    let mut lookup = Lookup::new(key(&mut rng), target, contacts.iter().cloned());
    for contact in &contacts[..ALPHA] {
        assert_eq!(lookup.next(Millis(0)).as_ref(), Some(contact));
    }
    assert_eq!(lookup.next(Millis(0)), None);
    assert_eq!(lookup.wake_at(), Some(SLOW_AFTER));
    assert_eq!(lookup.next(SLOW_AFTER).as_ref(), Some(&contacts[3]));
    assert!(lookup.answered(contacts[0].id, []));
    assert!(!lookup.is_done(), "fewer than K answered and three may still do");
    assert_eq!(lookup.closest().next(), Some(&contacts[0]));
}

#[test]
fn an_answer_that_was_not_asked_for_changes_nothing() {
    let mut rng = Rng::new(1);
    let mut lookup = Lookup::new(key(&mut rng), key(&mut rng), [node(&mut rng)]);
    let stranger = node(&mut rng);
    assert!(!lookup.answered(stranger.id, [node(&mut rng)]));
    assert_eq!(lookup.closest().count(), 0);
}

#[test]
fn invented_contacts_cannot_make_it_endless() {
    let mut rng = Rng::new(1);
    let mut lookup = Lookup::new(key(&mut rng), key(&mut rng), [node(&mut rng)]);
    let mut asked = 0;
    while let Some(contact) = lookup.next(Millis::ZERO) {
        asked += 1;
        let invented: Vec<Contact> = (0..K).map(|_| node(&mut rng)).collect();
        lookup.answered(contact.id, invented);
    }
    assert!(lookup.is_done());
    assert!(asked <= ASKED_MAX);
    assert!(lookup.candidates.len() <= CANDIDATES_MAX);
}
