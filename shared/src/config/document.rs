//! A configuration file: read with suspicion, then taken apart into single values with their lines.
//!
//! Reads the disk in [`Document::read`] and nowhere else. What another user of the machine could have
//! written is refused, because these values decide what runs as root.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::{Item, Leaf, Origin, Problem, Value};

/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Most edits between an unknown key and the key that it is taken for.
const EDITS_MAX: usize = 2;

/// The text of a configuration file.
#[derive(Clone, Debug)]
pub struct Document {
    path: PathBuf,
    text: String,
    open_to_others: bool,
}

impl Document {
    /// Reads `path` for a process of the user `uid`; `None` if there is no such file.
    pub fn read(path: &Path, uid: u32) -> Result<Option<Self>, Problem> {
        let failed =
            |error: &dyn std::fmt::Display| Problem::new(path.display(), format!("cannot be read: {error}"));
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&error)),
        };
        let metadata = file.metadata().map_err(|error| failed(&error))?;
        if metadata.is_dir() {
            return Err(failed(&"it is a directory"));
        }
        check_owner(path, &metadata, uid)?;
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(failed(&"it is larger than 1 MiB"));
        }
        let mut document = Self::from_bytes(path, bytes)?;
        document.open_to_others = metadata.is_file() && metadata.mode() & 0o077 != 0;
        Ok(Some(document))
    }

    /// The document with this content, as if read from `path`.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, Problem> {
        let refused = |offset: usize, bytes: &[u8], what: &str| {
            let line = bytes[..offset].iter().filter(|&&byte| byte == b'\n').count() + 1;
            Problem::new(format!("{}:{line}", path.display()), what)
        };
        if bytes.starts_with(b"\xef\xbb\xbf") {
            return Err(refused(0, &bytes, "begins with a byte order mark: save it as plain UTF-8"));
        }
        if let Some(offset) = bytes.iter().position(|&byte| byte == 0) {
            return Err(refused(offset, &bytes, "holds a NUL byte: it is no text file"));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            refused(offset, error.as_bytes(), "is not UTF-8: save it as plain UTF-8")
        })?;
        Ok(Self { path: path.to_owned(), text, open_to_others: false })
    }

    /// Where it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its content.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether anybody but its owner may read it: then it is no place for a secret.
    pub const fn open_to_others(&self) -> bool {
        self.open_to_others
    }

    /// Our variables in it. Other programs' lines are passed over, broken ones too.
    pub(super) fn dotenv_items(&self, leaves: &[Leaf], problems: &mut Vec<Problem>) -> Vec<Item> {
        let mut items = Vec::new();
        for line in dotenvy::from_read_iter(self.text.as_bytes()) {
            match line {
                Ok((name, text)) => items.extend(self.dotenv_item(leaves, &name, text)),
                Err(dotenvy::Error::LineParse(line, _)) => problems.extend(self.broken_line(leaves, &line)),
                Err(error) => problems.push(Problem::new(self.path.display(), error.to_string())),
            }
        }
        // The last line of a name wins, as in a shell.
        items.reverse();
        let mut seen = std::collections::BTreeSet::new();
        items.retain(|item: &Item| seen.insert(item.key.clone()));
        items
    }

    fn dotenv_item(&self, leaves: &[Leaf], name: &str, text: String) -> Option<Item> {
        let leaf = leaves.iter().find(|leaf| leaf.env == Some(name))?;
        let origin = self.dotenv_origin(leaf.env?);
        let unset = text.trim().is_empty();
        (!unset).then(|| Item { key: leaf.key.clone(), origin, value: Value::Text(text.into()) })
    }

    /// A line that cannot be read: a problem only if it is ours. The parser gives just the part that it
    /// stumbled over; that part is never shown, it may hold a secret.
    fn broken_line(&self, leaves: &[Leaf], part: &str) -> Option<Problem> {
        let first = part.lines().next().unwrap_or_default().trim_end();
        let name = assigned_name(self.text.lines().find(|line| line.trim_end().ends_with(first))?)?;
        let leaf = leaves.iter().find(|leaf| leaf.env == Some(name))?;
        let origin = self.dotenv_origin(leaf.env?);
        Some(Problem::new(origin, "the line cannot be read: quote the value with '...'").at(&leaf.key))
    }

    fn dotenv_origin(&self, name: &'static str) -> Origin {
        let of_name = |(_, line): &(usize, &str)| assigned_name(line) == Some(name);
        let line = self.text.lines().enumerate().filter(of_name).last().map_or(0, |(index, _)| index) + 1;
        Origin::DotEnv { path: self.path.clone(), line, name }
    }

    /// Its keys and values as TOML; unknown keys are problems.
    pub(super) fn toml_items(&self, leaves: &[Leaf], problems: &mut Vec<Problem>) -> Vec<Item> {
        let parsed =
            DeTable::parse(&self.text).and_then(|spans| Ok((spans, self.text.parse::<toml::Table>()?)));
        let (spans, values) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                let origin = self.origin(error.span().unwrap_or(0..0));
                let message = error.message().lines().collect::<Vec<_>>().join(", ");
                problems.push(Problem::new(origin, message));
                return Vec::new();
            }
        };
        let mut walk = Walk { document: self, leaves, items: Vec::new(), problems };
        walk.table("", spans.get_ref(), &values);
        walk.items
    }

    fn origin(&self, span: Range<usize>) -> Origin {
        let before = self.text.get(..span.start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |index| index + 1);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        Origin::File { path: self.path.clone(), line, column }
    }
}

