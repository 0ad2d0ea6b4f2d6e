//! Processes under their parents: which branches are folded, and what is drawn before a name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use p2p_shared::id::NodeId;

use crate::fleet::RowId;
use crate::views::Scene;

/// Deeper than this nobody is indented further.
const DEPTH_MAX: usize = 32;

/// Fold state and indentation of a tree.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    folded: BTreeSet<RowId>,
    places: BTreeMap<RowId, Place>,
}

/// Where a row hangs.
#[derive(Clone, Debug, Default)]
struct Place {
    /// Has a parent in the tree.
    is_child: bool,
    /// For each level between the root and the row: whether more rows of that level follow below.
    passing: Vec<bool>,
    /// The last child of its parent.
    is_last: bool,
    has_children: bool,
}

/// The children of one row, while they are walked over.
struct Level<'a> {
    rows: std::slice::Iter<'a, RowId>,
    passing: Vec<bool>,
    is_root: bool,
}

impl Tree {
    /// Folds a branch, or unfolds it.
    pub(super) fn fold(&mut self, row: RowId, fold: bool) {
        if fold {
            self.folded.insert(row);
        } else {
            self.folded.remove(&row);
        }
    }

    /// The rows as a tree: children under their parent, siblings in the order in which they came, one node after
    /// the other by their names.
    pub(super) fn arrange(&mut self, rows: Vec<RowId>, scene: &Scene<'_>) -> Vec<RowId> {
        let processes = &scene.fleet.processes;
        let place = |row: &RowId| processes.get(*row).map(|process| (process.node, process.info.key.pid));
        let by_pid: HashMap<(NodeId, u32), RowId> =
            rows.iter().filter_map(|row| Some((place(row)?, *row))).collect();
        let mut children: HashMap<RowId, Vec<RowId>> = HashMap::new();
        let mut roots = Vec::new();
        for row in rows {
            let Some(process) = processes.get(row) else { continue };
            let parent = by_pid.get(&(process.node, process.info.ppid)).filter(|parent| **parent != row);
            match parent {
                Some(parent) => children.entry(*parent).or_default().push(row),
                None => roots.push(row),
            }
        }
        // What belongs to one node stays together, whatever the order within.
        let node = |row: &RowId| processes.get(*row).map(|process| process.node);
        roots.sort_by_cached_key(|row| {
            node(row).map(|id| (scene.fleet.get(id).map(|node| node.name().clone()), id))
        });
        self.places.clear();
        let known: BTreeSet<RowId> = by_pid.into_values().collect();
        self.folded.retain(|row| known.contains(row));
        self.walk(roots, &children)
    }

    fn walk(&mut self, roots: Vec<RowId>, children: &HashMap<RowId, Vec<RowId>>) -> Vec<RowId> {
        let mut out = Vec::new();
        let mut levels = vec![Level { rows: roots.iter(), passing: Vec::new(), is_root: true }];
        while let Some(level) = levels.last_mut() {
            let Some(&row) = level.rows.next() else {
                levels.pop();
                continue;
            };
            let (is_last, is_child) = (level.rows.len() == 0, !level.is_root);
            let below = children.get(&row).map(Vec::as_slice).unwrap_or_default();
            let mut deeper = level.passing.clone();
            if is_child && deeper.len() < DEPTH_MAX {
                deeper.push(!is_last);
            }
            let passing = level.passing.clone();
            self.places.insert(row, Place { is_child, passing, is_last, has_children: !below.is_empty() });
            out.push(row);
            if !below.is_empty() && !self.folded.contains(&row) {
                levels.push(Level { rows: below.iter(), passing: deeper, is_root: false });
            }
        }
        out
    }

    /// What is drawn before the name of a row.
    pub(super) fn prefix(&self, row: RowId, glyphs: [&str; 5]) -> String {
        let [folded, unfolded, child, last_child, line] = glyphs;
        let Some(place) = self.places.get(&row) else { return String::new() };
        let mut prefix = String::new();
        for passes in &place.passing {
            prefix.push_str(if *passes { line } else { "  " });
        }
        if place.is_child {
            prefix.push_str(if place.is_last { last_child } else { child });
        }
        if place.has_children {
            prefix.push_str(if self.folded.contains(&row) { folded } else { unfolded });
            prefix.push(' ');
        }
        prefix
    }
}
