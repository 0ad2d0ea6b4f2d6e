//! Events to the systemd journal, whole: as fields for programs, and in the message for people.
//!
//! Events of `tracing` enter, datagrams of the journal's native protocol leave
//! (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>). `journalctl` shows the message alone, so a reason that stands
//! only in a field is not seen by whoever looks for it. It never waits: a journal that does not keep up loses lines.

use std::fmt::{self, Write as _};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use p2p_shared::counters::Counter;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::escape;

const SOCKET: &str = "/run/systemd/journal/socket";
/// What is sent of one value; the rest is cut.
const VALUE_BYTES_MAX: usize = 8 << 10;
/// What precedes the fields of events, so that they are never taken for those of the journal itself.
const PREFIX: &str = "F_";
/// Longest name of a field that the journal takes.
const NAME_BYTES_MAX: usize = 64;

/// Entries that the journal did not take.
pub static ENTRIES_LOST: Counter = Counter::new();

/// The journal of this machine.
pub(super) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// The journal, if it is there.
    pub(super) fn open() -> io::Result<Self> {
        Self::at(Path::new(SOCKET))
    }

    fn at(path: &Path) -> io::Result<Self> {
        path.metadata()?;
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, path: path.to_owned() })
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut entry = Entry::default();
        event.record(&mut entry);
        // By its path each time: the journal may have been started anew.
        if self.socket.send_to(&entry.finish(event), &self.path).is_err() {
            ENTRIES_LOST.increment();
        }
    }
}

/// One event on its way.
#[derive(Default)]
struct Entry {
    message: String,
    /// ` name=value` for each field, as the lines on stderr have it.
    rest: String,
    fields: Vec<u8>,
}

impl Entry {
    fn take(&mut self, field: &Field, value: &str) {
        let value = &value[..value.floor_char_boundary(VALUE_BYTES_MAX)];
        if field.name() == "message" {
            self.message.push_str(value);
            return;
        }
        // Writing to a String cannot fail.
        let _ = write!(self.rest, " {}={value}", field.name());
        put(&mut self.fields, &field_name(field.name()), value);
    }

    fn finish(mut self, event: &Event<'_>) -> Vec<u8> {
        let metadata = event.metadata();
        let mut entry = Vec::with_capacity(256 + self.fields.len());
        self.message.push_str(&self.rest);
        put(&mut entry, "MESSAGE", &escape(&self.message));
        put(&mut entry, "PRIORITY", priority(*metadata.level()));
        put(&mut entry, "SYSLOG_IDENTIFIER", "p2p-node");
        put(&mut entry, "TARGET", metadata.target());
        entry.extend(self.fields);
        entry
    }
}

impl Visit for Entry {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value);
    }
}

/// A value with newlines cannot be written as `NAME=value`: then its length stands before it.
fn put(entry: &mut Vec<u8>, name: &str, value: &str) {
    entry.extend(name.as_bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend((value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend(value.as_bytes());
    entry.push(b'\n');
}

/// The journal takes capital letters, digits and underscores.
fn field_name(name: &str) -> String {
    let letter =
        |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' };
    PREFIX.chars().chain(name.chars().map(letter)).take(NAME_BYTES_MAX).collect()
}

/// As of syslog(3).
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        _ => "7",
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// What arrives at the journal of one event.
    fn sent(act: impl FnOnce()) -> Vec<u8> {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        let subscriber = tracing_subscriber::registry().with(Journal::at(&path).unwrap());
        tracing::subscriber::with_default(subscriber, act);
        let mut entry = vec![0; 64 << 10];
        let length = journal.recv(&mut entry).unwrap();
        entry.truncate(length);
        entry
    }

    #[test]
    fn the_message_says_what_the_fields_say() {
        let entry = sent(|| {
            let (address, error) = ("web-1:5678", "no such host");
            tracing::warn!(address, %error, tries = 3, "this address cannot be resolved");
        });
        let expected = "MESSAGE=this address cannot be resolved address=web-1:5678 error=no such host tries=3\n\
                        PRIORITY=4\nSYSLOG_IDENTIFIER=p2p-node\nTARGET=p2p_node::logging::journal::tests\n\
                        F_ADDRESS=web-1:5678\nF_ERROR=no such host\nF_TRIES=3\n";
        assert_eq!(String::from_utf8(entry).unwrap(), expected);
    }

    #[test]
    fn no_value_forges_a_field() {
        let entry = sent(|| {
            let peer = "web\nPRIORITY=0\x1b[2J";
            tracing::info!(peer, "hello of {peer}");
        });
        let text = String::from_utf8_lossy(&entry);
        let first = text.lines().next().unwrap();
        assert!(
            first.starts_with("MESSAGE=hello of web\\u{a}PRIORITY=0\\u{1b}[2J peer=web\\u{a}"),
            "{first}"
        );
        let length = (b"web\nPRIORITY=0\x1b[2J".len() as u64).to_le_bytes();
        let framed = [b"F_PEER\n".as_slice(), &length, b"web\nPRIORITY=0\x1b[2J\n"].concat();
        assert!(entry.ends_with(&framed), "{text}");
    }

    #[test]
    fn a_long_value_is_cut_and_a_journal_that_is_gone_is_counted() {
        let entry = sent(|| tracing::info!(path = "x".repeat(100_000), "long"));
        assert!(entry.len() < 3 * VALUE_BYTES_MAX);
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("socket");
        assert!(Journal::at(&path).is_err());
        drop(UnixDatagram::bind(&path).unwrap());
        let before = ENTRIES_LOST.get();
        let subscriber = tracing_subscriber::registry().with(Journal::at(&path).unwrap());
        tracing::subscriber::with_default(subscriber, || tracing::info!("lost"));
        assert!(ENTRIES_LOST.get() > before);
    }
}
