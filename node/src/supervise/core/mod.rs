//! The supervisor as a pure state machine: no clock, no process, no file.
//!
//! After every [`Supervisor::handle`] the driver takes all of [`Supervisor::poll_output`] and then asks
//! [`Supervisor::poll_timeout`]. There is never more than one run of a program, a stop always ends in a kill
//! at the latest, and a program that fails too often is given up.

mod check;
mod input;
mod program;

use std::collections::{BTreeMap, VecDeque};

use p2p_shared::rng::Rng;
use p2p_shared::services::process::{ProcessRef, Signal};
use p2p_shared::services::program::{
    Condition, Dependency, ProgramDefinition, ProgramExit, ProgramInfo, ProgramName, ProgramState,
};
use p2p_shared::time::Millis;

pub use input::{Ended, Fate, Input, Now, Order, Output, Refusal, Replace, RunId, Saved, SavedRun};
pub use program::{EXITS_MAX, KILL_AGAIN};

use program::{Phase, Program, Step, Then};

/// Most programs of one node.
pub const PROGRAMS_MAX: usize = 1_000;
/// Longest name of who asked.
const ASKER_BYTES_MAX: usize = 128;

/// All programs of a node.
#[derive(Clone, Debug)]
pub struct Supervisor {
    programs: BTreeMap<ProgramName, Program>,
    outputs: VecDeque<Output>,
    rng: Rng,
}

impl Supervisor {
    /// A supervisor of nothing.
    pub fn new(seed: u64) -> Self {
        Self { programs: BTreeMap::new(), outputs: VecDeque::new(), rng: Rng::new(seed) }
    }

    /// Takes up a program of an earlier life. To be called before anything is handled.
    pub fn restore(&mut self, saved: Saved, fate: Fate, now: Now) {
        let name = saved.definition.name.clone();
        let run = saved.run.as_ref().map(|run| run.run);
        let mut program = Program::from_saved(saved);
        let asked_by = program.asked_by.clone();
        match (fate, run) {
            (Fate::Runs(process), Some(run)) => {
                program.phase = Phase::Starting { run };
                program.adopt(process, now);
                if !program.wanted {
                    self.outputs.extend(program.stop(Then::Rest, now));
                    program.asked_by = asked_by;
                }
            }
            (Fate::Gone, Some(_)) => {
                program.record(Ok(Ended::default()), now);
                let words = format!("{}: it ended while the node was down", program.detail);
                program.detail = words.clone();
                if program.wanted {
                    program.on_end(false, Millis::ZERO, &mut self.rng, now);
                } else {
                    program.enter(Phase::Stopped, words, now);
                }
            }
            (Fate::Rebooted, run) => {
                if run.is_some() {
                    program.record(Ok(Ended::default()), now);
                }
                if program.definition.at_boot {
                    program.begin(now);
                } else if program.wanted || run.is_some() {
                    program.wanted = false;
                    program.enter(Phase::Stopped, "the machine was started anew", now);
                }
            }
            (Fate::Runs(_) | Fate::Gone, None) if program.wanted => program.enter(Phase::Waiting, "", now),
            (Fate::Runs(_) | Fate::Gone, None) => {}
        }
        self.programs.insert(name.clone(), program);
        self.told(&name);
    }

