//! The names of environment variables. Values are read on the way, and wiped.

use std::os::fd::OwnedFd;

use zeroize::Zeroizing;

use crate::host::source::read_at;
use crate::host::text;

/// Most bytes that are looked at: what the kernel allows is two megabytes and more.
const BYTES_MAX: usize = 1 << 20;
const NAMES_MAX: usize = 4_096;
const NAME_BYTES_MAX: usize = 256;

/// In the order of the process; `None` if the node may not read them.
pub(super) fn names(dir: &OwnedFd) -> Option<Vec<String>> {
    // Room for all at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES_MAX + 8_192));
    read_at(dir, "environ", &mut bytes, BYTES_MAX).ok()?;
    Some(parse(&bytes))
}

/// A process may write over this memory (many do, to set their title): only what looks like `NAME=` is a name,
/// so that no other text gets out.
fn parse(bytes: &[u8]) -> Vec<String> {
    let name = |entry: &[u8]| {
        let end = entry.iter().position(|&byte| byte == b'=')?;
        let name = &entry[..end];
        let plausible = !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.iter().all(is_name_byte);
        plausible.then(|| text::lossy(name, NAME_BYTES_MAX))
    };
    text::nul_separated(bytes, NAMES_MAX).filter_map(name).collect()
}

/// Letters, digits, and what shells export besides (`BASH_FUNC_x%%`).
const fn is_name_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'%' | b'(' | b')')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_get_out() {
        let bytes = b"PATH=/bin\0TOKEN=se=cret\0BASH_FUNC_f%%=() { :; }\0no equals sign\0a secret=x\0=x\0EMPTY=\0cut off";
        assert_eq!(parse(bytes), ["PATH", "TOKEN", "BASH_FUNC_f%%", "EMPTY"]);
        assert!(parse(b"").is_empty());
    }
}
