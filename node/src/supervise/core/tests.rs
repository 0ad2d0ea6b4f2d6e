mod storm;

use std::collections::{BTreeMap, BTreeSet};

use p2p_shared::services::program::{
    Check, Dependency, Probe, ProgramLimits, RestartMode, RestartPolicy, StopPolicy, UnhealthyAction,
};
use p2p_shared::time::UnixMillis;
use proptest::prelude::*;

use super::*;

/// A host in which nothing happens by itself: it holds every rule of the contract against the supervisor.
struct World {
    supervisor: Supervisor,
    now: Millis,
    /// Launches that were not answered.
    launching: BTreeMap<ProgramName, RunId>,
    /// Processes that live.
    alive: BTreeMap<ProgramName, RunId>,
    killed: Vec<(ProgramName, RunId)>,
    probes: Vec<(ProgramName, RunId)>,
    saved: BTreeMap<ProgramName, Saved>,
    started: BTreeMap<ProgramName, u64>,
    ended: BTreeMap<ProgramName, u64>,
    pids: u32,
}

fn name(text: &str) -> ProgramName {
    text.parse().unwrap()
}

fn sleeper(text: &str) -> ProgramDefinition {
    ProgramDefinition::new(name(text), "/bin/sleep")
}

fn after(text: &str, on: &str, condition: Condition) -> ProgramDefinition {
    let dependencies = vec![Dependency { program: name(on), condition }];
    ProgramDefinition { dependencies, ..sleeper(text) }
}

fn probed(text: &str, unhealthy: UnhealthyAction) -> ProgramDefinition {
    let check = Check::Tcp("127.0.0.1:1".into());
    let probe = Probe { check, interval_ms: 1_000, timeout_ms: 500, threshold: 2, unhealthy };
    ProgramDefinition { probe: Some(probe), ..sleeper(text) }
}

const CRASH: Ended = Ended { code: Some(1), signal: None, out_of_memory: None };
const DONE: Ended = Ended { code: Some(0), signal: None, out_of_memory: None };
const KILLED: Ended = Ended { code: None, signal: Some(9), out_of_memory: None };

impl World {
    fn new(seed: u64) -> Self {
        Self {
            supervisor: Supervisor::new(seed),
            now: Millis(1_000),
            launching: BTreeMap::new(),
            alive: BTreeMap::new(),
            killed: Vec::new(),
            probes: Vec::new(),
            saved: BTreeMap::new(),
            started: BTreeMap::new(),
            ended: BTreeMap::new(),
            pids: 1,
        }
    }

    fn now(&self) -> Now {
        Now { at: self.now, wall: UnixMillis(self.now.0) }
    }

    fn handle(&mut self, input: Input) -> Result<(), Refusal> {
        let handled = self.supervisor.handle(self.now(), input);
        self.settle();
        handled
    }

    /// Takes what comes out.
    fn settle(&mut self) {
        while let Some(output) = self.supervisor.poll_output() {
            match output {
                Output::Keep(name) => {
                    self.saved.insert(name.clone(), self.supervisor.saved(&name).unwrap());
                }
                Output::Forget(name) => {
                    assert!(!self.alive.contains_key(&name), "forgotten while it runs");
                    self.saved.remove(&name);
                    self.started.remove(&name);
                    self.ended.remove(&name);
                }
                Output::Launch { name, run } => {
                    assert!(!self.alive.contains_key(&name), "two instances of {name}");
                    let kept = self.saved[&name].run.as_ref().expect("the intent is kept before");
                    assert_eq!(kept.run, run);
                    assert!(self.launching.insert(name, run).is_none(), "two launches");
                }
                Output::Signal { name, run, signal } => {
                    assert_eq!(self.alive.get(&name), Some(&run), "a signal to nobody");
                    if signal == Signal::Kill {
                        self.killed.push((name, run));
                    }
                }
                Output::Probe { name, run, .. } => {
                    assert_eq!(self.alive.get(&name), Some(&run), "a probe of nobody");
                    self.probes.push((name, run));
                }
                Output::Changed(_) => {}
            }
        }
    }

    fn define(&mut self, definition: ProgramDefinition) {
        self.handle(Input::Define { definition: Box::new(definition), replace: Replace::No }).unwrap();
    }

    fn ask(&mut self, text: &str, order: Order) -> Result<(), Refusal> {
        self.handle(Input::Ask { name: name(text), order, by: "ann".into() })
    }

