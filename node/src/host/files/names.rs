//! Names of users and groups, from `passwd` and `group` alone: asking a directory service can take seconds.

use std::collections::HashMap;
use std::fs;
use std::io::Read;

/// A larger file is not read to its end.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Numbers to names.
#[derive(Debug, Default)]
pub(super) struct Names {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Names {
    /// As they are now.
    pub(super) fn read() -> Self {
        Self { users: parsed("/etc/passwd"), groups: parsed("/etc/group") }
    }

    pub(super) fn user(&self, uid: u32) -> String {
        self.users.get(&uid).cloned().unwrap_or_else(|| uid.to_string())
    }

    pub(super) fn group(&self, gid: u32) -> String {
        self.groups.get(&gid).cloned().unwrap_or_else(|| gid.to_string())
    }

    /// The number of a user, by name or number.
    pub(super) fn uid(&self, text: &str) -> Option<u32> {
        number(&self.users, text)
    }

    /// The number of a group, by name or number.
    pub(super) fn gid(&self, text: &str) -> Option<u32> {
        number(&self.groups, text)
    }
}

/// Every bit set means "unchanged" to the kernel and is nobody's number.
fn number(names: &HashMap<u32, String>, text: &str) -> Option<u32> {
    let named = names.iter().find(|(_, name)| *name == text).map(|(&number, _)| number);
    named.or_else(|| text.parse().ok()).filter(|&number| number != u32::MAX)
}

/// `name:password:number:...`, the first of each number.
fn parsed(path: &str) -> HashMap<u32, String> {
    let mut text = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut text));
    let mut names = HashMap::new();
    if read.is_ok() {
        for line in String::from_utf8_lossy(&text).lines() {
            let mut fields = line.split(':');
            if let (Some(name), Some(Ok(number))) = (fields.next(), fields.nth(1).map(str::parse)) {
                names.entry(number).or_insert_with(|| name.to_owned());
            }
        }
    }
    names
}
