//! What a mesh promises about its members (R1 to R6, R9), in simulated worlds of whole directories.

mod world;

use p2p_node::membership::core::directory::State;
use p2p_node::membership::core::io::Adoption;
use p2p_shared::time::Millis;

use world::World;

const SEEDS: [u64; 3] = [1, 20_261_123, 77];

fn losses(world: &World) -> usize {
    world.changes.iter().filter(|change| change.state == Some(State::Lost)).count()
}

#[test]
fn a_joining_node_is_known_to_all_within_two_seconds() {
    for seed in SEEDS {
        for count in [3, 8, 32] {
            let mut world = World::settled(count - 1, seed);
            world.add_node();
            let newcomer = count - 1;
            world.start(newcomer);
            world.connect(newcomer, 1);
            world.expect_within(Millis(2_000), "the newcomer knows all and all know it", |world| {
                world.agreed(newcomer, Some(State::Alive)) && world.all(newcomer, State::Alive)
            });
        }
    }
}

#[test]
fn a_killed_node_is_lost_to_all_within_ten_seconds() {
    for seed in SEEDS {
        for count in [2, 3, 8, 32] {
            let mut world = World::settled(count, seed);
            world.kill(1);
            let took = world.expect_within(Millis(10_000), "the killed node is lost to all", |world| {
                world.agreed(1, Some(State::Lost))
            });
            println!("kill seed={seed} n={count} lost_to_all_ms={}", took.0);
            assert_eq!(losses(&world), count - 1, "seed {seed}: somebody else was lost");
        }
    }
}

#[test]
fn half_of_a_mesh_killed_at_once_is_lost_to_the_rest_within_twenty_seconds() {
    for seed in SEEDS {
        let mut world = World::settled(32, seed);
        (0..16).for_each(|node| world.kill(node));
        let took = world.expect_within(Millis(20_000), "the killed half is lost", |world| {
            (0..16).all(|node| world.agreed(node, Some(State::Lost)))
        });
        println!("half killed seed={seed} lost_to_all_ms={}", took.0);
        assert_eq!(losses(&world), 16 * 16, "seed {seed}: a survivor was lost");
    }
}

#[test]
fn a_good_bye_is_seen_by_all_within_two_seconds() {
    for seed in SEEDS {
        for count in [2, 8, 32] {
            let mut world = World::settled(count, seed);
            world.leave(1);
            world.expect_within(Millis(1_000), "the leaver may close", |world| world.has_parted(1));
            world.kill(1);
            world.expect_within(Millis(1_000), "all know that it left", |world| {
                world.agreed(1, Some(State::Left))
            });
            world.run_for(Millis(20_000));
            assert_eq!(losses(&world), 0, "seed {seed}: who left is not lost");
        }
    }
}

#[test]
fn a_healed_partition_merges_within_thirty_seconds() {
    for seed in SEEDS {
        let mut world = World::settled(32, seed);
        (16..32).for_each(|node| world.sides[node] = 1);
        world.run_for(Millis(60_000));
        assert!(world.agreed_among(0..16, 20, State::Lost), "seed {seed}: the other side is lost");
        (16..32).for_each(|node| world.sides[node] = 0);
        let took = world.expect_within(Millis(30_000), "both sides are one again", |world| {
            (0..32).all(|node| world.all(node, State::Alive))
        });
        println!("heal seed={seed} merged_ms={}", took.0);
    }
}

#[test]
fn two_nodes_that_were_cut_off_find_each_other_again() {
    for seed in SEEDS {
        let mut world = World::settled(2, seed);
        world.sides[1] = 1;
        world.run_for(Millis(120_000));
        assert!(world.agreed(1, Some(State::Lost)));
        world.sides[1] = 0;
        world.expect_within(Millis(30_000), "they meet again", |world| {
            world.all(0, State::Alive) && world.all(1, State::Alive)
        });
    }
}

