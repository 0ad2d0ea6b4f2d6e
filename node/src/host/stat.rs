//! `/proc/PID/stat` as a value: bytes in, fields out, nothing believed of the name that a process gave itself.

use p2p_shared::services::process::ProcessState;

/// Bytes that surely hold a whole `/proc/PID/stat`.
pub(crate) const STAT_BYTES: usize = 2_048;

const PF_KTHREAD: u64 = 0x0020_0000;

/// The fields that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat<'a> {
    /// The name between the first `(` and the last `)`.
    pub(crate) comm: &'a [u8],
    pub(crate) state: ProcessState,
    pub(crate) ppid: u32,
    /// Whether it is a thread of the kernel: no command line, no files.
    pub(crate) kernel: bool,
    /// User and system time.
    pub(crate) cpu_ticks: u64,
    pub(crate) nice: i32,
    pub(crate) threads: u32,
    pub(crate) start_ticks: u64,
    pub(crate) rss_pages: u64,
}

impl<'a> Stat<'a> {
    /// Reads the one line of the file; `None` if it is not such a line.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        let open = line.iter().position(|&byte| byte == b'(')?;
        let close = line.iter().rposition(|&byte| byte == b')')?;
        let comm = line.get(open + 1..close)?;
        let mut fields = Fields(line.get(close + 1..)?);
        let state = fields.next()?;
        let ppid = fields.number()?;
        let flags = fields.skip(4).number()?;
        let user_ticks = fields.skip(4).number()?;
        let system_ticks = fields.number()?;
        let nice = fields.skip(3).signed()?;
        let threads = fields.number()?;
        let start_ticks = fields.skip(1).number()?;
        let rss_pages = fields.skip(1).signed()?;
        Some(Self {
            comm: stable_name(comm, flags & PF_KTHREAD != 0),
            state: state_of(*state.first()?),
            ppid: u32::try_from(ppid).ok()?,
            kernel: flags & PF_KTHREAD != 0,
            cpu_ticks: user_ticks.saturating_add(system_ticks),
            nice: i32::try_from(nice).ok()?,
            threads: u32::try_from(threads).unwrap_or(u32::MAX),
            start_ticks,
            // The kernel may print a negative count for a moment.
            rss_pages: u64::try_from(rss_pages).unwrap_or(0),
        })
    }
}

/// A worker of the kernel wears the name of what it does at the moment (`kworker/0:1-events`), and would
/// appear anew in every sample: only what stays is its name.
fn stable_name(comm: &[u8], kernel: bool) -> &[u8] {
    if !kernel || !comm.starts_with(b"kworker/") {
        return comm;
    }
    let end = comm.iter().position(|byte| matches!(byte, b'-' | b'+')).unwrap_or(comm.len());
    &comm[..end]
}

const fn state_of(letter: u8) -> ProcessState {
    match letter {
        b'R' => ProcessState::Running,
        b'S' => ProcessState::Sleeping,
        b'D' => ProcessState::Uninterruptible,
        b'T' | b't' => ProcessState::Stopped,
        b'Z' | b'X' | b'x' => ProcessState::Zombie,
        b'I' => ProcessState::Idle,
        _ => ProcessState::Unknown,
    }
}

/// Fields separated by blanks.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.0.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let rest = &self.0[start..];
        let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
        let (field, rest) = rest.split_at(end);
        self.0 = rest;
        Some(field)
    }

    fn skip(&mut self, count: usize) -> &mut Self {
        for _ in 0..count {
            self.next();
        }
        self
    }

    fn number(&mut self) -> Option<u64> {
        number(self.next()?)
    }

    fn signed(&mut self) -> Option<i64> {
        let field = self.next()?;
        match field.strip_prefix(b"-") {
            Some(digits) => i64::try_from(number(digits)?).ok()?.checked_neg(),
            None => i64::try_from(number(field)?).ok(),
        }
    }
}

/// A decimal number, if it is nothing else.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, &digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REST: &str = "S 7 1 1 0 -1 4194304 101 0 0 0 30 12 0 0 20 -5 3 0 188092 3133440 380 184467";

    #[test]
    fn fields_are_found_behind_any_name() {
        for name in ["sleep", "a b", ") R 1 (", "((((", "))))", "x\ny", "", "\u{1b}[2J"] {
            let line = format!("15911 ({name}) {REST}\n");
            let stat = Stat::parse(line.as_bytes()).unwrap();
            assert_eq!(stat.comm, name.as_bytes());
            assert_eq!((stat.state, stat.ppid, stat.cpu_ticks), (ProcessState::Sleeping, 7, 42));
            assert_eq!((stat.nice, stat.threads, stat.start_ticks, stat.rss_pages), (-5, 3, 188_092, 380));
        }
    }

    #[test]
    fn what_is_no_such_line_is_refused() {
        for line in ["", "(", ")", ")(", "1 (a)", "1 (a) S", "1 (a) S x 1 1", "1 (a) S 99999999999999999999"]
        {
            assert_eq!(Stat::parse(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_kernel_worker_keeps_its_name() {
        let line = "9 (kworker/u8:2-events_unbound) I 2 0 0 0 -1 69238880 0 0 0 0 0 1 0 0 20 0 1 0 30 0 0 1";
        let stat = Stat::parse(line.as_bytes()).unwrap();
        assert_eq!(stat.comm, b"kworker/u8:2");
        assert!(stat.kernel);
        let user = line.replace("69238880", "4194304");
        assert_eq!(Stat::parse(user.as_bytes()).unwrap().comm, b"kworker/u8:2-events_unbound");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Stat::parse(&bytes);
        }
    }
}
