//! What ails the mesh, in words: the node whose clock is wrong, the one that loses packets to all others, the pair of
//! which one side alone sees the other. Pure: what nodes say of each other enters, findings leave, the worst first.
//!
//! Nobody is believed alone: a node is named only if most of those that see it say the same of it.

use super::figure::{CLOCK_WARN_MS, FAR_MS, LOSS_WARN, is_far, is_one_way, rtt, share, time};
use super::sight::{Between, Pair, Sight, Standing};
use crate::format::{count, plural};
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
    found.extend(clocks(sight));
    found.extend(losses(sight));
    found.extend(one_sided(sight));
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

/// How far the clock of a node is ahead of another's, by what both say.
fn skew(sight: &Sight, other: usize, node: usize) -> Option<i64> {
    let says =
        |from, to| sight.pair(from, to).filter(|_| sight.is_fresh(from)).and_then(|pair| pair.ahead_ms);
    match (says(other, node), says(node, other).map(i64::saturating_neg)) {
        (Some(one), Some(two)) => Some(one / 2 + two / 2),
        (one, two) => one.or(two),
    }
}

/// Nodes whose clock is not that of most; or that clocks differ, and nobody can say whose is wrong.
fn clocks(sight: &Sight) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut widest: Option<(i64, usize, usize)> = None;
    for node in 0..sight.len() {
        let others = (0..sight.len()).filter(|other| *other != node);
        let skews: Vec<(usize, i64)> =
            others.filter_map(|other| Some((other, skew(sight, other, node)?))).collect();
        for (other, ahead) in &skews {
            if widest.is_none_or(|(most, ..)| *ahead > most) {
                widest = Some((*ahead, node, *other));
            }
        }
        let values: Vec<i64> = skews.iter().map(|(_, ahead)| *ahead).collect();
        let Some(ahead) = agreed(&values) else { continue };
        let way = if ahead > 0 { "ahead of" } else { "behind" };
        let text = format!("{}'s clock is {} {way} most", sight.names[node], long_time(ahead));
        found.push((ahead.unsigned_abs(), finding(Gravity::Bad, text)));
    }
    found.sort_by_key(|(ahead, _)| std::cmp::Reverse(*ahead));
    match widest {
        Some((ahead, node, other)) if found.is_empty() && ahead >= CLOCK_WARN_MS => {
            let [node, other] = [node, other].map(|at| &sight.names[at]);
            let text = format!("the clocks of {node} and {other} are {} apart", long_time(ahead));
            vec![finding(Gravity::Bad, text)]
        }
        _ => found.into_iter().map(|(_, finding)| finding).collect(),
    }
}

/// How far a clock is off by what most others say of it, if that is worth a word.
fn agreed(skews: &[i64]) -> Option<i64> {
    let lean = nearest_zero(skews.to_vec())?;
    // What two others say may be off by the way there and back, and by a step between their words.
    let near =
        |skew: &&i64| (**skew).abs_diff(lean) <= lean.unsigned_abs() / 4 + CLOCK_WARN_MS.unsigned_abs() / 2;
    let same = skews.iter().filter(near).count();
    let off = lean.unsigned_abs() >= CLOCK_WARN_MS.unsigned_abs();
    (off && skews.len() >= WITNESSES_MIN && same * 2 > skews.len()).then_some(lean)
}

/// The value in the middle; of an even number of them the one nearer to zero, so that half of the witnesses are not
/// enough to accuse.
fn nearest_zero(mut values: Vec<i64>) -> Option<i64> {
    values.sort_unstable();
    let (low, high) = (*values.get(values.len().checked_sub(1)? / 2)?, *values.get(values.len() / 2)?);
    Some(if low <= 0 && high >= 0 {
        0
    } else if low.unsigned_abs() < high.unsigned_abs() {
        low
    } else {
        high
    })
}

/// Loss on the way from a node, on the way to it, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    From,
    To,
    Both,
}

