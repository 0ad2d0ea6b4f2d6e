//! Carries out what the core of a fan-out decides: futures are begun and dropped, time is told.
//!
//! Everything runs in the caller's task. Dropping it drops what runs on every target; a target's future that
//! panics is a failure of that target alone.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;

use futures::future::{AbortHandle, Aborted, FutureExt, abortable};
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, sleep_until};

use super::core::{Fanout, Input, Output};
use super::plan::Plan;
use super::{Counts, Outcome};
use crate::time::Millis;

/// Begins `begin` on each of `targets` as the plan has it, until all have ended. Once `cancel` resolves, what
/// runs is dropped and the rest is skipped. `ended` learns of each end as it comes.
///
/// # Errors
/// The first error of `ended`: everything is given up then.
pub async fn drive<Fut, E>(
    plan: Plan,
    targets: usize,
    begin: impl Fn(usize) -> Fut,
    cancel: impl Future<Output = ()>,
    mut ended: impl FnMut(usize, Outcome) -> Result<(), E>,
) -> Result<Counts, E>
where
    Fut: Future<Output = Outcome>,
{
    let zero = Instant::now();
    let now = || Millis::from(zero.elapsed());
    let mut fanout = Fanout::new(now(), plan, targets);
    let mut running = FuturesUnordered::new();
    let mut handles: HashMap<usize, AbortHandle> = HashMap::new();
    let mut cancel = std::pin::pin!(cancel.fuse());
    loop {
        while let Some(output) = fanout.poll_output() {
            match output {
                Output::Begin(index) => {
                    let work = AssertUnwindSafe(begin(index)).catch_unwind();
                    let (work, handle) = abortable(work.map(|ended| ended.unwrap_or(Outcome::Failed)));
                    handles.insert(index, handle);
                    running.push(async move { (index, work.await) });
                }
                Output::Stop(index) => {
                    if let Some(handle) = handles.remove(&index) {
                        handle.abort();
                    }
                }
                Output::Ended(index, outcome) => ended(index, outcome)?,
            }
        }
        if fanout.is_done() {
            return Ok(fanout.counts());
        }
        let timeout = fanout.poll_timeout().map(|at| zero + at.to_duration());
        let input = tokio::select! {
            biased;
            Some((index, work)) = running.next(), if !running.is_empty() => match work {
                Ok(outcome) => Input::Ended(index, outcome),
                Err(Aborted) => continue,
            },
            () = &mut cancel => Input::Cancel,
            () = sleep_until(timeout.unwrap_or(zero)), if timeout.is_some() => Input::Tick,
        };
        fanout.handle(now(), input);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_target_ends_once_and_one_that_panics_fails_alone() {
        let begin = |index: usize| async move {
            sleep(Duration::from_millis(index as u64)).await;
            assert!(index != 3, "a defect");
            if index == 5 { std::future::pending().await } else { Outcome::Ok }
        };
        let plan = Plan { target_time: Some(Millis(50)), ..Plan::default() };
        let mut ends = Vec::new();
        let counts = drive(plan, 8, begin, std::future::pending(), |index, outcome| {
            ends.push((index, outcome));
            Ok::<_, Infallible>(())
        });
        let counts = counts.await.unwrap();
        assert_eq!((counts.ok, counts.failed, counts.timed_out, counts.total()), (6, 1, 1, 8));
        assert_eq!(ends.last(), Some(&(5, Outcome::TimedOut)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_off_drops_what_runs_and_skips_the_rest() {
        struct Dropped<'a>(&'a std::cell::Cell<usize>);
        impl Drop for Dropped<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
            }
        }
        let dropped = std::cell::Cell::new(0);
        let begin = |_| async {
            let _guard = Dropped(&dropped);
            std::future::pending().await
        };
        let plan = Plan { batch: Some(super::super::Share::Count(3)), ..Plan::default() };
        let cancel = sleep(Duration::from_secs(1));
        let counts = drive(plan, 10, begin, cancel, |_, _| Ok::<_, Infallible>(())).await.unwrap();
        assert_eq!((counts.cancelled, counts.skipped), (3, 7));
        assert_eq!(dropped.get(), 3);
    }
}
