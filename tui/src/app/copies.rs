//! The copies of this session: a queue of which some go at a time, how far each is, and what became of the last ones.
//! One that was cut goes on by itself. Pure: times enter, orders for the effects leave.

use std::collections::{BTreeMap, VecDeque};

use p2p_shared::error::{Code, RpcError};
use p2p_shared::services::transfer::{TransferProgress, TransferSummary};
use p2p_shared::time::{Millis, UnixMillis};

use crate::command::{Command, CopyId, CopyOrder};
use crate::event::{CopySaid, CopyTotal};

/// Copies that go at a time; the others wait their turn.
const AT_ONCE: usize = 4;
/// Ended ones that are remembered.
const ENDED_MAX: usize = 200;
/// Before a copy that was cut is tried again, and at most; it doubles each time in vain.
const PAUSE: Millis = Millis::from_secs(2);
const PAUSE_MAX: Millis = Millis::from_secs(30);
/// Tries in vain, one after the other, after which it is left to the operator.
const TRIES_MAX: u32 = 20;
/// Looks back over which the rate is the mean.
const LOOKS: usize = 12;

/// How far a copy is.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// Others go before it.
    Queued,
    /// It goes on.
    Running,
    /// A node went away: it is tried again then.
    Cut {
        /// What happened.
        why: String,
        /// When.
        again_at: Millis,
    },
    /// All is there.
    Done(Box<TransferSummary>),
    /// It ended otherwise: why.
    Failed(RpcError),
    /// The operator stopped it. What is there stays.
    Stopped,
}

impl Stage {
    /// It has not ended yet.
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Queued | Self::Running | Self::Cut { .. })
    }
}

/// One copy.
#[derive(Clone, Debug)]
pub struct Copying {
    /// What is copied to where.
    pub order: CopyOrder,
    /// The same for people: `web-1:/srv/a to web-2:/srv/a`.
    pub name: String,
    /// How far it is.
    pub stage: Stage,
    /// What the receiving node said last.
    pub progress: TransferProgress,
    /// What there is to copy, once the sending node has counted it.
    pub total: Option<CopyTotal>,
    /// When it ended.
    pub ended: Option<UnixMillis>,
    /// Tries in vain since something came.
    tries: u32,
    /// Bytes in place and bytes received at the last looks.
    looks: VecDeque<(Millis, u64, u64)>,
}

impl Copying {
    fn new(order: CopyOrder, name: String) -> Self {
        Self {
            order,
            name,
            stage: Stage::Queued,
            progress: TransferProgress::default(),
            total: None,
            ended: None,
            tries: 0,
            looks: VecDeque::new(),
        }
    }

    /// Bytes that are in place.
    pub const fn done_bytes(&self) -> u64 {
        let TransferProgress { done_bytes, file_bytes, file_done_bytes, .. } = self.progress;
        // That of a whole file is among the others.
        if file_done_bytes < file_bytes { done_bytes.saturating_add(file_done_bytes) } else { done_bytes }
    }

    /// The share of it that is done, 0 to 1; `None` until it was counted.
    pub fn ratio(&self) -> Option<f32> {
        let total = self.total?.size_bytes;
        Some(if total == 0 { 1.0 } else { (self.done_bytes() as f64 / total as f64).min(1.0) as f32 })
    }

    /// Bytes a second that come over the wire.
    pub fn rate(&self) -> Option<u64> {
        if self.stage != Stage::Running {
            return None;
        }
        self.speed(|(_, _, received)| received)
    }

    /// How much longer, if it goes on like that.
    pub fn remaining_ms(&self) -> Option<u64> {
        let left = self.total?.size_bytes.saturating_sub(self.done_bytes());
        let speed = self.speed(|(_, done, _)| done)?;
        left.saturating_mul(1_000).checked_div(speed)
    }

    fn speed(&self, of: fn((Millis, u64, u64)) -> u64) -> Option<u64> {
        let (first, last) = (*self.looks.front()?, *self.looks.back()?);
        let span = last.0.since(first.0).0;
        of(last).saturating_sub(of(first)).saturating_mul(1_000).checked_div(span)
    }

    /// Why it was cut, while it waits to be tried again.
    pub fn cut(&self) -> Option<&str> {
        match &self.stage {
            Stage::Cut { why, .. } => Some(why),
            _ => None,
        }
    }

