//! Lines of a file that fit, by ripgrep's searcher.

use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::Ordering;

use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkMatch};
use p2p_shared::services::file::{FileContent, FileHit, FileKind, FilePath, SearchEnd};

use super::{Bounds, COMPILED_BYTES_MAX, Findings, check_length};
use crate::host::files::error::FileError;

/// What is shown of a line.
const LINE_BYTES_MAX: usize = 1_024;
/// A file with a longer line is given up.
const BUFFER_BYTES_MAX: usize = 4 << 20;
/// Hits of one file that gather before they are handed on.
const GATHERED_MAX: usize = 256;

/// A pattern for lines.
#[derive(Debug)]
pub(super) struct Lines(RegexMatcher);

impl Lines {
    /// # Errors
    /// [`FileError::Invalid`].
    pub(super) fn new(pattern: &str) -> Result<Self, FileError> {
        check_length("regex", pattern)?;
        let mut builder = RegexMatcherBuilder::new();
        builder.case_smart(true).line_terminator(Some(b'\n'));
        builder.size_limit(COMPILED_BYTES_MAX).dfa_size_limit(COMPILED_BYTES_MAX);
        let built = builder.build(pattern);
        Ok(Self(built.map_err(|error| FileError::Invalid(format!("regex: {error}")))?))
    }
}

/// One thread's searcher.
pub(super) struct Grep<'a> {
    lines: &'a Lines,
    searcher: Searcher,
    findings: &'a Findings,
    bounds: &'a Bounds,
}

impl<'a> Grep<'a> {
    pub(super) fn new(lines: &'a Lines, (findings, bounds): (&'a Findings, &'a Bounds)) -> Self {
        let mut builder = SearcherBuilder::new();
        builder
            .binary_detection(BinaryDetection::quit(0))
            .heap_limit(Some(BUFFER_BYTES_MAX))
            .line_number(true);
        Self { lines, searcher: builder.build(), findings, bounds }
    }

    /// Searches one opened file.
    pub(super) fn search(&mut self, file: &File, path: &FilePath, hits: &mut Vec<FileHit>) {
        let (findings, bounds) = (self.findings, self.bounds);
        let source = Counted { file, findings, bounds };
        let sink = Gather { path, hits, findings, bounds };
        if self.searcher.search_reader(&self.lines.0, source, sink).is_err() {
            findings.skip();
        }
    }
}

/// A file whose bytes are counted, and that ends when the search does.
struct Counted<'a> {
    file: &'a File,
    findings: &'a Findings,
    bounds: &'a Bounds,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.findings.goes_on(self.bounds) {
            return Ok(0);
        }
        let count = (&mut self.file).read(buffer)?;
        let before = self.findings.read_bytes.fetch_add(count as u64, Ordering::Relaxed);
        if before.saturating_add(count as u64) > self.bounds.read_bytes {
            self.findings.stop(SearchEnd::Bytes);
        }
        Ok(count)
    }
}

struct Gather<'a> {
    path: &'a FilePath,
    hits: &'a mut Vec<FileHit>,
    findings: &'a Findings,
    bounds: &'a Bounds,
}

impl Sink for Gather<'_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        let line = found.bytes();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let text = FileContent(line[..line.len().min(LINE_BYTES_MAX)].to_vec());
        self.hits.push(FileHit {
            path: self.path.clone(),
            kind: FileKind::File,
            line: found.line_number(),
            text,
        });
        if self.hits.len() >= GATHERED_MAX {
            self.findings.put(self.hits, self.bounds);
        }
        Ok(self.findings.goes_on(self.bounds))
    }
}