#[test]
fn thirty_percent_loss_kills_nobody() {
    // One seed a run: three hundred seconds of 32 nodes are the longest of these worlds.
    let seed = SEEDS[1];
    let mut world = World::settled(32, seed);
    world.loss_percent = 30;
    world.run_for(Millis(300_000));
    let suspected = world.changes.iter().filter(|change| change.state == Some(State::Suspect)).count();
    println!("loss seed={seed} suspected={suspected} lost={}", losses(&world));
    assert_eq!(losses(&world), 0, "seed {seed}: a false loss");
}

#[test]
fn a_node_stopped_for_three_seconds_is_not_lost_and_accuses_nobody() {
    for seed in SEEDS {
        for count in [2, 3, 8, 32] {
            let mut world = World::settled(count, seed);
            world.stop(1, Millis(3_000));
            world.run_for(Millis(20_000));
            assert_eq!(losses(&world), 0, "seed {seed}, {count} nodes: a false loss");
            let accused = world
                .changes
                .iter()
                .filter(|change| change.observer == 1 && change.state == Some(State::Suspect));
            assert_eq!(accused.count(), 0, "seed {seed}, {count} nodes: the stopped node accuses");
            assert!((0..count).all(|node| world.all(node, State::Alive)), "seed {seed}: not settled");
        }
    }
}

#[test]
fn a_forgotten_node_is_gone_everywhere_and_comes_back_if_it_lives() {
    for seed in SEEDS {
        let mut world = World::settled(8, seed);
        assert!(!world.forget(0, 3), "a member that is there cannot be forgotten");
        world.sides[3] = 1;
        world.sides[4] = 2;
        world.run_for(Millis(15_000));
        assert!(world.forget(0, 3));
        let others = [0, 1, 2, 5, 6, 7];
        world.expect_within(Millis(2_000), "forgotten by all", |world| {
            others.iter().all(|&node| world.state(node, 3).is_none())
        });
        // Number 4 was away and still remembers: it must not bring the forgotten one back.
        world.sides[4] = 0;
        world.run_for(Millis(40_000));
        assert!(world.state(4, 3).is_none() && world.agreed_none(&others, 3), "seed {seed}: resurrected");
        world.sides[3] = 0;
        world.expect_within(Millis(40_000), "it lives after all", |world| {
            (0..8).all(|node| world.all(node, State::Alive))
        });
    }
}

#[test]
fn a_mesh_that_restarts_at_once_is_whole_within_thirty_seconds() {
    for seed in SEEDS {
        let mut world = World::settled(32, seed);
        (0..32).for_each(|node| world.kill(node));
        world.run_for(Millis(5_000));
        (0..32).for_each(|node| world.start(node));
        let took = world.expect_within(Millis(30_000), "everybody knows everybody", |world| {
            (0..32).all(|node| world.all(node, State::Alive))
        });
        println!("restart seed={seed} whole_ms={}", took.0);
        world.run_for(Millis(10_000));
        assert!((0..32).all(|node| world.all(node, State::Alive)), "seed {seed}: it stays whole");
    }
}

