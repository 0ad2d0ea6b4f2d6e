use std::collections::BTreeMap;
use std::sync::Arc;

use p2p_shared::time::{Millis, UnixMillis};
use proptest::prelude::*;

use super::answer::Answer;
use super::bucket::{Bucket, merge_into};
use super::catalogue::SERIES_MAX;
use super::minute::{Minute, MinuteView};
use super::recorder::{Commit, Recorder, Saved};
use super::*;

/// A database that does what the store does, in memory.
#[derive(Clone, Debug, Default)]
struct Disk {
    records: BTreeMap<u64, Vec<u8>>,
    blocks: Vec<(SeriesId, Vec<u8>)>,
    series: BTreeMap<SeriesId, Arc<str>>,
    next: u32,
}

impl Disk {
    fn commit(&mut self, commit: Commit) {
        self.records.insert(commit.seq, commit.minute.to_bytes());
        self.series.extend(commit.added);
        commit.evicted.iter().for_each(|id| {
            self.series.remove(id);
            self.blocks.retain(|(series, _)| series != id);
        });
        self.next = commit.next_series;
    }

    /// Sums the oldest records up.
    fn seal(&mut self, count: usize) {
        let oldest: Vec<u64> = self.records.keys().copied().take(count).collect();
        let bytes = oldest.iter().filter_map(|seq| self.records.remove(seq));
        let minutes: Vec<Minute> = bytes.map(|bytes| Minute::from_bytes(&bytes).unwrap()).collect();
        self.blocks.extend(block::seal(&minutes));
    }

    fn saved(&self) -> Saved {
        let last = self.records.last_key_value();
        Saved {
            series: self.series.iter().map(|(&id, name)| (id, Arc::clone(name))).collect(),
            next_series: self.next,
            last: last.map(|(&seq, bytes)| (seq, Minute::from_bytes(bytes).unwrap())),
        }
    }

    fn answer(&self, name: &str, span: (u64, u64), step: u64) -> Vec<(u64, Bucket)> {
        let Some((&id, _)) = self.series.iter().find(|(_, known)| known.as_ref() == name) else {
            return Vec::new();
        };
        let mut answer = Answer::new([id], span, step);
        let whole = answer.span();
        for (_, bytes) in self.blocks.iter().filter(|(series, _)| *series == id) {
            block::read(bytes, (whole, step), |second, bucket| answer.add(id, second, bucket)).unwrap();
        }
        for bytes in self.records.values() {
            let view = MinuteView::parse(bytes).unwrap();
            let mut found = Vec::new();
            view.read(|series| series == id, |id, second, value| found.push((id, second, value))).unwrap();
            for (id, second, value) in found {
                answer.add(id, second, &Bucket::of(value));
            }
        }
        answer.into_points().next().unwrap().1
    }
}

const START: u64 = 1_795_404_120;
/// How far the wall clock is set off, all jumps together.
const JUMPED_MAX_S: i64 = 7_200;

/// What happens to a recorder: time passes on both clocks, the wall clock jumps, the node crashes.
#[derive(Clone, Copy, Debug)]
struct Step {
    passes_ms: u64,
    jump_s: i64,
    value: f32,
    crash: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let passes = prop_oneof![8 => 990u64..1_010, 1 => 0u64..20_000];
    let jump = prop_oneof![30 => Just(0i64), 1 => Just(3_600), 1 => Just(-3_600), 1 => -100i64..100];
    let step = (passes, jump, -1000f32..1000.0, prop::bool::weighted(0.02))
        .prop_map(|(passes_ms, jump_s, value, crash)| Step { passes_ms, jump_s, value, crash });
    prop::collection::vec(step, 1..300)
}

/// Every value that a crash did not take, by its second, in the order of recording.
fn play(steps: &[Step], disk: &mut Disk) -> Vec<(u64, f32)> {
    let mut recorder = Recorder::restore(disk.saved());
    let mut timeline = timeline::Timeline::default();
    let (mut monotonic, mut set_s) = (10_000u64, 0i64);
    let (mut kept, mut fresh) = (Vec::new(), Vec::new());
    for step in steps {
        monotonic += step.passes_ms;
        // Jumps that would lead out of the span that is asked for are none.
        if (set_s + step.jump_s).abs() <= JUMPED_MAX_S {
            set_s += step.jump_s;
        }
        let wall = (START * 1_000 + monotonic).saturating_add_signed(set_s * 1_000);
        if step.crash {
            recorder = Recorder::restore(disk.saved());
            timeline = timeline::Timeline::default();
            fresh.clear();
        }
        let now = (Millis(monotonic), UnixMillis(wall));
        if let Some(commit) = recorder.record(now, [("a", step.value), ("gap", f32::NAN)]) {
            disk.commit(commit);
            kept.append(&mut fresh);
        }
        fresh.push((timeline.second(now.0, now.1), step.value));
    }
    disk.commit(recorder.close().unwrap());
    kept.append(&mut fresh);
    kept
}

