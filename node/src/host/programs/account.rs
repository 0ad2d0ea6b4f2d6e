//! Users and groups by name or number, from `passwd` and `group`. Those that only a directory service knows
//! are given by number.

use std::fs;
use std::path::Path;

use super::LaunchError;
use crate::host::Roots;

/// A larger file is not read.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Whom a program runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
    /// Its name, or its number in digits.
    pub name: String,
    /// Its home; `/` if it has none.
    pub home: String,
    /// Its shell.
    pub shell: String,
}

/// Finds a user, and the group: the one named, else the user's own.
///
/// # Errors
/// [`LaunchError::Unknown`] if nobody is called so.
pub fn find(roots: &Roots, user: &str, group: Option<&str>) -> Result<Account, LaunchError> {
    let number = user.parse().ok();
    let known = lines(&roots.etc.join("passwd")).into_iter().find_map(|fields| {
        let [name, _, uid, gid, _, home, shell] = <[String; 7]>::try_from(fields).ok()?;
        let uid: u32 = uid.parse().ok()?;
        (name == user || number == Some(uid)).then_some(Account {
            uid,
            gid: gid.parse().ok()?,
            name,
            home,
            shell,
        })
    });
    let unnamed =
        |uid| Account { uid, gid: uid, name: user.to_owned(), home: "/".into(), shell: "/bin/sh".into() };
    let unknown = || LaunchError::Unknown { what: "user", name: user.to_owned() };
    let mut account = known.or_else(|| number.map(unnamed)).ok_or_else(unknown)?;
    if let Some(group) = group {
        account.gid = gid(roots, group)?;
    }
    if account.home.is_empty() {
        account.home = "/".into();
    }
    Ok(account)
}

/// The number of a group.
///
/// # Errors
/// [`LaunchError::Unknown`] if none is called so.
pub fn gid(roots: &Roots, group: &str) -> Result<u32, LaunchError> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let named = lines(&roots.etc.join("group")).into_iter().find_map(|fields| {
        let [name, _, gid] = fields.get(..3)? else { return None };
        (name == group).then(|| gid.parse().ok()).flatten()
    });
    named.ok_or_else(|| LaunchError::Unknown { what: "group", name: group.to_owned() })
}

fn lines(path: &Path) -> Vec<Vec<String>> {
    let fits = fs::metadata(path).is_ok_and(|file| file.len() <= FILE_BYTES_MAX);
    let text = if fits { fs::read(path).unwrap_or_default() } else { Vec::new() };
    let text = String::from_utf8_lossy(&text);
    text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_names_and_numbers() {
        let etc = tempfile::tempdir().unwrap();
        fs::write(
            etc.path().join("passwd"),
            "root:x:0:0::/root:/bin/sh\nann:x:7:8:Ann:/home/ann:/bin/zsh\nbad\n",
        )
        .unwrap();
        fs::write(etc.path().join("group"), "staff:x:50:ann\n").unwrap();
        let roots = Roots { etc: etc.path().to_owned(), ..Roots::default() };
        let ann = find(&roots, "ann", None).unwrap();
        assert_eq!((ann.uid, ann.gid, ann.home.as_str()), (7, 8, "/home/ann"));
        assert_eq!(find(&roots, "7", Some("staff")).unwrap(), Account { gid: 50, ..ann });
        assert_eq!(find(&roots, "99", None).unwrap().home, "/");
        for (user, group) in [("bertha", None), ("ann", Some("nobody"))] {
            assert!(matches!(find(&roots, user, group), Err(LaunchError::Unknown { .. })));
        }
    }
}
