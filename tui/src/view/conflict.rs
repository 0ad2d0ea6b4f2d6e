//! A file that somebody else changed while it was edited here: what is there now, and what can be done.

use p2p_shared::services::file::FileVersion;
use p2p_shared::time::UnixMillis;

use super::layers::Line;
use crate::app::layer::Clash;
use crate::format::{bytes, date, span_ms};
use crate::theme::Role;

/// Its lines.
pub(super) fn lines(clash: &Clash, wall: UnixMillis) -> Vec<Line> {
    let conflict = &clash.conflict;
    let fact = |name: &str, value: String| vec![(format!("{name:<11}"), Role::Head), (value, Role::Text)];
    let mut lines = vec![
        vec![(format!("{} changed while you edited it:", conflict.edited.path), Role::Warn)],
        vec![("nothing was written.".to_owned(), Role::Warn)],
        Vec::new(),
    ];
    match (&conflict.theirs, &conflict.row) {
        (_, Some(row)) => lines.push(fact("now", now(&row.version, &row.owner, wall))),
        (Ok(chunk), None) => lines.push(fact("now", now(&chunk.version, "", wall))),
        (Err(error), None) => lines.push(fact("now", error.message.clone())),
    }
    if let Some((who, at)) = &conflict.by {
        lines
            .push(fact("last by", format!("{who}, {} ago, by the audit record", span_ms(wall.since(*at).0))));
    }
    let size = conflict.edited.content.0.len() as u64;
    lines.push(fact("yours", format!("{}, in {}", bytes(size), conflict.edited.kept.display())));
    lines.push(Vec::new());
    for (key, what) in [
        ("d", "show how yours differs from it"),
        ("w", "write yours over it (asks first)"),
        ("k", "leave it, and keep yours in that file"),
    ] {
        lines.push(vec![(format!("{key}  "), Role::Key), (what.to_owned(), Role::Text)]);
    }
    lines
}

fn now(version: &FileVersion, owner: &str, wall: UnixMillis) -> String {
    let at = UnixMillis(u64::try_from(version.modified_ns / 1_000_000).unwrap_or_default());
    let owner = if owner.is_empty() { String::new() } else { format!(", of {owner}") };
    let (size, ago) = (bytes(version.size_bytes), span_ms(wall.since(at).0));
    format!("{size}{owner}, changed {} ({ago} ago)", date(at))
}
