//! Writes data to stdout: all of it, or a failure that is told.

use std::io::{self, ErrorKind, Write};

use p2p_shared::error::Exit;

/// Prints `data`. A reader that has gone away (`| head`) is no failure; a full disk is.
pub(super) fn print(data: &[u8]) -> Exit {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(data).and_then(|()| stdout.flush()) {
        Ok(()) => Exit::Ok,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Exit::Ok,
        Err(error) => {
            super::complain(&format!("stdout: cannot be written: {error}"));
            Exit::Failed
        }
    }
}
