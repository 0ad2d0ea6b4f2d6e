//! The data directory: ours alone, locked while we run, with a note of where we listen.
//!
//! Touches the directory it is given, `lock` and `run.json` in it, and nothing else. It refuses what another
//! user could write to.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use p2p_shared::error::Exit;
use rustix::fs::{FlockOperation, flock, statfs};
use serde::Serialize;

use super::{Listening, StartError};

/// File systems that lose data at a restart or lock badly, by their magic number.
const DOUBTFUL: [(i64, &str); 4] =
    [(0x0102_1994, "tmpfs"), (0x6969, "NFS"), (0xff53_4d42, "CIFS"), (0x517b, "SMB")];

/// How long a lock is waited for: a node that was killed while it started something has its lock held on by the half
/// started process, until that executes its program.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is tried meanwhile.
const AGAIN: Duration = Duration::from_millis(10);

/// The locked directory.
pub(super) struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// `run.json`; removed when dropped.
pub(super) struct Announced(PathBuf);

/// What scripts read to find a node that was started with port 0.
#[derive(Serialize)]
struct Run<'a> {
    pid: u32,
    name: &'a str,
    quic_address: String,
    http_address: Option<String>,
}

impl DataDir {
    /// Makes it if it is missing, and takes its lock.
    pub(super) fn open(path: &Path) -> Result<Self, StartError> {
        Self::open_within(path, PATIENCE)
    }

    fn open_within(path: &Path, patience: Duration) -> Result<Self, StartError> {
        let failed = |error: &dyn std::fmt::Display| {
            StartError::new(Exit::Config, format!("data directory: {}: {error}", path.display()))
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| failed(&format!("cannot be made: {error}: choose another with --data")))?;
        let lock_path = path.join("lock");
        keep_private(path, &lock_path).map_err(|message| failed(&message))?;
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).mode(0o600).open(&lock_path).map_err(
            |error| {
                failed(&format!(
                    "cannot be written to: {error}: make it the node's own, or choose another with --data"
                ))
            },
        )?;
        let began = Instant::now();
        while flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            if began.elapsed() >= patience {
                return Err(failed(
                    &"another p2p-node runs on it: stop that one, or choose another with --data",
                ));
            }
            sleep(AGAIN);
        }
        warn_of_file_system(path);
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Writes `run.json`, whole or not at all.
    pub(super) fn announce(&self, listening: &Listening) -> Result<Announced, StartError> {
        let run = Run {
            pid: std::process::id(),
            name: listening.name.as_str(),
            quic_address: listening.quic_address.to_string(),
            http_address: listening.http_address.map(|address| address.to_string()),
        };
        let path = self.path.join("run.json");
        let written = serde_json::to_vec(&run).map_err(Into::into).and_then(|text| write_whole(&path, &text));
        match written {
            Ok(()) => Ok(Announced(path)),
            Err(error) => {
                Err(StartError::new(Exit::Failed, format!("{}: cannot be written: {error}", path.display())))
            }
        }
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "cannot be removed");
        }
    }
}

fn write_whole(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let draft = path.with_extension("json.new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
    file.write_all(text)?;
    file.write_all(b"\n")?;
    fs::rename(&draft, path)
}

/// Closes the directory to others, if it is new or ours: not every directory that somebody names.
fn keep_private(path: &Path, lock: &Path) -> Result<(), String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let empty = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    let own = metadata.uid() == rustix::process::geteuid().as_raw();
    if own && (empty || lock.is_file()) {
        return fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(|error| error.to_string());
    }
    Err(format!("is open to other users (mode {mode:o}): chmod 700 it, or choose another with --data"))
}

fn warn_of_file_system(path: &Path) {
    let Ok(found) = statfs(path) else { return };
    // The width of f_type differs between architectures.
    #[expect(clippy::unnecessary_cast, reason = "f_type is i64 here and narrower elsewhere")]
    let magic = found.f_type as i64 & 0xffff_ffff;
    if let Some((_, name)) = DOUBTFUL.iter().find(|(number, _)| *number == magic) {
        tracing::warn!(path = %path.display(), "the data directory is on {name}: data may be lost or locks may fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening() -> Listening {
        Listening {
            name: "web-1".parse().unwrap(),
            quic_address: "[::]:5678".parse().unwrap(),
            http_address: None,
        }
    }

    #[test]
    fn a_missing_directory_is_made_for_its_owner_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        let data = DataDir::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        let announced = data.announce(&listening()).unwrap();
        let text = fs::read_to_string(path.join("run.json")).unwrap();
        let run: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(run["name"], "web-1");
        assert_eq!(run["quic_address"], "[::]:5678");
        assert_eq!(run["pid"], std::process::id());
        assert!(run["http_address"].is_null());
        drop(announced);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
    }

    #[test]
    fn a_second_node_on_the_same_directory_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let first = DataDir::open(root.path()).unwrap();
        let refused = DataDir::open_within(root.path(), Duration::ZERO).err().unwrap();
        assert_eq!(refused.exit, Exit::Config);
        assert!(refused.message.contains("another p2p-node"), "{refused}");
        let gone = std::thread::spawn(move || drop(first));
        assert!(DataDir::open_within(root.path(), Duration::from_secs(30)).is_ok(), "it was about to end");
        gone.join().unwrap();
    }

    #[test]
    fn a_directory_of_others_is_refused_and_left_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("somebody's"), "").unwrap();
        fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
        assert!(DataDir::open(root.path()).err().unwrap().message.contains("chmod 700"));
        assert_eq!(fs::metadata(root.path()).unwrap().mode() & 0o777, 0o755);
        let file = root.path().join("somebody's");
        assert!(DataDir::open(&file).is_err());
    }
}
