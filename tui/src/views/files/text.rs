//! A part of a file as lines that may be shown: what is no text is shown as hexadecimal.

use p2p_shared::services::file::{FileChunk, FilePath};

use crate::format::bytes;

/// Bytes of one line of hexadecimal.
const HEX_BYTES: usize = 8;
/// Bytes of a file that is no text that are shown.
const HEX_SHOWN: usize = 4 << 10;
/// Longest line that is shown, in characters.
const LINE_MAX: usize = 2_000;

/// The title and the lines of a part of a file. Whoever draws them makes them harmless.
pub(crate) fn shown(path: &FilePath, chunk: &FileChunk) -> (String, Vec<(String, String)>) {
    let content = &chunk.content.0;
    let end = chunk.offset + content.len() as u64;
    let part = match (chunk.offset, chunk.is_end) {
        (0, true) => String::new(),
        (0, false) => format!(" (the first {})", bytes(end)),
        (_, _) => format!(" (the last {})", bytes(content.len() as u64)),
    };
    let title = format!("{path}{part}");
    if content.is_empty() {
        return (title, vec![(String::new(), "it is empty".to_owned())]);
    }
    let lines = if content.contains(&0) { dump(content, chunk.offset) } else { text(content) };
    (title, lines)
}

fn text(content: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(content);
    let line =
        |line: &str| (String::new(), line.chars().take(LINE_MAX).collect::<String>().replace('\t', "    "));
    text.lines().map(line).collect()
}

fn dump(content: &[u8], offset: u64) -> Vec<(String, String)> {
    let rows = content[..content.len().min(HEX_SHOWN)].chunks(HEX_BYTES).enumerate();
    let line = |(index, row): (usize, &[u8])| {
        let hex: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
        let plain: String =
            row.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }).collect();
        let at = format!("{:08x}", offset + (index * HEX_BYTES) as u64);
        (at, format!("{:<23}  {plain}", hex.join(" ")))
    };
    rows.map(line).collect()
}

#[cfg(test)]
mod tests {
    use p2p_shared::services::file::{FileContent, FileVersion};

    use super::*;

    fn chunk(content: &[u8], offset: u64, is_end: bool) -> FileChunk {
        let version = FileVersion { inode: 1, size_bytes: 9, modified_ns: 0 };
        FileChunk { offset, content: FileContent(content.to_vec()), is_end, version }
    }

    #[test]
    fn text_is_lines_and_what_is_none_is_hexadecimal() {
        let path: FilePath = "/etc/x".parse().unwrap();
        let (title, lines) = shown(&path, &chunk(b"a\tb\nc\n", 0, true));
        assert_eq!((title.as_str(), lines.len(), lines[0].1.as_str()), ("/etc/x", 2, "a    b"));
        let (title, lines) = shown(&path, &chunk(b"\0ELF", 32, true));
        assert_eq!(title, "/etc/x (the last 4B)");
        assert_eq!(lines[0].0, "00000020");
        assert!(lines[0].1.starts_with("00 45 4c 46 ") && lines[0].1.ends_with(".ELF"));
        assert_eq!(shown(&path, &chunk(b"", 0, true)).1[0].1, "it is empty");
    }
}
