//! A disk in memory that fills up, loses power, and remembers in which order things were done to it.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

use p2p_shared::time::UnixMillis;

use super::disk::Disk;
use super::journal::{Draft, Head, Heads, Journal, Limits};
use super::record::{Asked, What};

/// What happened, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Appended,
    Synced,
    Head,
    Removed(u64),
    /// A test's own.
    Effect,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub files: BTreeMap<u64, Vec<u8>>,
    pub head: Option<Head>,
    pub steps: Vec<Step>,
    /// Bytes that still fit; half of what does not fit is written.
    pub space: Option<usize>,
    pub reserve: usize,
    pub fails_sync: bool,
    current: u64,
}

/// Clones are the same disk, and the same keeper of the head.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory(Arc<Mutex<State>>);

impl Memory {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn journal(&self, segment_bytes: u64) -> (Journal<Self, Self>, Vec<String>) {
        let limits = Limits { segment_bytes, total_bytes: 10 * segment_bytes };
        Journal::open((self.clone(), self.clone()), "web-1", limits).unwrap()
    }

    /// A copy that later changes do not reach.
    pub fn copy(&self) -> Self {
        let state = self.state();
        let (files, head) = (state.files.clone(), state.head.clone());
        Self(Arc::new(Mutex::new(State { files, head, ..State::default() })))
    }
}

impl Disk for Memory {
    fn segments(&self) -> io::Result<Vec<(u64, u64)>> {
        Ok(self.state().files.iter().map(|(&first, bytes)| (first, bytes.len() as u64)).collect())
    }

    fn read(&self, segment: u64) -> io::Result<Vec<u8>> {
        self.state().files.get(&segment).cloned().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn create(&mut self, segment: u64) -> io::Result<()> {
        let mut state = self.state();
        if state.files.contains_key(&segment) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        state.current = segment;
        state.files.insert(segment, Vec::new());
        Ok(())
    }

    fn open(&mut self, segment: u64) -> io::Result<()> {
        self.state().current = segment;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let written = match state.space {
            Some(space) if space < bytes.len() => &bytes[..space / 2],
            _ => bytes,
        };
        let current = state.current;
        state.files.get_mut(&current).unwrap().extend_from_slice(written);
        if written.len() < bytes.len() {
            return Err(ErrorKind::StorageFull.into());
        }
        state.space = state.space.map(|space| space - bytes.len());
        state.steps.push(Step::Appended);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.state();
        if state.fails_sync {
            return Err(io::Error::other("the disk is broken"));
        }
        state.steps.push(Step::Synced);
        Ok(())
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        let mut state = self.state();
        let current = state.current;
        state.files.get_mut(&current).unwrap().truncate(bytes as usize);
        Ok(())
    }

    fn remove(&mut self, segment: u64) -> io::Result<()> {
        let mut state = self.state();
        state.steps.push(Step::Removed(segment));
        state.files.remove(&segment).map(|_| ()).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn keep_reserve(&mut self) -> io::Result<()> {
        let mut state = self.state();
        match state.space {
            Some(space) if state.reserve == 0 && space < 10_000 => Err(ErrorKind::StorageFull.into()),
            Some(space) if state.reserve == 0 => {
                (state.space, state.reserve) = (Some(space - 10_000), 10_000);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn use_reserve(&mut self) -> bool {
        let mut state = self.state();
        let reserve = std::mem::take(&mut state.reserve);
        state.space = state.space.map(|space| space + reserve);
        reserve > 0
    }
}

impl Heads for Memory {
    fn get(&self) -> Result<Option<Head>, String> {
        Ok(self.state().head.clone())
    }

    fn put(&mut self, head: &Head) -> Result<(), String> {
        let mut state = self.state();
        state.steps.push(Step::Head);
        state.head = Some(head.clone());
        Ok(())
    }
}

pub(super) fn asked(method: &str) -> Asked {
    Asked {
        caller: "operator".into(),
        who: "ann".into(),
        id: None,
        role: None,
        from: Some("192.0.2.7:4000".into()),
        face: "quic".into(),
        method: method.into(),
        arguments: "{}".into(),
        request: "00".into(),
        trace: None,
    }
}

pub(super) fn call(at: u64) -> Draft {
    Draft { at: UnixMillis(at), what: What::Call(asked("process.signal")) }
}
