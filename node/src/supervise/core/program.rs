//! One program: its phases and what leads from one to the next.

use std::collections::VecDeque;

use p2p_shared::rng::Rng;
use p2p_shared::services::process::ProcessRef;
use p2p_shared::services::program::{
    Probe, ProgramDefinition, ProgramExit, ProgramInfo, ProgramState, RestartMode, RestartPolicy,
    UnhealthyAction,
};
use p2p_shared::time::{Millis, UnixMillis};

use super::input::{Ended, Now, Output, RunId, Saved, SavedRun};

/// Ends that are remembered.
pub const EXITS_MAX: usize = 20;
/// Longest command of a row.
const COMMAND_BYTES_MAX: usize = 1_024;
/// A kill that was not followed by an end is repeated after so long: a group may have grown meanwhile.
pub const KILL_AGAIN: Millis = Millis(2_000);

/// What is made of the end that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// It rests.
    Rest,
    /// It is started.
    Start,
    /// It is started after a while, as after a failure.
    BackOff,
    /// It is forgotten.
    Remove,
}

/// How far the stop of a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The launch has not been answered.
    Launching,
    /// It was asked to end, and is killed then.
    Asked { kill_at: Millis },
    /// It was killed, and is again then.
    Killed { again_at: Millis },
}

/// The probing of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Probing {
    pub(super) probe: Probe,
    /// `None` while a probe is out.
    pub(super) next_at: Option<Millis>,
    pub(super) failures: u32,
}

/// What a program is doing, and what belongs to that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Stopped,
    Waiting,
    Starting { run: RunId },
    Running { run: RunId, since: Millis, health: ProgramState, probing: Option<Probing> },
    BackingOff { until: Millis },
    Stopping { run: RunId, then: Then, step: Step },
    Failed,
    Completed,
}

#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) definition: ProgramDefinition,
    pub(super) phase: Phase,
    pub(super) wanted: bool,
    since: UnixMillis,
    pub(super) detail: String,
    pub(super) asked_by: Option<String>,
    process: Option<ProcessRef>,
    run_started: Option<UnixMillis>,
    /// Failures in a row.
    failures: u32,
    /// When it was started again by itself, within the burst window.
    recent: VecDeque<Millis>,
    pub(super) starts: u64,
    pub(super) restarts: u64,
    pub(super) exits: VecDeque<ProgramExit>,
}

impl Program {
    pub(super) fn new(definition: ProgramDefinition, now: Now) -> Self {
        Self {
            definition,
            phase: Phase::Stopped,
            wanted: false,
            since: now.wall,
            detail: String::new(),
            asked_by: None,
            process: None,
            run_started: None,
            failures: 0,
            recent: VecDeque::new(),
            starts: 0,
            restarts: 0,
            exits: VecDeque::new(),
        }
    }

    pub(super) fn from_saved(saved: Saved) -> Self {
        let phase = match saved.rest {
            ProgramState::Failed => Phase::Failed,
            ProgramState::Completed => Phase::Completed,
            _ => Phase::Stopped,
        };
        let mut exits = VecDeque::from(saved.exits);
        exits.truncate(EXITS_MAX);
        Self {
            definition: saved.definition,
            phase,
            wanted: saved.wanted,
            since: saved.since,
            detail: saved.detail,
            asked_by: saved.asked_by,
            process: saved.run.as_ref().and_then(|run| run.process.clone()),
            run_started: saved.run.and_then(|run| run.started),
            failures: 0,
            recent: VecDeque::new(),
            starts: saved.starts,
            restarts: 0,
            exits,
        }
    }

    pub(super) fn saved(&self) -> Saved {
        let run = |run: RunId| SavedRun { run, process: self.process.clone(), started: self.run_started };
        Saved {
            definition: self.definition.clone(),
            wanted: self.wanted,
            rest: if self.state().rests() { self.state() } else { ProgramState::Stopped },
            since: self.since,
            detail: self.detail.clone(),
            run: self.run().map(run),
            asked_by: self.asked_by.clone(),
            starts: self.starts,
            exits: self.exits.iter().cloned().collect(),
        }
    }

