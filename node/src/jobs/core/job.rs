//! One job: what it is, where it stands, and what an end of an attempt makes of it.

use std::collections::VecDeque;

use p2p_shared::rng::Rng;
use p2p_shared::services::job::{
    JobExit, JobId, JobInfo, JobProgress, JobRequest, JobRetry, JobState, JobStatus, JobWork,
    START_WITHIN_DEFAULT,
};
use p2p_shared::services::process::{ProcessRef, Signal};
use p2p_shared::time::{Millis, UnixMillis};

use super::check;
use super::index::Place;
use super::input::{Attempt, Author, Ended, Now, Output, Problem, Saved, SavedRun, Why};

/// How many ends are remembered.
pub const EXITS_MAX: usize = 20;
/// How long a job may take to end after SIGTERM, before SIGKILL.
pub const GRACE: Millis = Millis::from_secs(5);
/// What SIGKILL did not end at once gets another one after this.
pub const KILL_AGAIN: Millis = Millis::from_secs(5);
/// Longest text of why something is as it is.
const TEXT_BYTES_MAX: usize = 512;

/// How far an attempt is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// It is being begun.
    Launching,
    /// It runs, until its time runs out.
    Running { until: Option<Millis> },
    /// It was told to end, and is killed then.
    Asked { kill_at: Millis },
    /// It was killed, and is killed again then.
    Killed { again_at: Millis },
}

/// The attempt that goes on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    pub process: Option<ProcessRef>,
    pub started: UnixMillis,
    /// Why it is to end, once it is.
    pub stopping: Option<Why>,
    pub step: Step,
}

#[derive(Clone, Debug)]
pub(super) struct Job {
    pub id: JobId,
    pub request: JobRequest,
    pub request_bytes: u64,
    pub author: Author,
    pub submitted: UnixMillis,
    pub start_by: Option<UnixMillis>,
    /// By both clocks, as one of them outlives the node.
    pub again_at: Option<(Millis, UnixMillis)>,
    pub state: JobState,
    pub since: UnixMillis,
    pub detail: String,
    pub attempts: u32,
    pub attempts_max: u32,
    /// There is one exactly while the state is `Running`.
    pub run: Option<Run>,
    pub exits: VecDeque<JobExit>,
    pub asked_by: Option<String>,
    pub progress: Option<JobProgress>,
    pub output_bytes: u64,
    pub output_dropped: bool,
}

/// A text, within what a row may hold.
fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    text
}

/// How often a request is begun without anybody asking again.
fn allowance(request: &JobRequest) -> u32 {
    request.retry.map_or(if request.may_run_twice { 2 } else { 1 }, |retry| retry.attempts)
}

fn start_by(request: &JobRequest, now: Now) -> Option<UnixMillis> {
    Some(now.wall.plus(request.start_within_ms.map_or(START_WITHIN_DEFAULT, Millis)))
}

impl Job {
    pub(super) fn new(id: JobId, request: JobRequest, author: Author, now: Now) -> Self {
        Self {
            id,
            request_bytes: check::size(&request),
            author,
            submitted: now.wall,
            start_by: start_by(&request, now),
            again_at: None,
            state: JobState::Queued,
            since: now.wall,
            detail: String::new(),
            attempts: 0,
            attempts_max: allowance(&request),
            run: None,
            exits: VecDeque::new(),
            asked_by: None,
            progress: None,
            output_bytes: 0,
            output_dropped: false,
            request,
        }
    }

    pub(super) fn from_saved(saved: Saved, now: Now) -> Self {
        // Never later than its wait would be if it began now: the wall's clock may have been set back.
        let most = saved.request.retry.unwrap_or_default().delay_max_ms;
        let again = |wall: UnixMillis| (now.when(wall).min(now.at + Millis(most)), wall);
        Self {
            request_bytes: check::size(&saved.request),
            again_at: saved.again_at.map(again),
            id: saved.id,
            request: saved.request,
            author: saved.author,
            submitted: saved.submitted,
            start_by: saved.start_by,
            state: saved.state,
            since: saved.since,
            detail: saved.detail,
            attempts: saved.attempts,
            attempts_max: saved.attempts_max,
            run: saved.run.map(|run| Run {
                process: run.process,
                started: run.started,
                stopping: run.stopping,
                step: Step::Launching,
            }),
            exits: saved.exits.into(),
            asked_by: saved.asked_by,
            progress: None,
            output_bytes: saved.output_bytes,
            output_dropped: saved.output_dropped,
        }
    }

