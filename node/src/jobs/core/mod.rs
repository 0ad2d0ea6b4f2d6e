//! The task queue as a pure state machine: no clock, no process, no file.
//!
//! After every [`Queue::handle`] the driver takes all of [`Queue::poll_output`] and then asks
//! [`Queue::poll_timeout`]. There are never more attempts at once than [`Limits`] has it, never two of one job,
//! and what was begun is begun again only where its author said so, or somebody asks for it.

mod check;
mod index;
mod input;
mod job;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use p2p_shared::id::NodeId;
use p2p_shared::rng::Rng;
use p2p_shared::services::job::{JobCounts, JobId, JobInfo, JobRequest, JobState, JobStatus};
use p2p_shared::time::{Millis, UnixMillis};

pub use check::{DELAY_MAX, DELAY_MIN, REQUEST_BYTES_MAX};
pub use input::{
    Attempt, Author, Ended, Fate, Input, Now, Order, Output, Problem, Refusal, Saved, SavedRun, Why,
};
pub use job::{EXITS_MAX, GRACE, KILL_AGAIN};

use index::Index;
use job::Job;

/// Longest name of who asked.
const ASKER_BYTES_MAX: usize = 128;
/// Characters of the part of an id that is its time, and of the one that is random.
const ID_TIME: u32 = 9;
const ID_RANDOM: u32 = 6;
/// Digits of an id: no letter that looks like another one.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What bounds a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Attempts that go on at the same time.
    pub running: usize,
    /// Jobs that wait.
    pub queued: usize,
    /// What their requests cost in all.
    pub queued_bytes: u64,
    /// Jobs that have ended and are remembered.
    pub finished: usize,
    /// For how long they are.
    pub finished_age: Millis,
    /// What all jobs together may have on disk, but for those that run.
    pub output_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            running: 4,
            queued: 10_000,
            queued_bytes: 64 << 20,
            finished: 1_000,
            finished_age: Millis::from_secs(7 * 86_400),
            output_bytes: 256 << 20,
        }
    }
}

/// In whose name a key counts.
type KeyOwner = (Option<NodeId>, String);

/// All jobs of a node.
#[derive(Clone, Debug)]
pub struct Queue {
    limits: Limits,
    jobs: BTreeMap<JobId, Job>,
    index: Index,
    keys: HashMap<(KeyOwner, String), JobId>,
    outputs: VecDeque<Output>,
    rng: Rng,
    /// The time in the last id.
    last_id: u64,
    now: Now,
}

impl Queue {
    /// An empty queue.
    pub fn new(limits: Limits, seed: u64) -> Self {
        Self {
            limits,
            jobs: BTreeMap::new(),
            index: Index::default(),
            keys: HashMap::new(),
            outputs: VecDeque::new(),
            rng: Rng::new(seed),
            last_id: 0,
            now: Now::default(),
        }
    }

    /// Takes up a job of an earlier life. To be called before anything is handled; `fate` is that of its attempt.
    pub fn restore(&mut self, saved: Saved, fate: Fate, now: Now) {
        self.now = now;
        let mut job = Job::from_saved(saved, now);
        let id = job.id.clone();
        let mut signal = None;
        let was_running = job.run.is_some();
        match fate {
            Fate::Runs(process) if was_running => {
                let process = process.or_else(|| job.run.as_ref().and_then(|run| run.process.clone()));
                signal = job.on_started(process, now);
            }
            _ if was_running => job.on_ended(Ended::default(), None, &mut self.rng, now),
            _ => {}
        }
        self.last_id = self.last_id.max(time_of(&id));
        if let Some(key) = &job.request.key {
            self.keys.insert((key_owner(&job), key.clone()), id.clone());
        }
        self.index.insert(&id, job.place());
        self.jobs.insert(id.clone(), job);
        if was_running {
            self.kept(&id);
        } else {
            self.told(&id);
        }
        self.outputs.extend(signal);
    }