    /// Takes something in.
    ///
    /// # Errors
    /// [`Refusal`] of what somebody asked for; everything else is always taken.
    pub fn handle(&mut self, now: Now, input: Input) -> Result<(), Refusal> {
        let handled = match input {
            Input::Define { definition, replace } => self.define(*definition, replace, now),
            Input::Ask { name, order, by } => self.ask(&name, order, by, now),
            Input::Started { name, run, process } => {
                self.on_started(&name, run, process, now);
                Ok(())
            }
            Input::NotStarted { name, run, error } => {
                self.on_ended(&name, run, Err(error), now);
                Ok(())
            }
            Input::Exited { name, run, ended } => {
                self.on_ended(&name, run, Ok(ended), now);
                Ok(())
            }
            Input::Probed { name, run, result } => {
                self.on_probed(&name, run, result, now);
                Ok(())
            }
            Input::Tick => Ok(()),
        };
        self.advance(now);
        handled
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is due at the latest.
    pub fn poll_timeout(&self) -> Option<Millis> {
        self.programs.values().filter_map(Program::due).min()
    }

    /// What is to be kept of a program.
    pub fn saved(&self, name: &ProgramName) -> Option<Saved> {
        self.programs.get(name).map(Program::saved)
    }

    /// A program as a row.
    pub fn info(&self, name: &ProgramName) -> Option<ProgramInfo> {
        self.programs.get(name).map(Program::info)
    }

    /// The definition of a program.
    pub fn definition(&self, name: &ProgramName) -> Option<&ProgramDefinition> {
        self.programs.get(name).map(|program| &program.definition)
    }

    /// How its last runs ended, the latest first.
    pub fn exits(&self, name: &ProgramName) -> Vec<ProgramExit> {
        self.programs.get(name).map_or_else(Vec::new, |program| program.exits.iter().cloned().collect())
    }

    /// Every program, by name.
    pub fn names(&self) -> impl Iterator<Item = &ProgramName> {
        self.programs.keys()
    }

    fn define(&mut self, definition: ProgramDefinition, replace: Replace, now: Now) -> Result<(), Refusal> {
        let name = definition.name.clone();
        check::alone(&definition)?;
        if self.programs.contains_key(&name) && replace == Replace::No {
            let text = format!("{name} is defined already: tell to replace it, or take another name");
            return Err(Refusal::Conflict(text));
        }
        let others = self.programs.iter().filter(|(other, _)| **other != name);
        let others = others.map(|(name, program)| (name.clone(), &program.definition)).collect();
        check::among(&definition, &others)?;
        if others.len() >= PROGRAMS_MAX {
            return Err(Refusal::Conflict(format!("a node keeps at most {PROGRAMS_MAX} programs")));
        }
        match self.programs.get_mut(&name) {
            Some(program) => program.definition = definition,
            None => {
                self.programs.insert(name.clone(), Program::new(definition, now));
            }
        }
        self.kept(&name);
        Ok(())
    }

    fn ask(&mut self, name: &ProgramName, order: Order, mut by: String, now: Now) -> Result<(), Refusal> {
        by.truncate(by.floor_char_boundary(ASKER_BYTES_MAX));
        let unknown = || Refusal::Unknown(name.to_string());
        let program = self.programs.get_mut(name).ok_or_else(unknown)?;
        if matches!(program.phase, Phase::Stopping { then: Then::Remove, .. }) && order != Order::Remove {
            return Err(Refusal::Conflict(format!("{name} is being removed")));
        }
        match order {
            Order::Start => self.start(name, now),
            Order::Stop => self.stop(name, Then::Rest, by, now),
            Order::Restart if program.run().is_some() => {
                program.wanted = true;
                self.stop(name, Then::Start, by, now);
            }
            Order::Restart => self.start(name, now),
            Order::Remove => {
                if let Some(other) = self.dependant_of(name) {
                    let text = format!("{other} depends on {name}: remove that first, or define it anew");
                    return Err(Refusal::Conflict(text));
                }
                self.stop(name, Then::Remove, by, now);
            }
        }
        Ok(())
    }

    fn dependant_of(&self, name: &ProgramName) -> Option<&ProgramName> {
        let depends =
            |program: &Program| program.definition.dependencies.iter().any(|on| on.program == *name);
        self.programs.iter().find(|(_, program)| depends(program)).map(|(other, _)| other)
    }

    /// Has a program and all that it depends on run.
    fn start(&mut self, name: &ProgramName, now: Now) {
        let mut left = vec![(name.clone(), None)];
        while let Some((name, asked)) = left.pop() {
            let Some(program) = self.programs.get_mut(&name) else { continue };
            let starts = match (&mut program.phase, asked) {
                (Phase::Completed, Some(Condition::Completed)) => false,
                (Phase::Stopped | Phase::Failed | Phase::Completed, _) => true,
                (Phase::BackingOff { .. }, None) => true,
                (Phase::Stopping { then: then @ (Then::Rest | Then::BackOff), .. }, _) => {
                    *then = Then::Start;
                    program.wanted = true;
                    false
                }
                _ => false,
            };
            if starts {
                program.begin(now);
            }
            let dependencies = program.definition.dependencies.iter();
            left.extend(dependencies.map(|on| (on.program.clone(), Some(on.condition))));
            self.kept(&name);
        }
    }

    /// Has a program end. One that does not run is at that end already.
    fn stop(&mut self, name: &ProgramName, then: Then, by: String, now: Now) {
        let Some(program) = self.programs.get_mut(name) else { return };
        if then != Then::Start {
            program.wanted = false;
        }
        let mut signal = None;
        match &mut program.phase {
            Phase::Starting { .. } | Phase::Running { .. } => {
                program.asked_by = Some(by);
                signal = program.stop(then, now);
            }
            Phase::Stopping { then: before, .. } if *before != Then::Remove => {
                *before = then;
                program.asked_by = Some(by);
            }
            Phase::Stopping { .. } => {}
            _ if then == Then::Remove => return self.forget(name),
            _ => program.enter(Phase::Stopped, "", now),
        }
        // That it is not wanted is on disk before it is told to end.
        self.kept(name);
        self.outputs.extend(signal);
    }

    fn forget(&mut self, name: &ProgramName) {
        self.programs.remove(name);
        self.outputs.push_back(Output::Forget(name.clone()));
        self.told(name);
    }

    fn on_started(&mut self, name: &ProgramName, run: RunId, process: Option<ProcessRef>, now: Now) {
        let Some(program) = self.programs.get_mut(name) else { return };
        let mut signal = None;
        match program.phase {
            Phase::Starting { run: current } if current == run => program.on_started(process, now),
            Phase::Stopping { run: current, then, step: Step::Launching } if current == run => {
                program.phase = Phase::Starting { run };
                program.on_started(process, now);
                signal = program.stop(then, now);
            }
            _ => return,
        }
        self.kept(name);
        self.outputs.extend(signal);
    }

    fn on_ended(&mut self, name: &ProgramName, run: RunId, end: Result<Ended, String>, now: Now) {
        let Some(program) = self.programs.get_mut(name) else { return };
        if program.run() != Some(run) {
            return;
        }
        let phase = program.phase.clone();
        let succeeded = program.record(end, now);
        let ran = match phase {
            Phase::Running { since, .. } => now.at.since(since),
            _ => Millis::ZERO,
        };
        match phase {
            Phase::Stopping { then: Then::Remove, .. } => return self.forget(name),
            Phase::Stopping { then: Then::Rest, .. } => {
                let words = program.detail.clone();
                program.enter(Phase::Stopped, words, now);
            }
            Phase::Stopping { then: Then::Start, .. } => program.begin(now),
            Phase::Stopping { then: Then::BackOff, .. } => {
                let words = std::mem::take(&mut program.detail);
                program.back_off(ran, words, &mut self.rng, now);
            }
            _ => program.on_end(succeeded, ran, &mut self.rng, now),
        }
        self.kept(name);
    }

    fn on_probed(&mut self, name: &ProgramName, run: RunId, result: Result<(), String>, now: Now) {
        let Some(program) = self.programs.get_mut(name) else { return };
        if program.run() != Some(run) {
            return;
        }
        let before = (program.state(), program.detail.clone());
        if program.on_probed(result, now) {
            program.asked_by = Some(format!("the supervisor: {}", program.detail));
            let signal = program.stop(Then::BackOff, now);
            self.outputs.extend(signal);
        }
        if (program.state(), program.detail.clone()) != before {
            self.told(name);
        }
    }

    /// Does what is due, and starts what waits for nothing more.
    fn advance(&mut self, now: Now) {
        let due = self.programs.iter().filter(|(_, program)| program.due().is_some_and(|at| at <= now.at));
        let due: Vec<ProgramName> = due.map(|(name, _)| name.clone()).collect();
        for name in due {
            self.on_due(&name, now);
        }
        let waiting = self.programs.iter().filter(|(_, program)| program.phase == Phase::Waiting);
        let waiting: Vec<(ProgramName, Option<String>)> =
            waiting.map(|(name, program)| (name.clone(), self.waits_for(&program.definition))).collect();
        for (name, waits_for) in waiting {
            let run = RunId(self.rng.next_u64());
            let Some(program) = self.programs.get_mut(&name) else { continue };
            match waits_for {
                None => {
                    program.launch(run, now);
                    self.kept(&name);
                    self.outputs.push_back(Output::Launch { name, run });
                }
                Some(words) if program.detail != words => {
                    program.detail = words;
                    self.told(&name);
                }
                Some(_) => {}
            }
        }
    }

    fn on_due(&mut self, name: &ProgramName, now: Now) {
        let Some(program) = self.programs.get_mut(name) else { return };
        let name = name.clone();
        match &mut program.phase {
            Phase::BackingOff { .. } => program.again(now),
            Phase::Running { run, probing: Some(probing), .. } => {
                probing.next_at = None;
                let (check, timeout) = (probing.probe.check.clone(), Millis(probing.probe.timeout_ms));
                self.outputs.push_back(Output::Probe { name, run: *run, check, timeout });
            }
            Phase::Stopping { run, step, .. } => {
                *step = Step::Killed { again_at: now.at + KILL_AGAIN };
                self.outputs.push_back(Output::Signal { name, run: *run, signal: Signal::Kill });
            }
            _ => {}
        }
    }

    /// The first dependency that is not as it must be, in words.
    fn waits_for(&self, definition: &ProgramDefinition) -> Option<String> {
        let open = |on: &&Dependency| {
            let state = self.programs.get(&on.program).map(Program::state);
            !state.is_some_and(|state| match on.condition {
                Condition::Started => state.runs(),
                Condition::Healthy => state == ProgramState::Healthy,
                Condition::Completed => state == ProgramState::Completed,
                Condition::Unknown => false,
            })
        };
        let on = definition.dependencies.iter().find(open)?;
        let state = self.programs.get(&on.program).map_or("gone", |program| program.state().as_str());
        Some(format!("waits until {} is {}; it is {state}", on.program, on.condition.as_str()))
    }

    /// Something of it is to be kept, and told.
    fn kept(&mut self, name: &ProgramName) {
        self.outputs.push_back(Output::Keep(name.clone()));
        self.told(name);
    }

    fn told(&mut self, name: &ProgramName) {
        self.outputs.push_back(Output::Changed(name.clone()));
    }
}

#[cfg(test)]
mod tests;
