//! The only code that touches the operating system: processes, signals, processors, memory, disks, network,
//! units, the journal.
//!
//! Figures enter from `/proc` and `/sys`; they leave as snapshots through [`sampler::Sampler`], or as the
//! answer of a function. What stands in those files was often written by somebody hostile (names, command
//! lines): it is data, never parsed beyond its bounds, and a file that is missing is a typed error or a gap.
//! Nothing here knows a peer, a permission or a service.

use std::path::PathBuf;

pub mod abilities;
pub mod control;
pub mod delta;
pub mod details;
pub mod error;
pub mod figures;
pub mod files;
pub mod journal;
pub mod machine;
pub mod moment;
pub mod network;
pub mod occupant;
pub mod processes;
pub mod programs;
pub mod rates;
pub mod run;
pub mod sampler;
pub mod session;
pub mod snapshot;
pub mod systemd;
pub mod terminal;

mod source;
mod stat;
mod text;

#[cfg(test)]
pub(crate) mod testing;

/// Where the kernel's file systems and the user database are. Tests point them at a directory of their own.
#[derive(Clone, Debug)]
pub struct Roots {
    /// procfs.
    pub proc: PathBuf,
    /// sysfs.
    pub sys: PathBuf,
    /// System configuration; only `passwd`, `group` and `services` are read.
    pub etc: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into(), etc: "/etc".into() }
    }
}
