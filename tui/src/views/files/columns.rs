//! What a row of a directory says: cells, fields of the filter, order, and all that is known of one name.

use std::borrow::Cow;
use std::cmp::Ordering;

use p2p_shared::services::file::{FileKind, FileRow};
use p2p_shared::time::UnixMillis;

use crate::action::SortKey;
use crate::filter::{Field, Kind, Record};
use crate::format::{bytes, date, head, span_ms};
use crate::theme::Role;
use crate::widgets::table::{Cell, Column};

const MODE: &str = "MODE";
const OWNER: &str = "OWNER";
const GROUP: &str = "GROUP";
const SIZE: &str = "SIZE";
const CHANGED: &str = "CHANGED";
const NAME: &str = "NAME";

/// What was changed longer ago than a hundred days is old.
const OLD_MS: u64 = 100 * 86_400_000;
/// Columns of a year and a month.
const MONTH: usize = 7;

/// The columns.
pub(super) const COLUMNS: [Column; 6] = [
    Column::text(MODE, 10, 2, None),
    Column::text(OWNER, 10, 3, Some(SortKey::User)).up_to(16),
    Column::text(GROUP, 10, 4, None).up_to(16),
    Column::number(SIZE, 6, 0, Some(SortKey::Disk)),
    Column::number(CHANGED, 7, 1, Some(SortKey::Age)),
    Column::rest(NAME, 22, 0, Some(SortKey::Name)),
];

/// The fields of the filter.
pub(super) const FIELDS: &[Field] = &[
    Field::word("name"),
    Field::of("kind", Kind::Text),
    Field::of("owner", Kind::Text),
    Field::of("group", Kind::Text),
    Field::of("target", Kind::Text),
    Field::of("size", Kind::Bytes),
    Field::of("age", Kind::Span),
];

/// A row at a time.
pub(super) struct Row<'a> {
    pub(super) row: &'a FileRow,
    pub(super) wall: UnixMillis,
}

impl Row<'_> {
    fn age_ms(&self) -> u64 {
        self.wall.since(millis(self.row.version.modified_ns)).0
    }

    /// How long ago it was changed; of what is old the month, as `ls` has it.
    fn changed(&self) -> String {
        match self.age_ms() {
            recent if recent < OLD_MS => span_ms(recent),
            _ => head(&date(millis(self.row.version.modified_ns)), MONTH).to_owned(),
        }
    }

    pub(super) fn cell(&self, column: &str) -> Cell {
        let row = self.row;
        match column {
            MODE => Cell::of(mode(row), Role::Dim),
            OWNER => Cell::plain(&row.owner),
            GROUP => Cell::plain(&row.group),
            SIZE if row.kind == FileKind::File => Cell::plain(bytes(row.version.size_bytes)),
            CHANGED => Cell::of(self.changed(), Role::Dim),
            NAME => name(row),
            _ => Cell::default(),
        }
    }
}

impl Record for Row<'_> {
    fn text(&self, field: usize) -> Cow<'_, str> {
        match FIELDS[field].name {
            "name" => self.row.name.to_string().into(),
            "kind" => Cow::Borrowed(word(self.row.kind)),
            "owner" => Cow::Borrowed(&self.row.owner),
            "group" => Cow::Borrowed(&self.row.group),
            "target" => self.row.target.as_ref().map(ToString::to_string).unwrap_or_default().into(),
            _ => Cow::Borrowed(""),
        }
    }

    fn number(&self, field: usize) -> Option<f64> {
        match FIELDS[field].name {
            "size" => Some(self.row.version.size_bytes as f64),
            "age" => Some(self.age_ms() as f64 / 1e3),
            _ => None,
        }
    }
}

/// By name directories come first.
pub(super) fn compare(key: SortKey, one: &Row<'_>, other: &Row<'_>) -> Ordering {
    match key {
        SortKey::Disk => one.row.version.size_bytes.cmp(&other.row.version.size_bytes),
        SortKey::Age => one.age_ms().cmp(&other.age_ms()),
        SortKey::User => one.row.owner.cmp(&other.row.owner),
        _ => {
            let is_file = |row: &Row<'_>| row.row.kind != FileKind::Directory;
            is_file(one).cmp(&is_file(other)).then_with(|| one.row.name.cmp(&other.row.name))
        }
    }
}

/// Never by colour alone: a mark says what it is, as `ls -F` does.
fn name(row: &FileRow) -> Cell {
    let name = row.name.to_string();
    match row.kind {
        FileKind::Directory => Cell::of(format!("{name}/"), Role::Accent),
        FileKind::Symlink => {
            let target = row.target.as_ref().map(ToString::to_string).unwrap_or_default();
            Cell::of(format!("{name} -> {target}"), Role::Dim)
        }
        FileKind::File if row.mode & 0o111 != 0 => Cell::of(format!("{name}*"), Role::Good),
        FileKind::File => Cell::plain(name),
        FileKind::Fifo => Cell::of(format!("{name}|"), Role::Warn),
        FileKind::Socket => Cell::of(format!("{name}="), Role::Warn),
        FileKind::CharDevice | FileKind::BlockDevice | FileKind::Unknown => Cell::of(name, Role::Warn),
    }
}

pub(super) const fn word(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "file",
        FileKind::Directory => "directory",
        FileKind::Symlink => "link",
        FileKind::Fifo => "pipe",
        FileKind::Socket => "socket",
        FileKind::CharDevice => "character device",
        FileKind::BlockDevice => "block device",
        FileKind::Unknown => "unknown",
    }
}

/// As `ls -l` writes it.
fn mode(row: &FileRow) -> String {
    let kind = match row.kind {
        FileKind::File => '-',
        FileKind::Directory => 'd',
        FileKind::Symlink => 'l',
        FileKind::Fifo => 'p',
        FileKind::Socket => 's',
        FileKind::CharDevice => 'c',
        FileKind::BlockDevice => 'b',
        FileKind::Unknown => '?',
    };
    let mut text = String::from(kind);
    for (shift, special, letters) in [(6, 0o4000, "sS"), (3, 0o2000, "sS"), (0, 0o1000, "tT")] {
        let bits = row.mode >> shift;
        text.push(if bits & 4 == 0 { '-' } else { 'r' });
        text.push(if bits & 2 == 0 { '-' } else { 'w' });
        text.push(match (row.mode & special != 0, bits & 1 != 0) {
            (true, true) => letters.as_bytes()[0].into(),
            (true, false) => letters.as_bytes()[1].into(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

fn millis(nanos: i64) -> UnixMillis {
    UnixMillis(u64::try_from(nanos / 1_000_000).unwrap_or(0))
}

/// All that is known of a name.
pub(super) fn facts(row: &FileRow) -> Vec<(String, String)> {
    let time = |nanos: i64| date(millis(nanos));
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let mut facts = vec![
        fact("kind", word(row.kind).into()),
        fact("size", format!("{} ({} bytes)", bytes(row.version.size_bytes), row.version.size_bytes)),
        fact("on disk", bytes(row.disk_bytes)),
        fact("mode", format!("{} ({:o})", mode(row), row.mode)),
        fact("owner", format!("{} ({})", row.owner, row.uid)),
        fact("group", format!("{} ({})", row.group, row.gid)),
        fact("changed", time(row.version.modified_ns)),
        fact("metadata", time(row.changed_ns)),
        fact("read", time(row.accessed_ns)),
        fact("names", row.links.to_string()),
        fact("inode", row.version.inode.to_string()),
    ];
    facts.extend(row.created_ns.map(|at| fact("made", time(at))));
    facts.extend(row.target.as_ref().map(|target| fact("leads to", target.to_string())));
    facts
}
