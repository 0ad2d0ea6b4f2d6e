//! Numbers of any width in a row of bytes, the highest bit first. Pure on bytes; reading past the end is `None`.

/// Writes bits.
#[derive(Debug, Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    held: u64,
    bits: u32,
}

impl BitWriter {
    /// Appends the lowest `width` bits (at most 32) of `value`.
    pub fn put(&mut self, value: u32, width: u32) {
        debug_assert!(width <= 32 && u64::from(value) < 1 << width, "it fits");
        self.held = (self.held << width) | u64::from(value);
        self.bits += width;
        while self.bits >= 8 {
            self.bits -= 8;
            self.bytes.push((self.held >> self.bits) as u8);
        }
    }

    /// The bytes, the last one filled up with zeros.
    pub fn into_bytes(mut self) -> Vec<u8> {
        if self.bits > 0 {
            self.put(0, 8 - self.bits);
        }
        self.bytes
    }
}

/// Reads bits.
#[derive(Debug)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    held: u64,
    bits: u32,
}

impl<'a> BitReader<'a> {
    /// From the first bit of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, held: 0, bits: 0 }
    }

    /// The next `width` bits (at most 32).
    pub fn take(&mut self, width: u32) -> Option<u32> {
        if self.bits < width {
            self.fill(width)?;
        }
        self.bits -= width;
        Some(((self.held >> self.bits) & ((1 << width) - 1)) as u32)
    }

    /// Holds at least `width` bits: four bytes at a time, while there are so many.
    fn fill(&mut self, width: u32) -> Option<()> {
        if let Some((four, rest)) = self.bytes.split_first_chunk() {
            self.bytes = rest;
            self.held = (self.held << 32) | u64::from(u32::from_be_bytes(*four));
            self.bits += 32;
            return Some(());
        }
        while self.bits < width {
            let (&byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            self.held = (self.held << 8) | u64::from(byte);
            self.bits += 8;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(numbers in prop::collection::vec((any::<u32>(), 0u32..=32), 0..100)) {
            let cut = |value: u32, width: u32| (u64::from(value) & ((1 << width) - 1)) as u32;
            let mut writer = BitWriter::default();
            for &(value, width) in &numbers {
                writer.put(cut(value, width), width);
            }
            let bytes = writer.into_bytes();
            let mut reader = BitReader::new(&bytes);
            for &(value, width) in &numbers {
                prop_assert_eq!(reader.take(width), Some(cut(value, width)));
            }
            // What is left is the filling of the last byte.
            prop_assert_eq!(reader.take(8), None);
        }
    }
}
