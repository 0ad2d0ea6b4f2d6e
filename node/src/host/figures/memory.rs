//! Memory and swap, from `/proc/meminfo`.

use p2p_shared::services::monitor::MemorySample;

/// Reads the figures; what is missing is 0.
pub fn parse(text: &str) -> MemorySample {
    let (mut total, mut free, mut available, mut cached) = (0, 0, None, 0_u64);
    let (mut swap_total, mut swap_free) = (0, 0);
    for (name, bytes) in text.lines().filter_map(line) {
        match name {
            "MemTotal" => total = bytes,
            "MemFree" => free = bytes,
            "MemAvailable" => available = Some(bytes),
            "Buffers" | "Cached" => cached = cached.saturating_add(bytes),
            "SwapTotal" => swap_total = bytes,
            "SwapFree" => swap_free = bytes,
            _ => {}
        }
    }
    // Kernels before 3.14 do not say what is available.
    let available = available.unwrap_or_else(|| u64::saturating_add(free, cached));
    MemorySample {
        total_bytes: total,
        available_bytes: available.min(total),
        cached_bytes: cached,
        swap_total_bytes: swap_total,
        swap_used_bytes: u64::saturating_sub(swap_total, swap_free),
    }
}

/// `Name:   123 kB`.
fn line(line: &str) -> Option<(&str, u64)> {
    let (name, rest) = line.split_once(':')?;
    let kib: u64 = rest.trim_start().split_ascii_whitespace().next()?.parse().ok()?;
    Some((name, kib.saturating_mul(1_024)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kibibytes_become_bytes() {
        let text = "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 600 kB\nBuffers: 10 kB\nCached: 290 kB\n\
                    SwapCached: 5 kB\nSwapTotal: 50 kB\nSwapFree: 20 kB\nHugePages_Total: 0\n";
        let memory = parse(text);
        assert_eq!((memory.total_bytes, memory.available_bytes), (1_024_000, 614_400));
        assert_eq!((memory.cached_bytes, memory.swap_used_bytes), (307_200, 30_720));
    }

    #[test]
    fn garbage_and_absurd_numbers_do_no_harm() {
        let memory = parse(
            "MemTotal\nMemFree: x kB\nSwapTotal: 1 kB\nSwapFree: 9 kB\n: :\nCached: 18446744073709551615 kB",
        );
        assert_eq!((memory.total_bytes, memory.available_bytes, memory.swap_used_bytes), (0, 0, 0));
    }
}
