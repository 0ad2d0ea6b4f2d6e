//! A bundle: the tar in which `ca.sh bundle` carries the files of a machine or a person to where they belong.
//!
//! Bytes that anybody may have made enter; the files of one holder leave, or the first thing that is wrong.
//! Only known names of plain files are taken, each once and within its size; nothing is unpacked by a path,
//! and nothing is written here. What is read holds private keys: it is wiped, and never shown.

mod error;
pub(super) mod judge;

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::str::FromStr;

use tar::{Archive, Entry, EntryType};
use zeroize::Zeroizing;

use super::profile::PeerKind;
use super::refusal::clean_text;

pub use error::{BootstrapError, BundleError};

/// The file that says where the mesh is found: one `HOST:PORT` a line.
pub const BOOTSTRAP_FILE: &str = "bootstrap";
/// The list of revoked keys, in the bundle of a node once anything was revoked.
pub const REVOKED_FILE: &str = "revoked.bin";
/// Most addresses in it: a few are enough, the other nodes are found.
pub const BOOTSTRAP_MAX: usize = 32;
/// No file of a bundle is larger.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// No bundle is larger: all its files, their headers, and the padding that some tools add.
const BUNDLE_BYTES_MAX: usize = 512 * 1024;

const NODE_FILES: [&str; 5] = ["ca.crt", "node.crt", "node.key", "http.crt", "http.key"];
const OPERATOR_FILES: [&str; 3] = ["ca.crt", "operator.crt", "operator.key"];

/// Whose files a bundle holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleKind {
    /// A machine's.
    Node,
    /// A person's.
    Operator,
}

impl BundleKind {
    pub(super) const ALL: [Self; 2] = [Self::Node, Self::Operator];

    pub(super) const fn of(kind: PeerKind) -> Self {
        match kind {
            PeerKind::Node => Self::Node,
            PeerKind::Operator(_) => Self::Operator,
        }
    }

    /// The word in the names of its files.
    pub const fn stem(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Operator => "operator",
        }
    }

    /// Certificates and keys, in the order in which they are packed; the bootstrap file follows them.
    pub const fn files(self) -> &'static [&'static str] {
        match self {
            Self::Node => &NODE_FILES,
            Self::Operator => &OPERATOR_FILES,
        }
    }

    /// How a sentence calls its holder.
    pub const fn with_article(self) -> &'static str {
        match self {
            Self::Node => "a node",
            Self::Operator => "an operator",
        }
    }

    /// Files that a bundle has or has not.
    const fn optional_files(self) -> &'static [&'static str] {
        match self {
            Self::Node => &[REVOKED_FILE],
            Self::Operator => &[],
        }
    }

    /// Every file that may be in it.
    pub(super) fn known_files(self) -> impl Iterator<Item = &'static str> {
        self.all_files().chain(self.optional_files().iter().copied())
    }

    fn all_files(self) -> impl Iterator<Item = &'static str> {
        self.files().iter().copied().chain([BOOTSTRAP_FILE])
    }
}

/// Whether a bundle may have a file of this name.
pub(super) fn known_name(name: &[u8]) -> Option<&'static str> {
    BundleKind::ALL.into_iter().flat_map(BundleKind::known_files).find(|known| known.as_bytes() == name)
}

/// The files of one holder, all of them, not judged yet. They do not show themselves.
pub struct Bundle {
    kind: BundleKind,
    files: Vec<(&'static str, Zeroizing<Vec<u8>>)>,
}

/// The addresses in the text of a bootstrap file: one a line, empty lines aside.
pub fn bootstrap_addresses<T>(text: &str) -> Result<Vec<T>, BootstrapError>
where
    T: FromStr<Err: Display>,
{
    let mut addresses = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |message| BootstrapError { line: index + 1, message };
        if addresses.len() == BOOTSTRAP_MAX {
            return Err(wrong(format!(
                "more than {BOOTSTRAP_MAX} addresses: a few are enough, the others are found"
            )));
        }
        addresses.push(line.trim().parse().map_err(|error: T::Err| wrong(error.to_string()))?);
    }
    Ok(addresses)
}

impl Bundle {
    /// Reads the tar of this name; `-` is standard input.
    pub fn open(path: &Path) -> Result<Self, BundleError> {
        if path != Path::new("-") {
            return Self::read(File::open(path).map_err(BundleError::Unreadable)?);
        }
        let input = io::stdin();
        if input.is_terminal() { Err(BundleError::Terminal) } else { Self::read(input.lock()) }
    }

