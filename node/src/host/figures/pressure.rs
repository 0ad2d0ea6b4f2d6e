//! Pressure stall information, from `/proc/pressure`: the share of the last 10 seconds spent waiting.

use p2p_shared::services::monitor::Pressure;

use crate::host::Roots;
use crate::host::rates::quantise;
use crate::host::source::KeptFile;

/// The three files.
#[derive(Debug)]
pub(super) struct Files {
    cpu: KeptFile,
    memory: KeptFile,
    io: KeptFile,
}

impl Files {
    pub(super) fn new(roots: &Roots) -> Self {
        let file = |name| KeptFile::new(roots.proc.join("pressure").join(name));
        Self { cpu: file("cpu"), memory: file("memory"), io: file("io") }
    }

    /// `None` if the kernel has none, or it is switched off.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> Option<Pressure> {
        let (cpu_some_ratio, _) = self.cpu.read(buffer).and_then(|text| parse(&text))?;
        let (memory_some_ratio, memory_full_ratio) =
            self.memory.read(buffer).and_then(|text| parse(&text))?;
        let (io_some_ratio, io_full_ratio) = self.io.read(buffer).and_then(|text| parse(&text))?;
        Some(Pressure { cpu_some_ratio, memory_some_ratio, memory_full_ratio, io_some_ratio, io_full_ratio })
    }
}

/// The shares `some` and `full`; an older kernel has no `full` for processors.
fn parse(text: &str) -> Option<(f32, f32)> {
    let ratio = |kind| {
        let line = text.lines().find(|line| line.starts_with(kind))?;
        let percent = line.split_ascii_whitespace().find_map(|field| field.strip_prefix("avg10="))?;
        let percent = percent.parse().ok().filter(|percent: &f64| percent.is_finite())?;
        Some(quantise(percent.min(100.0) / 100.0))
    };
    Some((ratio("some ")?, ratio("full ").unwrap_or(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_become_shares() {
        let text = "some avg10=12.50 avg60=0.00 avg300=0.00 total=1\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(parse(text), Some((0.125, 0.01)));
        assert_eq!(parse("some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n"), Some((0.0, 0.0)));
    }

    #[test]
    fn garbage_is_none_and_never_out_of_range() {
        assert_eq!(parse(""), None);
        assert_eq!(parse("some avg10=x"), None);
        assert_eq!(parse("some avg10=NaN"), None);
        assert_eq!(parse("some avg10=-3\nfull avg10=inf"), Some((0.0, 0.0)));
        assert_eq!(parse("some avg10=300\nfull avg10=1e9"), Some((1.0, 1.0)));
    }
}
