//! Users to run as, from `passwd` and `group`. Users that only a directory service knows are not found here.

use std::fs;
use std::path::PathBuf;

use crate::host::Roots;

/// A larger file is not read.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Its own group.
    pub gid: u32,
    /// Every group that it is in, its own among them.
    pub groups: Vec<u32>,
    /// Its home.
    pub home: PathBuf,
    /// Its shell.
    pub shell: String,
}

impl Account {
    /// The user of a name or a number.
    pub fn find(roots: &Roots, user: &str) -> Option<Self> {
        let passwd = read(roots, "passwd");
        let number: Option<u32> = user.parse().ok();
        let lines = || passwd.lines().filter_map(Self::parse);
        let named = lines().find(|account| account.name == user);
        let mut account =
            named.or_else(|| lines().find(|account| number.is_some_and(|number| account.uid == number)))?;
        account.groups = groups(&read(roots, "group"), &account.name, account.gid);
        Some(account)
    }

    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, shell] = fields.as_slice() else { return None };
        let shell = if shell.is_empty() { "/bin/sh" } else { shell };
        Some(Self {
            name: (*name).to_owned(),
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            groups: Vec::new(),
            home: PathBuf::from(home),
            shell: shell.to_owned(),
        })
    }
}

fn read(roots: &Roots, name: &str) -> String {
    let path = roots.etc.join(name);
    let fits = fs::metadata(&path).is_ok_and(|file| file.len() <= FILE_BYTES_MAX);
    let text = if fits { fs::read(&path).unwrap_or_default() } else { Vec::new() };
    String::from_utf8_lossy(&text).into_owned()
}

fn groups(text: &str, name: &str, own: u32) -> Vec<u32> {
    let member = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let [_, _, gid, members] = fields.as_slice() else { return None };
        members.split(',').any(|member| member == name).then(|| gid.parse().ok()).flatten()
    };
    let mut groups: Vec<u32> = std::iter::once(own).chain(text.lines().filter_map(member)).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_and_number_with_all_its_groups() {
        let etc = tempfile::tempdir().unwrap();
        fs::write(
            etc.path().join("passwd"),
            "root:x:0:0::/root:/bin/bash\nann:x:1000:100::/home/ann:\n7:x:9:9::/:/x\n",
        )
        .unwrap();
        fs::write(etc.path().join("group"), "users:x:100:\nadm:x:4:bob,ann\nnoann:x:5:annx,xann\nbad\n")
            .unwrap();
        let roots = Roots { etc: etc.path().into(), ..Roots::default() };
        let ann = Account::find(&roots, "ann").unwrap();
        assert_eq!((ann.uid, ann.gid, ann.groups.as_slice()), (1000, 100, [4, 100].as_slice()));
        assert_eq!((ann.home.to_str(), ann.shell.as_str()), (Some("/home/ann"), "/bin/sh"));
        assert_eq!(Account::find(&roots, "1000"), Some(ann));
        assert_eq!(Account::find(&roots, "7").map(|account| account.uid), Some(9), "a name goes first");
        for user in ["", "nobody-here", "-1", "4294967296", "ann:x"] {
            assert_eq!(Account::find(&roots, user), None, "{user}");
        }
    }
}
