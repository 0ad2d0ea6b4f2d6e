//! Which lines two texts do not share.

/// More pairs of lines than this are not compared: then all is said to differ.
const PAIRS_MAX: usize = 1 << 20;
/// Lines that are shown around what differs.
const AROUND: usize = 3;

/// The lines of `new` that are not in `old` after a `+`, those that are gone after a `-`, and some that stayed
/// around them; `...` for the others. Nothing if no line differs.
pub fn difference(old: &str, new: &str) -> Vec<(char, String)> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(one, other)| one == other).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(one, other)| one == other);
    let tail = tail.count();
    let (gone, come) = (&old_rest[..old_rest.len() - tail], &new_rest[..new_rest.len() - tail]);
    if gone.is_empty() && come.is_empty() {
        return Vec::new();
    }
    let mut lines: Vec<(char, &str)> = old[..head].iter().map(|line| (' ', *line)).collect();
    lines.extend(middle(gone, come));
    lines.extend(old_rest[old_rest.len() - tail..].iter().map(|line| (' ', *line)));
    shortened(&lines)
}

fn middle<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    if old.len().saturating_mul(new.len()) > PAIRS_MAX {
        let gone = old.iter().map(|line| ('-', *line));
        return gone.chain(new.iter().map(|line| ('+', *line))).collect();
    }
    // How many lines the rests share, from each pair of places on.
    let width = new.len() + 1;
    let mut shared = vec![0_u32; (old.len() + 1) * width];
    for at in (0..old.len()).rev() {
        for other in (0..new.len()).rev() {
            let best = if old[at] == new[other] {
                shared[(at + 1) * width + other + 1] + 1
            } else {
                shared[(at + 1) * width + other].max(shared[at * width + other + 1])
            };
            shared[at * width + other] = best;
        }
    }
    let (mut at, mut other, mut lines) = (0, 0, Vec::new());
    while at < old.len() || other < new.len() {
        let (is_last, is_first) = (other == new.len(), at == old.len());
        if !is_last && !is_first && old[at] == new[other] {
            lines.push((' ', old[at]));
            (at, other) = (at + 1, other + 1);
        } else if is_last || (!is_first && shared[(at + 1) * width + other] >= shared[at * width + other + 1])
        {
            lines.push(('-', old[at]));
            at += 1;
        } else {
            lines.push(('+', new[other]));
            other += 1;
        }
    }
    lines
}

/// Leaves out what stayed and is far from what did not.
fn shortened(lines: &[(char, &str)]) -> Vec<(char, String)> {
    let mut is_near = vec![false; lines.len()];
    for (at, _) in lines.iter().enumerate().filter(|(_, (mark, _))| *mark != ' ') {
        let last = (at + AROUND).min(lines.len() - 1);
        is_near[at.saturating_sub(AROUND)..=last].fill(true);
    }
    let (mut shown, mut is_left_out) = (Vec::new(), false);
    for ((mark, line), is_near) in lines.iter().zip(is_near) {
        if is_near {
            shown.push((*mark, (*line).to_owned()));
        } else if !is_left_out {
            shown.push((' ', "...".to_owned()));
        }
        is_left_out = !is_near;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(old: &str, new: &str) -> String {
        difference(old, new).iter().map(|(mark, line)| format!("{mark}{line}\n")).collect()
    }

    #[test]
    fn what_differs_is_shown_with_some_lines_around() {
        assert_eq!(text("a\nb\n", "a\nb\n"), "");
        assert_eq!(text("a\nb\nc\n", "a\nx\nc\ny\n"), " a\n-b\n+x\n c\n+y\n");
        assert_eq!(text("", "a\n"), "+a\n");
        assert_eq!(text("a\n", ""), "-a\n");
        let old: String = (0..20).map(|line| format!("{line}\n")).collect();
        let new = old.replace("10\n", "ten\n");
        assert_eq!(text(&old, &new), " ...\n 7\n 8\n 9\n-10\n+ten\n 11\n 12\n 13\n ...\n");
    }

    #[test]
    fn texts_that_share_nothing_and_are_huge_are_shown_one_after_the_other() {
        let lines = |letter: char| (0..2_000).map(|line| format!("{letter}{line}\n")).collect::<String>();
        let shown = difference(&lines('a'), &lines('b'));
        assert_eq!((shown.len(), shown[0].0, shown[3_999].0), (4_000, '-', '+'));
    }
}