/// One pass over the tables of a TOML document.
struct Walk<'a> {
    document: &'a Document,
    leaves: &'a [Leaf],
    items: Vec<Item>,
    problems: &'a mut Vec<Problem>,
}

impl Walk<'_> {
    fn table(&mut self, prefix: &str, spans: &DeTable<'_>, values: &toml::Table) {
        for (name, span) in spans {
            let key = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            let Some(value) = values.get(name.get_ref().as_ref()) else { continue };
            let origin = self.document.origin(name.span());
            if self.leaves.iter().any(|leaf| leaf.key == key) {
                self.items.push(Item { key, origin, value: Value::Toml(value.clone()) });
                continue;
            }
            match (span.get_ref(), value) {
                (DeValue::Table(inner), toml::Value::Table(below)) if self.is_section(&key) => {
                    self.table(&key, inner, below);
                }
                _ if self.is_section(&key) => {
                    self.problems.push(Problem::new(origin, format!("is a section: write [{key}]")).at(key));
                }
                _ => self.problems.push(Problem::new(origin, unknown(&key, self.leaves)).at(key)),
            }
        }
    }

    fn is_section(&self, key: &str) -> bool {
        self.leaves.iter().any(|leaf| leaf.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
    }
}

/// The name that a line of a `.env` file assigns.
fn assigned_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("export ").unwrap_or(line);
    line.split_once('=').map(|(name, _)| name.trim())
}

fn unknown(key: &str, leaves: &[Leaf]) -> String {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let distance = |leaf: &&Leaf| {
        let whole = edits(key, &leaf.key);
        if last(key) == last(&leaf.key) { whole.min(1) } else { whole }
    };
    match leaves.iter().min_by_key(distance).filter(|leaf| distance(leaf) <= EDITS_MAX) {
        Some(leaf) => format!("unknown key; did you mean {}?", leaf.key),
        None => "unknown key; `config template` lists those that there are".to_owned(),
    }
}

/// Levenshtein distance of two words, of which the first 128 letters count.
pub fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(128).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().take(128).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for column in 0..other.len() {
            let replaced = diagonal + usize::from(letter != other[column]);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

fn check_owner(path: &Path, metadata: &Metadata, uid: u32) -> Result<(), Problem> {
    if !metadata.is_file() {
        return Ok(());
    }
    let place = path.display();
    if metadata.mode() & 0o002 != 0 {
        return Err(Problem::new(place, format!("anybody may write to it: chmod o-w {}", path.display())));
    }
    if metadata.uid() != 0 && metadata.uid() != uid {
        let message =
            format!("belongs to user {}, neither root nor {uid} who runs this: chown it", metadata.uid());
        return Err(Problem::new(place, message));
    }
    // A sticky directory such as /tmp lets nobody else replace the file.
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let open = std::fs::metadata(parent).is_ok_and(|parent| parent.mode() & 0o1002 == 0o002);
    if open {
        return Err(Problem::new(place, "lies in a directory that anybody may write to: move it"));
    }
    Ok(())
}
