//! One minute of every series, second by second: what is recorded, and what all coarser figures come from.
//!
//! A second without a value is a gap and stays one. Seconds of one record only go forward.

use std::collections::BTreeMap;

use super::SeriesId;
use super::bits::{BitReader, BitWriter};
use super::bucket::{Bucket, SUM_BYTES, merge_into};
use super::gorilla::Xor;

/// Seconds of a minute.
pub const SECONDS: u64 = 60;
/// Of the head: the minute, which seconds there are, and how many columns.
const HEAD_BYTES: usize = 8 + 8 + 2;
/// Of the head of a column: whose, and how many bytes. Behind it all its values summed up, so that steps of a
/// minute and more need not decode them.
const COLUMN_HEAD_BYTES: usize = 4 + 2;

/// The values of one minute.
#[derive(Clone, Debug, PartialEq)]
pub struct Minute {
    /// Its first second, since 1970.
    pub start: u64,
    /// The seconds of which there is a sample, the first one lowest.
    seconds: u64,
    columns: BTreeMap<SeriesId, Column>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Column {
    /// The seconds of which there is a value.
    seconds: u64,
    values: Vec<f32>,
}

impl Minute {
    /// An empty one that holds `second`.
    pub const fn around(second: u64) -> Self {
        Self { start: second - second % SECONDS, seconds: 0, columns: BTreeMap::new() }
    }

    /// Whether a sample of `second` can be appended.
    pub const fn takes(&self, second: u64) -> bool {
        match second.checked_sub(self.start) {
            Some(offset) => offset < SECONDS && self.seconds >> offset == 0,
            None => false,
        }
    }

    /// Begins the sample of `second`, which it takes.
    pub const fn begin(&mut self, second: u64) {
        self.seconds |= 1 << (second - self.start);
    }

    /// Appends a finite value of the sample begun last. A series has one a sample; the first counts.
    pub fn push(&mut self, series: SeriesId, value: f32) {
        let bit = 1 << (u64::BITS - 1 - self.seconds.leading_zeros());
        let column = self.columns.entry(series).or_default();
        if column.seconds & bit == 0 {
            column.seconds |= bit;
            column.values.push(value);
        }
    }

    /// Forgets a series.
    pub fn remove(&mut self, series: SeriesId) {
        self.columns.remove(&series);
    }

    /// Its bytes: a head, then each column, so that one can be read without the others.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.columns.len() * 128);
        bytes.extend(self.start.to_be_bytes());
        bytes.extend(self.seconds.to_be_bytes());
        bytes.extend((self.columns.len() as u16).to_be_bytes());
        for (series, column) in &self.columns {
            let encoded = column.to_bytes(self.seconds);
            bytes.extend(series.0.to_be_bytes());
            bytes.extend((encoded.len() as u16).to_be_bytes());
            bytes.extend(encoded);
        }
        bytes
    }

    /// What was written; `None` if it is none of ours.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let view = MinuteView::parse(bytes)?;
        let (start, seconds) = (view.start, view.seconds);
        let columns =
            view.columns().map(|(series, column)| Some((series, Column::from_bytes(column, seconds)?)));
        Some(Self { start, seconds, columns: columns.collect::<Option<_>>()? })
    }

    /// The values of a series, by second.
    pub fn values(&self, series: SeriesId) -> impl Iterator<Item = (u64, f32)> {
        self.columns.get(&series).into_iter().flat_map(|column| column.iter(self.start))
    }

    /// The minute as one bucket a series.
    pub fn buckets(&self) -> impl Iterator<Item = (SeriesId, Bucket)> {
        self.columns.iter().filter_map(|(&series, column)| Some((series, column.sum()?)))
    }
}

