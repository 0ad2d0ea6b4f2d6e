//! One side of a copy, as it is written.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use p2p_shared::id::NodeName;
use p2p_shared::services::file::FilePath;

use crate::selector::Selector;

/// Longest rate.
const UNITS: [(char, u32); 4] = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];
/// Least bytes a second.
const PACE_MIN: u64 = 1_024;

/// One side.
#[derive(Clone, Debug)]
pub(super) enum Side {
    /// A path of this machine.
    Here(PathBuf),
    /// A path of one node, as it was called.
    There(String, Selector, FilePath),
    /// The same path of several nodes.
    Many(String, Selector, FilePath),
}

impl Side {
    /// `NODE:/path`, `@SELECTOR:/path`, or a path of this machine. One that holds a colon is written `./a:b`.
    pub(super) fn read(word: &OsStr) -> Result<Self, String> {
        let bytes = word.as_bytes();
        if bytes.is_empty() {
            return Err("a path is empty".into());
        }
        let here = || Self::Here(PathBuf::from(word));
        let colon = bytes.iter().position(|&byte| byte == b':');
        let slash = bytes.iter().position(|&byte| byte == b'/').unwrap_or(bytes.len());
        if bytes[0] == b'@' {
            // The path begins with the first colon that a slash follows: selectors hold none.
            let Some(at) = bytes.windows(2).position(|pair| pair == b":/") else { return Ok(here()) };
            let text = String::from_utf8_lossy(&bytes[1..at]);
            let selector = text.parse().map_err(|error| format!("@{text}: {error}"))?;
            return Ok(Self::Many(format!("@{text}"), selector, path(&bytes[at + 1..])?));
        }
        let Some(at) = colon.filter(|&at| at < slash && at > 0) else { return Ok(here()) };
        let name = String::from_utf8_lossy(&bytes[..at]);
        let name: NodeName = name.parse().map_err(|_| {
            format!("{name:?} is no name of a node; a path of this machine is written ./{name}:...")
        })?;
        let selector = name.as_str().parse().map_err(|error| format!("{name}: {error}"))?;
        Ok(Self::There(name.to_string(), selector, path(&bytes[at + 1..])?))
    }

    /// Whether it says that it is a directory.
    pub(super) fn ends_in_slash(&self) -> bool {
        match self {
            Self::Here(path) => path.as_os_str().as_bytes().ends_with(b"/"),
            Self::There(_, _, path) | Self::Many(_, _, path) => path.as_bytes().ends_with(b"/"),
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(path) => write!(f, "{}", path.display()),
            Self::There(on, _, path) | Self::Many(on, _, path) => write!(f, "{on}:{path}"),
        }
    }
}

fn path(bytes: &[u8]) -> Result<FilePath, String> {
    if bytes.first() != Some(&b'/') {
        return Err(format!(
            "a path of a node is absolute: NODE:/{} and not NODE:{0}",
            String::from_utf8_lossy(bytes)
        ));
    }
    FilePath::new(bytes).map_err(|error| error.to_string())
}

/// Bytes a second: a number, with K, M, G or T for powers of 1024.
pub(super) fn pace(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no rate: such as 500K, 10M or 1G bytes a second");
    let upper = text.to_ascii_uppercase();
    let unit = UNITS.iter().find_map(|(unit, shift)| Some((upper.strip_suffix(*unit)?, *shift)));
    let (digits, shift) = unit.unwrap_or((&upper, 0));
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let pace = number.checked_mul(1 << shift).ok_or_else(wrong)?;
    if pace < PACE_MIN {
        return Err(format!("the least rate is {PACE_MIN} bytes a second"));
    }
    Ok(pace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        Side::read(OsStr::new(text)).map(|side| format!("{side:?}"))
    }

    #[test]
    fn a_side_is_read_as_scp_reads_it_and_a_selector_with_an_at() {
        for (text, expected) in [
            ("a/b", "Here"),
            ("./web-1:x", "Here"),
            ("/srv/a:b", "Here"),
            (":x", "Here"),
            ("@odd", "Here"),
            ("web-1:/srv", "There"),
            ("@web-*:/srv", "Many"),
            ("@role=web and not db-*:/srv/a:b", "Many"),
        ] {
            let read = read(text).unwrap();
            assert!(read.starts_with(expected), "{text}: {read}");
        }
        for text in ["", "web-1:srv", "web-1:", "WEB 1:/srv", "@:/srv", "@((:/srv"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_rate_has_a_unit() {
        assert_eq!(["1024", "2k", "3M", "1G"].map(pace), [Ok(1_024), Ok(2_048), Ok(3 << 20), Ok(1 << 30)]);
        assert!(["", "0", "1", "M", "-1", "99999999999T", "1.5M"].iter().all(|text| pace(text).is_err()));
    }
}