    pub(super) fn saved(&self) -> Saved {
        Saved {
            id: self.id.clone(),
            request: self.request.clone(),
            author: self.author.clone(),
            submitted: self.submitted,
            start_by: self.start_by,
            again_at: self.again_at.map(|(_, wall)| wall),
            state: self.state,
            since: self.since,
            detail: self.detail.clone(),
            attempts: self.attempts,
            attempts_max: self.attempts_max,
            run: self.run.as_ref().map(|run| SavedRun {
                process: run.process.clone(),
                started: run.started,
                stopping: run.stopping,
            }),
            exits: self.exits.iter().cloned().collect(),
            asked_by: self.asked_by.clone(),
            output_bytes: self.output_bytes,
            output_dropped: self.output_dropped,
        }
    }

    pub(super) fn place(&self) -> Place {
        Place {
            state: self.state,
            priority: self.request.priority,
            again_at: self.again_at.map(|(at, _)| at),
            start_by: self.start_by,
            due: self.run.as_ref().and_then(Run::due),
            since: self.since,
            output_bytes: self.output_bytes,
            request_bytes: self.request_bytes,
        }
    }

    fn ended(&self) -> Option<UnixMillis> {
        self.state.is_final().then_some(self.since)
    }

    pub(super) fn info(&self) -> JobInfo {
        let begun = self.run.as_ref().map(|run| run.started);
        JobInfo {
            id: self.id.clone(),
            state: self.state,
            since: self.since,
            detail: self.detail.clone(),
            kind: self.request.work.kind(),
            work: check::words(&self.request.work),
            label: self.request.label.clone().unwrap_or_default(),
            owner: self.author.owner.clone(),
            submitted: self.submitted,
            priority: self.request.priority,
            start_by: self.start_by,
            again_at: self.again_at.map(|(_, wall)| wall),
            started: begun.or_else(|| self.exits.front().map(|exit| exit.started)),
            ended: self.ended(),
            attempts: self.attempts,
            attempts_max: self.attempts_max,
            progress: self.progress.clone(),
            exit: self.exits.front().cloned(),
        }
    }

    pub(super) fn status(&self) -> JobStatus {
        JobStatus {
            info: self.info(),
            request: check::masked(&self.request),
            process: self.run.as_ref().and_then(|run| run.process.clone()),
            exits: self.exits.iter().cloned().collect(),
            asked_by: self.asked_by.clone(),
            output_bytes: self.output_bytes,
            output_dropped: self.output_dropped,
        }
    }

    /// The attempt that goes on.
    pub(super) fn attempt(&self) -> Attempt {
        Attempt { id: self.id.clone(), number: self.attempts }
    }

    /// Whether this is the attempt that goes on.
    pub(super) fn is_at(&self, attempt: &Attempt) -> bool {
        self.run.is_some() && self.attempts == attempt.number
    }

    pub(super) fn enter(&mut self, state: JobState, detail: impl Into<String>, now: Now) {
        self.state = state;
        self.since = now.wall;
        self.detail = cut(detail.into());
        self.again_at = None;
        if state != JobState::Queued {
            self.start_by = None;
        }
        if state != JobState::Running {
            self.run = None;
        }
    }

    /// Begins another attempt.
    pub(super) fn launch(&mut self, now: Now) -> Attempt {
        self.enter(JobState::Running, "", now);
        self.attempts += 1;
        self.progress = None;
        self.run = Some(Run { process: None, started: now.wall, stopping: None, step: Step::Launching });
        self.attempt()
    }

    /// Queues it anew, with all its patience.
    pub(super) fn requeue(&mut self, detail: String, now: Now) {
        self.enter(JobState::Queued, detail, now);
        self.attempts_max = self.attempts + allowance(&self.request);
        self.start_by = start_by(&self.request, now);
    }

    /// Its attempt runs; what is to be done about that.
    pub(super) fn on_started(&mut self, process: Option<ProcessRef>, now: Now) -> Option<Output> {
        let timeout = match &self.request.work {
            JobWork::Command(exec) => exec.timeout_ms,
            JobWork::Scan(_) => None,
        };
        let run = self.run.as_mut()?;
        run.process = process;
        let until = timeout.map(|span| now.when(run.started.plus(Millis(span))));
        run.step = Step::Running { until };
        run.stopping.and_then(|why| self.stop(why, now))
    }

