//! The data directory: is it there and ours, has it room, and would its database open.
//!
//! Reads the directory and, while no node holds it, a copy of the database in memory; takes no lock and
//! writes nothing.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use p2p_shared::error::Exit;
use p2p_shared::time::{Millis, UnixMillis};
use rustix::fs::{Access, StatVfsMountFlags, access, statfs, statvfs};

use super::Looked;
use super::finding::Finding;
use super::plan::Plan;
use super::words::{count, size};
use crate::host::Roots;
use crate::host::occupant::{self, Occupant};
use crate::store::Store;

const CHECK: &str = "store";
/// Less room than this is told, or less than this part of the file system.
const FREE_BYTES_MIN: u64 = 64 << 20;
const FREE_PART_MIN: u64 = 20;
/// File systems that lose data or lock badly, and those that are common, by their magic number.
const FILE_SYSTEMS: [(u64, &str, bool); 11] = [
    (0x0102_1994, "tmpfs", false),
    (0x6969, "NFS", false),
    (0xff53_4d42, "CIFS", false),
    (0x517b, "SMB", false),
    (0xef53, "ext4", true),
    (0x5846_5342, "xfs", true),
    (0x9123_683e, "btrfs", true),
    (0x2fc1_2fc1, "zfs", true),
    (0x794c_7630, "overlayfs", true),
    (0xf2f5_2010, "f2fs", true),
    (0xca45_1a4e, "bcachefs", true),
];

/// What is known of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFacts {
    /// Which.
    pub path: PathBuf,
    /// Whether a node can use the directory.
    pub directory: Directory,
    /// The file system it is on, or would be.
    pub disk: Option<Disk>,
    /// The database.
    pub database: DatabaseState,
    /// Peers that it remembers; `None` if it was not looked into.
    pub contacts: Option<usize>,
    /// The newest time in it.
    pub newest: Option<UnixMillis>,
}

/// The directory itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directory {
    /// It is there and can be written to.
    Good,
    /// It is not there, and a start makes it.
    ToBeMade,
    /// It is not there and cannot be made: below this one nothing can be.
    NotToBeMade(PathBuf),
    /// Others may look into it (these rights), and it is not for the node to close it.
    Open(u32),
    /// This process may not write to it.
    NotOurs {
        /// Whose it is.
        owner: u32,
    },
    /// It is something else, or cannot be looked at.
    Odd(String),
}

/// A file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Its kind, if it is known.
    pub kind: Option<&'static str>,
    /// Whether it is one for data that must stay.
    pub lasting: bool,
    /// Whether it is mounted read-only.
    pub read_only: bool,
    /// Bytes that are free for this process.
    pub free_bytes: u64,
    /// All of it.
    pub total_bytes: u64,
}

/// The database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseState {
    /// There is none yet.
    None,
    /// A node has it open.
    Held(Occupant),
    /// It would open; how many bytes it has.
    Good(u64),
    /// It would not: what the node would say, and its code.
    Bad(String, Exit),
    /// This user may not look.
    Hidden,
}

impl StoreFacts {
    /// Looks at the data directory.
    pub fn look(roots: &Roots, path: &Path) -> Self {
        let directory = Directory::look(path);
        let (database, copy) = database(roots, path);
        let written = fs::metadata(path.join("node.redb")).and_then(|file| file.modified()).ok().map(unix);
        let heard = copy.as_ref().and_then(|copy| copy.last_heard().ok().flatten());
        Self {
            disk: existing(path).and_then(Disk::look),
            contacts: match (&database, copy) {
                (DatabaseState::None, _) => Some(0),
                (_, copy) => copy.and_then(|copy| copy.contacts().ok()).map(|contacts| contacts.len()),
            },
            newest: written.max(heard),
            path: path.to_owned(),
            directory,
            database,
        }
    }
}

/// A time of the file system. One before 1970 counts as 1970.
pub(super) fn unix(at: SystemTime) -> UnixMillis {
    UnixMillis(Millis::from(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()).0)
}

