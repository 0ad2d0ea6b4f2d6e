//! A file of the user's own, such as the filters that they saved: written whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process;

/// Puts a text in the place of a file, whose directory is made if there is none.
///
/// # Errors
/// What the operating system says; the file is as it was then.
pub(super) fn write(file: &Path, text: &str) -> io::Result<()> {
    let directory = file.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(directory)?;
    // A link leads to where the user keeps it.
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let beside = file.with_extension(format!("new-{}", process::id()));
    let mut options = OpenOptions::new();
    let made = options.write(true).create(true).truncate(true).mode(0o600).open(&beside);
    let written = made.and_then(|mut made| {
        made.write_all(text.as_bytes())?;
        made.sync_all()
    });
    let done = written.and_then(|()| fs::rename(&beside, &file));
    if done.is_err() {
        // What is left of it is of no use.
        let _ = fs::remove_file(&beside);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_through_a_link_and_nothing_is_left_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("own/filters.toml");
        write(&file, "a").unwrap();
        write(&file, "b").unwrap();
        let link = root.path().join("link.toml");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, "c").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "c");
        assert!(link.is_symlink());
        assert_eq!(fs::read_dir(root.path().join("own")).unwrap().count(), 1);
        assert!(write(&root.path().join("own/filters.toml/x"), "d").is_err());
    }
}
