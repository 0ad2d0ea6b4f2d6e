//! The users of this node's HTTP face: a file that `p2p-node user` changes and the node reads.
//!
//! Names, roles and hashes enter and leave; no password and no token does. The file is replaced as a whole, so
//! that a node that runs never sees half of it; one that cannot be read means that there are no users.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use p2p_shared::access::Role;
use p2p_shared::id::hex;
use p2p_shared::time::UnixMillis;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::secret::{self, Digest};

/// The file, in the data directory.
const FILE: &str = "users.json";
/// Taken while it is changed.
const LOCK: &str = "users.lock";
/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// Most users.
pub const USERS_MAX: usize = 1_000;
/// Most tokens of one user.
pub const TOKENS_MAX: usize = 64;
/// How old the users may be by which a request is judged.
pub const LATELY: Duration = Duration::from_millis(100);
/// Longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// Why the users cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// The file system says so.
    #[error("{}: {source}", path.display())]
    File {
        /// On which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no such file.
    #[error("{}: is no list of users: {why}: mend it or remove it, and add the users again", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// One user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// As at the login.
    pub name: String,
    /// What the user may do.
    pub role: Role,
    /// The password's hash as a PHC string (Argon2id); `None` for one who only has tokens.
    pub password: Option<String>,
    /// When password or role last changed: sessions from before are over.
    pub changed: UnixMillis,
    /// Long-lived tokens.
    #[serde(default)]
    pub tokens: Vec<LongToken>,
}

/// A long-lived token, for a scraper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LongToken {
    /// What it is called by, when it is listed and removed.
    pub id: String,
    /// SHA-256 of it.
    pub hash: Digest,
    /// When it was made.
    pub made: UnixMillis,
    /// When it ends.
    pub ends: UnixMillis,
}

/// All users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Users {
    /// In the order of their names.
    pub users: Vec<User>,
}

impl Users {
    /// The users kept in the data directory.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn read(data: &Path) -> Result<Self, UsersError> {
        let path = data.join(FILE);
        let failed = |source| UsersError::File { path: path.clone(), source };
        let mut text = String::new();
        match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(error)),
            Ok(file) => file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?,
        };
        serde_json::from_str(&text)
            .map_err(|error| UsersError::Malformed { path: path.clone(), why: error.to_string() })
    }

    /// Changes the users of a data directory, which is made if it is missing: all of it, or nothing.
    ///
    /// # Errors
    /// As `change` says, or if they cannot be read or kept.
    pub fn change<T, E: From<UsersError>>(
        data: &Path,
        change: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let failed = |path: PathBuf| move |source| UsersError::File { path, source };
        DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(failed(data.to_owned()))?;
        let lock = data.join(LOCK);
        let owner = fs::metadata(data).map_err(failed(data.to_owned()))?;
        let locked = open_private(&lock, &owner).map_err(failed(lock.clone()))?;
        flock(&locked, FlockOperation::LockExclusive).map_err(|error| failed(lock)(error.into()))?;
        let mut users = Self::read(data)?;
        let answer = change(&mut users)?;
        users.users.sort_by(|one, other| one.name.cmp(&other.name));
        let path = data.join(FILE);
        users.replace(&path, &owner).map_err(failed(path))?;
        Ok(answer)
    }

    fn replace(&self, path: &Path, owner: &fs::Metadata) -> io::Result<()> {
        let draft = path.with_extension(format!("{}.new", hex(&secret::random::<8>())));
        let written = open_private(&draft, owner).and_then(|mut file| {
            serde_json::to_writer_pretty(&file, self)?;
            file.write_all(b"\n")?;
            file.sync_all()
        });
        let named = written.and_then(|()| fs::rename(&draft, path));
        if named.is_err() {
            let _ = fs::remove_file(&draft);
        }
        named.and_then(|()| File::open(path.parent().unwrap_or(path))?.sync_all())
    }

    /// The user of a name.
    pub fn get(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut User> {
        self.users.iter_mut().find(|user| user.name == name)
    }
}