/// The same by brute force.
fn expected(values: &[(u64, f32)], step: u64) -> BTreeMap<u64, Bucket> {
    let mut steps = BTreeMap::new();
    for &(second, value) in values {
        merge_into(steps.entry(second - second % step).or_insert(None), &Bucket::of(value));
    }
    steps.into_iter().filter_map(|(at, bucket)| Some((at, bucket?))).collect()
}

fn agree(found: &[(u64, Bucket)], expected: &BTreeMap<u64, Bucket>) -> Result<(), TestCaseError> {
    prop_assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0), "in order, each time once");
    prop_assert_eq!(found.len(), expected.len(), "gaps are gaps");
    for ((at, bucket), (expected_at, whole)) in found.iter().zip(expected) {
        let ([min, mean, max], [least, middle, most]) = (bucket.parts(), whole.parts());
        prop_assert_eq!((at, bucket.count(), min, max), (expected_at, whole.count(), least, most));
        prop_assert!(min <= mean && mean <= max);
        prop_assert!((mean - middle).abs() <= 0.001, "the sum is conserved: {} {}", mean, middle);
    }
    Ok(())
}

/// More than the clocks of a test reach.
const SPAN: (u64, u64) = (START - 7_260, START + 15_000);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_clocks_and_crashes_do_the_answer_is_what_was_kept_in_order(
        steps in steps(),
        step in prop::sample::select(vec![1u64, 10, 60, 300]),
    ) {
        let mut disk = Disk::default();
        let values = play(&steps, &mut disk);
        agree(&disk.answer("a", SPAN, step), &expected(&values, step))?;
        prop_assert!(disk.answer("gap", SPAN, step).is_empty());
    }

    #[test]
    fn summing_up_conserves_sums_bounds_and_gaps(
        steps in steps(),
        sealed in 0usize..20,
        step in prop::sample::select(vec![60u64, 600, 3_600]),
    ) {
        let mut disk = Disk::default();
        let values = play(&steps, &mut disk);
        disk.seal(sealed);
        agree(&disk.answer("a", SPAN, step), &expected(&values, step))?;
    }

    #[test]
    fn a_record_reads_back_whole_and_a_strange_one_does_no_harm(
        steps in steps(),
        cut in any::<prop::sample::Index>(),
        flip in any::<prop::sample::Index>(),
    ) {
        let mut disk = Disk::default();
        play(&steps, &mut disk);
        let (_, bytes) = disk.records.pop_first().unwrap();
        prop_assert_eq!(Minute::from_bytes(&bytes).unwrap().to_bytes(), bytes.clone());
        let mut strange = bytes.clone();
        strange[flip.index(bytes.len())] ^= 0x40;
        strange.truncate(1 + cut.index(bytes.len()));
        if let Some(minute) = Minute::from_bytes(&strange) {
            let sealed = block::seal(&[minute]);
            for block in sealed.values() {
                prop_assert_eq!(block::read(block, ((0, u64::MAX), 60), |_, _| {}), Some(()));
                let _ = block::read(&block[..block.len() - 1], ((0, u64::MAX), 60), |_, _| {});
            }
        }
    }

    #[test]
    fn series_come_and_go_and_their_number_is_bounded(
        samples in prop::collection::vec(prop::collection::vec(0u32..600, 0..400), 1..20),
    ) {
        let mut disk = Disk::default();
        let mut recorder = Recorder::restore(Saved::default());
        for (count, sample) in (0u64..).zip(&samples) {
            let now = (Millis(count * 60_000), UnixMillis((START + count * 60) * 1_000));
            let names = sample.iter().map(|number| (format!("veth{number}"), 1.0));
            // What is always there never makes room.
            let figures = std::iter::once(("cpu".to_owned(), 0.5)).chain(names);
            if let Some(commit) = recorder.record(now, figures) {
                disk.commit(commit);
            }
        }
        disk.commit(recorder.close().unwrap());
        let listed: BTreeMap<_, _> = recorder.series().into_iter().map(|(id, name, _)| (id, name)).collect();
        prop_assert_eq!(&listed, &disk.series);
        prop_assert!(listed.len() <= SERIES_MAX);
        prop_assert_eq!(disk.answer("cpu", (START, START + 3_600), 60).len(), samples.len());
    }
}

#[test]
fn a_restart_within_a_minute_goes_on_in_the_same_record() {
    let mut disk = Disk::default();
    for run in 0..10 {
        let mut recorder = Recorder::restore(disk.saved());
        recorder.record((Millis(5), UnixMillis((START + run) * 1_000)), [("a", run as f32)]);
        disk.commit(recorder.close().unwrap());
    }
    assert_eq!(disk.records.len(), 1);
    assert_eq!(disk.answer("a", (START, START + 60), 1).len(), 10);
}

#[test]
fn a_run_without_a_sample_keeps_nothing() {
    assert_eq!(Recorder::restore(Saved::default()).close(), None);
}
