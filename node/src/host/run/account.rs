//! Users to run as, from `passwd` and `group`. Users that only a directory service knows are not found here; a
//! program may name them by number.

use std::fs;
use std::path::PathBuf;

use super::RunError;
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

    /// Whom a program runs as: a user, by number also one that is in no file, in a group of his or another one.
    ///
    /// # Errors
    /// [`RunError::Unknown`] if nobody is called so.
    pub fn of(roots: &Roots, user: &str, group: Option<&str>) -> Result<Self, RunError> {
        let unnamed = |uid| Self {
            name: user.to_owned(),
            uid,
            gid: uid,
            groups: vec![uid],
            home: "/".into(),
            shell: "/bin/sh".into(),
        };
        let unknown = || RunError::Unknown { what: "user", name: user.to_owned() };
        let known = Self::find(roots, user).or_else(|| user.parse().ok().map(unnamed));
        let mut account = known.ok_or_else(unknown)?;
        if let Some(group) = group {
            let unknown = || RunError::Unknown { what: "group", name: group.to_owned() };
            account.gid = gid(&read(roots, "group"), group).ok_or_else(unknown)?;
            account.groups.push(account.gid);
            account.groups.sort_unstable();
            account.groups.dedup();
        }
        if account.home.as_os_str().is_empty() {
            account.home = "/".into();
        }
        Ok(account)
    }

    /// Whether that is whom the node itself runs as, in its own group.
    pub(super) fn is_own(&self) -> bool {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        (self.uid, self.gid) == (uid.as_raw(), gid.as_raw())
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

/// The number of a group.
fn gid(text: &str, group: &str) -> Option<u32> {
    let named = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(group)).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    named.or_else(|| group.parse().ok())
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

    #[test]
    fn a_program_may_name_another_group_and_a_user_by_number() {
        let etc = tempfile::tempdir().unwrap();
        fs::write(etc.path().join("passwd"), "ann:x:7:8::/home/ann:/bin/zsh\n").unwrap();
        fs::write(etc.path().join("group"), "staff:x:50:bob\naudio:x:60:ann\n").unwrap();
        let roots = Roots { etc: etc.path().into(), ..Roots::default() };
        let ann = Account::of(&roots, "ann", Some("staff")).unwrap();
        assert_eq!((ann.uid, ann.gid, ann.groups.as_slice()), (7, 50, [8, 50, 60].as_slice()));
        let nobody = Account::of(&roots, "99", None).unwrap();
        assert_eq!((nobody.uid, nobody.gid, nobody.home.to_str()), (99, 99, Some("/")));
        for (user, group) in [("bertha", None), ("ann", Some("nobody"))] {
            assert!(matches!(Account::of(&roots, user, group), Err(RunError::Unknown { .. })));
        }
    }
}
