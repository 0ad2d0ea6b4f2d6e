//! Bytes for the terminal, kept until a frame is whole and then written at once.
//!
//! Unlike the standard library's buffers it writes nothing on drop: a frame that a panic cut short must not follow
//! the panic's words onto the operator's screen.

use std::io::{self, Write};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// What was not written yet.
#[derive(Debug, Default)]
pub struct Sheet(Vec<u8>);

impl Sheet {
    /// How many bytes wait.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Drops what waits.
    pub fn discard(&mut self) {
        self.0.clear();
    }
}

impl Write for Sheet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = write_all(&self.0);
        self.0.clear();
        result
    }
}

/// Writes to standard output past its lock and its buffer, which a panic may have caught in use.
pub fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    let output = io::stdout();
    while !bytes.is_empty() {
        match rustix::io::write(&output, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            // Another program left the terminal in non-blocking mode.
            Err(Errno::AGAIN) => {
                poll(&mut [PollFd::new(&output, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