    fn look(&mut self, progress: TransferProgress, now: Millis) {
        if progress.received_bytes > 0 {
            self.tries = 0;
        }
        self.progress = progress;
        self.looks.push_back((now, self.done_bytes(), self.progress.received_bytes));
        if self.looks.len() > LOOKS {
            self.looks.pop_front();
        }
    }

    fn begin(&mut self, id: CopyId) -> Command {
        self.stage = Stage::Running;
        self.looks.clear();
        Command::BeginCopy { copy: id, order: Box::new(self.order.clone()) }
    }

    fn wait(&mut self, why: String, now: Millis) {
        let pause = PAUSE.0.saturating_mul(1 << self.tries.min(8)).min(PAUSE_MAX.0);
        self.tries += 1;
        self.stage = Stage::Cut { why, again_at: now + Millis(pause) };
    }
}

/// All of them, in the order in which they were asked for.
#[derive(Debug, Default)]
pub struct Copies {
    copies: BTreeMap<CopyId, Copying>,
    last: u64,
}

impl Copies {
    /// Puts one at the end of the queue.
    pub fn add(&mut self, order: CopyOrder, name: String) -> CopyId {
        self.last += 1;
        let id = CopyId(self.last);
        self.copies.insert(id, Copying::new(order, name));
        id
    }

    /// The orders for those whose turn it is, and whose time has come.
    pub fn go_on(&mut self, now: Millis) -> Vec<Command> {
        let running = self.copies.values().filter(|copying| copying.stage == Stage::Running).count();
        let due = |copying: &Copying| match &copying.stage {
            Stage::Queued => true,
            Stage::Cut { again_at, .. } => *again_at <= now,
            _ => false,
        };
        let due = self.copies.iter_mut().filter(|(_, copying)| due(copying));
        due.take(AT_ONCE.saturating_sub(running)).map(|(id, copying)| copying.begin(*id)).collect()
    }

    /// What is said of one; whether it has ended by that.
    pub fn hear(&mut self, id: CopyId, said: CopySaid, (now, wall): (Millis, UnixMillis)) -> bool {
        let Some(copying) = self.copies.get_mut(&id).filter(|one| one.stage == Stage::Running) else {
            // It was stopped meanwhile.
            return false;
        };
        match said {
            CopySaid::Total(total) => copying.total = Some(total),
            CopySaid::Progress(progress) => copying.look(progress, now),
            CopySaid::Ended(Ok(summary)) => {
                copying.look(summary.progress.clone(), now);
                copying.stage = match failure(&summary) {
                    None => Stage::Done(summary),
                    Some(error) => Stage::Failed(error),
                };
            }
            CopySaid::Ended(Err(error)) if is_cut(&error) && copying.tries < TRIES_MAX => {
                copying.wait(error.message, now);
            }
            CopySaid::Ended(Err(error)) => copying.stage = Stage::Failed(error),
        }
        if copying.stage.is_open() {
            return false;
        }
        copying.ended = Some(wall);
        self.forget();
        true
    }

    /// Stops one that has not ended; the order for it, if it has begun.
    pub fn stop(&mut self, id: CopyId, wall: UnixMillis) -> Option<Command> {
        let copying = self.copies.get_mut(&id).filter(|copying| copying.stage.is_open())?;
        let was = std::mem::replace(&mut copying.stage, Stage::Stopped);
        copying.ended = Some(wall);
        Some(Command::EndCopy(id)).filter(|_| was == Stage::Running)
    }

    /// Takes up one that was cut, failed or was stopped; its id from then on. What is said of the old one is too late.
    pub fn again(&mut self, id: CopyId) -> Option<CopyId> {
        let resumes =
            |copying: &Copying| !matches!(copying.stage, Stage::Queued | Stage::Running | Stage::Done(_));
        if !self.copies.get(&id).is_some_and(resumes) {
            return None;
        }
        let Copying { order, name, total, .. } = self.copies.remove(&id)?;
        let id = self.add(order, name);
        if let Some(copying) = self.copies.get_mut(&id) {
            copying.total = total;
        }
        Some(id)
    }