    /// Takes something in; of a submission, which job it is.
    ///
    /// # Errors
    /// [`Refusal`] of what somebody asked for; everything else is always taken.
    pub fn handle(&mut self, now: Now, input: Input) -> Result<Option<JobId>, Refusal> {
        self.now = now;
        let handled = match input {
            Input::Submit { request, author } => self.submit(*request, author).map(Some),
            Input::Ask { id, order, by } => self.ask(&id, order, by).map(|()| None),
            Input::Started { attempt, process } => {
                self.at(&attempt, |job, _| job.on_started(process, now));
                Ok(None)
            }
            Input::NotStarted { attempt, problem } => {
                self.at(&attempt, |job, rng| {
                    job.on_not_started(problem, rng, now);
                    None
                });
                Ok(None)
            }
            Input::Progress { attempt, progress } => {
                if let Some(job) = self.jobs.get_mut(&attempt.id).filter(|job| job.is_at(&attempt)) {
                    job.progress = Some(progress);
                    self.told(&attempt.id);
                }
                Ok(None)
            }
            Input::Exited { attempt, ended, output_bytes } => {
                let released = Output::Release(attempt.clone());
                self.at(&attempt, |job, rng| {
                    job.output_bytes = output_bytes;
                    job.output_dropped = false;
                    job.on_ended(ended, None, rng, now);
                    Some(released)
                });
                Ok(None)
            }
            Input::Limit { running } => {
                self.limits.running = running;
                Ok(None)
            }
            Input::Tick => Ok(None),
        };
        self.advance();
        handled
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is due at the latest.
    pub fn poll_timeout(&self) -> Option<Millis> {
        let delayed = self.index.delayed.first().map(|(at, _)| *at);
        let due = self.index.due.first().map(|(at, _)| *at);
        let expiring = self.index.expiring.first().map(|(at, _)| self.now.when(*at));
        let forgotten =
            self.index.finished.first().map(|(at, _)| self.now.when(at.plus(self.limits.finished_age)));
        [delayed, due, expiring, forgotten].into_iter().flatten().min()
    }

    /// What is to be kept of a job.
    pub fn saved(&self, id: &JobId) -> Option<Saved> {
        self.jobs.get(id).map(Job::saved)
    }

    /// A job as a row, and its key.
    pub fn row(&self, id: &JobId) -> Option<(JobInfo, Option<String>)> {
        self.jobs.get(id).map(|job| (job.info(), job.request.key.clone()))
    }

    /// Everything about a job.
    pub fn status(&self, id: &JobId) -> Option<JobStatus> {
        self.jobs.get(id).map(Job::status)
    }

    /// What is done, and in whose name.
    pub fn request(&self, id: &JobId) -> Option<(&JobRequest, &Author)> {
        self.jobs.get(id).map(|job| (&job.request, &job.author))
    }

    /// How many there are.
    pub const fn counts(&self) -> JobCounts {
        self.index.counts
    }

    fn submit(&mut self, request: JobRequest, author: Author) -> Result<JobId, Refusal> {
        check::request(&request)?;
        let owner = (author.owner.id, author.owner.name.clone());
        let key = request.key.clone().map(|key| (owner, key));
        if let Some(id) = key.as_ref().and_then(|key| self.keys.get(key)) {
            let same = self.jobs.get(id).is_some_and(|job| job.request == request);
            let other =
                || Refusal::Conflict(format!("that key is taken by job {id}, which asks for something else"));
            return if same { Ok(id.clone()) } else { Err(other()) };
        }
        self.room_for(&request)?;
        let id = self.next_id();
        if let Some(key) = key {
            self.keys.insert(key, id.clone());
        }
        let job = Job::new(id.clone(), request, author, self.now);
        self.index.insert(&id, job.place());
        self.jobs.insert(id.clone(), job);
        self.kept(&id);
        Ok(id)
    }

    fn room_for(&self, request: &JobRequest) -> Result<(), Refusal> {
        let full = |what: String| Err(Refusal::Full(format!("{what}: try again when some have run")));
        if self.index.counts.queued >= self.limits.queued as u64 {
            return full(format!("{} jobs are queued on this node", self.limits.queued));
        }
        if self.index.queued_bytes + check::size(request) > self.limits.queued_bytes {
            return full(format!("the jobs queued on this node have {} bytes", self.limits.queued_bytes));
        }
        Ok(())
    }

    /// The time, made one that no other id has, and a random tail, so that a clock that was set back or a
    /// database that was lost makes no two alike.
    fn next_id(&mut self) -> JobId {
        self.last_id = self.now.wall.0.max(self.last_id + 1);
        let random = self.rng.below(1 << (5 * ID_RANDOM));
        let text = digits(self.last_id, ID_TIME) + &digits(random, ID_RANDOM);
        text.try_into().expect("digits are good in an id")
    }

    fn ask(&mut self, id: &JobId, order: Order, mut by: String) -> Result<(), Refusal> {
        by.truncate(by.floor_char_boundary(ASKER_BYTES_MAX));
        let job = self.jobs.get(id).ok_or_else(|| Refusal::Unknown(id.clone()))?;
        let conflict = |text: String| Err(Refusal::Conflict(format!("job {id} {text}")));
        let (state, now) = (job.state, self.now);
        match order {
            Order::Cancel if state == JobState::Cancelled => return Ok(()),
            Order::Cancel if state.is_final() => return conflict(format!("has ended: it {}", past(state))),
            Order::Cancel if job.run.is_some() => {
                self.with(id, |job, _| {
                    job.asked_by = Some(by);
                    job.stop(Why::Cancelled, now)
                });
            }
            Order::Cancel => self.with(id, |job, _| {
                job.enter(JobState::Cancelled, format!("called off by {by}"), now);
                job.asked_by = Some(by);
                None
            }),
            Order::Retry if state == JobState::Running => return conflict("is running".into()),
            Order::Retry if state == JobState::Succeeded => {
                return conflict("succeeded: submit it anew to have it done again".into());
            }
            Order::Retry if state == JobState::Queued => self.with(id, |job, _| {
                job.again_at = None;
                job.asked_by = Some(by);
                None
            }),
            Order::Retry => {
                self.room_for(&job.request)?;
                self.with(id, |job, _| {
                    job.requeue(format!("once more, as {by} asked"), now);
                    job.asked_by = Some(by);
                    None
                });
            }
            Order::Remove if !state.is_final() => {
                return conflict(format!("is {}: cancel it first", state.as_str()));
            }
            Order::Remove => self.forget(id),
        }
        Ok(())
    }

    /// Changes a job where it stands; what follows from that comes after it is kept.
    fn with(&mut self, id: &JobId, change: impl FnOnce(&mut Job, &mut Rng) -> Option<Output>) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        self.index.remove(id, job.place());
        let follows = change(job, &mut self.rng);
        self.index.insert(id, job.place());
        self.kept(id);
        self.outputs.extend(follows);
    }