    /// Reads a whole tar, from beginning to end.
    pub fn read(source: impl Read) -> Result<Self, BundleError> {
        // Made large enough at once: a vector that grows leaves copies of keys behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(BUNDLE_BYTES_MAX + 64));
        let mut source = source.take(BUNDLE_BYTES_MAX as u64 + 1);
        source.read_to_end(&mut bytes).map_err(BundleError::Unreadable)?;
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(BundleError::TooLarge);
        }
        Self::parse(&bytes)
    }

    /// Whose files these are, by their names.
    pub const fn kind(&self) -> BundleKind {
        self.kind
    }

    /// Where its reader finds the mesh.
    pub fn bootstrap<T>(&self) -> Result<Vec<T>, BundleError>
    where
        T: FromStr<Err: Display>,
    {
        let text = std::str::from_utf8(self.content(BOOTSTRAP_FILE)).map_err(|error| {
            let before = &self.content(BOOTSTRAP_FILE)[..error.valid_up_to()];
            let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
            BootstrapError { line, message: "it is not UTF-8 text".to_owned() }
        })?;
        Ok(bootstrap_addresses(text)?)
    }

    /// Whether it says nothing of where the mesh is.
    pub(super) fn names_nobody(&self) -> bool {
        self.content(BOOTSTRAP_FILE).trim_ascii().is_empty()
    }

    /// What it says of where the mesh is, as it stands there.
    pub(super) fn address_lines(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(self.content(BOOTSTRAP_FILE));
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(ToOwned::to_owned).collect()
    }

    /// Says of it what the file of `directory` says, if there is one.
    pub(super) fn keep_addresses(&mut self, directory: &Path) -> io::Result<()> {
        let mut kept = Zeroizing::new(Vec::new());
        match File::open(directory.join(BOOTSTRAP_FILE)) {
            Ok(open) => open.take(FILE_BYTES_MAX).read_to_end(&mut kept)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if let Some((_, content)) = self.files.iter_mut().find(|(name, _)| *name == BOOTSTRAP_FILE) {
            *content = kept;
        }
        Ok(())
    }

    /// Every file with its content.
    pub(super) fn files(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.files.iter().map(|(name, content)| (*name, content.as_slice()))
    }

    fn optional(&self, name: &str) -> Option<&[u8]> {
        self.files().find(|(other, _)| *other == name).map(|(_, content)| content)
    }

    fn content(&self, name: &str) -> &[u8] {
        self.optional(name).unwrap_or_default()
    }

    fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        let mut archive = Archive::new(bytes);
        let mut found = BTreeMap::new();
        // Raw, so that an entry that renames or resizes the next one is an entry itself, and unknown.
        for entry in archive.entries().map_err(|_| BundleError::NotATar)?.raw(true) {
            let (name, content) = take(entry.map_err(|_| BundleError::NotATar)?)?;
            if found.insert(name, content).is_some() {
                return Err(BundleError::Twice(name));
            }
        }
        // Behind the end there is only padding.
        if archive.into_inner().iter().any(|&byte| byte != 0) {
            return Err(BundleError::NotATar);
        }
        let is_operator = OPERATOR_FILES[1..].iter().any(|name| found.contains_key(name));
        let kind = if is_operator { BundleKind::Operator } else { BundleKind::Node };
        let mut files = Vec::new();
        for name in kind.all_files() {
            files.push((name, found.remove(name).ok_or(BundleError::Missing(name))?));
        }
        for name in kind.optional_files() {
            files.extend(found.remove(name).map(|content| (*name, content)));
        }
        match found.into_keys().next() {
            Some(foreign) => Err(BundleError::UnknownFile(format!("{foreign} of {}", other(kind)))),
            None => Ok(Self { kind, files }),
        }
    }
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle").field("kind", &self.kind).finish_non_exhaustive()
    }
}

fn take(mut entry: Entry<'_, &[u8]>) -> Result<(&'static str, Zeroizing<Vec<u8>>), BundleError> {
    let name = {
        let path = entry.path_bytes();
        known_name(&path).ok_or_else(|| BundleError::UnknownFile(shown(&path)))?
    };
    if entry.header().entry_type() != EntryType::Regular {
        return Err(BundleError::NotAFile(name));
    }
    let size = entry.size();
    if size > FILE_BYTES_MAX {
        return Err(BundleError::FileTooLarge(name));
    }
    let mut content = Zeroizing::new(vec![0; usize::try_from(size).unwrap_or_default()]);
    entry.read_exact(&mut content).map_err(|_| BundleError::NotATar)?;
    Ok((name, content))
}

fn shown(path: &[u8]) -> String {
    if path.is_empty() { "a file without a name".to_owned() } else { clean_text(path) }
}

const fn other(kind: BundleKind) -> &'static str {
    match kind {
        BundleKind::Node => BundleKind::Operator.with_article(),
        BundleKind::Operator => BundleKind::Node.with_article(),
    }
}
