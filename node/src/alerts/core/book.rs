//! All rules of a node: those that are built in, those that were applied, and those of the configuration. Of one
//! name the last of them counts.

use std::collections::BTreeMap;

use super::file::{self, FileRule, RuleFile};
use super::rule::Rule;
use super::text::Mistake;

/// The rules that are built in.
pub const DEFAULTS: &str = include_str!("defaults.toml");

/// Where a rule comes from; the later one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// It is built in.
    Default,
    /// It was applied by call.
    Applied,
    /// The file that the node's configuration names.
    Configured,
}

/// The rules in force, and what is not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Book {
    /// Those in force, by name.
    pub rules: Vec<(Origin, Rule)>,
    /// What is wrong with the files.
    pub mistakes: Vec<(Origin, Mistake)>,
}

/// What another book has of one rule, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which rule.
    pub name: String,
    /// What it is; `None` if it is not there.
    pub was: Option<String>,
    /// What it becomes; `None` if it goes.
    pub becomes: Option<String>,
}

impl Book {
    /// The book of these texts.
    pub fn new(applied: Option<&str>, configured: Option<&str>) -> Self {
        let files =
            [(Origin::Default, Some(DEFAULTS)), (Origin::Applied, applied), (Origin::Configured, configured)];
        let mut rules: BTreeMap<String, (Origin, Rule)> = BTreeMap::new();
        let mut mistakes = Vec::new();
        for (origin, text) in files.into_iter().filter_map(|(origin, text)| Some((origin, text?))) {
            let RuleFile { rules: read, mistakes: wrong, .. } = file::read(text);
            mistakes.extend(wrong.into_iter().map(|mistake| (origin, mistake)));
            for rule in read {
                match rule {
                    FileRule::On(rule) => drop(rules.insert(rule.name.clone(), (origin, *rule))),
                    FileRule::Off(name) => drop(rules.remove(&name)),
                }
            }
        }
        Self { rules: rules.into_values().collect(), mistakes }
    }

    /// The rules alone.
    pub fn rules(&self) -> Vec<Rule> {
        self.rules.iter().map(|(_, rule)| rule.clone()).collect()
    }

    /// What becomes another rule in `other`, by name.
    pub fn changes(&self, other: &Self) -> Vec<Change> {
        let by_name = |book: &Self| -> BTreeMap<String, Rule> {
            book.rules.iter().map(|(_, rule)| (rule.name.clone(), rule.clone())).collect()
        };
        let (before, mut after) = (by_name(self), by_name(other));
        let mut changes = Vec::new();
        for (name, was) in before {
            let becomes = after.remove(&name);
            if becomes.as_ref() != Some(&was) {
                let becomes = becomes.map(|rule| rule.to_string());
                changes.push(Change { name, was: Some(was.to_string()), becomes });
            }
        }
        let new = after.into_values();
        changes.extend(new.map(|rule| Change {
            was: None,
            becomes: Some(rule.to_string()),
            name: rule.name,
        }));
        changes.sort_by(|one, other| one.name.cmp(&other.name));
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_that_are_built_in_are_whole() {
        let book = Book::new(None, None);
        assert_eq!(book.mistakes, []);
        let names: Vec<&str> = book.rules.iter().map(|(_, rule)| rule.name.as_str()).collect();
        for name in ["disk_full", "inodes_full", "memory_low", "memory_pressure", "load_high", "unit_failed"]
        {
            assert!(names.contains(&name), "{name}");
        }
    }

    #[test]
    fn of_one_name_the_last_file_counts_and_a_rule_can_be_switched_off() {
        let applied = "[[rule]]\nname = 'load_high'\nwhen = 'load1 > 50'\n\
                       [[rule]]\nname = 'mine'\nwhen = 'load1 > 1'\n\
                       [[rule]]\nname = 'bad'\nwhen = 'load1'\n";
        let configured =
            "[[rule]]\nname = 'mine'\nwhen = 'load1 > 2'\n[[rule]]\nname = 'disk_full'\noff = true";
        let (before, after) = (Book::new(None, None), Book::new(Some(applied), Some(configured)));
        let find = |name: &str| after.rules.iter().find(|(_, rule)| rule.name == name);
        let threshold =
            |name: &str| find(name).map(|(origin, rule)| (*origin, rule.expression.limits.threshold));
        assert_eq!(threshold("load_high"), Some((Origin::Applied, 50.0)));
        assert_eq!(threshold("mine"), Some((Origin::Configured, 2.0)));
        assert_eq!(threshold("disk_full"), None);
        assert_eq!(after.mistakes[0].0, Origin::Applied);
        let changes = before.changes(&after);
        let names: Vec<_> =
            changes.iter().map(|one| (one.name.as_str(), one.was.is_some(), one.becomes.is_some())).collect();
        assert_eq!(names, [("disk_full", true, false), ("load_high", true, true), ("mine", false, true)]);
        assert_eq!(after.changes(&after), []);
    }
}