/// Nodes that lose packets with most others, and then single pairs.
fn losses(sight: &Sight) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut explained = vec![None; sight.len()];
    for node in 0..sight.len() {
        let Some((way, loss, everybody)) = lossy(sight, node) else { continue };
        explained[node] = Some(way);
        let whom = if everybody { "all others" } else { "most others" };
        let name = &sight.names[node];
        let text = match way {
            Way::Both => format!("{name} loses packets to and from {whom}: {}", share(loss)),
            Way::From => format!("what {name} sends to {whom} gets lost: {}", share(loss)),
            Way::To => format!("what {whom} send to {name} gets lost: {}", share(loss)),
        };
        found.push(finding(Gravity::Bad, text));
    }
    let is_explained = |from: usize, to: usize| {
        matches!(explained[from], Some(Way::From | Way::Both))
            || matches!(explained[to], Some(Way::To | Way::Both))
    };
    let worst = |pair: &Pair| pair.judged_loss().filter(|loss| *loss >= LOSS_WARN);
    let mut pairs: Vec<(f64, usize, usize)> = sight
        .told()
        .filter(|(from, to, _)| !is_explained(*from, *to))
        .filter_map(|(from, to, pair)| Some((worst(pair)?, from, to)))
        .collect();
    pairs.sort_by(|one, other| other.0.total_cmp(&one.0));
    if let Some((loss, from, to)) = pairs.first().copied() {
        let alone = is_one_way(loss, sight.pair(to, from));
        let [one, other] = [from, to].map(|at| &sight.names[at]);
        let way = if alone { ", this way alone" } else { "" };
        let more = more(pairs.len() - 1, "other way");
        found.push(finding(Gravity::Warn, format!("{} lost from {one} to {other}{way}{more}", share(loss))));
    }
    found
}

/// Which way most packets of a node get lost, how many, and whether with everybody.
fn lossy(sight: &Sight, node: usize) -> Option<(Way, f64, bool)> {
    let others = || (0..sight.len()).filter(move |other| *other != node);
    let out: Vec<f64> = others().filter_map(|other| sight.pair(node, other)?.judged_loss()).collect();
    let back: Vec<f64> = others().filter_map(|other| sight.pair(other, node)?.judged_loss()).collect();
    let most = |losses: &[f64]| {
        let usual = middle(losses.to_vec()).filter(|_| losses.len() >= WITNESSES_MIN)?;
        let lossy = losses.iter().filter(|loss| **loss >= LOSS_WARN).count();
        (usual >= LOSS_WARN && lossy * 2 > losses.len()).then_some((usual, lossy == losses.len()))
    };
    match (most(&out), most(&back)) {
        (Some((out, all)), Some((back, everybody))) => Some((Way::Both, out.max(back), all && everybody)),
        (Some((out, all)), None) => Some((Way::From, out, all)),
        (None, Some((back, all))) => Some((Way::To, back, all)),
        (None, None) => None,
    }
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
        true => "each sees each".to_owned(),
        false => format!("{} of {} ways are connected, which is enough", count(told), count(all)),
    };
    let usual = usual_rtt(sight).map(|ms| format!(", usually {} ms apart", rtt(ms))).unwrap_or_default();
    let losses = sight.told().filter_map(|(_, _, pair)| pair.judged_loss());
    let loss = match losses.max_by(f64::total_cmp) {
        None => "",
        Some(0.0) => ", nothing is lost",
        Some(_) => ", hardly anything is lost",
    };
    let told = sight.told().any(|(_, _, pair)| pair.ahead_ms.is_some());
    let clocks = if told { ", clocks agree" } else { "" };
    let nodes = plural(sight.len(), "node");
    finding(Gravity::Good, format!("all is well: {nodes}, {meet}{usual}{loss}{clocks}"))
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

/// `1.2 s`, for a sentence.
fn long_time(ms: i64) -> String {
    let text = time(ms.unsigned_abs());
    let unit = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    format!("{} {}", &text[..unit], &text[unit..])
}

#[cfg(test)]
mod tests;
