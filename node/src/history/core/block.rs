//! Minutes of one series as buckets, behind each other: what is kept for long.

use std::collections::BTreeMap;

use super::SeriesId;
use super::bits::{BitReader, BitWriter};
use super::bucket::{Bucket, SUM_BYTES, merge_into};
use super::gorilla::Xor;
use super::minute::{Minute, SECONDS};

/// Of the head: the first and the last minute, how many, and all of them summed up.
const HEAD_BYTES: usize = 4 + 4 + 2 + SUM_BYTES;

/// Sums recorded minutes up: for each series its minutes, encoded. Minutes of the same time become one.
pub fn seal(minutes: &[Minute]) -> BTreeMap<SeriesId, Vec<u8>> {
    let mut sums: BTreeMap<SeriesId, BTreeMap<u32, Option<Bucket>>> = BTreeMap::new();
    for minute in minutes {
        // A clock past the year 10000 is a broken one.
        let Ok(number) = u32::try_from(minute.start / SECONDS) else { continue };
        for (series, bucket) in minute.buckets() {
            merge_into(sums.entry(series).or_default().entry(number).or_default(), &bucket);
        }
    }
    sums.into_iter().map(|(series, minutes)| (series, encode(&minutes))).collect()
}

fn encode(minutes: &BTreeMap<u32, Option<Bucket>>) -> Vec<u8> {
    let buckets = || minutes.iter().filter_map(|(&minute, bucket)| Some((minute, bucket.as_ref()?)));
    let first = minutes.keys().next().copied().unwrap_or(0);
    let last = minutes.keys().next_back().copied().unwrap_or(0);
    let (mut out, mut columns) = (BitWriter::default(), [Xor::default(); 3]);
    let mut next = (first, SECONDS as u32);
    let mut sum = None;
    for (minute, bucket) in buckets() {
        merge_into(&mut sum, bucket);
        let count = bucket.count().min(u32::from(u16::MAX));
        let as_foreseen = (minute, count) == next;
        out.put(u32::from(!as_foreseen), 1);
        if !as_foreseen {
            out.put(minute, 32);
            out.put(count, 16);
        }
        next = (minute.saturating_add(1), count);
        for (column, value) in columns.iter_mut().zip(bucket.parts()) {
            column.put(value, &mut out);
        }
    }
    let count = u16::try_from(buckets().count()).unwrap_or(u16::MAX);
    let mut bytes = [first.to_be_bytes(), last.to_be_bytes()].concat();
    bytes.extend(count.to_be_bytes());
    bytes.extend(sum.map_or([0; SUM_BYTES], Bucket::to_bytes));
    bytes.extend(out.into_bytes());
    bytes
}

/// Hands on the buckets of a block that may lie in `from..to` (seconds since 1970), each with its first second,
/// or their sum if all of them lie in one step of `step` seconds; `None` if it is none of ours.
pub fn read(
    bytes: &[u8],
    ((from, to), step): ((u64, u64), u64),
    mut found: impl FnMut(u64, &Bucket),
) -> Option<()> {
    let (head, body) = bytes.split_at_checked(HEAD_BYTES)?;
    let number = |at: usize| Some(u32::from_be_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let (first, last) = (number(0)?, number(4)?);
    if u64::from(last) * SECONDS + SECONDS <= from || u64::from(first) * SECONDS >= to {
        return Some(());
    }
    let seconds = (u64::from(first) * SECONDS, u64::from(last) * SECONDS);
    if seconds.0 / step == seconds.1 / step {
        found(seconds.0, &Bucket::from_bytes(&head[10..])?);
        return Some(());
    }
    let count = u16::from_be_bytes(head[8..10].try_into().ok()?);
    let (mut bits, mut columns) = (BitReader::new(body), [Xor::default(); 3]);
    let mut next = (first, SECONDS as u32);
    for _ in 0..count {
        if bits.take(1)? == 1 {
            next = (bits.take(32)?, bits.take(16)?);
        }
        let mut parts = [0.0; 3];
        for (part, column) in parts.iter_mut().zip(&mut columns) {
            *part = column.take(&mut bits)?;
        }
        found(u64::from(next.0) * SECONDS, &Bucket::from_parts(next.1, parts)?);
        next.0 = next.0.saturating_add(1);
    }
    Some(())
}
