//! What a command prints: tables for people, JSON for programs. Data goes to standard output, words to
//! standard error; nothing else may stand in either.
//!
//! Foreign text is made harmless on its way: cells by [`format::clean`], JSON by escapes that mean the same.

use std::fmt::Write as _;
use std::io::{BufRead, Write};

use clap::ValueEnum;
use serde::Serialize;

use super::failure::CliError;
use crate::format;

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// One array.
    Json,
    /// One object a line, as they come.
    Jsonl,
}

/// Where a command reads and writes.
pub struct Streams<'a> {
    /// Data.
    pub out: &'a mut (dyn Write + Send),
    /// Words for people.
    pub err: &'a mut (dyn Write + Send),
    /// Where a person answers; `None` if nobody is there.
    pub answers: Option<&'a mut (dyn BufRead + Send)>,
    /// Columns of the terminal; `None` where there is none and nothing need be cut.
    pub width: Option<usize>,
}

impl Streams<'_> {
    /// One line for people. That standard error takes nothing is nobody's business.
    pub fn say(&mut self, line: &str) {
        let _ = writeln!(self.err, "p2p-tui: {}", format::clean(line));
    }

    /// What was done, in a line that is no complaint.
    pub fn tell(&mut self, line: &str) {
        let _ = writeln!(self.err, "{}", format::clean(line));
    }

    /// Writes data and sees to it that it got out.
    pub fn data(&mut self, text: &str) -> Result<(), CliError> {
        self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).map_err(CliError::Output)
    }

    /// Rows as one table or one array. Lines of `jsonl` go out one by one, by [`Self::json_line`].
    pub fn rows<R: Row>(&mut self, rows: &[R], format: Format) -> Result<(), CliError> {
        let text = match format {
            // Titles over nothing would only look like an answer.
            Format::Table if rows.is_empty() => return Ok(()),
            Format::Table => table(rows, self.width),
            Format::Json => format!("{}\n", json(&rows, true)?),
            Format::Jsonl => {
                let lines = rows.iter().map(|row| Ok(format!("{}\n", json(row, false)?)));
                lines.collect::<Result<String, CliError>>()?
            }
        };
        self.data(&text)
    }

    /// One value on one line.
    pub fn json_line<T: Serialize>(&mut self, value: &T) -> Result<(), CliError> {
        let line = json(value, false)?;
        self.data(&format!("{line}\n"))
    }

    /// Asks a person; anything but a yes is a no. `None` if nobody is there to ask.
    pub fn confirm(&mut self, question: &str) -> Option<bool> {
        let answer = self.answer(&format!("{question} [y/N]"))?;
        Some(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    /// Asks a person to type a number; anything else is a no. `None` if nobody is there to ask.
    pub fn number(&mut self, question: &str, expected: usize) -> Option<bool> {
        Some(self.answer(question)?.trim() == expected.to_string())
    }

    fn answer(&mut self, question: &str) -> Option<String> {
        let answers = self.answers.as_mut()?;
        let _ = write!(self.err, "{} ", format::clean(question));
        let _ = self.err.flush();
        let mut answer = String::new();
        // What cannot be read is no answer.
        let read = answers.read_line(&mut answer).is_ok();
        Some(if read { answer } else { String::new() })
    }
}

/// A row of a table, and an object in JSON.
pub trait Row: Serialize {
    /// Titles; one that begins with `>` stands on the right.
    const TITLES: &'static [&'static str];

    /// As many cells as titles; they may hold anything.
    fn cells(&self) -> Vec<String>;
}

/// Columns aligned by what the terminal shows, titles first. Only the last column is cut to `width`.
pub fn table<R: Row>(rows: &[R], width: Option<usize>) -> String {
    let titles = R::TITLES.iter().map(|title| title.trim_start_matches('>').to_owned()).collect();
    let cells =
        rows.iter().map(|row| row.cells().iter().map(|cell| format::clean(cell).into_owned()).collect());
    let lines: Vec<Vec<String>> = std::iter::once(titles).chain(cells).collect();
    let widest = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| format::width(cell)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..R::TITLES.len()).map(widest).collect();
    let mut text = String::new();
    for line in &lines {
        text.push_str(aligned(line, &widths, R::TITLES, width).trim_end());
        text.push('\n');
    }
    text
}