    /// Answers a launch.
    fn launched(&mut self, name: &ProgramName) -> bool {
        let Some(run) = self.launching.remove(name) else { return false };
        self.alive.insert(name.clone(), run);
        *self.started.entry(name.clone()).or_default() += 1;
        self.pids += 1;
        let process = ProcessRef { boot_id: "boot".into(), pid: self.pids, start_ticks: self.now.0 };
        self.handle(Input::Started { name: name.clone(), run, process: Some(process) }).unwrap();
        true
    }

    fn not_launched(&mut self, name: &ProgramName) {
        if let Some(run) = self.launching.remove(name) {
            *self.ended.entry(name.clone()).or_default() += 1;
            self.handle(Input::NotStarted { name: name.clone(), run, error: "gone".into() }).unwrap();
        }
    }

    fn exits(&mut self, name: &ProgramName, ended: Ended) -> bool {
        let Some(run) = self.alive.remove(name) else { return false };
        *self.ended.entry(name.clone()).or_default() += 1;
        self.handle(Input::Exited { name: name.clone(), run, ended }).unwrap();
        true
    }

    fn probe(&mut self, healthy: bool) {
        let result = if healthy { Ok(()) } else { Err("refused".to_owned()) };
        if let Some((name, run)) = self.probes.pop() {
            self.handle(Input::Probed { name, run, result }).unwrap();
        }
    }

    fn pass(&mut self, span: Millis) {
        self.now = self.now + span;
        self.handle(Input::Tick).unwrap();
    }

    /// To the next thing that is due.
    fn skip(&mut self) {
        if let Some(at) = self.supervisor.poll_timeout() {
            self.now = self.now.max(at);
            self.handle(Input::Tick).unwrap();
        }
    }

    fn state(&self, text: &str) -> ProgramState {
        self.supervisor.info(&name(text)).unwrap().state
    }

    fn run(&mut self, text: &str) {
        self.ask(text, Order::Start).unwrap();
        assert!(self.launched(&name(text)), "{text} is not launched");
    }

    /// Whatever was killed ends, and launches are answered, until nothing moves.
    fn obey(&mut self) {
        loop {
            let killed = std::mem::take(&mut self.killed);
            let dead = killed.into_iter().filter(|(name, run)| self.alive.get(name) == Some(run));
            let dead: BTreeSet<_> = dead.map(|(name, _)| name).collect();
            let launching: Vec<_> = self.launching.keys().cloned().collect();
            if dead.is_empty() && launching.is_empty() {
                return;
            }
            dead.iter().for_each(|name| assert!(self.exits(name, KILLED)));
            launching.iter().for_each(|name| assert!(self.launched(name)));
        }
    }
}

#[test]
fn a_stop_that_is_ignored_ends_in_a_kill() {
    let mut world = World::new(1);
    world.define(ProgramDefinition {
        stop: StopPolicy { timeout_ms: 700, ..StopPolicy::default() },
        ..sleeper("a")
    });
    world.run("a");
    world.ask("a", Order::Stop).unwrap();
    assert_eq!(world.state("a"), ProgramState::Stopping);
    world.pass(Millis(699));
    assert!(world.killed.is_empty());
    world.pass(Millis(1));
    assert_eq!(world.killed.len(), 1);
    world.obey();
    assert_eq!(world.state("a"), ProgramState::Stopped);
    let exit = &world.supervisor.exits(&name("a"))[0];
    assert_eq!((exit.signal, exit.asked_by.as_deref()), (Some(9), Some("ann")));
}

#[test]
fn a_stop_during_the_launch_is_not_lost() {
    let mut world = World::new(1);
    world.define(sleeper("a"));
    world.ask("a", Order::Start).unwrap();
    world.ask("a", Order::Stop).unwrap();
    assert!(world.launched(&name("a")));
    assert_eq!(world.state("a"), ProgramState::Stopping);
    world.exits(&name("a"), KILLED);
    assert_eq!(world.state("a"), ProgramState::Stopped);
}

#[test]
fn how_it_ended_and_the_policy_decide_what_follows() {
    use ProgramState::{BackingOff, Completed, Failed};
    for (mode, ended, expected) in [
        (RestartMode::Never, DONE, Completed),
        (RestartMode::Never, CRASH, Failed),
        (RestartMode::OnFailure, DONE, Completed),
        (RestartMode::OnFailure, CRASH, BackingOff),
        (RestartMode::OnFailure, Ended::default(), BackingOff),
        (RestartMode::Always, DONE, BackingOff),
    ] {
        let mut world = World::new(1);
        world.define(ProgramDefinition {
            restart: RestartPolicy { mode, ..RestartPolicy::default() },
            ..sleeper("a")
        });
        world.run("a");
        world.exits(&name("a"), ended);
        assert_eq!(world.state("a"), expected, "{mode:?} {ended:?}");
    }
}

