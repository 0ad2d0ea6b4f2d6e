//! Recordings of shells: asciicast v2 files under `DATA/recordings`, for the node's own user alone.
//!
//! What a shell writes enters, and the sizes of its terminal; lines of a file leave. What is typed is never
//! recorded: passwords are typed, and what a program shows of it is in its output. A recording is bounded, and so
//! are all of them together; a shell that cannot be recorded any more must not go on, which its owner sees to.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use p2p_shared::services::shell::{ShellRecording, ShellSize};
use p2p_shared::time::{Millis, UnixMillis};
use serde::{Deserialize, Serialize};

/// Under the data directory.
const DIRECTORY: &str = "recordings";
/// Behind the id of a shell.
const EXTENSION: &str = "cast";
/// The most that is recorded of one shell.
pub const RECORDING_BYTES_MAX: u64 = 256 << 20;
/// All recordings together; the oldest make room.
pub const RECORDINGS_BYTES_MAX: u64 = 2 << 30;
/// The longest first line of a file.
const HEADER_BYTES_MAX: u64 = 64 << 10;

/// Of which shell a recording is: the first line of its file, as players read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    version: u8,
    width: u16,
    height: u16,
    /// Seconds since 1970.
    timestamp: u64,
    title: String,
    env: Environment,
    /// Not of the format; players pass over it.
    p2p_admin: Subject,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Environment {
    #[serde(rename = "TERM")]
    term: String,
}

/// Whose terminal it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The user that the shell ran as.
    pub user: String,
    /// What ran.
    pub command: Vec<String>,
    /// Who opened it.
    pub opened_by: String,
    /// When.
    pub opened: UnixMillis,
}

/// Something to be recorded, so long after the shell was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Millis,
    /// What.
    pub what: Happened,
}

/// What can be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// The shell wrote this.
    Output(Vec<u8>),
    /// The terminal has this size now.
    Resize(ShellSize),
}

/// One recording that is being made.
#[derive(Debug)]
pub struct Recording {
    file: File,
    size_bytes: u64,
    most_bytes: u64,
    // The beginning of a character whose end has not come yet.
    cut: Vec<u8>,
}

impl Recording {
    /// Begins one.
    ///
    /// # Errors
    /// If it cannot be written, or there is one of this id.
    pub fn begin(
        data: &Path,
        id: &str,
        subject: &Subject,
        (size, term): (ShellSize, &str),
    ) -> io::Result<Self> {
        let directory = data.join(DIRECTORY);
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        make_room(&directory, RECORDINGS_BYTES_MAX)?;
        let header = Header {
            version: 2,
            width: size.columns,
            height: size.rows,
            timestamp: subject.opened.0 / 1_000,
            title: format!(
                "{}: {}, opened by {}",
                subject.user,
                subject.command.join(" "),
                subject.opened_by
            ),
            env: Environment { term: term.to_owned() },
            p2p_admin: subject.clone(),
        };
        let mut line = serde_json::to_vec(&header)?;
        line.push(b'\n');
        let mut options = OpenOptions::new();
        let mut file = options.create_new(true).append(true).mode(0o600).open(path(&directory, id))?;
        file.write_all(&line)?;
        Ok(Self { file, size_bytes: line.len() as u64, most_bytes: RECORDING_BYTES_MAX, cut: Vec::new() })
    }

