//! The master side of a pseudo-terminal: bytes both ways, and the size of its window.
//!
//! A descriptor enters that somebody opened; nothing here starts a process. Reads take all that is there, writes as
//! much as there is room for. Both may be given up and taken up again without losing a byte.

use std::io;
use std::os::fd::OwnedFd;

use p2p_shared::services::shell::ShellSize;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The node's end of a terminal.
#[derive(Debug)]
pub struct Terminal {
    master: AsyncFd<OwnedFd>,
}

impl Terminal {
    /// Takes a master over. Must be called on a runtime that waits for descriptors.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn new(master: OwnedFd) -> io::Result<Self> {
        fcntl_setfl(&master, fcntl_getfl(&master)? | OFlags::NONBLOCK)?;
        #[expect(
            deprecated,
            reason = "unsound only for what gives its descriptor away, which an OwnedFd does not"
        )]
        let master = AsyncFd::with_interest(master, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { master })
    }

    /// Waits until something was written on the other side, and takes all of it that fits. Nothing: nobody has the
    /// other side open any more.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub async fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.master.readable().await?;
            let mut length = 0;
            let taken = ready.try_io(|master| {
                // A terminal gives a line or a page at a time: more may be there at once.
                while length < into.len() {
                    match rustix::io::read(master, &mut into[length..]) {
                        Ok(0) | Err(Errno::IO) => break,
                        Ok(read) => length += read,
                        Err(Errno::INTR) => {}
                        Err(Errno::AGAIN) => return Err(io::ErrorKind::WouldBlock.into()),
                        Err(errno) => return Err(errno.into()),
                    }
                }
                Ok(())
            });
            match taken {
                Ok(Err(error)) if length == 0 => return Err(error),
                Err(_) if length == 0 => {}
                _ => return Ok(length),
            }
        }
    }

    /// Waits until there is room, and writes what fits into it; how much that was.
    ///
    /// # Errors
    /// If nobody has the other side open any more.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.master
            .async_io(Interest::WRITABLE, |master| match rustix::io::write(master, bytes) {
                Ok(written) => Ok(written),
                Err(Errno::AGAIN) => Err(io::ErrorKind::WouldBlock.into()),
                Err(errno) => Err(errno.into()),
            })
            .await
    }

    /// Gives the window another size; what runs in it is told by SIGWINCH if that is a change.
    ///
    /// # Errors
    /// If it is no terminal any more.
    pub fn resize(&self, size: ShellSize) -> io::Result<()> {
        let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(self.master.get_ref(), size)?)
    }
}
