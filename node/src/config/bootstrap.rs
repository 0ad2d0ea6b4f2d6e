//! Where the mesh is found when nobody says it: the addresses that came in the node's bundle.
//!
//! The certificate directory is read, which is as trusted as the key in it; addresses leave, or what is wrong
//! with the file, and in which line.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use p2p_shared::config::{Document, Problem};
use p2p_shared::tls::{BOOTSTRAP_FILE, bootstrap_addresses};

use super::values::HostPort;

/// No list of addresses is larger.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// The file in a certificate directory.
pub(super) fn file(certs: &Path) -> PathBuf {
    certs.join(BOOTSTRAP_FILE)
}

/// The addresses in it; none if there is no such file.
pub(super) fn read(certs: &Path) -> Result<Vec<HostPort>, Problem> {
    let path = file(certs);
    let failed = |error: &dyn std::fmt::Display| {
        let message = format!("cannot be read: {error}: import the bundle again, or set bootstrap elsewhere");
        Problem::new(path.display(), message)
    };
    let bytes = match read_bytes(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(&error)),
    };
    let document = Document::from_bytes(&path, bytes)?;
    bootstrap_addresses(document.text())
        .map_err(|error| Problem::new(format!("{}:{}", path.display(), error.line), error.message))
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    // Looked at first: a pipe would be waited for.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other("it is larger than 64 KiB"));
    }
    Ok(bytes)
}