impl Directory {
    fn look(path: &Path) -> Self {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = existing(path).unwrap_or(Path::new("/"));
                return match access(parent, Access::WRITE_OK | Access::EXEC_OK) {
                    Ok(()) => Self::ToBeMade,
                    Err(_) => Self::NotToBeMade(parent.to_owned()),
                };
            }
            Err(error) => return Self::Odd(error.to_string()),
        };
        if !metadata.is_dir() {
            return Self::Odd("it is not a directory".into());
        }
        if access(path, Access::WRITE_OK | Access::EXEC_OK).is_err() {
            return Self::NotOurs { owner: metadata.uid() };
        }
        // The same rule as at a start: what is new or ours is closed by the node itself.
        let mode = metadata.mode() & 0o7777;
        let own = metadata.uid() == rustix::process::geteuid().as_raw();
        let empty = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        let closes_itself = own && (empty || path.join("lock").is_file());
        if mode & 0o077 != 0 && !closes_itself { Self::Open(mode) } else { Self::Good }
    }
}

impl Disk {
    fn look(path: &Path) -> Option<Self> {
        let (space, found) = (statvfs(path).ok()?, statfs(path).ok()?);
        let magic = found.f_type as u64 & 0xffff_ffff;
        let known = FILE_SYSTEMS.iter().find(|(number, ..)| *number == magic);
        Some(Self {
            kind: known.map(|(_, name, _)| *name),
            lasting: known.is_none_or(|(.., lasting)| *lasting),
            read_only: space.f_flag.contains(StatVfsMountFlags::RDONLY),
            free_bytes: space.f_bavail.saturating_mul(space.f_frsize),
            total_bytes: space.f_blocks.saturating_mul(space.f_frsize),
        })
    }

    const fn is_full(&self) -> bool {
        self.free_bytes < FREE_BYTES_MIN || self.free_bytes < self.total_bytes / FREE_PART_MIN
    }
}

/// The nearest directory that is there.
fn existing(path: &Path) -> Option<&Path> {
    path.ancestors().find(|path| path.exists())
}

fn database(roots: &Roots, path: &Path) -> (DatabaseState, Option<Store>) {
    let inode = |name: &str| fs::metadata(path.join(name)).map(|file| file.ino());
    let held = ["node.redb", "lock"].iter().filter_map(|name| inode(name).ok());
    let held = held.into_iter().find_map(|inode| occupant::of_lock(roots, inode));
    if let Some(pid) = held {
        let unnamed = Occupant { pid, program: "a process".into() };
        return (DatabaseState::Held(occupant::process(roots, pid).unwrap_or(unnamed)), None);
    }
    let hidden = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    let file = path.join("node.redb");
    match fs::File::open(&file).and_then(|file| file.metadata()) {
        Err(error) if hidden(&error) => (DatabaseState::Hidden, None),
        Err(_) => (DatabaseState::None, None),
        Ok(metadata) => match Store::copy_of(path) {
            Ok(None) => (DatabaseState::None, None),
            Ok(Some(copy)) => (DatabaseState::Good(metadata.len()), Some(copy)),
            Err(error) => (DatabaseState::Bad(error.to_string(), error.exit()), None),
        },
    }
}

/// What is to be said of the data directory.
pub fn judge(plan: &Plan, looked: &Looked<StoreFacts>) -> Vec<Finding> {
    let facts = match looked {
        Looked::At(facts) => facts,
        Looked::Nowhere => {
            return vec![Finding::warn(CHECK, "not looked at: no name and no --data", "give --data DIR")];
        }
        Looked::Hung => {
            let found = "the disk does not answer: a network file system that is gone?";
            return vec![Finding::fail(CHECK, Exit::Config, found, "look at `mount` and `dmesg`")];
        }
    };
    let path = facts.path.display();
    if let Some(finding) = judge_directory(facts, plan) {
        return vec![finding];
    }
    let mut findings = vec![judge_database(facts)];
    if let Some(disk) = facts.disk.filter(|disk| disk.is_full() && !disk.read_only) {
        let (free, total) = (size(disk.free_bytes), size(disk.total_bytes));
        let found =
            format!("{path}: {free} of {total} free: the node cannot keep what it learns much longer");
        findings.push(Finding::warn(CHECK, found, format!("make room: `du -xh {path}/.. | sort -h | tail`")));
    }
    if let Some(kind) = facts.disk.filter(|disk| !disk.lasting).and_then(|disk| disk.kind) {
        let found = format!("{path} is on {kind}, which loses data at a restart or locks badly");
        findings.push(Finding::warn(CHECK, found, "choose a directory on a local disk with --data"));
    }
    findings
}

