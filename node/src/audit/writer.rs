//! The task that owns the files of the record: what is written at once, what waits for company, and for how long.
//!
//! Jobs enter; their numbers leave once the disk has them. A call never waits for company. The head, which the
//! database keeps, follows behind what it is about: nobody waits for it, and at most a second lies between.

use std::io;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::disk::Disk;
use super::journal::{Draft, Head, Heads, Journal};
use super::record::What;
use super::{Job, Opening, draft};

/// Most records of one write.
const BATCH_MAX: usize = 256;
/// How long records wait for company that nobody waits for.
const GATHER: Duration = Duration::from_millis(50);
/// How long the head may be behind the record, and what else can wait that comes with it.
const SETTLE: Duration = Duration::from_secs(1);

type Answer = Option<oneshot::Sender<Result<u64, String>>>;

/// The task.
pub(super) struct Writer<D, H> {
    open: Opening<D, H>,
    journal: Option<Journal<D, H>>,
    jobs: mpsc::Receiver<Job>,
    told: watch::Sender<Option<Head>>,
    stopping: CancellationToken,
    waiting: Batch,
    /// When the head is kept; `None` if it is.
    settles: Option<Instant>,
}

/// What is written in one go.
#[derive(Default)]
struct Batch {
    drafts: Vec<Draft>,
    answers: Vec<Answer>,
    flushed: Vec<oneshot::Sender<()>>,
    /// When it is written at the latest; `None` while it is empty.
    due: Option<Instant>,
}

impl Batch {
    fn take(&mut self, job: Job, now: Instant) {
        let is_awaited = match job {
            Job::Write(draft, answer) => {
                let is_awaited = answer.is_some();
                self.drafts.push(*draft);
                self.answers.push(answer);
                is_awaited || self.drafts.len() >= BATCH_MAX
            }
            Job::Flush(done) => {
                self.flushed.push(done);
                true
            }
        };
        let due = if is_awaited { now } else { now + GATHER };
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
    }

    fn has_room(&self) -> bool {
        self.drafts.len() < BATCH_MAX
    }
}

/// What the writer woke up for.
enum Turn {
    Job(Job),
    Late,
    Over,
}

impl<D: Disk, H: Heads> Writer<D, H> {
    /// A writer of what comes by `jobs`, which tells the head of the record. Once `stopping` it takes no more,
    /// writes what waits, and ends.
    pub(super) fn new(
        open: Opening<D, H>,
        jobs: mpsc::Receiver<Job>,
        told: watch::Sender<Option<Head>>,
        stopping: CancellationToken,
    ) -> Self {
        Self { open, journal: None, jobs, told, stopping, waiting: Batch::default(), settles: None }
    }

    /// Until it is stopped, or nobody can hand it anything any more. Blocks.
    pub(super) fn run(mut self, runtime: &Handle) {
        if let Err(error) = self.opened() {
            tracing::error!(%error, "the audit record cannot be opened: what changes something is refused");
        }
        loop {
            let turn = runtime.block_on(self.next());
            let is_over = matches!(turn, Turn::Over);
            let mut next = if let Turn::Job(job) = turn { Some(job) } else { None };
            let now = Instant::now();
            while let Some(job) = next {
                self.waiting.take(job, now);
                next = if self.waiting.has_room() { self.jobs.try_recv().ok() } else { None };
            }
            if is_over || self.waiting.due.is_some_and(|due| due <= now) {
                self.write();
            }
            let flushed = std::mem::take(&mut self.waiting.flushed);
            if is_over || !flushed.is_empty() || self.settles.is_some_and(|due| due <= now) {
                self.settle();
            }
            for done in flushed {
                // Whoever waited may be gone.
                let _ = done.send(());
            }
            if is_over {
                return;
            }
        }
    }

    /// What there is to do next.
    async fn next(&mut self) -> Turn {
        let due = self.waiting.due.into_iter().chain(self.settles).min();
        let late = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            job = self.jobs.recv() => return job.map_or(Turn::Over, Turn::Job),
            () = self.stopping.cancelled() => self.jobs.close(),
            () = late => return Turn::Late,
        }
        self.jobs.recv().await.map_or(Turn::Over, Turn::Job)
    }

    fn write(&mut self) {
        let Batch { drafts, answers, .. } = &mut self.waiting;
        let (drafts, answers) = (std::mem::take(drafts), std::mem::take(answers));
        self.waiting.due = None;
        if drafts.is_empty() {
            return;
        }
        let written = self.opened().and_then(|journal| journal.append(&drafts));
        if let Err(error) = &written {
            tracing::error!(%error, records = drafts.len(), "the audit record cannot be written");
        }
        for (answer, number) in answers.into_iter().zip(0..) {
            let result = written.as_ref().map(|first| first + number).map_err(ToString::to_string);
            if let Some(answer) = answer {
                // A caller that went away in between has nothing done for it.
                let _ = answer.send(result);
            }
        }
        if let (true, Some(journal)) = (written.is_ok(), &self.journal) {
            self.told.send_replace(Some(journal.head()));
            self.settles.get_or_insert_with(|| Instant::now() + SETTLE);
        }
    }

    fn settle(&mut self) {
        if let (Some(_), Some(journal)) = (self.settles.take(), &mut self.journal) {
            journal.settle();
        }
    }

    /// The journal, opened now if it was not yet; a start and what was found wrong are its first records.
    fn opened(&mut self) -> io::Result<&mut Journal<D, H>> {
        let journal = match self.journal.take() {
            Some(journal) => journal,
            None => {
                let (mut journal, found) = (self.open)()?;
                found.iter().for_each(|what| tracing::error!("audit record: {what}"));
                let start = format!("p2p-node {} begins to record", env!("CARGO_PKG_VERSION"));
                let notes = found.into_iter().chain([start]).map(|note| draft(What::Note(note)));
                journal.append(&notes.collect::<Vec<_>>())?;
                journal.settle();
                self.told.send_replace(Some(journal.head()));
                journal
            }
        };
        Ok(self.journal.insert(journal))
    }
}