    /// Tells its attempt to end. One that is being begun is told as soon as it has.
    pub(super) fn stop(&mut self, why: Why, now: Now) -> Option<Output> {
        let attempt = self.attempt();
        let run = self.run.as_mut()?;
        // What it was told first stands, unless somebody wants it to be no more.
        if run.stopping.is_none() || why == Why::Cancelled {
            run.stopping = Some(why);
        }
        if !matches!(run.step, Step::Running { .. }) {
            return None;
        }
        run.step = Step::Asked { kill_at: now.at + GRACE };
        Some(Output::Signal(attempt, Signal::Term))
    }

    /// What time brings about.
    pub(super) fn on_due(&mut self, now: Now) -> Option<Output> {
        let attempt = self.attempt();
        let run = self.run.as_mut()?;
        match run.step {
            Step::Launching => None,
            Step::Running { .. } => self.stop(Why::TimedOut, now),
            Step::Asked { .. } | Step::Killed { .. } => {
                run.step = Step::Killed { again_at: now.at + KILL_AGAIN };
                Some(Output::Signal(attempt, Signal::Kill))
            }
        }
    }

    /// Its attempt did not begin.
    pub(super) fn on_not_started(&mut self, problem: Problem, rng: &mut Rng, now: Now) {
        match problem {
            Problem::Refused(why) => self.enter(JobState::Cancelled, why, now),
            Problem::CannotRun(code, why) => {
                let ended = Ended { code: Some(code), ..Ended::default() };
                self.on_ended(ended, Some(why), rng, now);
            }
        }
    }

    /// Its attempt ended, or never was one for want of something.
    pub(super) fn on_ended(&mut self, ended: Ended, problem: Option<String>, rng: &mut Rng, now: Now) {
        let Some(run) = self.run.take() else { return };
        let exit = JobExit {
            attempt: self.attempts,
            started: run.started,
            ended: now.wall,
            code: ended.code,
            signal: ended.signal,
            out_of_memory: ended.out_of_memory,
            timed_out: run.stopping == Some(Why::TimedOut),
            problem: problem.map(cut),
        };
        let unseen = ended.code.is_none() && ended.signal.is_none();
        let (words, succeeded) = (exit.to_string(), exit.succeeded());
        self.exits.push_front(exit);
        self.exits.truncate(EXITS_MAX);
        if run.stopping == Some(Why::Cancelled) {
            let by = self.asked_by.as_deref().unwrap_or("somebody");
            self.enter(JobState::Cancelled, format!("called off by {by}"), now);
        } else if succeeded {
            self.enter(JobState::Succeeded, "", now);
        } else if unseen {
            let again = self.request.may_run_twice && self.attempts < self.attempts_max;
            self.fail(JobState::Interrupted, "nobody saw how it ended".into(), again, (rng, now));
        } else {
            let again = self.request.retry.is_some() && self.attempts < self.attempts_max;
            self.fail(JobState::Failed, words, again, (rng, now));
        }
    }

    /// It did not end well: it waits for another attempt, or that was the last one.
    fn fail(&mut self, state: JobState, words: String, again: bool, (rng, now): (&mut Rng, Now)) {
        if !again {
            return self.enter(state, words, now);
        }
        let wait = back_off(self.request.retry.unwrap_or_default(), self.attempts, rng);
        let left = self.attempts_max - self.attempts;
        self.enter(JobState::Queued, format!("{words}; tried again, {left} more at most"), now);
        self.again_at = Some((now.at + wait, now.wall.plus(wait)));
    }
}

/// The wait after so many attempts: the upper half of a span that doubles.
fn back_off(retry: JobRetry, attempts: u32, rng: &mut Rng) -> Millis {
    let doubled = retry.delay_ms.saturating_mul(1 << attempts.saturating_sub(1).min(32));
    let span = doubled.min(retry.delay_max_ms).max(2);
    Millis(span / 2 + rng.below(span / 2 + 1))
}

impl Run {
    fn due(&self) -> Option<Millis> {
        match self.step {
            Step::Launching => None,
            Step::Running { until } => until,
            Step::Asked { kill_at } => Some(kill_at),
            Step::Killed { again_at } => Some(again_at),
        }
    }
}
