use p2p_shared::id::NodeId;
use proptest::prelude::*;

use super::*;
use crate::views::peers::grid::sight::Pair;

/// Nodes that all see each other, 10 ms apart, with 1,000 packets sent each way and clocks that agree.
fn whole(count: usize) -> Sight {
    let pair =
        Pair { rtt_ms: 10.0, sent: 1_000, lost: 0, ahead_ms: Some(0), age_ms: 60_000, ..Pair::default() };
    Sight {
        ids: (0..count).map(|at| NodeId::new([at as u8; 32])).collect(),
        names: (0..count).map(|at| format!("node-{at}")).collect(),
        standings: vec![Standing::Fresh; count],
        pairs: vec![Some(pair); count * count],
    }
}

/// Changes what a node says of another.
fn change(sight: &mut Sight, from: usize, to: usize, with: impl Fn(&mut Pair)) {
    let at = from * sight.len() + to;
    if let Some(pair) = &mut sight.pairs[at] {
        with(pair);
    }
}

fn cut(sight: &mut Sight, from: usize, to: usize) {
    let at = from * sight.len() + to;
    sight.pairs[at] = None;
}

/// The clock of a node runs ahead by so much, and everybody else's is a little off.
fn set_clocks(sight: &mut Sight, clocks: &[i64]) {
    for from in 0..sight.len() {
        for to in 0..sight.len() {
            change(sight, from, to, |pair| pair.ahead_ms = Some(clocks[to] - clocks[from]));
        }
    }
}

fn first(sight: &Sight) -> String {
    findings(sight)[0].text.clone()
}

#[test]
fn a_whole_mesh_is_well() {
    let found = findings(&whole(10));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].gravity, Gravity::Good);
    assert_eq!(found[0].text, "all well: 10 nodes, all connected, usually 10.0 ms, no loss, clocks agree");
    assert_eq!(first(&whole(1)), "there is no other node to be seen");
    assert_eq!(first(&whole(0)), "there is no other node to be seen");
}

#[test]
fn connections_that_are_not_there_are_no_trouble() {
    let mut sight = whole(4);
    cut(&mut sight, 0, 1);
    cut(&mut sight, 1, 0);
    assert!(first(&sight).contains("10 of 12 ways connected, which is enough"), "{}", first(&sight));
}

#[test]
fn of_two_clocks_nobody_can_say_which_is_wrong() {
    let mut sight = whole(2);
    set_clocks(&mut sight, &[0, 1_200]);
    assert_eq!(first(&sight), "the clocks of node-1 and node-0 are 1.2 s apart");
}

#[test]
fn packets_that_get_lost_one_way_are_told_with_their_way() {
    let mut sight = whole(5);
    for other in 0..5 {
        change(&mut sight, 3, other, |pair| pair.lost = 120);
    }
    assert_eq!(first(&sight), "what node-3 sends to all others gets lost: 12%");
    let mut sight = whole(5);
    change(&mut sight, 1, 2, |pair| pair.lost = 30);
    assert_eq!(first(&sight), "3.0% lost from node-1 to node-2, this way alone");
    change(&mut sight, 1, 2, |pair| pair.sent = 40);
    assert_eq!(findings(&sight)[0].gravity, Gravity::Good, "40 packets are no measure");
}

#[test]
fn a_pair_of_which_one_side_alone_sees_the_other_is_told() {
    let mut sight = whole(3);
    cut(&mut sight, 0, 2);
    assert_eq!(first(&sight), "node-2 sees node-0, and node-0 does not see node-2");
    change(&mut sight, 2, 0, |pair| pair.age_ms = 900);
    assert_eq!(findings(&sight)[0].gravity, Gravity::Good, "it may have come after the answer");
    let mut sight = whole(3);
    cut(&mut sight, 0, 2);
    sight.standings[0] = Standing::Lost;
    assert_eq!(first(&sight), "node-0 is lost", "the dead are not asked");
}

#[test]
fn a_connection_over_which_nothing_comes_is_told() {
    let mut sight = whole(4);
    change(&mut sight, 1, 3, |pair| pair.silent_ms = 24_000);
    change(&mut sight, 0, 3, |pair| pair.silent_ms = 11_000);
    assert_eq!(first(&sight), "node-1 has heard nothing of node-3 for 24s (and 1 such way)");
    sight.standings[3] = Standing::Lost;
    assert_eq!(findings(&sight).len(), 1, "of the lost nobody hears");
}

#[test]
fn the_worst_comes_first_and_many_names_are_counted() {
    let mut sight = whole(8);
    for node in 0..5 {
        sight.standings[node] = Standing::Lost;
    }
    sight.standings[6] = Standing::Suspect;
    let found = findings(&sight);
    assert_eq!(found[0].text, "node-0, node-1, node-2 and 2 more are lost");
    assert_eq!(found[1].text, "node-6 is suspect: others get no answer");
}

