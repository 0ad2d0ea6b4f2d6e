//! The signals that concern the console.

use std::io;
use std::time::Duration;

use rustix::process::{Signal as Posix, kill_current_process_group};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

/// How long a stop may take to begin; past it nobody is there to continue us, so that the kernel ignored it.
const STOP: Duration = Duration::from_millis(100);

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Leave.
    End,
    /// It was stopped, and goes on.
    Continue,
}

/// The signals that are listened for.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    hang_up: Signal,
    interrupt: Signal,
    resume: Signal,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// If the operating system gives no handler.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            resume: signal(SignalKind::from_raw(Posix::CONT.as_raw()))?,
        })
    }

    /// The next one. Dropping the future loses none.
    pub async fn next(&mut self) -> Call {
        tokio::select! {
            _ = self.terminate.recv() => Call::End,
            _ = self.hang_up.recv() => Call::End,
            _ = self.interrupt.recv() => Call::End,
            _ = self.resume.recv() => Call::Continue,
        }
    }

    /// Waits for one that asks to leave. The others belong to the program that has the terminal meanwhile.
    pub async fn end(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.hang_up.recv() => return,
                _ = self.interrupt.recv() => {}
                _ = self.resume.recv() => {}
            }
        }
    }

    /// Drops those that came for the program which had the terminal.
    pub async fn forget(&mut self) {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => {}
            () = std::future::ready(()) => {}
        }
        tokio::select! {
            biased;
            _ = self.resume.recv() => {}
            () = std::future::ready(()) => {}
        }
    }

    /// Stops the whole job, as ^Z does in a cooked terminal, and returns when it goes on. Where no shell could
    /// continue it the kernel ignores the stop, and this returns soon.
    pub async fn stop_job(&mut self) -> io::Result<()> {
        kill_current_process_group(Posix::TSTP)?;
        // Whether it was continued or never stopped makes no difference from here on.
        let _ = timeout(STOP, self.resume.recv()).await;
        Ok(())
    }
}
