//! A tar of everything that one machine or one person needs, to be carried there.
//!
//! The directory of a holder enters, a tar leaves; the same input gives the same bytes. It holds private
//! keys: whoever writes it keeps it from others.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use p2p_shared::id::NodeName;
use p2p_shared::tls::{BOOTSTRAP_FILE, BOOTSTRAP_MAX, BundleKind, REVOKED_FILE};
use tar::{Builder, EntryType, Header};
use zeroize::Zeroizing;

use super::address::Endpoint;
use super::authority::CaCertificate;
use super::error::PkiError;
use super::files::SECRET;
use super::record::{self, Kind};

/// Writes the bundle of `name`, with the endpoints it should dial first.
pub fn bundle(
    ca: &Path,
    (kind, name): (Kind, &NodeName),
    bootstrap: &[Endpoint],
    out: impl Write,
) -> Result<(), PkiError> {
    let found = record::find(ca, name)?;
    if found != kind {
        return Err(PkiError::OtherKind { name: name.clone(), found, asked: kind });
    }
    if bootstrap.len() > BOOTSTRAP_MAX {
        return Err(PkiError::TooManyEndpoints);
    }
    let directory = kind.path(ca, name);
    record::refuse_revoked(ca, kind, name)?;
    let names = match kind {
        Kind::Node => BundleKind::Node,
        Kind::Operator => BundleKind::Operator,
    };
    // All is read before the first byte leaves: half a bundle is worse than none.
    let mut entries = Vec::new();
    for name in names.files() {
        let file = directory.join(name);
        let content = fs::read(&file).map_err(|error| PkiError::file(&file, error))?;
        entries.push((*name, Zeroizing::new(content)));
    }
    let endpoints: String = bootstrap.iter().map(|endpoint| format!("{endpoint}\n")).collect();
    entries.push((BOOTSTRAP_FILE, Zeroizing::new(endpoints.into_bytes())));
    let list = CaCertificate::read(ca)?.revoked()?.filter(|_| kind == Kind::Node);
    entries.extend(list.map(|signed| (REVOKED_FILE, Zeroizing::new(signed.bytes))));
    write_tar(&entries, out).map_err(|error| PkiError::file(Path::new("standard output"), error))
}

fn write_tar(entries: &[(&str, Zeroizing<Vec<u8>>)], out: impl Write) -> io::Result<()> {
    let mut tar = Builder::new(out);
    for (name, content) in entries {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_size(content.len() as u64);
        header.set_mode(SECRET);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        tar.append_data(&mut header, name, content.as_slice())?;
    }
    tar.into_inner()?.flush()
}