impl Column {
    fn to_bytes(&self, common: u64) -> Vec<u8> {
        let mut bytes = self.sum().map_or_else(|| vec![0; SUM_BYTES], |sum| sum.to_bytes().to_vec());
        let (mut out, mut xor) = (BitWriter::default(), Xor::default());
        let own = u32::from(self.seconds != common);
        out.put(own, 1);
        if own == 1 {
            out.put((self.seconds >> 32) as u32, 32);
            out.put(self.seconds as u32, 32);
        }
        self.values.iter().for_each(|&value| xor.put(value, &mut out));
        bytes.extend(out.into_bytes());
        bytes
    }

    fn sum(&self) -> Option<Bucket> {
        let mut sum = None;
        self.values.iter().for_each(|&value| merge_into(&mut sum, &Bucket::of(value)));
        sum
    }

    fn seconds(from: &mut BitReader<'_>, common: u64) -> Option<u64> {
        Some(match from.take(1)? {
            0 => common,
            _ => u64::from(from.take(32)?) << 32 | u64::from(from.take(32)?),
        })
    }

    fn from_bytes(bytes: &[u8], common: u64) -> Option<Self> {
        let mut from = BitReader::new(bytes.get(SUM_BYTES..)?);
        let seconds = Self::seconds(&mut from, common)?;
        let mut xor = Xor::default();
        let values = (0..seconds.count_ones()).map(|_| xor.take(&mut from).filter(|value| value.is_finite()));
        Some(Self { seconds, values: values.collect::<Option<_>>()? })
    }

    fn iter(&self, start: u64) -> impl Iterator<Item = (u64, f32)> {
        let seconds = self.seconds;
        let there = (0..u64::from(u64::BITS)).filter(move |offset| seconds >> offset & 1 == 1);
        there.map(move |offset| start + offset).zip(self.values.iter().copied())
    }
}

/// A record as bytes, of which only the columns that are wanted are decoded.
#[derive(Clone, Copy, Debug)]
pub struct MinuteView<'a> {
    /// As in [`Minute`].
    pub start: u64,
    seconds: u64,
    columns: &'a [u8],
}

impl<'a> MinuteView<'a> {
    /// Looks at a record; `None` if it is none of ours.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (head, columns) = bytes.split_at_checked(HEAD_BYTES)?;
        let number = |at: usize| Some(u64::from_be_bytes(head.get(at..at + 8)?.try_into().ok()?));
        let (start, seconds) = (number(0)?, number(8)?);
        // A bound for what comes of it later, whatever the bytes are.
        (start <= u64::from(u32::MAX) * SECONDS && seconds >> SECONDS == 0).then_some(())?;
        Some(Self { start, seconds, columns })
    }

    /// The values of the series that `wanted` accepts, by second; `None` marks a column that cannot be read.
    pub fn read(
        self,
        wanted: impl Fn(SeriesId) -> bool,
        mut found: impl FnMut(SeriesId, u64, f32),
    ) -> Option<()> {
        for (series, bytes) in self.columns().filter(|(series, _)| wanted(*series)) {
            let column = Column::from_bytes(bytes, self.seconds)?;
            column.iter(self.start).for_each(|(second, value)| found(series, second, value));
        }
        Some(())
    }

    /// The whole minute of each series that `wanted` accepts as one bucket; `None` marks a column that cannot be
    /// read.
    pub fn sums(
        self,
        wanted: impl Fn(SeriesId) -> bool,
        mut found: impl FnMut(SeriesId, &Bucket),
    ) -> Option<()> {
        for (series, bytes) in self.columns().filter(|(series, _)| wanted(*series)) {
            found(series, &Bucket::from_bytes(bytes)?);
        }
        Some(())
    }

    fn columns(self) -> impl Iterator<Item = (SeriesId, &'a [u8])> {
        let mut rest = self.columns;
        std::iter::from_fn(move || {
            let (head, behind) = rest.split_at_checked(COLUMN_HEAD_BYTES)?;
            let series = SeriesId(u32::from_be_bytes(head[..4].try_into().ok()?));
            let length = u16::from_be_bytes(head[4..].try_into().ok()?);
            let (column, next) = behind.split_at_checked(length.into())?;
            rest = next;
            Some((series, column))
        })
    }
}