    pub(super) fn info(&self) -> ProgramInfo {
        let words = std::iter::once(&self.definition.command).chain(&self.definition.arguments);
        let mut command = words.map(String::as_str).collect::<Vec<_>>().join(" ");
        command.truncate(command.floor_char_boundary(COMMAND_BYTES_MAX));
        ProgramInfo {
            name: self.definition.name.clone(),
            state: self.state(),
            since: self.since,
            detail: self.detail.clone(),
            process: self.process.clone(),
            command,
            at_boot: self.definition.at_boot,
            starts: self.starts,
            restarts: self.restarts,
            last_exit: self.exits.front().cloned(),
        }
    }

    pub(super) const fn state(&self) -> ProgramState {
        match &self.phase {
            Phase::Stopped => ProgramState::Stopped,
            Phase::Waiting => ProgramState::Waiting,
            Phase::Starting { .. } => ProgramState::Starting,
            Phase::Running { health, .. } => *health,
            Phase::BackingOff { .. } => ProgramState::BackingOff,
            Phase::Stopping { .. } => ProgramState::Stopping,
            Phase::Failed => ProgramState::Failed,
            Phase::Completed => ProgramState::Completed,
        }
    }

    /// The run of which there is, or may be, a process.
    pub(super) const fn run(&self) -> Option<RunId> {
        match self.phase {
            Phase::Starting { run } | Phase::Running { run, .. } | Phase::Stopping { run, .. } => Some(run),
            _ => None,
        }
    }

    pub(super) fn enter(&mut self, phase: Phase, detail: impl Into<String>, now: Now) {
        let before = self.state();
        self.phase = phase;
        self.detail = detail.into();
        if self.state() != before {
            self.since = now.wall;
        }
    }

    /// It is to run, whatever was before: a new beginning.
    pub(super) fn begin(&mut self, now: Now) {
        self.wanted = true;
        self.failures = 0;
        self.restarts = 0;
        self.recent.clear();
        self.enter(Phase::Waiting, "", now);
    }

    pub(super) fn launch(&mut self, run: RunId, now: Now) {
        self.asked_by = None;
        self.process = None;
        self.run_started = None;
        self.enter(Phase::Starting { run }, "", now);
    }

    /// There is a process.
    pub(super) fn on_started(&mut self, process: Option<ProcessRef>, now: Now) {
        self.starts += 1;
        self.run_started = Some(now.wall);
        self.adopt(process, now);
    }

    /// A process of an earlier life of the node goes on.
    pub(super) fn adopt(&mut self, process: Option<ProcessRef>, now: Now) {
        self.process = process;
        if let Phase::Starting { run } = self.phase {
            let probe = self.definition.probe.clone();
            let probing = probe.map(|probe| {
                let next_at = Some(now.at + Millis(probe.interval_ms));
                Probing { probe, next_at, failures: 0 }
            });
            let health = ProgramState::Running;
            self.enter(Phase::Running { run, since: now.at, health, probing }, "", now);
            self.since = self.run_started.unwrap_or(now.wall);
        }
    }

    /// Asks the run to end. `None` if there is nothing to send: its launch has not been answered.
    pub(super) fn stop(&mut self, then: Then, now: Now) -> Option<Output> {
        let Phase::Running { run, .. } = self.phase else {
            if let Phase::Starting { run } = self.phase {
                self.enter(Phase::Stopping { run, then, step: Step::Launching }, "", now);
            }
            return None;
        };
        let kill_at = now.at + Millis(self.definition.stop.timeout_ms);
        self.enter(Phase::Stopping { run, then, step: Step::Asked { kill_at } }, "", now);
        let (name, signal) = (self.definition.name.clone(), self.definition.stop.signal);
        Some(Output::Signal { name, run, signal })
    }

