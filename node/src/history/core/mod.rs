//! The history of figures as a pure core: samples in, minutes to keep out; what was kept in, answers out.
//!
//! Two grains are kept. Every second of the last hours is in *records*, one a minute ([`minute`]), numbered in
//! the order in which they were made. When there are enough of them the oldest are summed up to least, mean and
//! greatest value a minute, one *block* a series ([`block`]), which stay for a month. All coarser steps
//! are summed up when somebody asks ([`answer`]). So nothing but the open minute is in memory, what is on disk
//! is always whole, and there is nothing to replay after a crash.
//!
//! No clock, no disk, no task: the driver has them.

pub mod answer;
pub mod bits;
pub mod block;
pub mod bucket;
pub mod busy;
pub mod catalogue;
pub mod gorilla;
pub mod minute;
pub mod recorder;
pub mod timeline;

/// Number of a series, never used for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(pub u32);

/// Records that are kept second by second at least: six hours.
pub const RECORDS_KEPT: u64 = 360;
/// Records that are summed up together.
pub const SEALED_AT_ONCE: u64 = 60;
/// Most groups of summed-up records: thirty days of them.
pub const SEALS_MAX: usize = 720;
/// Most bytes of all blocks; beyond, the oldest group goes before its time. The standard set takes 12 MiB in 30
/// days. The database takes almost three times that on disk, because blocks are small and pages half full.
pub const BLOCKS_BYTES_MAX: u64 = 18 << 20;

#[cfg(test)]
mod tests;
