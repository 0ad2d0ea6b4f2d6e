//! The processes of all nodes in one slab: rows keep their id as long as they are the same process.
//!
//! Differences enter, and each slot remembers which one touched it last, so that an ordered view does work for those
//! only. A list that begins anew removes nobody at once: who was not named by the time the next look comes is gone.

use std::collections::{BTreeMap, HashMap};

use p2p_shared::id::NodeId;
use p2p_shared::services::process::{ProcessDelta, ProcessInfo, ProcessKey, ProcessRef};
use p2p_shared::time::{Millis, UnixMillis};

/// Processes beyond this many of one node are not taken in.
const NODE_ROWS_MAX: usize = 200_000;
/// Processes beyond this many in all are not taken in.
const ROWS_MAX: usize = 1_000_000;
/// How long a list that began anew may take to arrive.
const LIST_MS: u64 = 2_000;

/// A row, for as long as that process lives: a slot that is used again has another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId {
    slot: u32,
    generation: u32,
}

/// When a node last looked at its processes, and in which boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// By the node's clock.
    pub at: UnixMillis,
    /// The boot to which its rows belong.
    pub boot_id: String,
}

/// One process of one node.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// Whose.
    pub node: NodeId,
    /// What the node said of it.
    pub info: ProcessInfo,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    process: Option<Process>,
}

#[derive(Debug, Default)]
struct Roll {
    boot_id: String,
    rows: HashMap<ProcessKey, RowId>,
    /// A list that began anew, when it was looked at and when it came: rows not yet named in it.
    unconfirmed: Option<(UnixMillis, Millis, HashMap<ProcessKey, RowId>)>,
}

/// All processes.
#[derive(Debug, Default)]
pub struct Processes {
    slots: Vec<Slot>,
    /// For each slot the difference that touched it last, apart from it: views go over all of them.
    touched: Vec<u64>,
    /// How many differences were taken in.
    looks: u64,
    free: Vec<u32>,
    rolls: BTreeMap<NodeId, Roll>,
    len: usize,
}

impl Processes {
    /// How many there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A row, if it is still that process.
    pub fn get(&self, id: RowId) -> Option<&Process> {
        let slot = self.slots.get(id.slot as usize)?;
        slot.process.as_ref().filter(|_| slot.generation == id.generation)
    }

    /// Every row of one node, in no order.
    pub fn of(&self, node: NodeId) -> impl Iterator<Item = RowId> {
        self.rolls.get(&node).into_iter().flat_map(|roll| roll.rows.values().copied())
    }

    /// How many processes one node has.
    pub fn count_of(&self, node: NodeId) -> usize {
        self.rolls.get(&node).map_or(0, |roll| roll.rows.len())
    }

    /// How many differences were taken in so far.
    pub const fn looks(&self) -> u64 {
        self.looks
    }

    /// The rows that appeared or changed since [`Self::looks`] was `looks`.
    pub fn touched_since(&self, looks: u64) -> impl Iterator<Item = RowId> {
        let slots = self.touched.iter().zip(&self.slots).enumerate();
        slots
            .filter(move |(_, (touched, slot))| **touched > looks && slot.process.is_some())
            .map(|(place, (_, slot))| RowId { slot: place as u32, generation: slot.generation })
    }

    /// Whether a row changed or went since then.
    pub fn is_touched_since(&self, id: RowId, looks: u64) -> bool {
        self.touched.get(id.slot as usize).is_none_or(|touched| *touched > looks)
    }

    /// What a call names a process by.
    pub fn reference(&self, id: RowId) -> Option<(NodeId, ProcessRef)> {
        let process = self.get(id)?;
        let boot_id = self.rolls.get(&process.node)?.boot_id.clone();
        let ProcessKey { pid, start_ticks } = process.info.key;
        Some((process.node, ProcessRef { boot_id, pid, start_ticks }))
    }

    /// Takes in a difference.
    pub fn apply(&mut self, node: NodeId, delta: ProcessDelta, now: Millis) {
        self.looks += 1;
        let mut roll = self.rolls.remove(&node).unwrap_or_default();
        if delta.full {
            self.begin_anew(&mut roll, &delta, now);
        } else if roll.unconfirmed.as_ref().is_some_and(|(at, ..)| *at != delta.at) {
            self.sweep_roll(&mut roll);
        }
        for info in delta.appeared {
            self.put(node, &mut roll, info);
        }
        for change in delta.changed {
            let Some(&id) = roll.rows.get(&change.key) else { continue };
            if let Some(process) = self.get_mut(id) {
                process.info.usage = change.usage;
            }
        }
        for key in delta.gone {
            if let Some(id) = roll.rows.remove(&key) {
                self.release(id);
            }
        }
        self.rolls.insert(node, roll);
    }