#[test]
fn a_program_that_fails_too_often_is_given_up_and_a_start_begins_anew() {
    let mut world = World::new(1);
    world.define(ProgramDefinition {
        restart: RestartPolicy { burst: 3, ..RestartPolicy::default() },
        ..sleeper("a")
    });
    world.run("a");
    for _ in 0..3 {
        world.exits(&name("a"), CRASH);
        assert_eq!(world.state("a"), ProgramState::BackingOff);
        world.skip();
        assert!(world.launched(&name("a")));
    }
    world.exits(&name("a"), CRASH);
    assert_eq!(world.state("a"), ProgramState::Failed);
    let detail = world.supervisor.info(&name("a")).unwrap().detail;
    assert_eq!(detail, "exit 1; given up after 3 restarts within 600 s");
    world.run("a");
    world.exits(&name("a"), CRASH);
    assert_eq!(world.state("a"), ProgramState::BackingOff);
}

#[test]
fn a_program_that_has_recovered_waits_as_the_first_time() {
    let mut world = World::new(1);
    world.define(ProgramDefinition {
        restart: RestartPolicy { burst: 0, ..RestartPolicy::default() },
        ..sleeper("a")
    });
    world.run("a");
    let mut waits = Vec::new();
    for ran in [0, 0, 0, 0, 0, 0, 0, 0, 0, 20_000] {
        world.pass(Millis(ran));
        world.exits(&name("a"), CRASH);
        waits.push(world.supervisor.poll_timeout().unwrap().since(world.now).0);
        world.skip();
        assert!(world.launched(&name("a")));
    }
    for (failures, wait) in waits[..9].iter().enumerate() {
        let span = (500 << failures).min(60_000);
        assert!((span / 2..=span).contains(wait), "{waits:?}");
    }
    assert!((250..=500).contains(&waits[9]), "{waits:?}");
}

#[test]
fn a_program_waits_for_its_dependencies_and_starts_them() {
    let mut world = World::new(1);
    world.define(sleeper("setup"));
    world.define(ProgramDefinition {
        dependencies: after("x", "setup", Condition::Completed).dependencies,
        ..probed("db", UnhealthyAction::Report)
    });
    world.define(after("web", "db", Condition::Healthy));
    world.ask("web", Order::Start).unwrap();
    assert_eq!(world.state("web"), ProgramState::Waiting);
    assert_eq!(world.launching.keys().collect::<Vec<_>>(), [&name("setup")]);
    world.launched(&name("setup"));
    world.exits(&name("setup"), DONE);
    assert!(world.launched(&name("db")));
    assert_eq!(
        world.supervisor.info(&name("web")).unwrap().detail,
        "waits until db is healthy; it is running"
    );
    world.skip();
    world.probe(true);
    assert_eq!(world.state("db"), ProgramState::Healthy);
    assert!(world.launched(&name("web")));
    // What was completed is not run again.
    world.ask("web", Order::Start).unwrap();
    assert!(world.launching.is_empty());
}

#[test]
fn a_cycle_is_refused_by_its_name() {
    let mut world = World::new(1);
    world.define(sleeper("a"));
    world.define(after("b", "a", Condition::Started));
    world.define(after("c", "b", Condition::Started));
    let definition = Box::new(after("a", "c", Condition::Started));
    let refused = world.handle(Input::Define { definition, replace: Replace::Yes }).unwrap_err();
    assert_eq!(refused, Refusal::Bad("dependency cycle: a -> c -> b -> a".into()));
    let own = world.handle(Input::Define {
        definition: Box::new(after("d", "d", Condition::Started)),
        replace: Replace::No,
    });
    assert_eq!(own, Err(Refusal::Bad("dependency cycle: d -> d".into())));
}

