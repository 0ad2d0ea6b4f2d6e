//! Whose clock is wrong: the one that most others say is off by about as much. Pure.

use super::{Finding, Gravity, WITNESSES_MIN, finding};
use crate::views::peers::grid::figure::{CLOCK_WARN_MS, time};
use crate::views::peers::grid::sight::Sight;

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
pub(super) fn findings(sight: &Sight) -> Vec<Finding> {
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

/// `1.2 s`, for a sentence.
fn long_time(ms: i64) -> String {
    let text = time(ms.unsigned_abs());
    let unit = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    format!("{} {}", &text[..unit], &text[unit..])
}