fn judge_directory(facts: &StoreFacts, plan: &Plan) -> Option<Finding> {
    let path = facts.path.display();
    let fail = |found: String, action: String| Some(Finding::fail(CHECK, Exit::Config, found, action));
    if facts.disk.is_some_and(|disk| disk.read_only) {
        return fail(
            format!("{path}: its file system is mounted read-only"),
            "look at `dmesg`, then remount it".into(),
        );
    }
    let outsider = plan.service && plan.uid != 0;
    match &facts.directory {
        Directory::Good => None,
        Directory::ToBeMade => Some(Finding::ok(CHECK, format!("{path}: a start makes it"))),
        Directory::NotOurs { .. } | Directory::Odd(_) | Directory::NotToBeMade(_) if outsider => {
            let found = format!("{path}: not to be looked into as user {}", plan.uid);
            Some(Finding::warn(CHECK, found, "sudo p2p-node doctor"))
        }
        Directory::NotToBeMade(parent) => fail(
            format!("{path}: it cannot be made: {} is not for user {}", parent.display(), plan.uid),
            "make it for that user, or choose another with --data".into(),
        ),
        Directory::Open(mode) => {
            fail(format!("{path}: open to other users (mode {mode:o})"), format!("chmod 700 {path}"))
        }
        Directory::NotOurs { owner } => fail(
            format!("{path}: it is user {owner}'s, and user {} may not write to it", plan.uid),
            "run the node as that user, or choose another with --data".into(),
        ),
        Directory::Odd(what) => fail(format!("{path}: {what}"), "choose another with --data".into()),
    }
}

