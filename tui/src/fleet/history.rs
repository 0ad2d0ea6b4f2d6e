//! The last ten minutes of a node's figures, compact: what the charts draw. Pure, bounded.

use std::collections::VecDeque;

use p2p_shared::services::monitor::HostSample;
use p2p_shared::time::Millis;

/// Ten minutes at one sample a second.
pub const POINTS_MAX: usize = 600;
/// Cores of which a history is kept.
const CORES_MAX: usize = 512;

/// One moment, summed over devices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When it came, on the console's clock.
    pub at: Millis,
    /// Busy share of all cores.
    pub cpu: f32,
    /// Share of memory in use.
    pub memory: f32,
    /// Share of swap in use.
    pub swap: f32,
    /// Load over one minute.
    pub load: f32,
    /// Received over all interfaces but loopback, bytes a second.
    pub received: u64,
    /// Sent likewise.
    pub sent: u64,
    /// Read from all disks, bytes a second.
    pub read: u64,
    /// Written likewise.
    pub written: u64,
}

/// A ring of points, and beside it the cores in whole percents.
#[derive(Debug, Default)]
pub struct History {
    points: VecDeque<Point>,
    cores: VecDeque<u8>,
    stride: usize,
}

impl History {
    /// Adds a sample; the oldest goes when there are too many.
    pub fn push(&mut self, at: Millis, sample: &HostSample) {
        let stride = sample.cpu.cores.len().min(CORES_MAX);
        if stride != self.stride {
            // Cores came or went: their lines begin anew, with as many empty moments as there are points.
            self.stride = stride;
            self.cores = std::iter::repeat_n(0, stride * self.points.len()).collect();
        }
        if self.points.len() >= POINTS_MAX {
            self.points.pop_front();
            self.cores.drain(..stride);
        }
        self.points.push_back(point(at, sample));
        let percents = sample.cpu.cores.iter().take(stride).map(|ratio| (ratio * 100.0) as u8);
        self.cores.extend(percents);
    }

    /// The points, oldest first.
    pub fn points(&self) -> impl DoubleEndedIterator<Item = &Point> + ExactSizeIterator {
        self.points.iter()
    }

    /// How many cores have a line.
    pub const fn cores(&self) -> usize {
        self.stride
    }

    /// The line of one core in percent, oldest first, in step with [`Self::points`].
    pub fn core(&self, index: usize) -> impl Iterator<Item = u8> {
        self.cores.iter().copied().skip(index).step_by(self.stride.max(1))
    }
}

fn point(at: Millis, sample: &HostSample) -> Point {
    let memory = &sample.memory;
    let used = memory.total_bytes.saturating_sub(memory.available_bytes);
    let outside = || sample.interfaces.iter().filter(|interface| interface.name != "lo");
    Point {
        at,
        cpu: sample.cpu.ratio,
        memory: share(used, memory.total_bytes),
        swap: share(memory.swap_used_bytes, memory.swap_total_bytes),
        load: sample.load[0],
        received: sum(outside().map(|interface| interface.received_bytes_per_s)),
        sent: sum(outside().map(|interface| interface.sent_bytes_per_s)),
        read: sum(distinct_disks(sample).map(|disk| disk.read_bytes_per_s)),
        written: sum(distinct_disks(sample).map(|disk| disk.written_bytes_per_s)),
    }
}

/// One entry a device, for a device may be mounted more than once.
fn distinct_disks(sample: &HostSample) -> impl Iterator<Item = &p2p_shared::services::monitor::Disk> {
    sample.disks.iter().enumerate().filter_map(|(at, disk)| {
        (!sample.disks[..at].iter().any(|before| before.device == disk.device)).then_some(disk)
    })
}

fn sum(values: impl Iterator<Item = u64>) -> u64 {
    values.fold(0, u64::saturating_add)
}

/// `part` of `whole` as 0 to 1; nothing of nothing is 0.
pub(crate) fn share(part: u64, whole: u64) -> f32 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64) as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Simulated;

    #[test]
    fn the_ring_is_bounded_and_in_step() {
        let simulated = Simulated::new(1, 0);
        let mut history = History::default();
        for second in 0..POINTS_MAX as u64 + 50 {
            history.push(Millis::from_secs(second), &simulated.sample(0));
        }
        assert_eq!(history.points().len(), POINTS_MAX);
        assert_eq!(history.core(0).count(), POINTS_MAX);
        assert_eq!(history.points().next().unwrap().at, Millis::from_secs(50));
    }

    #[test]
    fn a_changed_number_of_cores_begins_their_lines_anew() {
        let simulated = Simulated::new(1, 0);
        let mut history = History::default();
        let mut sample = simulated.sample(0);
        history.push(Millis(0), &sample);
        sample.cpu.cores = vec![1.0; 3];
        history.push(Millis(1), &sample);
        assert_eq!(history.core(2).collect::<Vec<_>>(), [0, 100]);
    }
}
