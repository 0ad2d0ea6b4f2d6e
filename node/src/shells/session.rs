//! What this node knows of one shell, and how far each of those has read who are attached to it.
//!
//! Bytes of its terminal enter the ring; readers follow at their own pace, each with a place in the stream. Nothing
//! is queued for a reader: who is too far behind holds the shell up for a moment, and is then let go.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use p2p_shared::services::shell::{ShellExit, ShellInfo, ShellSize, ShellState};
use p2p_shared::time::{Millis, UnixMillis};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::facts::{Facts, Opener};
use super::limits::Age;
use super::ring::{Ring, Tail};
use crate::clock;
use crate::host::terminal::Terminal;

/// How far the shell may be ahead of a reader before it waits.
pub(super) const AHEAD_BYTES: u64 = 32 << 10;
/// How long it waits for the only one that is attached.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long for one of several.
const PATIENCE_BESIDE: Duration = Duration::from_secs(1);

/// A shell that runs, or has ended a short while ago.
#[derive(Debug)]
pub(super) struct Session {
    pub facts: Facts,
    /// `None` for one that was gone when this node started.
    pub terminal: Option<Terminal>,
    /// Length of the stream.
    pub grown: watch::Sender<u64>,
    /// Its size, and which reader asked for that.
    pub sized: watch::Sender<(ShellSize, Option<u64>)>,
    /// How it ended.
    pub over: watch::Sender<Option<ShellExit>>,
    /// Cancelled when it is to be ended.
    pub ending: CancellationToken,
    moved: Notify,
    // Held for a copy out of the ring at most, never over an await: the pump and every reader are tasks of one runtime.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    ring: Ring,
    readers: BTreeMap<u64, Place>,
    next_reader: u64,
    opened: Instant,
    typed: Instant,
    active: UnixMillis,
    why: Option<String>,
}

/// How far a reader is.
#[derive(Debug)]
struct Place {
    at: u64,
    /// Since when it has been too far behind without getting further.
    behind: Option<Instant>,
    lagged: CancellationToken,
}

/// Somebody attached. Dropped, it is no more.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub id: u64,
    /// Cancelled when this one is too far behind.
    pub lagged: CancellationToken,
    session: &'a Session,
}

impl Session {
    /// One whose terminal and ring these are.
    pub(super) fn new(facts: Facts, terminal: Option<Terminal>, ring: Ring) -> Self {
        let (now, wall) = (Instant::now(), clock::wall());
        let age = Millis(wall.0).since(Millis(facts.opened.0)).to_duration();
        let state = State {
            readers: BTreeMap::new(),
            next_reader: 0,
            // The machine may have been started since.
            opened: now.checked_sub(age).unwrap_or(now),
            typed: now,
            active: wall,
            why: None,
            ring,
        };
        Self {
            facts,
            terminal,
            grown: watch::Sender::new(state.ring.written()),
            sized: watch::Sender::new((state.ring.size(), None)),
            over: watch::Sender::new(None),
            ending: CancellationToken::new(),
            moved: Notify::new(),
            state: Mutex::new(state),
        }
    }

    /// What may be told of it to `asker`.
    pub(super) fn info(&self, asker: Option<&Opener>) -> ShellInfo {
        let (facts, state) = (&self.facts, self.state());
        let exit = self.over.borrow().clone();
        ShellInfo {
            id: facts.id.clone(),
            user: facts.user.clone(),
            command: facts.command.clone(),
            opened_by: facts.opener.words(),
            is_own: asker == Some(&facts.opener),
            opened: facts.opened,
            active: state.active,
            attached: u32::try_from(state.readers.len()).unwrap_or(u32::MAX),
            size: state.ring.size(),
            is_recorded: facts.is_recorded,
            state: if exit.is_some() { ShellState::Ended } else { ShellState::Running },
            exit,
        }
    }

    /// Whether it has not ended.
    pub(super) fn is_running(&self) -> bool {
        self.over.borrow().is_none()
    }

    /// What the limits are about.
    pub(super) fn age(&self) -> Age {
        let (state, now) = (self.state(), Instant::now());
        Age { total: (now - state.opened).into(), idle: (now - state.typed).into() }
    }

    /// Brings its end about; the first reason is the one that is told.
    pub(super) fn end(&self, why: String) {
        self.state().why.get_or_insert(why);
        self.ending.cancel();
    }

    /// Why it was to end.
    pub(super) fn why(&self) -> Option<String> {
        self.state().why.clone()
    }

    /// Says to all that it is over.
    pub(super) fn ended(&self, exit: ShellExit) {
        self.state().active = clock::wall();
        self.over.send_replace(Some(exit));
    }

    /// Something was typed.
    pub(super) fn typed(&self) {
        let mut state = self.state();
        state.typed = Instant::now();
        state.active = clock::wall();
    }

    /// The terminal gets another size.
    pub(super) fn resize(&self, size: ShellSize, by: Option<u64>) -> io::Result<()> {
        if let Some(terminal) = self.terminal.as_ref().filter(|_| self.is_running()) {
            terminal.resize(size)?;
            self.state().ring.resize(size)?;
            self.sized.send_replace((size, by));
        }
        Ok(())
    }

    /// Adds what the shell wrote.
    pub(super) fn push(&self, bytes: &[u8]) -> io::Result<()> {
        let written = {
            let mut state = self.state();
            state.active = clock::wall();
            state.ring.push(bytes)?;
            state.ring.written()
        };
        self.grown.send_replace(written);
        Ok(())
    }

    /// Copies from the stream; how much. `None` if that is no longer there.
    pub(super) fn read(&self, from: u64, into: &mut [u8]) -> io::Result<Option<usize>> {
        self.state().ring.read(from, into)
    }

    /// A reader that begins behind all that was written, and what that was. `None` if there are `most` already.
    pub(super) fn attach(&self, most: usize) -> io::Result<Option<(Reader<'_>, Tail)>> {
        let mut state = self.state();
        if state.readers.len() >= most {
            return Ok(None);
        }
        let tail = state.ring.tail()?;
        let (id, lagged) = (state.next_reader, CancellationToken::new());
        let place = Place { at: tail.end(), behind: None, lagged: lagged.clone() };
        state.readers.insert(id, place);
        state.next_reader += 1;
        state.typed = Instant::now();
        Ok(Some((Reader { id, lagged, session: self }, tail)))
    }

    /// Waits until nobody is too far behind. Who is for too long is let go.
    pub(super) async fn room(&self) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            let Some(until) = self.held_up(Instant::now()) else { return };
            tokio::select! {
                () = moved => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// Until when somebody is waited for; `None` if that is nobody.
    fn held_up(&self, now: Instant) -> Option<Instant> {
        let mut state = self.state();
        let written = state.ring.written();
        let patience = if state.readers.len() > 1 { PATIENCE_BESIDE } else { PATIENCE };
        let mut until: Option<Instant> = None;
        state.readers.retain(|_, place| {
            if written - place.at <= AHEAD_BYTES {
                place.behind = None;
                return true;
            }
            let given_up = *place.behind.get_or_insert(now) + patience;
            if given_up <= now {
                place.lagged.cancel();
                return false;
            }
            until = Some(until.map_or(given_up, |until| until.min(given_up)));
            true
        });
        until
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader<'_> {
    /// It has got as far as this, or at least something further.
    pub(super) fn moved(&self, at: u64) {
        if let Some(place) = self.session.state().readers.get_mut(&self.id) {
            place.at = place.at.max(at);
            place.behind = None;
        }
        self.session.moved.notify_one();
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.session.state().readers.remove(&self.id);
        self.session.moved.notify_one();
    }
}
