//! What is kept of a figure over a span: least, mean and greatest value, and how many there were.

/// Bytes of one as it is stored.
pub const SUM_BYTES: usize = 4 + 3 * 4;

/// The values of a span, summed up. Merging is commutative, so the order in which values come changes nothing
/// but the last bits of the sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    count: u32,
    sum: f64,
    min: f32,
    max: f32,
}

impl Bucket {
    /// One value, which is finite.
    pub const fn of(value: f32) -> Self {
        Self { count: 1, sum: value as f64, min: value, max: value }
    }

    /// As it was written: `None` if it is none of ours.
    pub fn from_parts(count: u32, [min, mean, max]: [f32; 3]) -> Option<Self> {
        let sound = count > 0 && min.is_finite() && max.is_finite() && min <= mean && mean <= max;
        sound.then_some(Self { count, sum: f64::from(mean) * f64::from(count), min, max })
    }

    /// As it is stored.
    pub fn to_bytes(self) -> [u8; SUM_BYTES] {
        let [min, mean, max] = self.parts().map(f32::to_be_bytes);
        let parts = [self.count.to_be_bytes(), min, mean, max];
        std::array::from_fn(|at| parts[at / 4][at % 4])
    }

    /// What was stored at the beginning of these bytes; `None` if it is none of ours.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let part = |at: usize| Some(f32::from_bits(number(at)?));
        Self::from_parts(number(0)?, [part(4)?, part(8)?, part(12)?])
    }

    /// How many values.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Least, mean and greatest value, in this order by size too.
    pub fn parts(&self) -> [f32; 3] {
        // Rounding must not carry the mean past its bounds.
        let mean = ((self.sum / f64::from(self.count)) as f32).clamp(self.min, self.max);
        [self.min, mean, self.max]
    }

    /// Takes the values of another one in.
    pub const fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// Takes `bucket` into a place that may still be empty.
pub const fn merge_into(place: &mut Option<Bucket>, bucket: &Bucket) {
    match place {
        Some(there) => there.merge(bucket),
        None => *place = Some(*bucket),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(values: &[f32]) -> Option<Bucket> {
        let mut place = None;
        values.iter().for_each(|&value| merge_into(&mut place, &Bucket::of(value)));
        place
    }

    proptest! {
        #[test]
        fn the_mean_lies_between_and_sums_are_conserved(
            values in prop::collection::vec(-1e30f32..1e30, 1..100),
            cut in 1usize..10,
        ) {
            let whole = all(&values).unwrap();
            let mut by_parts = None;
            for part in values.chunks(cut) {
                merge_into(&mut by_parts, &all(part).unwrap());
            }
            let by_parts = by_parts.unwrap();
            let [min, mean, max] = by_parts.parts();
            prop_assert!(min <= mean && mean <= max);
            prop_assert_eq!((whole.count, whole.min, whole.max), (by_parts.count, by_parts.min, by_parts.max));
            let scale: f64 = values.iter().map(|value| f64::from(value.abs())).sum();
            prop_assert!((whole.sum - by_parts.sum).abs() <= scale * 1e-12);
        }

        #[test]
        fn what_was_written_reads_back(values in prop::collection::vec(-1e6f32..1e6, 1..100)) {
            let bucket = all(&values).unwrap();
            let read = Bucket::from_parts(bucket.count(), bucket.parts()).unwrap();
            prop_assert_eq!(read.parts(), bucket.parts());
        }
    }

    #[test]
    fn what_is_no_bucket_is_refused() {
        for parts in [[1.0, 0.0, 2.0], [0.0, 3.0, 2.0], [f32::NAN, 0.0, 1.0], [0.0, f32::NAN, 1.0]] {
            assert_eq!(Bucket::from_parts(1, parts), None, "{parts:?}");
        }
        assert_eq!(Bucket::from_parts(0, [0.0; 3]), None);
    }
}
