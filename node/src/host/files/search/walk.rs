//! The walk of a search: threads that take directories from one stack, deepest first, so that few descriptors
//! are open at a time.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use p2p_shared::services::file::{FileContent, FileHit, FileKind, FilePath};
use p2p_shared::transfer::tree::kind_of;
use rustix::fs::{FileType, OFlags, RawDir};

use super::grep::Grep;
use super::{Findings, Search, THREADS_MAX};
use crate::host::files::error::FileError;
use crate::host::files::jail::{Jail, joined, stat_of};
use crate::host::files::row;
use crate::host::files::tree::{enter, stat_at};

/// What the kernel gives at once of a directory.
const BUFFER_BYTES: usize = 64 << 10;

/// A directory to be searched: a name in an opened one.
struct Task {
    parent: Arc<OwnedFd>,
    name: Vec<u8>,
    /// Where it is, for people.
    path: Vec<u8>,
    depth: usize,
}

#[derive(Default)]
struct Stack {
    tasks: Vec<Task>,
    working: usize,
}

struct Walk<'a> {
    search: &'a Search,
    jail: &'a Jail,
    top: &'a FilePath,
    findings: &'a Findings,
    device: (u32, u32),
    stack: Mutex<Stack>,
    more: Condvar,
}

pub(super) fn run(
    search: &Search,
    jail: &Jail,
    path: &FilePath,
    findings: &Findings,
) -> Result<(), FileError> {
    let looked = jail.open(path, OFlags::PATH)?;
    let stat = stat_of(&looked).map_err(FileError::os("searching", path))?;
    if row::kind(&stat) != FileKind::Directory {
        return one(search, jail, path, findings);
    }
    let directory = Arc::new(jail.directory(path)?);
    let walk = Walk {
        search,
        jail,
        top: path,
        findings,
        device: row::device(&stat),
        stack: Mutex::default(),
        more: Condvar::new(),
    };
    if search.lines.is_some() {
        jail.judge_directory(&directory, path)?;
    }
    let first = Task { parent: directory, name: b".".to_vec(), path: path.as_bytes().to_vec(), depth: 0 };
    walk.push(&mut vec![first]);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| walk.work());
        }
        walk.work();
    });
    Ok(())
}

/// A search in one file.
fn one(search: &Search, jail: &Jail, path: &FilePath, findings: &Findings) -> Result<(), FileError> {
    let Some(lines) = &search.lines else {
        return Err(FileError::Invalid(format!("{path} is no directory: name one to search in")));
    };
    let file = crate::host::files::read::open(jail, path)?;
    findings.entries.fetch_add(1, Ordering::Relaxed);
    let mut hits = Vec::new();
    Grep::new(lines, (findings, &search.bounds)).search(&file, path, &mut hits);
    findings.put(&mut hits, &search.bounds);
    Ok(())
}

impl Walk<'_> {
    fn push(&self, tasks: &mut Vec<Task>) {
        let mut stack = self.stack.lock().unwrap_or_else(PoisonError::into_inner);
        stack.tasks.append(tasks);
        self.more.notify_all();
    }

    /// The next directory; `None` once there is none, and nobody who could find one.
    fn next(&self) -> Option<Task> {
        let mut stack = self.stack.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(task) = stack.tasks.pop() {
                stack.working += 1;
                return Some(task);
            }
            if stack.working == 0 {
                self.more.notify_all();
                return None;
            }
            stack = self.more.wait(stack).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self) {
        let mut stack = self.stack.lock().unwrap_or_else(PoisonError::into_inner);
        stack.working -= 1;
        if stack.working == 0 {
            self.more.notify_all();
        }
    }

    fn work(&self) {
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER_BYTES];
        let (mut hits, mut found) = (Vec::new(), Vec::new());
        let mut grep =
            self.search.lines.as_ref().map(|lines| Grep::new(lines, (self.findings, &self.search.bounds)));
        while let Some(task) = self.next() {
            if self.findings.goes_on(&self.search.bounds) {
                if self.directory(&task, &mut buffer, (&mut hits, &mut found), grep.as_mut()).is_none() {
                    self.findings.skip();
                }
                self.findings.put(&mut hits, &self.search.bounds);
                self.push(&mut found);
            }
            drop(task);
            self.done();
        }
    }

    /// `None` if it cannot be read.
    fn directory(
        &self,
        task: &Task,
        buffer: &mut [MaybeUninit<u8>],
        (hits, found): (&mut Vec<FileHit>, &mut Vec<Task>),
        mut grep: Option<&mut Grep<'_>>,
    ) -> Option<()> {
        let directory = Arc::new(enter(&task.parent, &task.name).ok()?);
        if task.depth > 0 && row::device(&stat_of(&directory).ok()?) != self.device {
            return None;
        }
        if grep.is_some() {
            self.jail.judge_directory(&directory, self.top).ok()?;
        }
        let mut entries = RawDir::new(&directory, buffer);
        let mut count = 0;
        while let Some(entry) = entries.next() {
            let entry = entry.ok()?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            count += 1;
            if count % 256 == 0 {
                self.findings.entries.fetch_add(256, Ordering::Relaxed);
                if !self.findings.goes_on(&self.search.bounds) {
                    return Some(());
                }
            }
            let kind = match entry.file_type() {
                FileType::Unknown => row::kind(&stat_at(&directory, name).ok()?),
                known => kind_of(known),
            };
            if kind == FileKind::Directory {
                self.enter(task, &directory, name, found);
            }
            self.judge(task, (&directory, name, kind), hits, grep.as_deref_mut());
        }
        self.findings.entries.fetch_add(count % 256, Ordering::Relaxed);
        Some(())
    }

    fn enter(&self, task: &Task, directory: &Arc<OwnedFd>, name: &[u8], found: &mut Vec<Task>) {
        if task.depth + 1 < self.search.bounds.depth {
            let parent = Arc::clone(directory);
            found.push(Task {
                parent,
                name: name.to_vec(),
                path: joined(&task.path, name),
                depth: task.depth + 1,
            });
        } else {
            self.findings.skip();
        }
    }

    fn judge(
        &self,
        task: &Task,
        (directory, name, kind): (&OwnedFd, &[u8], FileKind),
        hits: &mut Vec<FileHit>,
        grep: Option<&mut Grep<'_>>,
    ) {
        let is_kind = self.search.kind.is_none_or(|wanted| wanted == kind);
        let path = || joined(&task.path, name);
        let below = || {
            let path = path();
            let below = path.get(self.top.as_bytes().len()..).unwrap_or_default();
            below.strip_prefix(b"/").unwrap_or(below).to_vec()
        };
        if !is_kind || !self.search.fits(name, below) {
            return;
        }
        let Ok(path) = FilePath::new(path()) else { return };
        match grep {
            None => hits.push(FileHit { path, kind, line: None, text: FileContent::default() }),
            Some(grep) if kind == FileKind::File => {
                match crate::host::files::tree::open_file(directory, name) {
                    Ok(Some((file, _))) => {
                        grep.search(&file, &path, hits);
                        self.findings.put(hits, &self.search.bounds);
                    }
                    Ok(None) | Err(_) => self.findings.skip(),
                }
            }
            Some(_) => {}
        }
    }
}
