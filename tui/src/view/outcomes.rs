//! The screen of outcomes: every target is accounted for, and those with the same answer stand together.

use std::cmp::Reverse;

use super::layers::Line;
use crate::app::answers::{self, Group};
use crate::app::runs::{Progress, Run, Tally};
use crate::event::Answer;
use crate::format::{plural, width};
use crate::theme::{Glyphs, Role};

/// Longer names of targets push their outcome to the right.
const NAME_WIDTH: usize = 36;

/// Lines of what a group wrote that are shown: of the largest one, and of the others.
const TEXT_LINES: usize = 40;
const OTHER_LINES: usize = 8;

/// The title and the lines.
pub(super) fn lines(run: &Run, glyphs: &Glyphs) -> (String, Vec<Line>) {
    let tally = run.tally();
    let mut lines = vec![totals(tally, run.attempts.len()), Vec::new()];
    let mut groups = answers::groups(run);
    let differing = answers::differing(&groups);
    // What needs a look comes first; of one kind the largest, which the others are held against.
    groups.sort_by_key(|group| {
        let size = if group.answer.is_some() { group.names.len() } else { 0 };
        (rank(group.progress), Reverse(size))
    });
    let largest = groups.iter().filter(|group| group.answer.is_some()).map(|group| group.names.len()).max();
    for group in &groups {
        let is_largest = Some(group.names.len()) == largest;
        match (group.answer, group.names.as_slice()) {
            (Some(answer), _) => {
                lines.push(answered(group, glyphs));
                lines.extend(text(answer, if is_largest { TEXT_LINES } else { OTHER_LINES }));
            }
            (None, [name]) => lines.push(one(group.progress, name, run, glyphs)),
            (None, many) => {
                lines.push(together(group.progress, many.len(), glyphs));
                lines.extend(many.iter().map(|name| vec![(format!("    {name}"), Role::Text)]));
            }
        }
    }
    let mut keys: Vec<(&str, String)> = Vec::new();
    if differing > 0 {
        let others = plural(differing, "other answer");
        let verb = if differing == 1 { "differs" } else { "differ" };
        keys.push(("d ", format!("shows how the {others} {verb}")));
    }
    let again = tally.to_try_again();
    if again > 0 {
        let which = if tally.skipped > 0 { "failed or were not tried" } else { "failed" };
        keys.push(("r ", format!("runs it again on the {} that {which}", plural(again, "target"))));
    }
    if !keys.is_empty() {
        lines.push(Vec::new());
    }
    lines.extend(keys.into_iter().map(|(key, text)| vec![(key.to_owned(), Role::Key), (text, Role::Text)]));
    (run.verb.trim_end_matches(" to").trim_end_matches(" on").to_owned(), lines)
}

fn together(progress: &Progress, count: usize, glyphs: &Glyphs) -> Line {
    let (mark, role) = mark(progress, glyphs);
    let mut line = vec![(format!("{mark} "), role), (format!("{count} {}", progress.word()), role)];
    line.extend(reason(progress).map(|reason| (format!(": {reason}"), role)));
    line
}

/// `3 nodes, the same, done: web-1, web-2, web-3`.
fn answered(group: &Group<'_>, glyphs: &Glyphs) -> Line {
    let (mark, role) = mark(group.progress, glyphs);
    let count = match group.names.len() {
        1 => String::new(),
        many => format!("{many} nodes, the same, "),
    };
    let head = format!("{mark} {count}{}: ", answers::ended(group.progress));
    vec![(head, role), (group.shown_names(), Role::Accent)]
}

/// The first lines of what was written, and how many more there are.
fn text(answer: &Answer, most: usize) -> Vec<Line> {
    let shown = |line: &str| vec![("    ".to_owned(), Role::Text), (line.replace('\t', "    "), Role::Text)];
    let mut lines: Vec<Line> = answer.text.lines().take(most).map(shown).collect();
    let more = answer.text.lines().count().saturating_sub(most);
    let dim = |text: String| vec![(format!("    {text}"), Role::Dim)];
    if answer.text.is_empty() {
        lines.push(dim("it wrote nothing".to_owned()));
    }
    if more > 0 {
        lines.push(dim(format!("and {}", plural(more, "more line"))));
    }
    if answer.is_cut {
        lines.push(dim("it wrote more than is kept".to_owned()));
    }
    lines
}

fn totals(tally: Tally, all: usize) -> Line {
    let piece = |count: usize, word: &str, role: Role| {
        let role = if count > 0 { role } else { Role::Dim };
        (format!("{count} {word}   "), role)
    };
    let mut line = vec![
        piece(tally.done, "done", Role::Good),
        piece(tally.failed, "failed", Role::Bad),
        piece(tally.waiting, "waiting", Role::Warn),
    ];
    if tally.pending > 0 {
        line.push(piece(tally.pending, "not begun", Role::Text));
    }
    if tally.skipped > 0 {
        line.push(piece(tally.skipped, "not tried", Role::Warn));
    }
    line.push((format!("of {all}"), Role::Dim));
    line
}

/// What needs a look comes first; within it the order of the targets.
const fn rank(progress: &Progress) -> u8 {
    match progress {
        Progress::Failed(_) => 0,
        Progress::Skipped => 1,
        Progress::Waiting => 2,
        Progress::Pending => 3,
        Progress::Done => 4,
    }
}

const fn mark(progress: &Progress, glyphs: &Glyphs) -> (&'static str, Role) {
    let [done, waiting, failed, none, ..] = glyphs.states;
    match progress {
        Progress::Pending => (none, Role::Text),
        Progress::Waiting => (waiting, Role::Warn),
        Progress::Done => (done, Role::Good),
        Progress::Failed(_) => (failed, Role::Bad),
        Progress::Skipped => (none, Role::Warn),
    }
}

fn reason(progress: &Progress) -> Option<&str> {
    match progress {
        Progress::Failed(error) => Some(&error.message),
        _ => None,
    }
}

fn one(progress: &Progress, name: &str, run: &Run, glyphs: &Glyphs) -> Line {
    let names = run.attempts.iter().map(|attempt| width(&attempt.name)).max().unwrap_or(0).min(NAME_WIDTH);
    let (mark, role) = mark(progress, glyphs);
    let text = match reason(progress) {
        Some(reason) => format!("{}: {reason}", progress.word()),
        None => progress.word(),
    };
    vec![(format!("{mark} "), role), (format!("{name:<names$}  "), Role::Text), (text, role)]
}