    /// Notes the end of a run, and says whether it ended well.
    pub(super) fn record(&mut self, end: Result<Ended, String>, now: Now) -> bool {
        let (ended, error) = match end {
            Ok(ended) => (ended, None),
            Err(error) => (Ended::default(), Some(error)),
        };
        let exit = ProgramExit {
            at: now.wall,
            started: self.run_started.take(),
            code: ended.code,
            signal: ended.signal,
            out_of_memory: ended.out_of_memory,
            error,
            asked_by: self.asked_by.take(),
        };
        let succeeded = exit.succeeded();
        self.process = None;
        self.detail = exit.to_string();
        self.exits.push_front(exit);
        self.exits.truncate(EXITS_MAX);
        succeeded
    }

    /// What follows an end that nobody asked for.
    pub(super) fn on_end(&mut self, succeeded: bool, ran: Millis, rng: &mut Rng, now: Now) {
        let policy = self.definition.restart;
        let words = std::mem::take(&mut self.detail);
        let again = match policy.mode {
            RestartMode::Always => true,
            RestartMode::OnFailure => !succeeded,
            RestartMode::Never | RestartMode::Unknown => false,
        };
        if again {
            return self.back_off(ran, words, rng, now);
        }
        self.wanted = false;
        self.enter(if succeeded { Phase::Completed } else { Phase::Failed }, words, now);
    }

    /// Waits before the next start, or gives up.
    pub(super) fn back_off(&mut self, ran: Millis, words: String, rng: &mut Rng, now: Now) {
        let policy = self.definition.restart;
        if ran >= Millis(policy.stable_ms) {
            self.failures = 0;
        }
        let window = Millis(policy.burst_window_ms);
        while self.recent.front().is_some_and(|&at| now.at.since(at) > window) {
            self.recent.pop_front();
        }
        if policy.burst > 0 && self.recent.len() >= policy.burst as usize {
            self.wanted = false;
            let (count, window_s) = (policy.burst, policy.burst_window_ms / 1_000);
            let text = format!("{words}; given up after {count} restarts within {window_s} s");
            return self.enter(Phase::Failed, text, now);
        }
        let delay = delay(&policy, self.failures, rng);
        self.failures = self.failures.saturating_add(1);
        self.enter(Phase::BackingOff { until: now.at + delay }, words, now);
    }

    /// The back-off is over.
    pub(super) fn again(&mut self, now: Now) {
        self.restarts += 1;
        if self.definition.restart.burst > 0 {
            self.recent.push_back(now.at);
        }
        self.enter(Phase::Waiting, "", now);
    }

    /// A probe of the run ended; whether the run is to be restarted for it.
    pub(super) fn on_probed(&mut self, result: Result<(), String>, now: Now) -> bool {
        let Phase::Running { health, probing: Some(probing), .. } = &mut self.phase else { return false };
        probing.next_at = Some(now.at + Millis(probing.probe.interval_ms));
        let before = *health;
        let detail = match result {
            Ok(()) => {
                probing.failures = 0;
                *health = ProgramState::Healthy;
                String::new()
            }
            Err(why) => {
                probing.failures = probing.failures.saturating_add(1);
                if probing.failures >= probing.probe.threshold {
                    *health = ProgramState::Unhealthy;
                }
                why
            }
        };
        let turned = *health != before;
        let restart =
            *health == ProgramState::Unhealthy && probing.probe.unhealthy == UnhealthyAction::Restart;
        if turned {
            self.since = now.wall;
        }
        self.detail = detail;
        restart
    }

    /// When something is due.
    pub(super) const fn due(&self) -> Option<Millis> {
        match &self.phase {
            Phase::BackingOff { until } => Some(*until),
            Phase::Running { probing: Some(probing), .. } => probing.next_at,
            Phase::Stopping { step: Step::Asked { kill_at: at } | Step::Killed { again_at: at }, .. } => {
                Some(*at)
            }
            _ => None,
        }
    }
}

/// The wait before the next start: doubled with each failure, with jitter over the upper half.
fn delay(policy: &RestartPolicy, failures: u32, rng: &mut Rng) -> Millis {
    let doubled = policy.delay_ms.saturating_mul(1 << failures.min(32));
    let span = doubled.min(policy.delay_max_ms.max(policy.delay_ms));
    Millis(span / 2 + rng.below(span / 2 + 1))
}
