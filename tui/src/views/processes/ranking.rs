//! Processes in their order, kept from one look to the next: only rows that were touched since are placed anew.
//!
//! Rows of the slab enter, ids in order leave. With 150,000 rows of which a tenth changed this takes a few
//! milliseconds; building everything anew takes ten times as long.

use std::cmp::Ordering;

use p2p_shared::services::process::ProcessInfo;

use crate::action::SortKey;
use crate::fleet::{Process, RowId};
use crate::views::Scene;
use crate::widgets::table::Order;

/// A row by its figure, as a number that sorts like it; equal ones by pid. By a text the figure is 0.
type Ranked = (u64, u32, RowId);

/// The rows that were let in, in order.
#[derive(Debug, Default)]
pub(super) struct Ranking {
    rows: Vec<Ranked>,
    /// All rows that were touched up to this look are in their places.
    seen: u64,
}

impl Ranking {
    /// Ranks everything anew.
    pub(super) fn begin<'a>(
        &mut self,
        scene: &Scene<'a>,
        order: Order,
        rows: impl Iterator<Item = (RowId, &'a Process)>,
    ) {
        self.rows.clear();
        self.rows.extend(rows.map(|(id, process)| ranked(order, id, &process.info)));
        sort(scene, order, &mut self.rows);
        self.seen = scene.fleet.processes.looks();
    }

    /// Takes out what was touched since, and puts in what of it `lets_in` still lets in.
    pub(super) fn go_on<'a>(
        &mut self,
        scene: &Scene<'a>,
        order: Order,
        lets_in: impl Fn(&'a Process) -> bool,
    ) {
        let processes = &scene.fleet.processes;
        let touched = processes.touched_since(self.seen);
        let there =
            touched.filter_map(|id| Some((id, processes.get(id).filter(|process| lets_in(process))?)));
        let mut fresh: Vec<Ranked> = there.map(|(id, process)| ranked(order, id, &process.info)).collect();
        self.rows.retain(|(.., id)| !processes.is_touched_since(*id, self.seen));
        sort(scene, order, &mut fresh);
        self.rows = if is_text(order.key) {
            merged(&self.rows, &fresh, |one, other| compare(scene, order, one, other))
        } else {
            merged(&self.rows, &fresh, Ranked::cmp)
        };
        self.seen = processes.looks();
    }

    /// The rows in order.
    pub(super) fn ids(&self) -> Vec<RowId> {
        self.rows.iter().map(|(.., id)| *id).collect()
    }
}

fn ranked(order: Order, id: RowId, info: &ProcessInfo) -> Ranked {
    let figure = figure(order.key, info).map_or(0, |figure| if order.descending { !figure } else { figure });
    (figure, info.key.pid, id)
}

/// A figure as a number that sorts like it; none of a text.
fn figure(key: SortKey, info: &ProcessInfo) -> Option<u64> {
    Some(match key {
        SortKey::Name | SortKey::User | SortKey::Node => return None,
        // Bits of floats that are not negative sort as the floats do.
        SortKey::Cpu => u64::from(info.usage.cpu_ratio.max(0.0).to_bits()),
        SortKey::Memory => info.usage.rss_bytes,
        SortKey::Age => u64::MAX - info.started.0,
        SortKey::State => info.usage.state as u64,
        _ => u64::from(info.key.pid),
    })
}

/// Sorted as numbers where there is a figure, which is what makes 150,000 rows bearable.
fn sort(scene: &Scene<'_>, order: Order, rows: &mut [Ranked]) {
    if is_text(order.key) {
        rows.sort_unstable_by(|one, other| compare(scene, order, one, other));
    } else {
        rows.sort_unstable();
    }
}

const fn is_text(key: SortKey) -> bool {
    matches!(key, SortKey::Name | SortKey::User | SortKey::Node)
}

/// By figure or text, then by pid and place.
fn compare(scene: &Scene<'_>, order: Order, one: &Ranked, other: &Ranked) -> Ordering {
    let by_text = || {
        let fleet = scene.fleet;
        let (x, y) = (fleet.processes.get(one.2)?, fleet.processes.get(other.2)?);
        Some(match order.key {
            SortKey::Name => x.info.name.cmp(&y.info.name),
            SortKey::User => x.info.user.cmp(&y.info.user),
            SortKey::Node if x.node != y.node => fleet.name_of(x.node).cmp(&fleet.name_of(y.node)),
            _ => return None,
        })
    };
    by_text().map_or(Ordering::Equal, |by| order.direct(by)).then_with(|| one.cmp(other))
}

/// Two rankings as one.
fn merged(one: &[Ranked], other: &[Ranked], compare: impl Fn(&Ranked, &Ranked) -> Ordering) -> Vec<Ranked> {
    let mut merged = Vec::with_capacity(one.len() + other.len());
    let mut rest = one;
    for ranked in other {
        // Few are placed among many: look for the place by halves.
        let (before, after) = rest.split_at(place(rest, |at| compare(at, ranked).is_lt()));
        merged.extend_from_slice(before);
        merged.push(*ranked);
        rest = after;
    }
    merged.extend_from_slice(rest);
    merged
}

/// How many rows at the beginning are before: found by steps that double, then by halves.
fn place(rows: &[Ranked], is_before: impl Fn(&Ranked) -> bool) -> usize {
    let mut reach = 1;
    while reach < rows.len() && is_before(&rows[reach - 1]) {
        reach *= 2;
    }
    rows[..reach.min(rows.len())].partition_point(is_before)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::action::SortKey;
    use crate::filter::Filter;
    use crate::fleet::RowId;
    use crate::views::processes::ProcessesView;
    use crate::views::processes::columns::FIELDS;
    use crate::views::stage::Stage;
    use crate::views::{Change, View};
    use crate::widgets::table::Order;

    const NODES: usize = 3;
    const KEYS: [SortKey; 8] = [
        SortKey::Cpu,
        SortKey::Memory,
        SortKey::Pid,
        SortKey::Age,
        SortKey::State,
        SortKey::Name,
        SortKey::User,
        SortKey::Node,
    ];
    const FILTERS: [&str; 4] = ["", "cpu>5 or orders", "not user:root", "age>2s"];

    fn rows_anew(stage: &Stage, order: Order, filter: &str) -> Vec<RowId> {
        let mut view = ProcessesView::new();
        view.table.order = order;
        view.set_filter(&stage.scene(), Filter::parse(filter, FIELDS).unwrap());
        view.table.rows().to_vec()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_is_kept_is_what_would_be_made_anew(
            key in 0..KEYS.len(),
            descending: bool,
            filter in 0..FILTERS.len(),
            looks in proptest::collection::vec((0..NODES, any::<bool>(), 0u8..20), 1..25),
        ) {
            let order = Order { key: KEYS[key], descending };
            let mut stage = Stage::crowded(NODES, 40);
            let mut view = ProcessesView::new();
            view.table.order = order;
            view.set_filter(&stage.scene(), Filter::parse(FILTERS[filter], FIELDS).unwrap());
            for (node, step, luck) in looks {
                if step {
                    stage.world.step();
                }
                let id = stage.world.id(node);
                if luck == 0 {
                    stage.fleet.processes.forget(id);
                } else {
                    let delta = stage.world.processes(node);
                    stage.fleet.set_processes(id, delta, stage.now);
                }
                view.on_change(&stage.scene(), Change::Processes(id));
                view.settle(&stage.scene());
                prop_assert_eq!(view.table.rows(), rows_anew(&stage, order, FILTERS[filter]));
            }
        }
    }
}