    /// Those that end soonest are forgotten first.
    fn forget(&mut self) {
        let ended = |copies: &BTreeMap<CopyId, Copying>| {
            copies.values().filter(|copying| !copying.stage.is_open()).count()
        };
        while ended(&self.copies) > ENDED_MAX {
            let oldest = self.copies.iter().filter(|(_, one)| !one.stage.is_open());
            let Some(id) = oldest.min_by_key(|(_, one)| one.ended).map(|(id, _)| *id) else { return };
            self.copies.remove(&id);
        }
    }

    /// One of them.
    pub fn get(&self, id: CopyId) -> Option<&Copying> {
        self.copies.get(&id)
    }

    /// All, those that have not ended first, each in the order in which they were asked for; then the newest first.
    pub fn listed(&self) -> Vec<(CopyId, &Copying)> {
        let (open, ended): (Vec<_>, Vec<_>) =
            self.copies.iter().map(|(id, copying)| (*id, copying)).partition(|(_, one)| one.stage.is_open());
        open.into_iter().chain(ended.into_iter().rev()).collect()
    }

    /// Those that have not ended.
    pub fn open(&self) -> impl Iterator<Item = (CopyId, &Copying)> {
        self.copies.iter().filter(|(_, copying)| copying.stage.is_open()).map(|(id, copying)| (*id, copying))
    }
}

/// A node went away, or is not there yet: the same again may end otherwise.
const fn is_cut(error: &RpcError) -> bool {
    matches!(error.code, Code::Unavailable | Code::Deadline)
}

/// What of a copy that came to its end failed.
fn failure(summary: &TransferSummary) -> Option<RpcError> {
    let mut failed = summary.failed.iter().filter(|failed| !failed.is_left_out);
    let first = failed.next()?;
    let count = summary.progress.failed.max(1 + failed.count() as u64);
    Some(RpcError::conflict(format!("{count} of it failed, such as {}: {}", first.path, first.why)))
}

#[cfg(test)]
mod tests {
    use p2p_shared::id::NodeId;
    use p2p_shared::services::transfer::TransferFailed;

    use super::*;
    use crate::command::{After, Spot};

    const NOW: (Millis, UnixMillis) = (Millis(5_000), UnixMillis(9));

    fn order(index: u8) -> CopyOrder {
        let spot =
            |node: u8| Spot { node: NodeId::new([node; 32]), path: format!("/srv/{index}").parse().unwrap() };
        CopyOrder { from: spot(1), to: spot(2), after: After::Keep }
    }

    fn queue(count: u8) -> (Copies, Vec<CopyId>) {
        let mut copies = Copies::default();
        let ids = (0..count).map(|index| copies.add(order(index), index.to_string())).collect();
        (copies, ids)
    }

    fn begun(commands: &[Command]) -> Vec<u64> {
        let id = |command: &Command| match command {
            Command::BeginCopy { copy, .. } => copy.0,
            other => panic!("{other:?}"),
        };
        commands.iter().map(id).collect()
    }

    fn ended(result: Result<TransferSummary, RpcError>) -> CopySaid {
        CopySaid::Ended(result.map(Box::new))
    }

    fn progress(done_bytes: u64, received_bytes: u64) -> CopySaid {
        CopySaid::Progress(TransferProgress { done_bytes, received_bytes, ..TransferProgress::default() })
    }

    #[test]
    fn some_go_at_a_time_and_the_next_one_begins_when_one_ends() {
        let (mut copies, ids) = queue(6);
        assert_eq!(begun(&copies.go_on(NOW.0)), [1, 2, 3, 4]);
        assert!(copies.go_on(NOW.0).is_empty());
        assert!(copies.hear(ids[1], ended(Ok(TransferSummary::default())), NOW));
        assert_eq!(begun(&copies.go_on(NOW.0)), [5]);
        assert_eq!(copies.stop(ids[0], NOW.1), Some(Command::EndCopy(ids[0])));
        assert_eq!(copies.stop(ids[0], NOW.1), None);
        assert_eq!(begun(&copies.go_on(NOW.0)), [6]);
        assert_eq!(copies.open().count(), 4);
        let listed: Vec<u64> = copies.listed().iter().map(|(id, _)| id.0).collect();
        assert_eq!(listed, [3, 4, 5, 6, 2, 1]);
    }

