//! Commands on several nodes by the `:` line, and what they wrote: equal answers put together, and how the others
//! differ from the most.

use super::State;
use super::menu::{Choice, Question};
use super::runs::{Attempt, Progress, Run};
use crate::edit::difference;
use crate::event::Answer;
use crate::format::plural;

/// Groups whose difference is shown, and lines in all.
const GROUPS_MAX: usize = 32;
const LINES_MAX: usize = 4_000;
/// Names that stand for a group.
const NAMES_MAX: usize = 8;

impl State {
    /// `:exec web-* df -h /`; what is run is asked for if nothing is written.
    pub(super) fn exec(&mut self, pattern: &str, text: &str) {
        let Some(nodes) = self.nodes_meant(pattern) else { return };
        let question = Question::Exec(nodes);
        if text.is_empty() {
            self.choose(Choice::Ask(question));
        } else if let Err(what) = self.answer(&question, text) {
            self.say(what);
        }
    }
}

/// Targets that ended alike and, if they are commands, wrote the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Group<'a> {
    /// How they ended.
    pub progress: &'a Progress,
    /// What they wrote.
    pub answer: Option<&'a Answer>,
    /// Their names.
    pub names: Vec<&'a str>,
}

impl Group<'_> {
    /// `web-1, web-2 and 4 more`.
    pub fn shown_names(&self) -> String {
        let shown = self.names.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
        match self.names.len().saturating_sub(NAMES_MAX) {
            0 => shown,
            more => format!("{shown} and {more} more"),
        }
    }
}

/// All groups, in the order of their first targets.
pub fn groups(run: &Run) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for Attempt { name, progress, answer, .. } in &run.attempts {
        let answer = answer.as_ref();
        match groups.iter_mut().find(|group| group.progress == progress && group.answer == answer) {
            Some(group) => group.names.push(name),
            None => groups.push(Group { progress, answer, names: vec![name] }),
        }
    }
    groups
}

/// The largest group of those that wrote something to compare, and the others; of equal ones the first.
fn compared<'a>(groups: &'a [Group<'a>]) -> Option<(&'a Group<'a>, Vec<&'a Group<'a>>)> {
    let answered: Vec<&Group<'_>> = groups.iter().filter(|group| group.answer.is_some()).collect();
    let largest = answered.iter().rev().max_by_key(|group| group.names.len()).copied()?;
    let others = answered.into_iter().filter(|group| !std::ptr::eq(*group, largest)).collect();
    Some((largest, others))
}

/// How many groups there are beside the largest.
pub fn differing(groups: &[Group<'_>]) -> usize {
    compared(groups).map_or(0, |(_, others)| others.len())
}

/// The title and the lines that say how each other group differs from the largest; `None` if none does.
pub fn differences(run: &Run) -> Option<(String, Vec<(String, String)>)> {
    let groups = groups(run);
    let (largest, others) = compared(&groups).filter(|(_, others)| !others.is_empty())?;
    let text = |group: &Group<'_>| group.answer.map(|answer| answer.text.clone()).unwrap_or_default();
    let usual = text(largest);
    let title = match largest.names.as_slice() {
        [one] => format!("- {one}, + the others"),
        many => format!("- the {} that answer the same, + the others", many.len()),
    };
    let mut lines: Vec<(String, String)> = Vec::new();
    for group in others.iter().take(GROUPS_MAX) {
        if !lines.is_empty() {
            lines.push((String::new(), String::new()));
        }
        lines.push((String::new(), format!("{}: {}", group.shown_names(), ended(group.progress))));
        let changed = difference(&usual, &text(group));
        if changed.is_empty() {
            lines.push((String::new(), "  the same text".to_owned()));
        }
        let shown =
            |(mark, line): (char, String)| (String::new(), format!("{mark} {}", line.replace('\t', "    ")));
        lines.extend(changed.into_iter().map(shown).take(LINES_MAX.saturating_sub(lines.len())));
    }
    if others.len() > GROUPS_MAX {
        let more = plural(others.len() - GROUPS_MAX, "other answer");
        lines.push((String::new(), format!("and {more}")));
    }
    Some((title, lines))
}

/// How a command ended, in words.
pub fn ended(progress: &Progress) -> String {
    match progress {
        // The code of an error says nothing of a command that ran.
        Progress::Failed(error) => error.message.clone(),
        other => other.word(),
    }
}

#[cfg(test)]
mod tests {
    use p2p_shared::error::RpcError;
    use p2p_shared::time::UnixMillis;

    use super::super::confirm::{Deed, Proposal, Target};
    use super::super::runs::{Pace, Runs};
    use p2p_shared::id::NodeId;

    use super::*;
    use crate::command::Errand;

    /// What a command came to on nodes of these names, and whether it failed.
    fn run(answers: &[(&str, &str, bool)]) -> Runs {
        let target = |(name, ..): &(&str, &str, bool)| Target {
            node: NodeId::new([1; 32]),
            name: (*name).to_owned(),
            deed: Deed::Forget,
        };
        let mut runs = Runs::default();
        let proposal = Proposal { verb: "Run x on".into(), targets: answers.iter().map(target).collect() };
        let (run, _) = runs.begin(proposal, Pace::default(), UnixMillis(0));
        for (index, (_, text, failed)) in answers.iter().enumerate() {
            let errand = Errand { run, target: index as u32 };
            runs.answer(errand, Answer { text: (*text).to_owned(), is_cut: false });
            let result = if *failed { Err(RpcError::conflict("exit code 1")) } else { Ok(()) };
            runs.outcome(errand, result);
        }
        runs
    }

    #[test]
    fn equal_answers_stand_together_and_the_others_are_held_against_the_most() {
        let runs = run(&[
            ("a", "one\ntwo\n", false),
            ("b", "one\n2\n", false),
            ("c", "one\ntwo\n", false),
            ("d", "one\ntwo\n", true),
        ]);
        let run = runs.get(runs.latest().unwrap()).unwrap();
        let groups = groups(run);
        let names: Vec<_> = groups.iter().map(|group| group.names.clone()).collect();
        assert_eq!(names, [vec!["a", "c"], vec!["b"], vec!["d"]]);
        assert_eq!(differing(&groups), 2);
        let (title, lines) = differences(run).unwrap();
        assert_eq!(title, "- the 2 that answer the same, + the others");
        let text: Vec<_> = lines.iter().map(|(_, line)| line.as_str()).collect();
        let expected = ["b: done", "  one", "- two", "+ 2", "", "d: exit code 1", "  the same text"];
        assert_eq!(text, expected);
    }

    #[test]
    fn where_all_say_the_same_nothing_differs() {
        let runs = run(&[("a", "x", false), ("b", "x", false)]);
        assert_eq!(differences(runs.get(runs.latest().unwrap()).unwrap()), None);
    }
}
