//! The private file in which a text is edited.
//!
//! It lies alone in a directory that only its owner can enter, for editors put copies beside it, and bears the name
//! of the file on the node, for editors tell its language by that.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;

use p2p_shared::services::file::{CONTENT_BYTES_MAX, FilePath};

/// Longest name of one.
const NAME_MAX: usize = 64;
/// Names that are tried: what is left of an earlier console of the same number is not touched.
const TRIES: u32 = 1_000;

/// Makes one that holds `content` under `directory`.
///
/// # Errors
/// What the operating system says; nothing is left behind then.
pub fn create(directory: &Path, path: &FilePath, content: &[u8]) -> io::Result<PathBuf> {
    let own = own_directory(directory)?;
    let kept = own.join(name(path));
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(&kept);
    match made.and_then(|mut file| file.write_all(content)) {
        Ok(()) => Ok(kept),
        Err(error) => {
            discard(&kept);
            Err(error)
        }
    }
}

fn own_directory(directory: &Path) -> io::Result<PathBuf> {
    for number in 0..TRIES {
        let own = directory.join(format!("p2p-edit-{}-{number}", process::id()));
        match DirBuilder::new().mode(0o700).create(&own) {
            Ok(()) => return Ok(own),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// The last part of a path, without what a terminal or an editor might take for something else.
fn name(path: &FilePath) -> String {
    let last = path.as_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let harmless = |byte: &u8| match byte {
        byte if byte.is_ascii_alphanumeric() || b"._-".contains(byte) => char::from(*byte),
        _ => '_',
    };
    let name: String = last.iter().take(NAME_MAX).map(harmless).collect();
    if name.trim_start_matches('.').is_empty() { "file".to_owned() } else { name }
}

/// What one holds now.
///
/// # Errors
/// If it cannot be read, or became larger than a node takes at once.
pub fn read(kept: &Path) -> io::Result<Vec<u8>> {
    let most = u64::from(CONTENT_BYTES_MAX);
    let mut content = Vec::new();
    fs::File::open(kept)?.take(most + 1).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(io::Error::other(format!("it has more than the {most} bytes that a node takes at once")));
    }
    Ok(content)
}

/// Removes one, with its directory and what an editor left there.
pub fn discard(kept: &Path) {
    if let Some(own) = kept.parent() {
        // What cannot be removed stays private.
        let _ = fs::remove_dir_all(own);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_private_named_as_the_file_and_goes_with_all_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let kept = create(root.path(), &"/etc/nginx/site.conf".parse().unwrap(), b"a\n").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(kept.file_name().unwrap(), "site.conf");
        assert_eq!((mode(&kept), mode(kept.parent().unwrap())), (0o600, 0o700));
        assert_eq!(read(&kept).unwrap(), b"a\n");
        let other = create(root.path(), &"/srv/site.conf".parse().unwrap(), b"b\n").unwrap();
        assert_ne!(kept, other);
        fs::write(kept.with_extension("conf~"), "a\n").unwrap();
        discard(&kept);
        discard(&other);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_name_is_harmless() {
        let name = |text: &[u8]| name(&FilePath::new(text.to_vec()).unwrap());
        assert_eq!(name(b"/srv/-o \x1b[2J\xff.sh"), "-o___2J_.sh");
        assert_eq!(name(b"/srv/.."), "file");
        assert_eq!(name(&[b"/".as_slice(), &[b'a'; 300]].concat()).len(), NAME_MAX);
    }

    #[test]
    fn a_text_that_grew_too_large_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let kept = create(root.path(), &"/x".parse().unwrap(), b"").unwrap();
        fs::write(&kept, vec![b'a'; CONTENT_BYTES_MAX as usize + 1]).unwrap();
        assert!(read(&kept).unwrap_err().to_string().contains("262144 bytes"));
    }
}
