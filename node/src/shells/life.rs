//! The life of one shell: its output taken, its limits held, its end brought about and awaited.
//!
//! Nothing here knows who is attached; the session does. The tasks of one shell end with it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use p2p_shared::services::process::Signal;
use p2p_shared::services::shell::ShellExit;
use p2p_shared::time::Millis;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::recording::{Event, Happened, Recording};
use super::session::Session;
use crate::host::run::{End, Leash};
use crate::host::terminal::Terminal;
use crate::policy::Fuse;

/// Most bytes taken from a terminal at a time.
const CHUNK_BYTES: usize = 16 << 10;
/// What a shell may write: more than anybody reads, and little to do for this node.
const BYTES_PER_SECOND: u64 = 32 << 20;
/// After so many bytes it is looked whether they came too fast.
const PACE_BYTES: u64 = 256 << 10;
/// Between two looks at a terminal that nobody has open, or that the kernel does not read.
const SHUT: Duration = Duration::from_millis(250);
/// How long output is awaited that was written before the end.
const DRAIN: Duration = Duration::from_millis(300);
/// How long a shell may take to end after SIGHUP, before SIGKILL.
const GRACE: Duration = Duration::from_secs(3);
/// The limits are looked at so often at least, since the policy may change.
const LOOK: Duration = Duration::from_secs(15);
/// Events that wait to be recorded; beyond, the shell waits.
const EVENTS_MAX: usize = 64;

/// A shell and what it hangs on.
pub(super) struct Life {
    pub session: Arc<Session>,
    pub leash: Arc<dyn Leash>,
    pub recording: Option<Recording>,
    pub fuse: Fuse,
    /// How long it may take to end.
    pub grace: Duration,
}

/// The grace of a shell that somebody ends.
pub(super) const fn grace() -> Duration {
    GRACE
}

impl Life {
    /// To its end, after which everybody has been told.
    pub(super) async fn run(self) {
        let Self { session, leash, recording, fuse, grace } = self;
        let Some(terminal) = session.terminal.as_ref() else { return };
        let (events, recorder) = recorder(&session, recording);
        let end = {
            let pump = Pump { session: &session, terminal, events, pace: Pace::new() };
            let pumping = pump.run(leash.as_ref());
            let helpers = async {
                tokio::join!(bring_about(&session, leash.as_ref(), grace), hold(&session, &fuse), recorder)
            };
            tokio::pin!(pumping, helpers);
            tokio::select! {
                end = &mut pumping => end,
                // Each of them lasts as long as the shell.
                _ = &mut helpers => pumping.await,
            }
        };
        session.ended(ShellExit { code: end.code, signal: end.signal, why: session.why() });
    }
}

/// Ends it when it is to end.
async fn bring_about(session: &Session, leash: &dyn Leash, grace: Duration) {
    session.ending.cancelled().await;
    for (signal, patience) in [(Signal::Hup, Duration::ZERO), (Signal::Cont, grace), (Signal::Kill, grace)] {
        if let Err(error) = leash.signal(signal).await {
            tracing::warn!(shell = session.facts.id, signal = signal.as_str(), %error, "a shell takes no signal");
        }
        sleep(patience).await;
    }
    std::future::pending().await
}

/// Ends it when the local policy says so.
async fn hold(session: &Session, fuse: &Fuse) {
    loop {
        let (limits, age) = (fuse.policy().shells(), session.age());
        if let Some(why) = limits.verdict(age) {
            session.end(why);
            return;
        }
        let left = limits.left(age).map_or(LOOK, |left| left.to_duration() + Duration::from_millis(1));
        sleep(left.min(LOOK)).await;
    }
}

type Events = Option<mpsc::Sender<Event>>;

/// Where events go that are to be recorded, and what writes them down. What cannot be recorded must not go on.
fn recorder(
    session: &Arc<Session>,
    recording: Option<Recording>,
) -> (Events, impl Future<Output = ()> + use<>) {
    let (events, mut queue) = mpsc::channel(EVENTS_MAX);
    let (is_recorded, session) = (recording.is_some(), Arc::clone(session));
    let writing = async move {
        let Some(mut recording) = recording else { return };
        let mut batch = Vec::new();
        while queue.recv_many(&mut batch, EVENTS_MAX).await > 0 {
            let events = std::mem::take(&mut batch);
            let written = spawn_blocking(move || {
                let written = events.into_iter().try_for_each(|event| recording.write(event));
                written.map(|()| recording)
            });
            match written.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
                Ok(back) => recording = back,
                Err(error) => {
                    session.end(format!("local policy: it can be recorded no longer: {error}"));
                    return;
                }
            }
        }
    };
    (is_recorded.then_some(events), writing)
}

/// Takes what the shell writes.
struct Pump<'a> {
    session: &'a Session,
    terminal: &'a Terminal,
    events: Events,
    pace: Pace,
}

impl Pump<'_> {
    /// Until its first process has ended.
    async fn run(mut self, leash: &dyn Leash) -> End {
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut sized = self.session.sized.subscribe();
        let ended = leash.ended();
        tokio::pin!(ended);
        let end = loop {
            tokio::select! {
                biased;
                end = &mut ended => break end,
                Ok(()) = sized.changed() => {
                    let (size, _) = *sized.borrow_and_update();
                    self.record(Happened::Resize(size)).await;
                }
                read = self.next(&mut chunk) => self.take(read, &chunk).await,
            }
        };
        // One that came just before the end.
        if sized.has_changed().unwrap_or_default() {
            let (size, _) = *sized.borrow_and_update();
            self.record(Happened::Resize(size)).await;
        }
        let drained = async {
            while let Ok(length @ 1..) = self.next(&mut chunk).await {
                self.take(Ok(length), &chunk).await;
            }
        };
        // Who still holds the terminal then was left behind on purpose.
        let _ = timeout(DRAIN, drained).await;
        end
    }

    async fn next(&self, chunk: &mut [u8]) -> io::Result<usize> {
        self.session.room().await;
        self.terminal.read(chunk).await
    }

    async fn take(&mut self, read: io::Result<usize>, chunk: &[u8]) {
        let shut = match read {
            Ok(0) => None,
            Ok(length) => match self.session.push(&chunk[..length]) {
                Ok(()) => {
                    self.record(Happened::Output(chunk[..length].to_vec())).await;
                    return self.pace.keep(length as u64).await;
                }
                Err(error) => Some(error),
            },
            Err(error) => Some(error),
        };
        if let Some(error) = shut {
            tracing::warn!(shell = self.session.facts.id, %error, "the output of a shell is lost");
        }
        sleep(SHUT).await;
    }

    async fn record(&self, what: Happened) {
        let Some(events) = &self.events else { return };
        let at = self.session.age().total;
        // Nobody takes it any more where the recording has failed: the shell is about to end.
        let _ = events.send(Event { at, what }).await;
    }
}

/// Holds a shell that floods its terminal to what this node has time for.
#[derive(Debug)]
struct Pace {
    since: Instant,
    bytes: u64,
}

impl Pace {
    fn new() -> Self {
        Self { since: Instant::now(), bytes: 0 }
    }

    async fn keep(&mut self, bytes: u64) {
        self.bytes += bytes;
        if self.bytes >= PACE_BYTES {
            let least = Millis(self.bytes * 1_000 / BYTES_PER_SECOND).to_duration();
            let until = self.since + least;
            if until > Instant::now() {
                sleep_until(until).await;
            } else {
                tokio::task::yield_now().await;
            }
            *self = Self::new();
        }
    }
}
