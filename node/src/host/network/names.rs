//! Names of interfaces by their numbers, as they are now.

use std::collections::HashMap;

use super::error::NetworkError;
use super::netlink::{TableKind, dump, text};

const NAME: u16 = 3;

/// What each interface is called.
pub(super) fn names() -> Result<HashMap<u32, String>, NetworkError> {
    let links = dump(TableKind::Links)?;
    let name = |link: &super::netlink::Message| {
        let (_, bytes) = link.attributes().find(|(kind, _)| *kind == NAME)?;
        Some((link.word(4), text(bytes)))
    };
    Ok(links.iter().filter_map(name).collect())
}
