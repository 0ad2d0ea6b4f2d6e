//! Paths of nodes taken apart and put together: as bytes, for they may be no text. Pure.

use p2p_shared::services::file::{FilePath, RawError};

/// Where every path begins.
pub fn root() -> FilePath {
    FilePath::new(&b"/"[..]).unwrap_or_default()
}

/// The path of a name in a directory.
///
/// # Errors
/// If the name holds a zero byte.
pub fn below(directory: &FilePath, name: &[u8]) -> Result<FilePath, RawError> {
    let mut path = directory.as_bytes().to_vec();
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.extend(name);
    FilePath::new(path)
}

/// The last name of a path, whatever slashes follow it; `None` of the root, and of a path that ends in dots.
pub fn last(path: &FilePath) -> Option<&[u8]> {
    let name = path.as_bytes().split(|&byte| byte == b'/').rfind(|name| !name.is_empty())?;
    (!matches!(name, b"." | b"..")).then_some(name)
}

/// The directory that a path stands in, and its name there; `None` of the root.
pub fn split(path: &FilePath) -> Option<(FilePath, FilePath)> {
    let bytes = path.as_bytes();
    let end = bytes.iter().rposition(|&byte| byte != b'/')? + 1;
    let at = bytes[..end].iter().rposition(|&byte| byte == b'/')?;
    let above = FilePath::new(bytes[..at.max(1)].to_vec()).ok()?;
    Some((above, FilePath::new(bytes[at + 1..end].to_vec()).ok()?))
}

/// Whether a path is another one, or lies below it.
pub fn is_within(path: &FilePath, directory: &FilePath) -> bool {
    let (path, directory) = (path.as_bytes(), directory.as_bytes());
    let directory = directory.strip_suffix(b"/").unwrap_or(directory);
    path.strip_prefix(directory).is_some_and(|rest| rest.first().is_none_or(|&byte| byte == b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> FilePath {
        text.parse().unwrap()
    }

    #[test]
    fn a_path_is_taken_apart_and_put_together_again() {
        for (whole, above, name) in [("/a", "/", "a"), ("/a/b", "/a", "b"), ("/a/b//", "/a", "b")] {
            assert_eq!(split(&path(whole)), Some((path(above), path(name))), "{whole}");
            assert_eq!(
                below(&path(above), name.as_bytes()).map(|one| one.to_text()),
                Ok(whole.trim_end_matches('/').to_owned())
            );
            assert_eq!(last(&path(whole)), Some(name.as_bytes()));
        }
        assert_eq!((split(&path("/")), last(&path("/")), last(&path("/a/.."))), (None, None, None));
        assert_eq!(below(&path("/a/"), b"b"), Ok(path("/a/b")));
        assert!(below(&path("/"), b"a\0").is_err());
    }

    #[test]
    fn what_lies_below_is_told_from_what_is_called_alike() {
        for (one, other) in [("/a", "/a"), ("/a/b", "/a"), ("/a/b", "/"), ("/a/b", "/a/")] {
            assert!(is_within(&path(one), &path(other)), "{one} {other}");
        }
        for (one, other) in [("/ab", "/a"), ("/a", "/a/b"), ("/", "/a")] {
            assert!(!is_within(&path(one), &path(other)), "{one} {other}");
        }
    }
}
