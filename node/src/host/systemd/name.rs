//! Names of units, and the object paths that systemd makes of them. Pure.

use std::fmt;

use super::SystemdError;

/// Longest name, as of systemd.
const BYTES_MAX: usize = 255;
/// Where the objects of units are.
const PREFIX: &str = "/org/freedesktop/systemd1/unit/";
/// The kinds of units.
pub const KINDS: [&str; 11] = [
    "service",
    "socket",
    "target",
    "device",
    "mount",
    "automount",
    "swap",
    "timer",
    "path",
    "slice",
    "scope",
];

/// The full name of one unit: never a glob, never a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitName(String);

impl UnitName {
    /// Judges a name. One without a kind is a service, as for `systemctl`.
    ///
    /// # Errors
    /// [`SystemdError::Invalid`] says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, SystemdError> {
        let has_kind = text.rsplit_once('.').is_some_and(|(_, kind)| KINDS.contains(&kind));
        let name = if has_kind { text.to_owned() } else { format!("{text}.service") };
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
        let wrong = if text.is_empty() || text.starts_with('.') {
            "it has to begin with a letter, a digit or a dash"
        } else if name.len() > BYTES_MAX {
            "it is longer than 255 bytes"
        } else if !name.bytes().all(is_fine) {
            "only letters, digits and : - _ . \\ @ stand in one; globs and paths are not taken"
        } else {
            return Ok(Self(name));
        };
        let shown: String = text.chars().take(64).collect();
        Err(SystemdError::Invalid(format!("{shown:?} is no name of a unit: {wrong}")))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands after the last dot.
    pub fn kind(&self) -> &str {
        kind(&self.0)
    }

    /// Its object.
    pub fn path(&self) -> String {
        path(&self.0)
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What stands after the last dot of a name.
pub(super) fn kind(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, kind)| kind)
}

/// The object of a unit: every byte but letters and digits is written as `_` and two hex digits, and so is a
/// digit at the beginning.
pub(super) fn path(name: &str) -> String {
    let mut path = PREFIX.to_owned();
    for (index, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (index > 0 && byte.is_ascii_digit()) {
            path.push(byte.into());
        } else {
            path.push_str(&format!("_{byte:02x}"));
        }
    }
    path
}

/// The unit of an object; `None` for an object of another kind.
pub(super) fn of_path(path: &str) -> Option<String> {
    let mut bytes = path.strip_prefix(PREFIX)?.bytes();
    let mut name = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'_' {
            name.push(byte);
            continue;
        }
        let digits = [bytes.next()?, bytes.next()?];
        let digits = std::str::from_utf8(&digits).ok()?;
        name.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(name).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_exact_and_has_a_kind() {
        for (text, name) in [
            ("nginx", "nginx.service"),
            ("nginx.service", "nginx.service"),
            ("fstrim.timer", "fstrim.timer"),
            ("-.mount", "-.mount"),
            ("getty@tty1", "getty@tty1.service"),
            ("a.b", "a.b.service"),
            ("dev-disk-by\\x2duuid.swap", "dev-disk-by\\x2duuid.swap"),
        ] {
            assert_eq!(UnitName::new(text).unwrap().as_str(), name);
        }
        for text in ["", ".service", "ng*", "a?", "[a]", "a/b", "../x", "a b", "a\n", "é", &"x".repeat(300)]
        {
            assert!(matches!(UnitName::new(text), Err(SystemdError::Invalid(_))), "{text}");
        }
    }

    #[test]
    fn paths_are_those_of_systemd() {
        assert_eq!(path("-.mount"), "/org/freedesktop/systemd1/unit/_2d_2emount");
        assert_eq!(path("0a1.slice"), "/org/freedesktop/systemd1/unit/_30a1_2eslice");
        assert_eq!(of_path("/org/freedesktop/systemd1/job/12"), None);
        assert_eq!(of_path("/org/freedesktop/systemd1/unit/a_2"), None);
    }

    proptest! {
        #[test]
        fn a_path_leads_back_to_its_name(name in "[a-zA-Z0-9:_.\\\\@-]{1,40}") {
            prop_assert_eq!(of_path(&path(&name)), Some(name));
        }

        #[test]
        fn no_path_is_too_odd(text in ".{0,60}") {
            let _ = of_path(&format!("{PREFIX}{text}"));
        }
    }
}