#[test]
fn a_node_that_lost_its_store_is_believed_again() {
    for seed in SEEDS {
        let mut world = World::settled(8, seed);
        world.kill(5);
        world.run_for(Millis(12_000));
        world.wipe(5);
        world.start(5);
        world.connect(5, 0);
        world.expect_within(Millis(5_000), "it is back", |world| world.agreed(5, Some(State::Alive)));
        assert_eq!(world.twins, 0, "seed {seed}: one node is no twin");
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let history = |seed| {
        let mut world = World::settled(8, seed);
        world.loss_percent = 20;
        world.kill(2);
        world.run_for(Millis(20_000));
        (world.changes, world.messages, world.bytes)
    };
    assert_eq!(history(5), history(5));
    assert_ne!(history(5).1, history(6).1);
}

#[test]
fn an_idle_mesh_says_little() {
    let mut world = World::settled(32, 1);
    world.run_for(Millis(30_000));
    let (messages, bytes) = (world.messages, world.bytes);
    world.run_for(Millis(60_000));
    let per_node_second = |total: u64| total as f64 / (32.0 * 60.0);
    let (messages, bytes) =
        (per_node_second(world.messages - messages), per_node_second(world.bytes - bytes));
    println!("idle messages_per_node_s={messages:.2} bytes_per_node_s={bytes:.0}");
    assert!(messages < 6.0 && bytes < 400.0, "{messages} messages and {bytes} bytes a second");
}

/// The largest of all but one in a hundred.
fn p99(mut times: Vec<u64>) -> u64 {
    times.sort_unstable();
    times[(times.len() * 99).div_ceil(100) - 1]
}

#[test]
fn a_revocation_reaches_all_within_seconds() {
    for (loss, limit) in [(0, 5_000), (30, 10_000)] {
        let mut times = Vec::new();
        for seed in 1..=20 {
            let mut world = World::settled(32, seed);
            world.loss_percent = loss;
            let began = world.now;
            assert_eq!(world.revoke(5, 1, &[9], 1), Adoption::Adopted);
            let others = || (0..32).filter(|&node| node != 9);
            world.run_for(Millis(limit * 2));
            assert!(others().all(|node| world.epoch(node) == 1), "seed {seed}: somebody never heard");
            assert!(others().all(|node| world.state(node, 9).is_none()), "seed {seed}: it is still listed");
            let heard = world.in_force.iter().filter(|&&(_, node, _)| node != 9);
            times.extend(heard.map(|(at, _, _)| at.since(began).0));
        }
        let p99 = p99(times);
        let verdict = if p99 <= limit { "PASS" } else { "FAIL" };
        println!(
            "R7 revoke_simulated_p99_s={:.2} loss_percent={loss} limit={} {verdict}",
            p99 as f64 / 1e3,
            limit / 1_000
        );
        assert!(p99 <= limit);
    }
}

#[test]
fn a_healed_partition_has_the_highest_epoch_and_nobody_rolls_back() {
    for seed in SEEDS {
        let mut world = World::settled(32, seed);
        assert_eq!(world.revoke(0, 1, &[7], 1), Adoption::Adopted);
        world.run_for(Millis(5_000));
        world.sides = (0..32).map(|node| node / 16).collect();
        world.revoke(20, 2, &[7, 8], 2);
        world.run_for(Millis(60_000));
        assert!((0..16).filter(|&node| node != 7).all(|node| world.epoch(node) == 1), "seed {seed}");
        world.sides = vec![0; 32];
        let members = |world: &World| {
            (0..32).filter(|node| ![7, 8].contains(node)).all(|node| {
                world.epoch(node) == 2 && world.state(node, 8).is_none() && world.state(node, 7).is_none()
            })
        };
        let took = world.expect_within(Millis(30_000), "all have the newer list", members);
        // An old list that somebody kept changes nothing, wherever it is handed in.
        for node in [3, 25] {
            assert_eq!(world.revoke(node, 1, &[7], 1), Adoption::Older, "seed {seed}");
        }
        world.run_for(Millis(10_000));
        assert!(members(&world), "seed {seed}: rolled back");
        println!("R9 revocation_merged_s={:.2} limit=30 PASS (seed {seed})", took.0 as f64 / 1e3);
    }
}

#[test]
fn two_lists_of_one_epoch_are_an_alarm_and_the_first_one_stays() {
    let mut world = World::settled(3, 1);
    assert_eq!(world.revoke(0, 4, &[], 1), Adoption::Adopted);
    assert_eq!(world.revoke(0, 4, &[], 1), Adoption::Known);
    assert_eq!(world.revoke(0, 4, &[1], 2), Adoption::Fork);
    assert_eq!((world.forks, world.core(0).revoked().map(|signed| signed.digest[0])), (1, Some(1)));
}

#[test]
fn a_node_that_was_away_learns_of_the_list_and_a_restarted_one_still_has_it() {
    let mut world = World::settled(8, 3);
    world.kill(2);
    world.revoke(0, 1, &[5], 1);
    world.run_for(Millis(3_000));
    world.kill(4);
    world.start(4);
    assert_eq!(world.epoch(4), 1, "from its store, before it heard anybody");
    assert!(world.state(4, 5).is_none(), "nor is who was revoked brought back by the store");
    world.start(2);
    world.connect(2, 6);
    world.expect_within(Millis(5_000), "who was away has it", |world| world.epoch(2) == 1);
}
