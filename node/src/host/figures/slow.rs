//! Figures that may block: the room on file systems (a dying disk, a FUSE daemon that hangs) and temperature
//! sensors (drivers that talk over slow buses). A thread of its own reads them every [`PERIOD`]; a sample takes
//! what it last found. A thread that hangs costs these figures their freshness, and nothing else.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use p2p_shared::services::monitor::Temperature;
use sysinfo::{Component, Components};
use tokio::sync::watch;

use super::disks::{self, FileSystem};
use crate::host::Roots;
use crate::host::error::HostError;
use crate::host::text::lossy;

/// How often it looks.
pub const PERIOD: Duration = Duration::from_secs(10);
/// How long a start waits for the first figures.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// Most sensors of a sample.
const SENSORS_MAX: usize = 128;
/// Longest label of a sensor.
const LABEL_BYTES_MAX: usize = 128;

/// What was last found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SlowFigures {
    /// By mount point.
    pub file_systems: Vec<FileSystem>,
    /// In the order of the drivers.
    pub temperatures: Vec<Temperature>,
}

/// The running thread; it ends when this is dropped.
#[derive(Debug)]
pub struct SlowProbe {
    latest: watch::Receiver<Arc<SlowFigures>>,
    _alive: SyncSender<()>,
}

impl SlowProbe {
    /// Starts the thread, and waits a moment for its first figures.
    ///
    /// # Errors
    /// [`HostError::NoThread`] if the system has none to give.
    pub fn start(roots: Roots) -> Result<Self, HostError> {
        let (found, latest) = watch::channel(Arc::default());
        let (alive, stop) = sync_channel(1);
        let (first_tx, first_rx) = sync_channel(1);
        let run = move || {
            let mut sensors = Components::new().ok();
            loop {
                found.send_replace(Arc::new(look(&roots, sensors.as_mut())));
                // Full after the first time, or nobody waits any more: both are fine.
                let _ = first_tx.try_send(());
                if stop.recv_timeout(PERIOD) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("host-slow".into()).spawn(run);
        thread.map_err(|error| HostError::NoThread(error.to_string()))?;
        // Late figures come with a later sample.
        let _ = first_rx.recv_timeout(FIRST_WAIT);
        Ok(Self { latest, _alive: alive })
    }

    /// What it last found.
    pub fn latest(&self) -> Arc<SlowFigures> {
        Arc::clone(&self.latest.borrow())
    }
}

fn look(roots: &Roots, sensors: Option<&mut Components>) -> SlowFigures {
    SlowFigures {
        temperatures: sensors.map(temperatures).unwrap_or_default(),
        file_systems: disks::file_systems(roots),
    }
}

fn temperatures(sensors: &mut Components) -> Vec<Temperature> {
    sensors.refresh(true);
    let read = |sensor: &Component| {
        let celsius = sensor.temperature().filter(|celsius| celsius.is_finite())?;
        Some(Temperature { label: lossy(sensor.label().as_bytes(), LABEL_BYTES_MAX), celsius })
    };
    sensors.iter().filter_map(read).take(SENSORS_MAX).collect()
}