/// A file of the data directory's owner, closed to others: root makes them for a node that is not root.
fn open_private(path: &Path, owner: &fs::Metadata) -> io::Result<File> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    if file.metadata()?.uid() != owner.uid() {
        fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(file)
}

/// Whether a name may be a user's.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(good) || name.starts_with('-') {
        return Err("a user's name is 1 to 64 of A-Z a-z 0-9 . _ @ -, and does not begin with -");
    }
    Ok(())
}

/// The users as a node sees them that runs: what the file says now.
#[derive(Debug)]
pub struct UserFile {
    data: PathBuf,
    // Held for a look at the file's stamp, and for reading it when it changed.
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    looked: Option<Instant>,
    stamp: Option<Stamp>,
    users: Arc<Users>,
}

/// Another one stands for another content: the file is only ever replaced.
type Stamp = (u64, i64, i64, u64);

impl UserFile {
    /// The users of a data directory.
    pub fn new(data: &Path) -> Self {
        Self { data: data.to_owned(), seen: Mutex::default() }
    }

    /// All of them now; none if the file cannot be read, which is logged once.
    pub fn now(&self) -> Arc<Users> {
        self.seen().look(&self.data)
    }

    /// The same, as they were at most [`LATELY`] ago: a look costs a request a tenth of its time.
    pub fn lately(&self) -> Arc<Users> {
        let mut seen = self.seen();
        match seen.looked {
            Some(looked) if looked.elapsed() < LATELY => Arc::clone(&seen.users),
            _ => seen.look(&self.data),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn look(&mut self, data: &Path) -> Arc<Users> {
        let stamp = fs::metadata(data.join(FILE))
            .ok()
            .map(|file| (file.ino(), file.mtime(), file.mtime_nsec(), file.len()));
        if self.stamp != stamp {
            let users = Users::read(data).unwrap_or_else(|error| {
                tracing::error!(%error, "no user is let in");
                Users::default()
            });
            (self.stamp, self.users) = (stamp, Arc::new(users));
        }
        self.looked = Some(Instant::now());
        Arc::clone(&self.users)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    fn user(name: &str) -> User {
        User {
            name: name.to_owned(),
            role: Role::Viewer,
            password: None,
            changed: UnixMillis(1),
            tokens: vec![],
        }
    }

    fn add(data: &Path, name: &str) {
        Users::change(data, |users| {
            users.users.push(user(name));
            Ok::<(), UsersError>(())
        })
        .unwrap();
    }

    #[test]
    fn a_running_node_sees_every_change_and_a_broken_file_lets_nobody_in() {
        let data = TempDir::new().unwrap();
        let file = UserFile::new(data.path());
        assert!(file.now().users.is_empty());
        add(data.path(), "zoe");
        add(data.path(), "ann");
        let names: Vec<_> = file.now().users.iter().map(|user| user.name.clone()).collect();
        assert_eq!(names, ["ann", "zoe"]);
        let mode = fs::metadata(data.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        fs::write(data.path().join(FILE), "{\"users\": [{\"name\": 7}]}").unwrap();
        assert!(file.now().users.is_empty());
        let error = Users::change(data.path(), |_| Ok::<(), UsersError>(())).unwrap_err();
        assert!(error.to_string().contains("is no list of users"), "{error}");
        fs::remove_file(data.path().join(FILE)).unwrap();
        assert!(file.now().users.is_empty());
    }

    #[test]
    fn a_change_that_fails_changes_nothing() {
        let data = TempDir::new().unwrap();
        add(data.path(), "ann");
        let failed = Users::change(data.path(), |users| {
            users.users.clear();
            Err::<(), UsersError>(UsersError::Malformed { path: PathBuf::new(), why: "no".into() })
        });
        assert!(failed.is_err());
        assert_eq!(Users::read(data.path()).unwrap().users, [user("ann")]);
    }

    #[test]
    fn names_are_what_a_log_and_a_url_can_hold() {
        for name in ["ann", "ops@example.org", "a.b-c_d"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        let long = "a".repeat(65);
        for name in ["", "-a", "a b", "a\n", "ä", "a/b", &long] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }
}