fn aligned(line: &[String], widths: &[usize], titles: &[&str], width: Option<usize>) -> String {
    let mut text = String::new();
    for (column, cell) in line.iter().enumerate() {
        let pad = widths[column].saturating_sub(format::width(cell));
        if column > 0 {
            text.push_str("  ");
        }
        if titles[column].starts_with('>') {
            let _ = write!(text, "{:pad$}{cell}", "");
        } else if column + 1 < line.len() {
            let _ = write!(text, "{cell}{:pad$}", "");
        } else {
            let left = width.map(|width| width.saturating_sub(format::width(&text)).max(1));
            text.push_str(&left.map_or(cell.into(), |left| format::fit(cell, left, "~")));
        }
    }
    text
}

/// JSON text in which no character can change what a terminal shows: those that could are written as `\u`,
/// which means the same to every reader.
pub fn json<T: Serialize + ?Sized>(value: &T, pretty: bool) -> Result<String, CliError> {
    let written = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    let text = written.map_err(|error| {
        CliError::new(
            p2p_shared::error::Exit::Internal,
            format!("a result cannot be written as JSON: {error}"),
        )
    })?;
    // Outside of its strings JSON is plain ASCII.
    if !text.chars().any(|letter| letter != '\n' && is_hostile(letter)) {
        return Ok(text);
    }
    let mut escaped = String::with_capacity(text.len() + 64);
    for letter in text.chars() {
        if letter == '\n' || !is_hostile(letter) {
            escaped.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    Ok(escaped)
}

/// Whether a character would be written out in a cell.
fn is_hostile(letter: char) -> bool {
    let mut bytes = [0; 4];
    let text: &str = letter.encode_utf8(&mut bytes);
    format::clean(text) != text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Item {
        name: &'static str,
        size: u32,
        note: &'static str,
    }

    impl Row for Item {
        const TITLES: &'static [&'static str] = &["NAME", ">SIZE", "NOTE"];

        fn cells(&self) -> Vec<String> {
            vec![self.name.to_owned(), self.size.to_string(), self.note.to_owned()]
        }
    }

    const ITEMS: [Item; 3] = [
        Item { name: "日本", size: 7, note: "wide" },
        Item { name: "plain", size: 1_024, note: "a long note that goes on" },
        Item { name: "\u{1b}[2J\u{202e}", size: 0, note: "" },
    ];

    #[test]
    fn columns_align_by_what_a_terminal_shows() {
        let expected = "NAME         SIZE  NOTE\n\
                        日本            7  wide\n\
                        plain        1024  a long note that goes on\n\
                        ^[[2J<202e>     0\n";
        assert_eq!(table(&ITEMS, None), expected);
    }

    #[test]
    fn a_terminal_cuts_only_the_last_column() {
        let text = table(&ITEMS, Some(26));
        assert_eq!(text.lines().nth(2), Some("plain        1024  a long~"));
    }

    #[test]
    fn json_holds_the_same_text_without_raw_controls() {
        let hostile = "\u{1b}\u{7f}\u{9b}\u{202e}\u{e0001}日本\"\\\n";
        let text = json(&[hostile], true).unwrap();
        assert!(text.chars().all(|letter| letter == '\n' || !is_hostile(letter)), "{text:?}");
        let read: Vec<String> = serde_json::from_str(&text).unwrap();
        assert_eq!(read, [hostile]);
    }

    struct Full(std::io::ErrorKind);

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_a_failure_and_a_closed_pipe_is_none() {
        use p2p_shared::error::Exit;
        for (kind, exit) in
            [(std::io::ErrorKind::StorageFull, Exit::Failed), (std::io::ErrorKind::BrokenPipe, Exit::Ok)]
        {
            let mut streams =
                Streams { out: &mut Full(kind), err: &mut Vec::new(), answers: None, width: None };
            assert_eq!(streams.rows(&ITEMS, Format::Json).unwrap_err().exit(), exit);
        }
    }

    #[test]
    fn only_a_yes_is_a_yes() {
        for (answer, expected) in
            [("y\n", true), ("yes\n", true), ("\n", false), ("", false), ("yx\n", false)]
        {
            let mut input = answer.as_bytes();
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let mut streams =
                Streams { out: &mut out, err: &mut err, answers: Some(&mut input), width: None };
            assert_eq!(streams.confirm("Really?"), Some(expected));
            assert_eq!(err, b"Really? [y/N] ");
        }
    }
}
