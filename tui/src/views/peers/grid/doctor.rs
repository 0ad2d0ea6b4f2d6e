//! What ails the mesh, in words: the node whose clock is wrong, the one that loses packets to all others, the pair of
//! which one side alone sees the other. Pure: what nodes say of each other enters, findings leave, the worst first.
//!
//! Nobody is believed alone: a node is named only if most of those that see it say the same of it.

mod clocks;
mod losses;

use super::figure::{FAR_MS, is_far, rtt};
use super::sight::{Between, Sight, Standing};
use crate::format::{count, plural, span_ms};
use crate::theme::Role;

/// Names in one finding; the others are counted.
const NAMES_MAX: usize = 3;
/// So many others have to say the same of a node.
const WITNESSES_MIN: usize = 2;
/// Nodes of which one can be far from most.
const FAR_NODES_MIN: usize = 4;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gravity {
    /// It needs somebody.
    Bad,
    /// It is worth a look.
    Warn,
    /// It is as it is.
    Note,
    /// All is well.
    Good,
}

impl Gravity {
    /// What it is for the eye.
    pub(super) const fn role(self) -> Role {
        match self {
            Self::Bad => Role::Bad,
            Self::Warn => Role::Warn,
            Self::Note => Role::Text,
            Self::Good => Role::Good,
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) gravity: Gravity,
    pub(super) text: String,
}

fn finding(gravity: Gravity, text: impl Into<String>) -> Finding {
    Finding { gravity, text: text.into() }
}

/// What is found, the worst first; never nothing.
pub(super) fn findings(sight: &Sight) -> Vec<Finding> {
    let mut found = silent(sight);
    found.extend(clocks::findings(sight));
    found.extend(losses::findings(sight));
    found.extend(one_sided(sight));
    found.extend(unheard(sight));
    found.extend(lonely(sight));
    found.extend(far(sight));
    found.sort_by_key(|finding| finding.gravity);
    if found.iter().all(|finding| finding.gravity == Gravity::Note) {
        found.insert(0, well(sight));
    }
    found
}

/// The usual round trip: of all pairs, the one in the middle.
pub(super) fn usual_rtt(sight: &Sight) -> Option<f64> {
    middle(sight.told().map(|(_, _, pair)| pair.rtt_ms).filter(|ms| ms.is_finite()).collect())
}

/// Nodes that do not answer, each kind in a sentence.
fn silent(sight: &Sight) -> Vec<Finding> {
    let kinds: [(Standing, Gravity, [&str; 2]); 4] = [
        (Standing::Lost, Gravity::Bad, ["is lost", "are lost"]),
        (Standing::Mute, Gravity::Bad, ["does not answer this console", "do not answer this console"]),
        (Standing::Suspect, Gravity::Warn, ["is suspect: others get no answer", "are suspect"]),
        (Standing::Late, Gravity::Warn, ["is late with its answer", "are late with their answers"]),
    ];
    let of = |(standing, gravity, [one, many]): (Standing, Gravity, [&str; 2])| {
        let nodes: Vec<usize> = (0..sight.len()).filter(|node| sight.standings[*node] == standing).collect();
        let verb = if nodes.len() == 1 { one } else { many };
        (!nodes.is_empty()).then(|| finding(gravity, format!("{} {verb}", names(sight, &nodes))))
    };
    kinds.into_iter().filter_map(of).collect()
}

/// Pairs of which one side holds a connection, and the other says that there is none.
fn one_sided(sight: &Sight) -> Vec<Finding> {
    let square = (0..sight.len()).flat_map(|from| (0..sight.len()).map(move |to| (from, to)));
    let pairs: Vec<(usize, usize)> =
        square.filter(|(from, to)| sight.between(*from, *to) == Between::OneSided).collect();
    let Some((from, to)) = pairs.first().copied() else { return Vec::new() };
    let [one, other] = [from, to].map(|at| &sight.names[at]);
    let more = more(pairs.len() - 1, "such pair");
    vec![finding(Gravity::Bad, format!("{other} sees {one}, and {one} does not see {other}{more}"))]
}

/// Connections over which nothing comes, although both sides are there.
fn unheard(sight: &Sight) -> Vec<Finding> {
    let is_there = |node: usize| matches!(sight.standings[node], Standing::Fresh);
    let pairs = sight.told().filter(|(from, to, pair)| is_there(*from) && is_there(*to) && pair.is_silent());
    let mut pairs: Vec<(u64, usize, usize)> =
        pairs.map(|(from, to, pair)| (pair.silent_ms, from, to)).collect();
    pairs.sort_by_key(|(silent, ..)| std::cmp::Reverse(*silent));
    let Some((silent, from, to)) = pairs.first().copied() else { return Vec::new() };
    let [one, other] = [from, to].map(|at| &sight.names[at]);
    let more = more(pairs.len() - 1, "such way");
    let text = format!("{one} has heard nothing of {other} for {}{more}", span_ms(silent));
    vec![finding(Gravity::Bad, text)]
}

/// Nodes that answer, and have no connection with any other.
fn lonely(sight: &Sight) -> Vec<Finding> {
    let meets =
        |node: usize, other: usize| sight.pair(node, other).is_some() || sight.pair(other, node).is_some();
    let is_lonely =
        |node: &usize| sight.is_fresh(*node) && (0..sight.len()).all(|other| !meets(*node, other));
    let nodes: Vec<usize> = (0..sight.len()).filter(is_lonely).collect();
    if sight.len() < 2 || nodes.is_empty() {
        return Vec::new();
    }
    let verb = if nodes.len() == 1 { "holds" } else { "hold" };
    let text = format!("{} {verb} no connection with any other of these", names(sight, &nodes));
    vec![finding(Gravity::Warn, text)]
}

/// Nodes that are farther from most than is usual.
fn far(sight: &Sight) -> Vec<Finding> {
    let usual = usual_rtt(sight).filter(|_| sight.len() >= FAR_NODES_MIN);
    let Some(usual) = usual else { return Vec::new() };
    let distance = |node: usize| {
        let others = (0..sight.len()).filter(|other| *other != node);
        let trips = others.filter_map(|other| sight.pair(node, other).or_else(|| sight.pair(other, node)));
        let trips: Vec<f64> = trips.map(|pair| pair.rtt_ms).filter(|ms| ms.is_finite()).collect();
        middle(trips.clone()).filter(|_| trips.len() >= WITNESSES_MIN)
    };
    let mut nodes: Vec<(f64, usize)> = (0..sight.len())
        .filter_map(|node| Some((distance(node)?, node)))
        .filter(|(ms, _)| is_far(*ms, usual) && *ms >= FAR_MS)
        .collect();
    nodes.sort_by(|one, other| other.0.total_cmp(&one.0));
    let say = |(ms, node): &(f64, usize)| {
        let text = format!(
            "{} is far: {} ms from most, where {} ms is usual",
            sight.names[*node],
            rtt(*ms),
            rtt(usual)
        );
        finding(Gravity::Note, text)
    };
    nodes.iter().map(say).collect()
}

/// Said where nothing is wrong.
fn well(sight: &Sight) -> Finding {
    let waiting = sight.standings.iter().filter(|standing| **standing == Standing::Waiting).count();
    if waiting > 0 {
        let text = format!("waiting for the first answer of {}", plural(waiting, "node"));
        return finding(Gravity::Note, text);
    }
    if sight.len() < 2 {
        return finding(Gravity::Note, "there is no other node to be seen");
    }
    let told = sight.told().count();
    let all = sight.len() * (sight.len() - 1);
    let meet = match told == all {
        true => "all connected".to_owned(),
        false => format!("{} of {} ways connected, which is enough", count(told), count(all)),
    };
    let usual = usual_rtt(sight).map(|ms| format!(", usually {} ms", rtt(ms))).unwrap_or_default();
    let losses = sight.told().filter_map(|(_, _, pair)| pair.judged_loss());
    let loss = match losses.max_by(f64::total_cmp) {
        None => "",
        Some(0.0) => ", no loss",
        Some(_) => ", loss <1%",
    };
    let told = sight.told().any(|(_, _, pair)| pair.ahead_ms.is_some());
    let clocks = if told { ", clocks agree" } else { "" };
    let nodes = plural(sight.len(), "node");
    finding(Gravity::Good, format!("all well: {nodes}, {meet}{usual}{loss}{clocks}"))
}

/// The value in the middle; of an even number of them the lower one, so that half of the witnesses are not enough.
fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}

/// A few names, and how many more there are.
fn names(sight: &Sight, nodes: &[usize]) -> String {
    let shown: Vec<&str> = nodes.iter().take(NAMES_MAX).map(|node| sight.names[*node].as_str()).collect();
    match nodes.len().saturating_sub(NAMES_MAX) {
        0 => shown.join(", "),
        rest => format!("{} and {} more", shown.join(", "), count(rest)),
    }
}

fn more(number: usize, noun: &str) -> String {
    if number == 0 { String::new() } else { format!(" (and {})", plural(number, noun)) }
}

#[cfg(test)]
mod tests;