    /// The same of an attempt that goes on; what is told of another one is old.
    fn at(&mut self, attempt: &Attempt, change: impl FnOnce(&mut Job, &mut Rng) -> Option<Output>) {
        if self.jobs.get(&attempt.id).is_some_and(|job| job.is_at(attempt)) {
            self.with(&attempt.id, change);
        }
    }

    fn forget(&mut self, id: &JobId) {
        let Some(job) = self.jobs.remove(id) else { return };
        self.index.remove(id, job.place());
        if let Some(key) = &job.request.key {
            self.keys.remove(&(key_owner(&job), key.clone()));
        }
        self.outputs.push_back(Output::Forget(id.clone()));
        self.told(id);
    }

    /// Does what is due, begins what may begin, and forgets what is old.
    fn advance(&mut self) {
        let now = self.now;
        while let Some(id) = first(&self.index.due, |at| *at <= now.at) {
            self.with(&id, |job, _| job.on_due(now));
        }
        while let Some(id) = first(&self.index.expiring, |at| *at <= now.wall) {
            self.with(&id, |job, _| {
                job.enter(JobState::Cancelled, "expired: its time to begin was over", now);
                None
            });
        }
        while let Some(id) = first(&self.index.delayed, |at| *at <= now.at) {
            self.with(&id, |job, _| {
                job.again_at = None;
                None
            });
        }
        while self.index.counts.running < self.limits.running as u64 {
            let Some((_, id)) = self.index.ready.first().cloned() else { break };
            self.with(&id, |job, _| begin(job, now));
        }
        self.tidy();
    }

    /// Makes room: what ended long ago is forgotten, and then the oldest of what is too much.
    fn tidy(&mut self) {
        let Limits { finished, finished_age, output_bytes, .. } = self.limits;
        let wall = self.now.wall;
        while let Some(id) = first(&self.index.finished, |at: &UnixMillis| wall.since(*at) >= finished_age) {
            self.forget(&id);
        }
        while self.index.finished.len() > finished
            && let Some(id) = first(&self.index.finished, |_| true)
        {
            self.forget(&id);
        }
        while self.index.output_bytes > output_bytes
            && let Some(id) = first(&self.index.stored, |_| true)
        {
            self.with(&id, |job, _| {
                job.output_bytes = 0;
                job.output_dropped = true;
                Some(Output::DropOutput(id.clone()))
            });
        }
    }

    /// Something of it is to be kept, and told.
    fn kept(&mut self, id: &JobId) {
        self.outputs.push_back(Output::Keep(id.clone()));
        self.told(id);
    }

    fn told(&mut self, id: &JobId) {
        self.outputs.push_back(Output::Changed(id.clone()));
    }
}

/// Begins a job whose turn it is, unless the authority of who asked for it has ended meanwhile.
fn begin(job: &mut Job, now: Now) -> Option<Output> {
    if job.author.until.is_some_and(|until| until <= now.wall) {
        let words =
            format!("the certificate of {} has ended: submit it anew with the new one", job.author.owner);
        job.enter(JobState::Cancelled, words, now);
        return None;
    }
    Some(Output::Launch(job.launch(now)))
}

fn first<K: Ord>(order: &BTreeSet<(K, JobId)>, is_it: impl Fn(&K) -> bool) -> Option<JobId> {
    order.first().filter(|(key, _)| is_it(key)).map(|(_, id)| id.clone())
}

fn key_owner(job: &Job) -> KeyOwner {
    (job.author.owner.id, job.author.owner.name.clone())
}

const fn past(state: JobState) -> &'static str {
    match state {
        JobState::Succeeded => "succeeded",
        JobState::Failed => "failed",
        JobState::Cancelled => "was cancelled",
        _ => "was interrupted",
    }
}

/// The last `count` digits of a number, the highest first.
fn digits(number: u64, count: u32) -> String {
    let digit = |place: u32| DIGITS[(number >> (5 * place)) as usize & 31] as char;
    (0..count).rev().map(digit).collect()
}

/// The time in an id; 0 if it is none of ours.
fn time_of(id: &JobId) -> u64 {
    let time = id.as_str().bytes().take(ID_TIME as usize);
    let value = |byte: u8| DIGITS.iter().position(|digit| *digit == byte);
    time.map(value).try_fold(0u64, |time, digit| Some(time << 5 | digit? as u64)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
