//! Names of users, from `passwd`, read anew when the file changed. Users that only a directory service knows
//! stay numbers: asking one can take seconds, and this is asked in the middle of a sample.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

/// Longest name that is believed.
const NAME_BYTES_MAX: usize = 64;
/// A larger file is not read.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The cache.
#[derive(Debug)]
pub(super) struct Users {
    path: PathBuf,
    /// Device, inode, size, and time of change.
    version: Option<(u64, u64, u64, i64, i64)>,
    names: HashMap<u32, Arc<str>>,
    /// Names made of numbers, so that rows share them.
    numbers: HashMap<u32, Arc<str>>,
}

/// Numbers without a name that are remembered.
const NUMBERS_MAX: usize = 1_024;

impl Users {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, version: None, names: HashMap::new(), numbers: HashMap::new() }
    }

    /// Reads the file again if it is another one than before.
    pub(super) fn refresh(&mut self) {
        let version = fs::metadata(&self.path).ok().filter(|file| file.len() <= FILE_BYTES_MAX);
        let version = version.as_ref().map(version_of);
        if version == self.version {
            return;
        }
        self.version = version;
        let text = version.and_then(|_| fs::read(&self.path).ok()).unwrap_or_default();
        self.names = parse(&String::from_utf8_lossy(&text));
    }

    /// The name of a user, or the number.
    pub(super) fn name(&mut self, uid: u32) -> Arc<str> {
        if let Some(name) = self.names.get(&uid) {
            return Arc::clone(name);
        }
        if self.numbers.len() >= NUMBERS_MAX {
            self.numbers.clear();
        }
        Arc::clone(self.numbers.entry(uid).or_insert_with(|| uid.to_string().into()))
    }
}

fn version_of(file: &Metadata) -> (u64, u64, u64, i64, i64) {
    (file.dev(), file.ino(), file.len(), file.mtime(), file.mtime_nsec())
}

/// The first name of each number, as the C library would find it.
fn parse(text: &str) -> HashMap<u32, Arc<str>> {
    let mut names = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty() && name.len() <= NAME_BYTES_MAX);
        if let (Some(name), Some(Ok(uid))) = (name, fields.nth(1).map(str::parse)) {
            names.entry(uid).or_insert_with(|| name.into());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_of_a_number_counts() {
        let names = parse("root:x:0:0::/:/bin/sh\ntoor:x:0:0\n# c\n:x:5:\nbad:x:-1:\nann:x:1000:1000\n+\n");
        assert_eq!(names.len(), 2);
        assert_eq!((&*names[&0], &*names[&1000]), ("root", "ann"));
    }

    #[test]
    fn a_changed_file_is_read_again_and_unknown_users_are_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passwd");
        let mut users = Users::new(path.clone());
        users.refresh();
        assert_eq!(&*users.name(7), "7");
        fs::write(&path, "ann:x:7:7\n").unwrap();
        users.refresh();
        assert_eq!(&*users.name(7), "ann");
        fs::write(&path, "bertha:x:7:7\n").unwrap();
        users.refresh();
        assert_eq!(&*users.name(7), "bertha");
    }
}
