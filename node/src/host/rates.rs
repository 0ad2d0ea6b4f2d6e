//! Counters to rates: pure functions. A counter that went backwards (a reset, a core that was unplugged, an
//! interface that was replaced) counts as no progress; nothing here gives a negative number or a NaN.

use p2p_shared::time::Millis;

/// What a counter gained a second; 0 for an empty span.
pub fn per_second(before: u64, after: u64, span: Millis) -> u64 {
    let gained = u128::from(after.saturating_sub(before));
    let rate = (gained * 1_000).checked_div(u128::from(span.0)).unwrap_or(0);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// `part` of `whole`, 0 to 1; 0 of nothing.
pub fn share(part: u64, whole: u64) -> f32 {
    if whole == 0 {
        return 0.0;
    }
    quantise(part.min(whole) as f64 / whole as f64)
}

/// Processor time gained over `span` as a share of one core, at most `cores`.
pub fn cpu_ratio(gained_ticks: u64, ticks_per_s: u64, span: Millis, cores: u32) -> f32 {
    let possible = ticks_per_s as f64 * span.0 as f64 / 1_000.0;
    if possible <= 0.0 {
        return 0.0;
    }
    quantise((gained_ticks as f64 / possible).min(f64::from(cores)))
}

/// To three decimals: what is below is noise, and would be sent again and again.
pub fn quantise(ratio: f64) -> f32 {
    if !ratio.is_finite() {
        return 0.0;
    }
    ((ratio.max(0.0) * 1_000.0).round() / 1_000.0) as f32
}

/// Clock ticks as milliseconds.
pub fn ticks_to_millis(ticks: u64, ticks_per_s: u64) -> u64 {
    let millis = u128::from(ticks) * 1_000 / u128::from(ticks_per_s.max(1));
    u64::try_from(millis).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_counter_that_went_backwards_gives_nothing() {
        assert_eq!(per_second(100, 50, Millis(1_000)), 0);
        assert_eq!(per_second(50, 100, Millis::ZERO), 0);
        assert_eq!(per_second(0, 100, Millis(500)), 200);
        assert_eq!(share(5, 0), 0.0);
    }

    #[test]
    fn a_busy_core_is_one() {
        assert_eq!(cpu_ratio(100, 100, Millis(1_000), 4), 1.0);
        assert_eq!(cpu_ratio(1_000, 100, Millis(1_000), 4), 4.0);
        assert_eq!(cpu_ratio(1, 0, Millis(1_000), 4), 0.0);
    }

    proptest! {
        #[test]
        fn every_rate_is_a_number_in_range(a: u64, b: u64, hz: u64, span: u64, cores in 1_u32..512) {
            let ratio = cpu_ratio(a, hz, Millis(span), cores);
            prop_assert!(ratio.is_finite() && (0.0..=cores as f32).contains(&ratio));
            prop_assert!((0.0..=1.0).contains(&share(a, b)));
            let _ = (per_second(a, b, Millis(span)), ticks_to_millis(a, hz));
        }

        #[test]
        fn quantising_twice_changes_nothing(ratio in 0.0_f64..512.0) {
            let once = quantise(ratio);
            prop_assert_eq!(quantise(f64::from(once)), once);
        }
    }
}
