//! A tree in pages, parents before what is in them, with memory for one page and one directory a level.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Dir, Stat};
use rustix::io::Errno;

use super::plan::DEPTH_MAX;
use super::tree::{Tree, enter, kind, link, mode, modified_ns, size, stat_at};
use super::words;
use crate::services::file::{FileKind, FilePath};
use crate::services::transfer::{PAGE_ENTRIES_MAX, TransferEntry, TransferFailed};

/// Whether contents of an opened directory may be read; else why not.
pub type Judge = Box<dyn Fn(&OwnedFd) -> Result<(), String> + Send>;

/// A page.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub entries: Vec<TransferEntry>,
    pub failed: Vec<TransferFailed>,
    pub is_end: bool,
}

pub(super) struct Walk {
    is_begun: bool,
    levels: Vec<Level>,
    device: Option<u64>,
    judge: Judge,
}

impl fmt::Debug for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walk").field("depth", &self.levels.len()).finish_non_exhaustive()
    }
}

struct Level {
    path: FilePath,
    directory: OwnedFd,
    names: Dir,
}

impl Walk {
    pub(super) fn new(judge: Judge) -> Self {
        Self { is_begun: false, levels: Vec::new(), device: None, judge }
    }

    /// The next page.
    pub(super) fn page(&mut self, tree: &mut Tree) -> Page {
        let mut page = Page::default();
        if !self.is_begun {
            self.is_begun = true;
            let path = FilePath::default();
            let found = match tree.place(&path) {
                Ok((parent, name)) => self.look(path.clone(), parent, name),
                Err(source) => Err(failed(path, words(source))),
            };
            self.take(&mut page, found);
        }
        while page.entries.len() < PAGE_ENTRIES_MAX && page.failed.len() < PAGE_ENTRIES_MAX {
            let Some(level) = self.levels.last_mut() else {
                page.is_end = true;
                break;
            };
            let name = match level.names.read() {
                None => {
                    self.levels.pop();
                    continue;
                }
                Some(Ok(entry)) => entry.file_name().to_bytes().to_vec(),
                Some(Err(source)) => {
                    page.failed.push(failed(level.path.clone(), words(source)));
                    self.levels.pop();
                    continue;
                }
            };
            if let (false, Some(level)) = (matches!(name.as_slice(), b"." | b".."), self.levels.last()) {
                let found = self.look(below(&level.path, &name), &level.directory, &name);
                self.take(&mut page, found);
            }
        }
        page
    }

    fn take(&mut self, page: &mut Page, found: Result<Option<Found>, TransferFailed>) {
        match found {
            Ok(Some(Found { entry, device, within })) => {
                self.device.get_or_insert(device);
                if let Some((directory, names)) = within {
                    self.levels.push(Level { path: entry.path.clone(), directory, names });
                }
                page.entries.push(entry);
            }
            // One that went meanwhile is none.
            Ok(None) => {}
            Err(failed) => page.failed.push(failed),
        }
    }

    fn look(&self, path: FilePath, parent: impl AsFd, name: &[u8]) -> Result<Option<Found>, TransferFailed> {
        let stat = match stat_at(&parent, name) {
            Err(Errno::NOENT) if self.device.is_some() => return Ok(None),
            Err(source) => return Err(failed(path, words(source))),
            Ok(stat) => stat,
        };
        let left_out = |why: &str| TransferFailed { path: path.clone(), why: why.into(), is_left_out: true };
        let (kind, device) = (kind(&stat), device(&stat));
        let within = match kind {
            FileKind::File | FileKind::Symlink => None,
            FileKind::Directory if self.device.is_some_and(|top| top != device) => {
                return Err(left_out("left out: another file system is mounted there"));
            }
            FileKind::Directory => {
                Some(self.descend(&parent, name).map_err(|why| failed(path.clone(), why))?)
            }
            _ => return Err(left_out("left out: it is a pipe, a socket or a device")),
        };
        let entry = TransferEntry {
            kind,
            mode: mode(&stat),
            modified_ns: modified_ns(&stat),
            size_bytes: if kind == FileKind::File { size(&stat) } else { 0 },
            target: if kind == FileKind::Symlink { link(&parent, name) } else { None },
            path,
        };
        Ok(Some(Found { entry, device, within }))
    }

    fn descend(&self, parent: impl AsFd, name: &[u8]) -> Result<(OwnedFd, Dir), String> {
        if self.levels.len() >= DEPTH_MAX {
            return Err(format!("it lies more than {DEPTH_MAX} deep"));
        }
        let directory = enter(parent, name).map_err(words)?;
        (self.judge)(&directory)?;
        let names = Dir::read_from(&directory).map_err(words)?;
        Ok((directory, names))
    }
}

struct Found {
    entry: TransferEntry,
    device: u64,
    within: Option<(OwnedFd, Dir)>,
}

fn failed(path: FilePath, why: String) -> TransferFailed {
    TransferFailed { path, why, is_left_out: false }
}

fn below(path: &FilePath, name: &[u8]) -> FilePath {
    let above = path.as_bytes();
    let whole = if above.is_empty() { name.to_vec() } else { [above, b"/", name].concat() };
    FilePath::new(whole).unwrap_or_default()
}

fn device(stat: &Stat) -> u64 {
    stat.st_dev
}