fn judge_database(facts: &StoreFacts) -> Finding {
    let path = facts.path.display();
    let disk = facts.disk.map_or_else(String::new, |disk| {
        format!("; {}, {} free", disk.kind.unwrap_or("file system of another kind"), size(disk.free_bytes))
    });
    match &facts.database {
        DatabaseState::None => Finding::ok(CHECK, format!("{path}: no database yet{disk}")),
        DatabaseState::Held(Occupant { pid, program }) => {
            Finding::ok(CHECK, format!("{path}: in use by {program} (pid {pid}){disk}"))
        }
        DatabaseState::Good(bytes) => {
            let remembered = count(facts.contacts.unwrap_or_default() as u64, "peer");
            Finding::ok(CHECK, format!("{path}: {} kB, {remembered} remembered{disk}", bytes >> 10))
        }
        DatabaseState::Bad(error, exit) => {
            let (found, action) = error.rsplit_once("; ").unwrap_or((error, "look at the disk: `dmesg`"));
            Finding::fail(CHECK, *exit, found, action)
        }
        DatabaseState::Hidden => Finding::warn(
            CHECK,
            format!("{path}: its database is not to be read here"),
            "sudo p2p-node doctor",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::doctor::Verdict;

    const DISK: Disk = Disk {
        kind: Some("ext4"),
        lasting: true,
        read_only: false,
        free_bytes: 10 << 30,
        total_bytes: 20 << 30,
    };

    fn facts(directory: Directory, database: DatabaseState, disk: Disk) -> StoreFacts {
        StoreFacts {
            path: "/data".into(),
            directory,
            disk: Some(disk),
            database,
            contacts: Some(3),
            newest: None,
        }
    }

    #[test]
    fn every_state_of_the_store_has_its_word_and_its_step() {
        let fail = Verdict::Fail(Exit::Config);
        let good = || DatabaseState::Good(9_000);
        let holder = Occupant { pid: 7, program: "p2p-node".into() };
        let damaged = || DatabaseState::Bad("/data/node.redb is damaged; move it away".into(), Exit::Config);
        for (facts, verdict, words) in [
            (facts(Directory::Good, good(), DISK), Verdict::Ok, "3 peers remembered"),
            (facts(Directory::Good, DatabaseState::Held(holder), DISK), Verdict::Ok, "pid 7"),
            (facts(Directory::Good, DatabaseState::None, DISK), Verdict::Ok, "no database yet"),
            (facts(Directory::Good, damaged(), DISK), fail, "damaged"),
            (facts(Directory::Good, DatabaseState::Hidden, DISK), Verdict::Warn, "not to be read"),
            (facts(Directory::ToBeMade, DatabaseState::None, DISK), Verdict::Ok, "a start makes it"),
            (facts(Directory::NotToBeMade("/".into()), DatabaseState::None, DISK), fail, "cannot be made"),
            (facts(Directory::Open(0o755), good(), DISK), fail, "mode 755"),
            (facts(Directory::NotOurs { owner: 9 }, good(), DISK), fail, "user 9's"),
            (facts(Directory::Odd("gone".into()), good(), DISK), fail, "gone"),
            (facts(Directory::Good, good(), Disk { read_only: true, ..DISK }), fail, "read-only"),
        ] {
            let finding = judge(&Plan::default(), &Looked::At(facts)).remove(0);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.found.contains(words), "{finding:?}");
            assert_eq!(finding.action.is_some(), verdict != Verdict::Ok);
        }
        let outsider = Plan { service: true, uid: 1_000, ..Plan::default() };
        let hidden = facts(Directory::NotOurs { owner: 0 }, DatabaseState::Hidden, DISK);
        assert_eq!(judge(&outsider, &Looked::At(hidden))[0].verdict, Verdict::Warn);
        assert_eq!(judge(&outsider, &Looked::Hung)[0].verdict, fail);
        assert_eq!(judge(&outsider, &Looked::Nowhere)[0].verdict, Verdict::Warn);
    }

    #[test]
    fn little_room_and_a_doubtful_file_system_are_told_beside_the_rest() {
        for disk in [
            Disk { free_bytes: 63 << 20, total_bytes: 100 << 20, ..DISK },
            Disk { free_bytes: 900 << 20, ..DISK },
            Disk { kind: Some("tmpfs"), lasting: false, ..DISK },
        ] {
            let findings =
                judge(&Plan::default(), &Looked::At(facts(Directory::Good, DatabaseState::None, disk)));
            assert_eq!((findings.len(), findings[1].verdict), (2, Verdict::Warn), "{findings:?}");
        }
    }

    #[test]
    fn a_real_directory_is_looked_at_and_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let (roots, data) = (Roots::default(), root.path().join("a/data"));
        let found = StoreFacts::look(&roots, &data);
        assert_eq!((&found.directory, &found.database), (&Directory::ToBeMade, &DatabaseState::None));
        assert!(!data.exists() && found.disk.is_some());
        let store = Store::open(&data).unwrap();
        let held = StoreFacts::look(&roots, &data);
        let DatabaseState::Held(holder) = held.database else { panic!("{held:?}") };
        assert_eq!((holder.pid, held.contacts), (std::process::id(), None));
        drop(store);
        let found = StoreFacts::look(&roots, &data);
        assert!(matches!(found.database, DatabaseState::Good(_)), "{found:?}");
        assert_eq!((found.contacts, found.directory), (Some(0), Directory::Good));
        assert!(found.newest.is_some());
        fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
        assert_eq!(StoreFacts::look(&roots, &data).directory, Directory::Open(0o755));
        fs::write(data.join("lock"), "").unwrap();
        assert_eq!(StoreFacts::look(&roots, &data).directory, Directory::Good);
    }
}