    #[test]
    fn one_that_was_cut_goes_on_by_itself_later_and_later() {
        let (mut copies, ids) = queue(1);
        let cut = || ended(Err(RpcError::unavailable("web-2 is gone")));
        let mut now = Millis(1_000);
        let mut pauses = Vec::new();
        for _ in 0..7 {
            assert_eq!(copies.go_on(now).len(), 1);
            assert!(!copies.hear(ids[0], cut(), (now, NOW.1)));
            let Stage::Cut { again_at, .. } = copies.get(ids[0]).unwrap().stage else { panic!("not cut") };
            assert!(copies.go_on(Millis(again_at.0 - 1)).is_empty());
            pauses.push(again_at.since(now).0 / 1_000);
            now = again_at;
        }
        assert_eq!(pauses, [2, 4, 8, 16, 30, 30, 30]);
        copies.go_on(now);
        copies.hear(ids[0], progress(10, 10), (now, NOW.1));
        copies.hear(ids[0], cut(), (now, NOW.1));
        let Stage::Cut { again_at, .. } = copies.get(ids[0]).unwrap().stage else { panic!("not cut") };
        assert_eq!(again_at.since(now), PAUSE, "something came: it begins anew");
    }

    #[test]
    fn it_is_not_tried_for_ever_nor_where_that_cannot_help() {
        let (mut copies, ids) = queue(2);
        let mut now = Millis(0);
        for _ in 0..=TRIES_MAX {
            now = now + PAUSE_MAX;
            copies.go_on(now);
            copies.hear(ids[0], ended(Err(RpcError::unavailable("gone"))), (now, NOW.1));
        }
        assert!(matches!(copies.get(ids[0]).unwrap().stage, Stage::Failed(_)));
        assert!(copies.hear(ids[1], ended(Err(RpcError::forbidden("denied: role"))), (now, NOW.1)));
        let again = copies.again(ids[1]).unwrap();
        assert_eq!(begun(&copies.go_on(now)), [again.0]);
        // What the first try still says is of no matter.
        assert!(!copies.hear(ids[1], ended(Ok(TransferSummary::default())), NOW));
        assert_eq!(copies.again(again), None, "it goes on");
    }

    #[test]
    fn what_failed_in_it_is_said_and_what_is_left_out_is_no_failure() {
        let (mut copies, ids) = queue(2);
        copies.go_on(NOW.0);
        let failed =
            |is_left_out| TransferFailed { path: "a".parse().unwrap(), why: "no".into(), is_left_out };
        let summary = |failed| TransferSummary { failed, ..TransferSummary::default() };
        copies.hear(ids[0], ended(Ok(summary(vec![failed(true), failed(false)]))), NOW);
        copies.hear(ids[1], ended(Ok(summary(vec![failed(true)]))), NOW);
        let Stage::Failed(error) = &copies.get(ids[0]).unwrap().stage else { panic!("it failed") };
        assert_eq!(error.message, "1 of it failed, such as a: no");
        assert!(matches!(copies.get(ids[1]).unwrap().stage, Stage::Done(_)));
    }

    #[test]
    fn the_rate_and_what_remains_come_from_the_last_looks() {
        let (mut copies, ids) = queue(1);
        copies.go_on(NOW.0);
        copies.hear(ids[0], CopySaid::Total(CopyTotal { entries: 2, size_bytes: 10_000 }), NOW);
        // Half of it was there before.
        copies.hear(ids[0], progress(5_000, 0), (Millis(1_000), NOW.1));
        copies.hear(ids[0], progress(7_000, 2_000), (Millis(3_000), NOW.1));
        let copying = copies.get(ids[0]).unwrap();
        assert_eq!(
            (copying.ratio(), copying.rate(), copying.remaining_ms()),
            (Some(0.7), Some(1_000), Some(3_000))
        );
    }

    #[test]
    fn only_so_many_ended_ones_are_remembered() {
        let (mut copies, _) = queue(250);
        for id in 1..=250 {
            copies.go_on(NOW.0);
            copies.hear(CopyId(id), ended(Ok(TransferSummary::default())), (NOW.0, UnixMillis(id)));
        }
        assert_eq!((copies.listed().len(), copies.listed()[0].0), (ENDED_MAX, CopyId(250)));
    }
}
