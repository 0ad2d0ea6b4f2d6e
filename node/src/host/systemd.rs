//! systemd over the system bus: units, their jobs, what changes in them, and transient units.
//!
//! Names and settings enter; rows, reports and typed refusals leave. The two connections (one for calls, one
//! that signals come by, so that a reader of signals that is slow never holds up a call) are made at the first
//! use and made anew after a failure. Nothing here starts a process itself, and nothing takes a glob.

pub mod changes;
pub mod control;
pub mod files;
pub mod name;
pub mod transient;
pub mod units;

mod bus;
mod error;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;
use zbus::connection::Builder;

use bus::Bus;
pub use error::SystemdError;

/// The directory that is there exactly where systemd is the init of the machine, by sd_booted(3).
const BOOTED: &str = "/run/systemd/system";
/// How long one call of systemd may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(25);
/// For so long an answer stands for the next one: what follows on it (a start, its end, its release) does not ask
/// again whether the bus is there. Who meets one that went away in between says so, or looks again.
const ANSWERED: Duration = Duration::from_millis(100);
/// How many may watch all units at a time.
const WATCHERS_MAX: usize = 32;

/// The way to systemd. Clones share it.
#[derive(Clone, Debug)]
pub struct Systemd(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    // Held while a connection is made, so that many callers after a failure make only one.
    bus: Mutex<Option<Kept>>,
    watchers: Arc<Semaphore>,
}

/// A connection, and when it answered last.
#[derive(Debug)]
struct Kept {
    bus: Bus,
    answered: Instant,
}

impl Default for Systemd {
    fn default() -> Self {
        Self::new()
    }
}

impl Systemd {
    /// One that has not connected yet.
    pub fn new() -> Self {
        let watchers = Arc::new(Semaphore::new(WATCHERS_MAX));
        Self(Arc::new(Shared { bus: Mutex::new(None), watchers }))
    }

    /// Whether this machine is run by systemd.
    pub fn is_here() -> bool {
        Path::new(BOOTED).is_dir()
    }

    /// Whether it can be asked.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn answers(&self) -> Result<(), SystemdError> {
        self.bus().await.map(drop)
    }

    /// A connection that has answered just now.
    async fn bus(&self) -> Result<Bus, SystemdError> {
        if !Self::is_here() {
            return Err(SystemdError::Absent);
        }
        let mut kept = self.0.bus.lock().await;
        if let Some(Kept { bus, answered }) = kept.as_mut() {
            if answered.elapsed() < ANSWERED {
                return Ok(bus.clone());
            }
            if bus.answers().await {
                *answered = Instant::now();
                return Ok(bus.clone());
            }
        }
        *kept = None;
        let bus = connect().await.map_err(|error| SystemdError::Unreachable(error.to_string()))?;
        *kept = Some(Kept { bus: bus.clone(), answered: Instant::now() });
        Ok(bus)
    }
}

async fn connect() -> zbus::Result<Bus> {
    let calls = Builder::system().method_timeout(CALL_TIMEOUT).build().await?;
    let signals = Builder::system().method_timeout(CALL_TIMEOUT).build().await?;
    Bus::new(calls, signals).await
}
