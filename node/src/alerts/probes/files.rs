//! Files that rules name: whether they are there, how large and how old.
//!
//! Paths are resolved in the jail of the policy in force, as in the service `file`. Ages grow by the monotonic
//! clock from when a file was first seen so, so that a wall clock that jumps makes no file old.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use p2p_shared::services::file::{FilePath, FileRow};
use p2p_shared::time::Millis;
use rustix::io::Errno;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::super::core::alert::Figure;
use super::super::core::catalogue::FILE_LABEL;
use super::super::core::wanted::Wanted;
use super::super::figures::{labelled, truth};
use super::{Told, pause, tell};
use crate::host::files::error::FileError;
use crate::host::files::jail::Jail;
use crate::host::files::list;
use crate::host::files::reserved::Reserved;
use crate::host::moment::Moment;
use crate::policy::Fuse;

/// How often they are looked at.
const PERIOD: Duration = Duration::from_secs(10);
/// A file system that has not answered by then does not answer.
const PATIENCE: Duration = Duration::from_secs(5);
const NANOS_PER_MS: i64 = 1_000_000;

/// What one path was when it was looked at.
type Looks = Vec<(String, Result<FileRow, FileError>)>;

/// A time of a file, and how long before the monotonic clock's zero or after it that was.
#[derive(Clone, Copy, Debug)]
struct Aged {
    ns: i64,
    age: Millis,
    seen: Millis,
}

/// Ages of the files that are looked at.
#[derive(Debug, Default)]
struct Ages {
    written: BTreeMap<String, Aged>,
    changed: BTreeMap<String, Aged>,
}

pub(super) async fn run(
    (fuse, reserved): (Fuse, Arc<Reserved>),
    mut wanted: watch::Receiver<Arc<Wanted>>,
    told: Told,
) {
    let mut ages = Ages::default();
    // A look that hangs: no other is begun beside it.
    let mut hanging: Option<JoinHandle<Looks>> = None;
    loop {
        let paths: Vec<String> = wanted.borrow_and_update().files.iter().cloned().collect();
        let mut look = match hanging.take() {
            Some(look) => look,
            None => {
                let (fuse, reserved) = (fuse.clone(), Arc::clone(&reserved));
                spawn_blocking(move || look_at(&Jail::new(fuse.policy().file_roots(), reserved), paths))
            }
        };
        match timeout(PATIENCE, &mut look).await {
            Ok(Ok(looks)) => tell(&told, ages.figures(Moment::now(), looks)),
            Ok(Err(_)) => return,
            Err(_) => {
                tell(&told, Vec::new());
                hanging = Some(look);
            }
        }
        // Nothing to look at is no reason to wake up.
        let period = if wanted.borrow().files.is_empty() { Duration::MAX } else { PERIOD };
        if !pause(period, &mut wanted).await {
            return;
        }
    }
}

fn look_at(jail: &Jail, paths: Vec<String>) -> Looks {
    let look = |path: String| {
        let looked = match FilePath::new(path.as_bytes()) {
            Ok(name) => list::stat(jail, &name, true),
            Err(error) => Err(FileError::Invalid(error.to_string())),
        };
        (path, looked)
    };
    paths.into_iter().map(look).collect()
}

impl Ages {
    fn figures(&mut self, now: Moment, looks: Looks) -> Vec<Figure> {
        let mut found = Vec::new();
        for (path, looked) in looks {
            let label = (FILE_LABEL, path.as_str());
            match looked {
                Ok(row) => {
                    found.push(labelled("file_exists", label, truth(true)));
                    found.push(labelled("file_size_bytes", label, row.version.size_bytes as f64));
                    let age = age(&mut self.written, &path, row.version.modified_ns, now);
                    found.push(labelled("file_age_seconds", label, age));
                    let age = self::age(&mut self.changed, &path, row.changed_ns, now);
                    found.push(labelled("file_changed_seconds", label, age));
                }
                Err(FileError::Os { source: Errno::NOENT | Errno::NOTDIR, .. }) => {
                    found.push(labelled("file_exists", label, truth(false)));
                }
                // What cannot be seen may be there.
                Err(error) => tracing::debug!(%error, "a file that a rule names cannot be looked at"),
            }
        }
        found
    }
}

/// How old something is, in seconds.
fn age(ages: &mut BTreeMap<String, Aged>, path: &str, ns: i64, now: Moment) -> f64 {
    let known = ages.get(path).filter(|aged| aged.ns == ns).copied();
    let aged = known.unwrap_or_else(|| {
        let then_ms = u64::try_from(ns / NANOS_PER_MS).unwrap_or(0);
        Aged { ns, age: Millis(now.wall.0.saturating_sub(then_ms)), seen: now.monotonic }
    });
    if known.is_none() {
        ages.insert(path.to_owned(), aged);
    }
    (aged.age + now.monotonic.since(aged.seen)).0 as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use p2p_shared::time::UnixMillis;

    use super::*;
    use crate::host::files::reserved::Own;

    #[test]
    fn a_file_grows_old_by_the_monotonic_clock_alone() {
        let mut ages = BTreeMap::new();
        let at = |monotonic, wall| Moment {
            monotonic: Millis(monotonic),
            wall: UnixMillis(wall),
            ..Moment::default()
        };
        let ns = 5_000_000 * NANOS_PER_MS;
        assert_eq!(age(&mut ages, "/a", ns, at(1_000, 5_010_000)), 10.0);
        assert_eq!(age(&mut ages, "/a", ns, at(2_000, 8_611_000)), 11.0, "the clock went an hour on");
        assert_eq!(
            age(&mut ages, "/a", 8_611_000 * NANOS_PER_MS, at(3_000, 8_612_000)),
            1.0,
            "it was written"
        );
    }

    #[test]
    fn what_is_not_there_is_said_and_what_may_not_be_seen_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a");
        std::fs::write(&file, b"12345").unwrap();
        let data = directory.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let jail = Jail::new(None, Arc::new(Reserved::of_node(&data, &Own::default())));
        let paths = [file, directory.path().join("b/c")].map(|path| path.to_str().unwrap().to_owned());
        let found = Ages::default().figures(Moment::now(), look_at(&jail, paths.to_vec()));
        let value = |metric: &str, path: &str| {
            let is = |one: &&Figure| one.metric == metric && one.labels[FILE_LABEL] == path;
            found.iter().find(is).map(|one| one.value)
        };
        assert_eq!(
            (value("file_size_bytes", &paths[0]), value("file_exists", &paths[0])),
            (Some(5.0), Some(1.0))
        );
        assert_eq!((value("file_size_bytes", &paths[1]), value("file_exists", &paths[1])), (None, Some(0.0)));
        let outside = Jail::new(Some(&[data]), Arc::new(Reserved::default()));
        assert_eq!(Ages::default().figures(Moment::now(), look_at(&outside, paths.to_vec())), []);
    }
}
