//! The screen of outcomes: every target is accounted for, and those with the same answer stand together.

use super::layers::Line;
use crate::app::runs::{Progress, Run, Tally};
use crate::format::{plural, width};
use crate::theme::{Glyphs, Role};

/// Longer names of targets push their outcome to the right.
const NAME_WIDTH: usize = 36;

/// The title and the lines.
pub(super) fn lines(run: &Run, glyphs: &Glyphs) -> (String, Vec<Line>) {
    let tally = run.tally();
    let mut lines = vec![totals(tally, run.attempts.len()), Vec::new()];
    for (progress, names) in groups(run) {
        match names.as_slice() {
            [name] => lines.push(one(&progress, name, run, glyphs)),
            many => {
                let (mark, role) = mark(&progress, glyphs);
                let head = format!("{} {}", many.len(), progress.word());
                let mut line = vec![(format!("{mark} "), role), (head, role)];
                line.extend(reason(&progress).map(|reason| (format!(": {reason}"), role)));
                lines.push(line);
                lines.extend(many.iter().map(|name| vec![(format!("    {name}"), Role::Text)]));
            }
        }
    }
    let again = tally.to_try_again();
    if again > 0 {
        lines.push(Vec::new());
        let which = if tally.skipped > 0 { "failed or were not tried" } else { "failed" };
        let text = format!("runs it again on the {} that {which}", plural(again, "target"));
        lines.push(vec![("r ".to_owned(), Role::Key), (text, Role::Text)]);
    }
    (run.verb.trim_end_matches(" to").trim_end_matches(" on").to_owned(), lines)
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

fn groups(run: &Run) -> Vec<(Progress, Vec<&str>)> {
    let mut groups: Vec<(Progress, Vec<&str>)> = Vec::new();
    for attempt in &run.attempts {
        match groups.iter_mut().find(|(progress, _)| *progress == attempt.progress) {
            Some((_, names)) => names.push(&attempt.name),
            None => groups.push((attempt.progress.clone(), vec![&attempt.name])),
        }
    }
    groups.sort_by_key(|(progress, _)| rank(progress));
    groups
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
