//! Targets whose output is alike, put together, the largest group first.

use std::collections::HashMap;
use std::fmt;

use super::Outcome;

/// What a target ended with, to be compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ending {
    /// How it ended.
    pub outcome: Outcome,
    /// Its exit code.
    pub code: Option<i32>,
    /// What it wrote, and why it failed.
    pub text: String,
}

/// Targets that ended alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// They, by their place.
    pub targets: Vec<usize>,
    /// How.
    pub ending: Ending,
}

/// Puts together what is equal. Of groups of one size the one with the first target goes first.
pub fn group(endings: impl IntoIterator<Item = Ending>) -> Vec<Group> {
    let mut known: HashMap<Ending, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for (index, ending) in endings.into_iter().enumerate() {
        let place = *known.entry(ending.clone()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.targets.push(index),
            None => groups.push(Group { targets: vec![index], ending }),
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.targets.len()));
    groups
}

/// `494 alike, 5 differ, 1 timed out`: of those that ran to their end the largest group and the others, and all
/// the rest by how it ended.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a>(pub &'a [Group]);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ran = |group: &&Group| matches!(group.ending.outcome, Outcome::Ok | Outcome::Failed);
        let mut parts = Vec::new();
        let mut sizes = self.0.iter().filter(ran).map(|group| group.targets.len());
        if let Some(largest) = sizes.next() {
            let others: usize = sizes.sum();
            parts.push(format!("{largest} alike"));
            if others > 0 {
                parts.push(format!("{others} {}", if others == 1 { "differs" } else { "differ" }));
            }
        }
        for outcome in &Outcome::ALL[2..] {
            let of = self.0.iter().filter(|group| group.ending.outcome == *outcome);
            let count: usize = of.map(|group| group.targets.len()).sum();
            if count > 0 {
                parts.push(format!("{count} {}", outcome.words()));
            }
        }
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_endings_are_one_group_and_the_summary_counts_them_all() {
        let ending = |outcome, text: &str| Ending { outcome, code: None, text: text.into() };
        let endings = [
            ending(Outcome::Ok, "b"),
            ending(Outcome::Ok, "a"),
            ending(Outcome::TimedOut, ""),
            ending(Outcome::Ok, "a"),
            ending(Outcome::Failed, "a"),
        ];
        let groups = group(endings);
        let targets: Vec<_> = groups.iter().map(|group| group.targets.clone()).collect();
        assert_eq!(targets, [vec![1, 3], vec![0], vec![2], vec![4]]);
        assert_eq!(Summary(&groups).to_string(), "2 alike, 2 differ, 1 timed out");
        assert_eq!(Summary(&[]).to_string(), "");
    }
}