#[test]
fn definitions_that_do_not_go_together_are_refused() {
    let mut world = World::new(1);
    world.define(sleeper("a"));
    world.define(after("b", "a", Condition::Started));
    let mut refused = |definition: ProgramDefinition, words: &str| {
        let input = Input::Define { definition: Box::new(definition), replace: Replace::No };
        let error = world.handle(input).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    refused(sleeper("a"), "a is defined already");
    refused(after("c", "nobody", Condition::Started), "nobody, which is not defined");
    refused(after("c", "a", Condition::Healthy), "a has no probe");
    refused(ProgramDefinition::new(name("c"), ""), "empty");
    refused(ProgramDefinition::new(name("c"), "sleep 5"), "no line for a shell");
    refused(ProgramDefinition::new(name("c"), "bin/x"), "absolute path");
    refused(ProgramDefinition { working_directory: Some("x".into()), ..sleeper("c") }, "not absolute");
    let stop = |timeout_ms| StopPolicy { timeout_ms, ..StopPolicy::default() };
    refused(ProgramDefinition { stop: stop(0), ..sleeper("c") }, "the stop time-out is 10 to 600000 ms");
    refused(ProgramDefinition { stop: stop(600_001), ..sleeper("c") }, "not 600001");
    for files in [0, u64::MAX] {
        let limits = ProgramLimits { files: Some(files), ..ProgramLimits::default() };
        refused(ProgramDefinition { limits, ..sleeper("c") }, "the limit of open files is 1 to 1048576");
    }
    let limits = ProgramLimits { tasks: Some(0), ..ProgramLimits::default() };
    refused(ProgramDefinition { limits, ..sleeper("c") }, "the limit of tasks is 1 to");
    let delay = RestartPolicy { delay_ms: 0, ..RestartPolicy::default() };
    refused(ProgramDefinition { restart: delay, ..sleeper("c") }, "the restart delay is 50 to");
    assert!(
        matches!(world.ask("a", Order::Remove), Err(Refusal::Conflict(text)) if text.contains("b depends on a"))
    );
    assert!(matches!(world.ask("c", Order::Start), Err(Refusal::Unknown(_))));
}

#[test]
fn an_unhealthy_program_is_told_and_where_wanted_restarted() {
    for (action, expected) in [
        (UnhealthyAction::Report, ProgramState::Unhealthy),
        (UnhealthyAction::Restart, ProgramState::Stopping),
    ] {
        let mut world = World::new(1);
        world.define(probed("a", action));
        world.run("a");
        world.skip();
        world.probe(false);
        assert_eq!(world.state("a"), ProgramState::Running);
        world.skip();
        world.probe(false);
        assert_eq!(world.state("a"), expected);
        if expected == ProgramState::Stopping {
            world.exits(&name("a"), KILLED);
            assert_eq!(world.state("a"), ProgramState::BackingOff);
            let by = world.supervisor.exits(&name("a"))[0].asked_by.clone().unwrap();
            assert_eq!(by, "the supervisor: refused");
        }
    }
}

#[test]
fn a_running_program_goes_on_under_a_new_definition_until_its_next_start() {
    let mut world = World::new(1);
    world.define(sleeper("a"));
    world.run("a");
    let new = ProgramDefinition { command: "/bin/true".into(), ..sleeper("a") };
    world.handle(Input::Define { definition: Box::new(new), replace: Replace::Yes }).unwrap();
    assert_eq!(world.state("a"), ProgramState::Running);
    world.ask("a", Order::Restart).unwrap();
    world.exits(&name("a"), KILLED);
    assert!(world.launched(&name("a")));
}

#[test]
fn an_earlier_life_is_taken_up_where_it_was() {
    use ProgramState::{BackingOff, Failed, Running, Starting, Stopped, Stopping};
    let process = ProcessRef { boot_id: "boot".into(), pid: 9, start_ticks: 1 };
    let runs = || Fate::Runs(Some(process.clone()));
    for (mode, boot, wanted, fate, expected) in [
        (RestartMode::OnFailure, false, true, runs(), Running),
        (RestartMode::OnFailure, false, false, runs(), Stopping),
        (RestartMode::OnFailure, false, true, Fate::Gone, BackingOff),
        (RestartMode::Never, false, true, Fate::Gone, Failed),
        (RestartMode::Always, false, false, Fate::Gone, Stopped),
        (RestartMode::Always, false, true, Fate::Rebooted, Stopped),
        (RestartMode::Never, true, true, Fate::Rebooted, Starting),
        (RestartMode::Never, true, false, Fate::Rebooted, Starting),
    ] {
        let mut world = World::new(1);
        world.define(ProgramDefinition {
            at_boot: boot,
            restart: RestartPolicy { mode, ..RestartPolicy::default() },
            ..sleeper("a")
        });
        world.run("a");
        let run = world.alive[&name("a")];
        let saved = Saved { wanted, ..world.saved[&name("a")].clone() };
        let mut later = World::new(2);
        later.alive.extend(matches!(fate, Fate::Runs(_)).then(|| (name("a"), run)));
        later.supervisor.restore(saved, fate.clone(), later.now());
        later.pass(Millis(0));
        assert_eq!(later.state("a"), expected, "{mode:?} {boot} {wanted} {fate:?}");
        let known = later.supervisor.exits(&name("a"));
        assert_eq!(known.len(), usize::from(!matches!(fate, Fate::Runs(_))));
    }
}
