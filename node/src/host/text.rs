//! Bytes that a process chose itself, as text: lossily, and never longer than their cap. Control characters
//! stay: whoever shows them escapes them.

/// `bytes` as text of at most `limit` bytes.
pub(crate) fn lossy(bytes: &[u8], limit: usize) -> String {
    // One character more than fits is enough to find the boundary.
    let mut text = String::from_utf8_lossy(&bytes[..bytes.len().min(limit + 4)]).into_owned();
    text.truncate(text.floor_char_boundary(limit));
    text
}

/// A command line as the kernel gives it (each argument ends in NUL) as one line of at most `limit` bytes.
pub(crate) fn command_line(bytes: &[u8], limit: usize) -> String {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let mut line = lossy(&bytes[..end], limit);
    if line.contains('\0') {
        line = line.replace('\0', " ");
    }
    line
}

/// The fields of a list whose items end in NUL, at most `count` of them.
pub(crate) fn nul_separated(bytes: &[u8], count: usize) -> impl Iterator<Item = &[u8]> {
    bytes.strip_suffix(b"\0").unwrap_or(bytes).split(|&byte| byte == 0).take(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_become_text_within_the_cap() {
        assert_eq!(lossy(b"a\xffb", 64), "a\u{fffd}b");
        assert_eq!(lossy("ab\u{e9}".as_bytes(), 3), "ab");
        assert!(lossy(&[0xff; 4_096], 1_024).len() <= 1_024);
    }

    #[test]
    fn arguments_are_joined_by_blanks() {
        assert_eq!(command_line(b"sleep\x0010\0", 1_024), "sleep 10");
        assert_eq!(command_line(b"nginx: worker\0\0\0\0", 1_024), "nginx: worker");
        assert_eq!(command_line(b"\0\0", 1_024), "");
        assert_eq!(command_line(b"sh\0-c\0a\nb\x1b[2J\0", 1_024), "sh -c a\nb\x1b[2J");
    }
}