    /// Goes on with one of an earlier life of the node.
    ///
    /// # Errors
    /// If it is gone, or cannot be written.
    pub fn go_on(data: &Path, id: &str) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).open(path(&data.join(DIRECTORY), id))?;
        let mut size_bytes = file.metadata()?.len();
        let mut last = [b'\n'];
        file.read_exact_at(&mut last, size_bytes.saturating_sub(1))?;
        if last != *b"\n" {
            // A line that a killed node did not finish.
            file.write_all(b"\n")?;
            size_bytes += 1;
        }
        Ok(Self { file, size_bytes, most_bytes: RECORDING_BYTES_MAX, cut: Vec::new() })
    }

    /// Writes what happened.
    ///
    /// # Errors
    /// If it cannot be written, or the recording is as long as one may be.
    pub fn write(&mut self, event: Event) -> io::Result<()> {
        let at = event.at.0 as f64 / 1_000.0;
        let line = match event.what {
            Happened::Resize(size) => {
                serde_json::to_vec(&(at, "r", format!("{}x{}", size.columns, size.rows)))?
            }
            Happened::Output(bytes) => match self.text(bytes) {
                text if text.is_empty() => return Ok(()),
                text => serde_json::to_vec(&(at, "o", text))?,
            },
        };
        let length = line.len() as u64 + 1;
        if self.size_bytes + length > self.most_bytes {
            let most = self.most_bytes >> 20;
            return Err(io::Error::other(format!("it is as long as a recording may be ({most} MiB)")));
        }
        self.file.write_all(&[line.as_slice(), b"\n"].concat())?;
        self.size_bytes += length;
        Ok(())
    }

    /// What is there of characters so far; what is none becomes the sign for that.
    fn text(&mut self, bytes: Vec<u8>) -> String {
        let mut whole = std::mem::take(&mut self.cut);
        whole.extend(bytes);
        self.cut = whole.split_off(whole.len() - unfinished(&whole));
        String::from_utf8_lossy(&whole).into_owned()
    }
}

/// The recordings of a node, newest first.
///
/// # Errors
/// If the directory cannot be read; none is an empty list.
pub fn list(data: &Path) -> io::Result<Vec<ShellRecording>> {
    let mut found = Vec::new();
    for (path, metadata) in files(&data.join(DIRECTORY))? {
        let Some(id) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        let Some(Header { p2p_admin: of, .. }) = header(&path) else { continue };
        let modified = metadata.modified().ok();
        let since = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        found.push(ShellRecording {
            id: id.to_owned(),
            user: of.user,
            command: of.command,
            opened_by: of.opened_by,
            opened: of.opened,
            written: UnixMillis(since.map_or(of.opened.0, |since| Millis::from(since).0)),
            size_bytes: metadata.len(),
        });
    }
    found.sort_by(|one, other| (other.opened, &other.id).cmp(&(one.opened, &one.id)));
    Ok(found)
}

/// A recording, to be read by whole lines.
///
/// # Errors
/// If there is none of this id, or it cannot be read.
pub fn open(data: &Path, id: &str) -> io::Result<BufReader<File>> {
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_id {
        return Err(io::ErrorKind::NotFound.into());
    }
    File::open(path(&data.join(DIRECTORY), id)).map(BufReader::new)
}

/// How many bytes at the end begin a character and do not finish it.
fn unfinished(bytes: &[u8]) -> usize {
    for (before, byte) in bytes.iter().rev().take(3).enumerate() {
        let length = match byte {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 0,
        };
        return if length > before + 1 { before + 1 } else { 0 };
    }
    0
}

fn path(directory: &Path, id: &str) -> PathBuf {
    directory.join(id).with_extension(EXTENSION)
}

fn files(directory: &Path) -> io::Result<Vec<(PathBuf, fs::Metadata)>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != EXTENSION) {
            continue;
        }
        if let Ok(metadata) = fs::symlink_metadata(&path)
            && metadata.is_file()
        {
            found.push((path, metadata));
        }
    }
    Ok(found)
}

fn header(path: &Path) -> Option<Header> {
    let mut line = Vec::new();
    let file = BufReader::new(File::open(path).ok()?);
    io::Read::take(file, HEADER_BYTES_MAX).read_until(b'\n', &mut line).ok()?;
    serde_json::from_slice(&line).ok()
}

/// Removes what was written to longest ago, until there is room for one more.
fn make_room(directory: &Path, most_bytes: u64) -> io::Result<()> {
    let mut files = files(directory)?;
    files.sort_by_key(|(_, metadata)| metadata.modified().ok());
    let mut all: u64 = files.iter().map(|(_, metadata)| metadata.len()).sum();
    for (path, metadata) in files {
        if all + RECORDING_BYTES_MAX <= most_bytes {
            break;
        }
        tracing::warn!(path = %path.display(), "an old recording of a shell is removed to make room for a new one");
        fs::remove_file(&path)?;
        all -= metadata.len();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
