//! The streams of a run: named pipes, which outlive the node so that the next one reads on, and plain ones.
//!
//! Of a named pipe the program's end is open for both directions: while no node reads, it fills the pipe and then waits, as
//! for a journal that is restarted; it is never ended by a broken pipe.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, FileType, Gid, Mode, OFlags, Uid, chownat, mknodat, open};
use rustix::io::ioctl_fionbio;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use super::RunError;
use super::account::Account;

/// The pipes, by stream.
const NAMES: [&str; 2] = ["stdout.pipe", "stderr.pipe"];
/// What fits while nobody reads, where the kernel grants that much.
const PIPE_BYTES: usize = 1 << 20;

/// One pipe.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) read: OwnedFd,
    pub(super) write: File,
}

/// Makes both pipes anew.
///
/// # Errors
/// If the disk does not take them.
pub(super) fn make(directory: &Path, owner: Option<&Account>) -> Result<[Pipe; 2], RunError> {
    let failed = |path: &Path, error: io::Error| {
        RunError::Failed(format!("its output cannot be taken: {}: {error}", path.display()))
    };
    fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    let make = |name: &str| {
        let path = directory.join(name);
        make_one(&path, owner).map_err(|error| failed(&path, error))
    };
    Ok([make(NAMES[0])?, make(NAMES[1])?])
}

/// A pipe that the node reads, and nobody else can: it ends with the node.
pub(super) fn plain() -> io::Result<Pipe> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    ioctl_fionbio(&read, true)?;
    Ok(Pipe { read, write: write.into() })
}

/// A pipe that the node writes to: the end of the program, and that of the node.
pub(super) fn input() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    ioctl_fionbio(&write, true)?;
    Ok((read, write))
}

fn make_one(path: &Path, owner: Option<&Account>) -> io::Result<Pipe> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    if let Some(owner) = owner.filter(|_| rustix::process::geteuid().is_root()) {
        // A program that opens /dev/stdout anew opens this file.
        chownat(
            CWD,
            path,
            Some(Uid::from_raw(owner.uid)),
            Some(Gid::from_raw(owner.gid)),
            rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
        )?;
    }
    let read = reader(path)?;
    let write = File::options().read(true).write(true).open(path)?;
    // As much as the kernel grants.
    let _ = fcntl_setpipe_size(&write, PIPE_BYTES);
    Ok(Pipe { read, write })
}

/// The read ends of pipes that an earlier life of the node made.
pub(super) fn take_up(directory: &Path) -> [Option<OwnedFd>; 2] {
    NAMES.map(|name| reader(&directory.join(name)).ok())
}

fn reader(path: &Path) -> io::Result<OwnedFd> {
    Ok(open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())?)
}
