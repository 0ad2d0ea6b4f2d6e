//! Where the program's log goes, and that no line of it can lie.
//!
//! Events of `tracing` enter; they leave to the journal when stderr is the journal, else to stderr as lines
//! for people. Text of peers is part of events, so control characters and bidirectional overrides are
//! escaped in every line. `LOG_LEVEL` alone decides what is logged; `RUST_LOG` is not read.

mod journal;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::os::fd::AsFd;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::values::LogLevel;

pub use journal::ENTRIES_LOST;
use journal::Journal;

/// The running log: its level can be changed.
#[derive(Clone, Debug)]
pub struct Log(reload::Handle<Targets, Registry>);

impl Log {
    /// Logs at `level` from now on.
    pub fn set_level(&self, level: LogLevel) {
        // It fails only after the subscriber is gone, that is, never while the program runs.
        let _ = self.0.reload(targets(level));
    }
}

/// Starts logging for the whole process. Fails when it was started before.
pub fn start(level: LogLevel, journal_stream: Option<&str>) -> Result<Log, TryInitError> {
    let (filter, handle) = reload::Layer::new(targets(level));
    let journal = if is_journal(journal_stream) { Journal::open().ok() } else { None };
    let lines = journal.is_none().then(|| lines(Escaping(io::stderr)));
    tracing_subscriber::registry().with(filter).with(journal).with(lines).try_init()?;
    Ok(Log(handle))
}

fn lines<S, W>(writer: W) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer)
}

/// Libraries speak only of what went wrong: at `trace` rustls would log what it sends.
fn targets(level: LogLevel) -> Targets {
    let own = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new().with_default(own.min(LevelFilter::WARN)).with_target("p2p_", own)
}

/// systemd puts the device and inode of the journal's stream into `JOURNAL_STREAM`; an inherited value
/// does not match our stderr.
fn is_journal(stream: Option<&str>) -> bool {
    let Some((device, inode)) = stream.and_then(|stream| stream.split_once(':')) else { return false };
    rustix::fs::fstat(io::stderr().as_fd())
        .is_ok_and(|stat| device.parse() == Ok(stat.st_dev) && inode.parse() == Ok(stat.st_ino))
}

/// `text` with every control character and bidirectional override written out.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if is_hidden(letter) {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "{}", letter.escape_unicode());
        } else {
            escaped.push(letter);
        }
    }
    Cow::Owned(escaped)
}

/// Whether a character changes what a terminal shows, or how.
pub(crate) fn is_hidden(letter: char) -> bool {
    let bidi = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    letter.is_control() || bidi || matches!(letter, '\u{2028}' | '\u{2029}')
}

/// Writers whose lines are escaped. The formatter hands over one whole event a call.
struct Escaping<M>(M);

impl<'w, M: MakeWriter<'w>> MakeWriter<'w> for Escaping<M> {
    type Writer = EscapingWriter<M::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        EscapingWriter(self.0.make_writer())
    }
}

struct EscapingWriter<W>(W);

impl<W: Write> Write for EscapingWriter<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = event.strip_suffix(b"\n").unwrap_or(event);
        let mut line = escape(&String::from_utf8_lossy(line)).into_owned();
        line.push('\n');
        self.0.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::os::linux::fs::MetadataExt;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: LogLevel, act: impl FnOnce()) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let layer = lines(Escaping(move || writer.clone()));
        let subscriber = tracing_subscriber::registry().with(targets(level)).with(layer);
        tracing::subscriber::with_default(subscriber, act);
        String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn remote_text_cannot_forge_a_line_or_steer_a_terminal() {
        let text = logged(LogLevel::Info, || {
            let peer = "web\n2026 ERROR forged\x1b]0;x\x07\u{202e}\u{9b}31m";
            tracing::info!(peer, "hello of {peer}");
        });
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert!(text.ends_with('\n') && !text.trim_end().chars().any(is_hidden), "{text:?}");
    }

    #[test]
    fn libraries_are_held_to_warnings() {
        let text = logged(LogLevel::Trace, || {
            tracing::trace!("ours");
            tracing::info!(target: "rustls::conn", "theirs");
            tracing::warn!(target: "rustls::conn", "warned");
        });
        assert!(text.contains("ours") && text.contains("warned") && !text.contains("theirs"), "{text}");
        let text = logged(LogLevel::Error, || tracing::warn!(target: "rustls", "warned"));
        assert_eq!(text, "");
    }

    #[test]
    fn only_the_stream_of_our_own_stderr_is_the_journal() {
        assert!(!is_journal(None));
        assert!(!is_journal(Some("1:2")) && !is_journal(Some("nonsense")));
        let stderr = std::fs::metadata("/proc/self/fd/2").unwrap();
        assert!(is_journal(Some(&format!("{}:{}", stderr.st_dev(), stderr.st_ino()))));
    }
}