#[test]
fn a_node_far_from_all_is_a_remark_beside_that_all_is_well() {
    let mut sight = whole(6);
    for other in 0..6 {
        change(&mut sight, 4, other, |pair| pair.rtt_ms = 180.0);
        change(&mut sight, other, 4, |pair| pair.rtt_ms = 182.0);
    }
    let found = findings(&sight);
    assert_eq!(found[0].gravity, Gravity::Good);
    assert_eq!(found[1].text, "node-4 is far: 180 ms from most, where 10.0 ms is usual");
}

#[test]
fn a_node_without_any_connection_is_named() {
    let mut sight = whole(3);
    for other in 0..3 {
        cut(&mut sight, 1, other);
        cut(&mut sight, other, 1);
    }
    assert_eq!(first(&sight), "node-1 holds no connection with any other of these");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_one_wrong_clock_is_named_and_no_other(
        count in 3usize..12,
        wrong in 0usize..12,
        off in prop_oneof![1_000i64..100_000_000, -100_000_000i64..-1_000],
        noise in proptest::collection::vec(-60i64..60, 12),
        gap in proptest::option::of((0usize..12, 0usize..12)),
    ) {
        let wrong = wrong % count;
        let mut sight = whole(count);
        let mut clocks = noise[..count].to_vec();
        clocks[wrong] += off;
        set_clocks(&mut sight, &clocks);
        // What one side does not say, the other does.
        if let Some((from, to)) = gap {
            cut(&mut sight, from % count, to % count);
        }
        let way = if off > 0 { "ahead of" } else { "behind" };
        let found: Vec<String> = findings(&sight).into_iter().map(|one| one.text).collect();
        let clocks: Vec<&String> = found.iter().filter(|text| text.contains("clock")).collect();
        prop_assert_eq!(clocks.len(), 1, "{:?}", found);
        prop_assert!(clocks[0].starts_with(&format!("node-{wrong}'s clock is ")), "{:?}", found);
        prop_assert!(clocks[0].contains(way), "{:?}", found);
    }

    #[test]
    fn clocks_that_agree_accuse_nobody(count in 2usize..12, clocks in proptest::collection::vec(-200i64..200, 12)) {
        let mut sight = whole(count);
        set_clocks(&mut sight, &clocks[..count]);
        prop_assert_eq!(findings(&sight)[0].gravity, Gravity::Good);
    }

    #[test]
    fn the_one_lossy_node_is_named_and_no_pair_of_it(
        count in 3usize..12,
        lossy in 0usize..12,
        lost in 20u64..1_000,
        ways in 0usize..3,
    ) {
        let lossy = lossy % count;
        let mut sight = whole(count);
        for other in (0..count).filter(|other| *other != lossy) {
            if ways != 1 {
                change(&mut sight, lossy, other, |pair| pair.lost = lost);
            }
            if ways != 0 {
                change(&mut sight, other, lossy, |pair| pair.lost = lost);
            }
        }
        let found = findings(&sight);
        prop_assert_eq!(found.len(), 1, "{:?}", found);
        prop_assert!(found[0].text.contains(&format!("node-{lossy} ")), "{:?}", found);
    }

    /// Whatever nodes say, and however they stand: there is a verdict, the worst first.
    #[test]
    fn there_is_always_a_verdict(
        count in 0usize..7,
        rtt in proptest::collection::vec(proptest::num::f64::ANY, 49),
        figures in proptest::collection::vec((any::<bool>(), any::<u64>(), any::<u64>(), any::<Option<i64>>()), 49),
        standings in proptest::collection::vec(0usize..6, 7),
    ) {
        let all = [Standing::Fresh, Standing::Waiting, Standing::Late, Standing::Mute, Standing::Suspect, Standing::Lost];
        let mut sight = whole(count);
        for (at, pair) in sight.pairs.iter_mut().enumerate() {
            let (there, sent, lost, ahead_ms) = figures[at];
            *pair = there.then_some(Pair { rtt_ms: rtt[at], sent, lost, ahead_ms, age_ms: sent, silent_ms: lost, counted: None });
        }
        for (at, standing) in sight.standings.iter_mut().enumerate() {
            *standing = all[standings[at]];
        }
        let found = findings(&sight);
        prop_assert!(!found.is_empty());
        let graver = found.windows(2).all(|two| two[0].gravity <= two[1].gravity || two[0].gravity == Gravity::Good);
        prop_assert!(graver, "{:?}", found);
    }
}