    fn begin_anew(&mut self, roll: &mut Roll, delta: &ProcessDelta, now: Millis) {
        if roll.boot_id == delta.boot_id {
            roll.unconfirmed = Some((delta.at, now, roll.rows.clone()));
            return;
        }
        roll.boot_id.clone_from(&delta.boot_id);
        roll.unconfirmed = None;
        for (_, id) in roll.rows.drain() {
            self.release(id);
        }
    }

    fn put(&mut self, node: NodeId, roll: &mut Roll, info: ProcessInfo) {
        if let Some((_, _, unconfirmed)) = &mut roll.unconfirmed {
            unconfirmed.remove(&info.key);
        }
        if let Some(&id) = roll.rows.get(&info.key) {
            if let Some(process) = self.get_mut(id) {
                process.info = info;
            }
            return;
        }
        if roll.rows.len() >= NODE_ROWS_MAX || self.len >= ROWS_MAX {
            return;
        }
        let key = info.key;
        let id = self.take(Process { node, info });
        roll.rows.insert(key, id);
    }

    /// Answers the rows that went.
    fn sweep_roll(&mut self, roll: &mut Roll) -> Vec<RowId> {
        let Some((_, _, unconfirmed)) = roll.unconfirmed.take() else { return Vec::new() };
        for (key, &id) in &unconfirmed {
            roll.rows.remove(key);
            self.release(id);
        }
        unconfirmed.into_values().collect()
    }

    /// Removes the rows that lists which began anew did not name in time; answers them.
    pub fn sweep(&mut self, now: Millis) -> Vec<RowId> {
        let mut swept = Vec::new();
        let due =
            |roll: &Roll| roll.unconfirmed.as_ref().is_some_and(|(_, came, _)| now.since(*came).0 >= LIST_MS);
        let nodes: Vec<NodeId> =
            self.rolls.iter().filter(|(_, roll)| due(roll)).map(|(node, _)| *node).collect();
        self.looks += u64::from(!nodes.is_empty());
        for node in nodes {
            if let Some(mut roll) = self.rolls.remove(&node) {
                swept.extend(self.sweep_roll(&mut roll));
                self.rolls.insert(node, roll);
            }
        }
        swept
    }

    /// Forgets a node; answers its rows.
    pub fn forget(&mut self, node: NodeId) -> Vec<RowId> {
        let Some(roll) = self.rolls.remove(&node) else { return Vec::new() };
        self.looks += 1;
        let rows: Vec<RowId> = roll.rows.into_values().collect();
        for &id in &rows {
            self.release(id);
        }
        rows
    }

    /// A row that is about to change.
    fn get_mut(&mut self, id: RowId) -> Option<&mut Process> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        let process = slot.process.as_mut().filter(|_| slot.generation == id.generation)?;
        self.touched[id.slot as usize] = self.looks;
        Some(process)
    }

    fn take(&mut self, process: Process) -> RowId {
        self.len += 1;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.touched.push(0);
            (self.slots.len() - 1) as u32
        });
        self.touched[slot as usize] = self.looks;
        let place = &mut self.slots[slot as usize];
        place.process = Some(process);
        RowId { slot, generation: place.generation }
    }

    fn release(&mut self, id: RowId) {
        let Some(slot) = self.slots.get_mut(id.slot as usize) else { return };
        if slot.generation == id.generation && slot.process.take().is_some() {
            slot.generation = slot.generation.wrapping_add(1);
            self.touched[id.slot as usize] = self.looks;
            self.free.push(id.slot);
            self.len -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Simulated;

    #[test]
    fn a_list_that_begins_anew_keeps_the_rows_it_names() {
        let mut simulated = Simulated::new(1, 4);
        let node = simulated.id(0);
        let mut processes = Processes::default();
        processes.apply(node, simulated.processes(0), Millis(0));
        let kept: Vec<RowId> = processes.of(node).collect();
        let mut again = simulated.processes(0);
        again.at = UnixMillis(99);
        let gone = again.appeared.pop().unwrap();
        processes.apply(node, again, Millis(10));
        assert_eq!(processes.len(), 4, "it may still be named by a further message");
        let touched = processes.sweep(Millis(10 + LIST_MS));
        assert_eq!((processes.len(), touched.len()), (3, 1));
        assert!(kept.contains(&touched[0]));
        assert!(processes.of(node).all(|id| kept.contains(&id)));
        assert!(processes.of(node).all(|id| processes.get(id).unwrap().info.key != gone.key));
    }

    #[test]
    fn a_slot_used_again_is_another_row() {
        let mut simulated = Simulated::new(1, 1);
        let node = simulated.id(0);
        let mut processes = Processes::default();
        let list = simulated.processes(0);
        processes.apply(node, list.clone(), Millis(0));
        let old = processes.of(node).next().unwrap();
        let mut rebooted = list;
        rebooted.boot_id = "another".to_owned();
        processes.apply(node, rebooted, Millis(1));
        assert!(processes.get(old).is_none());
        assert_eq!(processes.len(), 1);
        let id = processes.of(node).next().unwrap();
        assert_eq!(processes.reference(id).unwrap().1.boot_id, "another");
    }
}
