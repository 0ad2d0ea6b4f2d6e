//! Random blows against a few programs, with every rule of the contract held against the supervisor.

use super::*;

/// One blow of the storm.
#[derive(Clone, Debug)]
enum Blow {
    Ask(usize, Order),
    Redefine(usize, RestartMode),
    Launched(usize),
    NotLaunched(usize),
    Exit(usize, bool),
    Stale(usize),
    Probe(bool),
    Pass(u64),
    Skip,
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn blow() -> impl Strategy<Value = Blow> {
    let order = prop_oneof![Just(Order::Start), Just(Order::Stop), Just(Order::Restart), Just(Order::Remove)];
    let mode = prop_oneof![Just(RestartMode::Never), Just(RestartMode::OnFailure), Just(RestartMode::Always)];
    prop_oneof![
        4 => (0..4usize, order).prop_map(|(index, order)| Blow::Ask(index, order)),
        1 => (0..4usize, mode).prop_map(|(index, mode)| Blow::Redefine(index, mode)),
        4 => (0..4usize).prop_map(Blow::Launched),
        1 => (0..4usize).prop_map(Blow::NotLaunched),
        3 => (0..4usize, any::<bool>()).prop_map(|(index, good)| Blow::Exit(index, good)),
        1 => (0..4usize).prop_map(Blow::Stale),
        2 => any::<bool>().prop_map(Blow::Probe),
        2 => (0..30_000u64).prop_map(Blow::Pass),
        3 => Just(Blow::Skip),
    ]
}

fn definition_of(index: usize, mode: RestartMode) -> ProgramDefinition {
    let base = match index {
        1 => probed("b", UnhealthyAction::Restart),
        2 => after("c", "b", Condition::Healthy),
        3 => after("d", "a", Condition::Completed),
        _ => sleeper("a"),
    };
    ProgramDefinition { restart: RestartPolicy { mode, burst: 3, ..RestartPolicy::default() }, ..base }
}

fn strike(world: &mut World, blow: &Blow) {
    let named = |index: &usize| name(NAMES[*index]);
    match blow {
        Blow::Ask(index, order) => {
            // A refusal is an answer too.
            let _ = world.ask(NAMES[*index], *order);
        }
        Blow::Redefine(index, mode) => {
            let definition = Box::new(definition_of(*index, *mode));
            let _ = world.handle(Input::Define { definition, replace: Replace::Yes });
        }
        Blow::Launched(index) => {
            world.launched(&named(index));
        }
        Blow::NotLaunched(index) => world.not_launched(&named(index)),
        Blow::Exit(index, good) => {
            world.exits(&named(index), if *good { DONE } else { CRASH });
        }
        Blow::Stale(index) => {
            let name = named(index);
            world.handle(Input::Exited { name, run: RunId(1), ended: CRASH }).unwrap();
        }
        Blow::Probe(healthy) => world.probe(*healthy),
        Blow::Pass(span) => world.pass(Millis(*span)),
        Blow::Skip => world.skip(),
    }
}

fn check(world: &World) {
    for name in world.supervisor.names() {
        let info = world.supervisor.info(name).unwrap();
        let alive = world.alive.contains_key(name);
        assert!(!info.state.runs() || alive, "{name} runs without a process");
        assert!(!info.state.rests() || (!alive && !world.launching.contains_key(name)), "{name} rests");
        assert_eq!(info.starts, world.started.get(name).copied().unwrap_or(0), "{name}: starts");
        let ended = world.ended.get(name).copied().unwrap_or(0);
        assert_eq!(world.supervisor.exits(name).len() as u64, ended.min(EXITS_MAX as u64), "{name}: exits");
        assert!(info.restarts <= info.starts + ended + 1);
        if info.state == ProgramState::BackingOff {
            let at = world.supervisor.programs[name].due().unwrap();
            assert!(at.since(world.now) <= Millis(60_000), "{name}: back-off");
        }
        assert!(world.supervisor.programs[name].exits.len() <= EXITS_MAX);
        assert_eq!(world.saved[name].run, world.supervisor.saved(name).unwrap().run, "{name}: what is kept");
        assert_eq!(world.saved[name].wanted, world.supervisor.programs[name].wanted, "{name}: what is kept");
    }
}

proptest! {
    #[test]
    fn a_storm_leaves_the_rules_whole_and_a_stop_always_ends(
        seed in any::<u64>(),
        blows in proptest::collection::vec(blow(), 0..200),
    ) {
        let mut world = World::new(seed);
        for index in 0..NAMES.len() {
            world.define(definition_of(index, RestartMode::Always));
        }
        for blow in &blows {
            strike(&mut world, blow);
            check(&world);
        }
        for name in NAMES {
            let _ = world.ask(name, Order::Stop);
        }
        // What ignores everything but a kill is gone after its time-out, and nothing starts again.
        for _ in 0..3 {
            world.obey();
            world.pass(Millis(5_000));
        }
        world.obey();
        prop_assert!(world.alive.is_empty() && world.launching.is_empty());
        prop_assert_eq!(world.supervisor.poll_timeout(), None);
        let names: Vec<ProgramName> = world.supervisor.names().cloned().collect();
        for name in names {
            prop_assert_eq!(world.state(name.as_str()), ProgramState::Stopped);
        }
    }

    #[test]
    fn never_more_restarts_than_the_burst_within_its_window(
        seed in any::<u64>(),
        burst in 1..20u32,
        window_ms in 1..120_000u64,
        runs in proptest::collection::vec(0..2_000u64, 1..80),
    ) {
        let restart = RestartPolicy {
            mode: RestartMode::Always, burst, burst_window_ms: window_ms, delay_ms: 50, delay_max_ms: 200,
            stable_ms: 1_000,
        };
        let mut world = World::new(seed);
        world.define(ProgramDefinition { restart, ..sleeper("a") });
        world.run("a");
        let mut restarted: Vec<Millis> = Vec::new();
        for ran in runs {
            world.pass(Millis(ran));
            world.exits(&name("a"), CRASH);
            if world.state("a") == ProgramState::Failed {
                break;
            }
            let wait = world.supervisor.poll_timeout().unwrap().since(world.now);
            prop_assert!((25..=200).contains(&wait.0), "{:?}", wait);
            world.skip();
            prop_assert!(world.launched(&name("a")));
            restarted.push(world.now);
        }
        for pair in restarted.windows(burst as usize + 1) {
            prop_assert!(pair[burst as usize].since(pair[0]) > Millis(window_ms) - Millis(200));
        }
    }
}
