//! How often, and how much at the same time, one caller may ask.
//!
//! A caller's name and a moment enter; a [`Turn`] leaves, which counts until it is dropped, or for how long the
//! caller is to wait. Each has a bucket of its own, so that one script cannot take the node from the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use p2p_shared::time::Millis;

/// Callers that are remembered; beyond, those who have nothing to be remembered for are forgotten.
const CALLERS_MAX: usize = 4_096;

/// WebSockets of one caller: half of the connections that a node has.
const STANDING_MAX: u32 = 2_048;

/// What one caller may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerLimits {
    /// Requests a second; twice as many at once.
    pub rate_max: u32,
    /// Requests at the same time.
    pub concurrency_max: u32,
}

/// All callers.
#[derive(Clone, Debug)]
pub struct Callers {
    limits: CallerLimits,
    // Held for one look-up, never across a wait; within it, a bucket.
    buckets: Arc<Mutex<Buckets>>,
}

type Buckets = HashMap<Arc<str>, Arc<Mutex<Bucket>>>;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Thousandths of a request that are free.
    free: u64,
    at: Millis,
    running: u32,
    standing: u32,
}

/// One request of a caller, or one connection that stands.
#[derive(Debug)]
pub struct Turn {
    // One of its own besides the map's: it is given back without a look-up.
    bucket: Arc<Mutex<Bucket>>,
    kind: Kind,
    /// As how many it counts.
    count: u32,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Running,
    Standing,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut bucket = lock(&self.bucket);
        match self.kind {
            Kind::Running => bucket.running -= self.count,
            Kind::Standing => bucket.standing -= self.count,
        }
    }
}

/// A caller has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub Millis);

impl Callers {
    /// Nobody has asked yet.
    pub fn new(limits: CallerLimits) -> Self {
        Self { limits, buckets: Arc::default() }
    }

    /// So many requests of `name` in one at `now`, of which so many go on at the same time.
    ///
    /// # Errors
    /// For how long it has to wait; then none is taken.
    pub fn take_many(
        &self,
        name: &Arc<str>,
        (requests, at_once): (u32, u32),
        now: Millis,
    ) -> Result<Arc<Turn>, Wait> {
        let (rate, most) = (u64::from(self.limits.rate_max), self.limits.concurrency_max);
        // No more than there can be at all: else it would wait for ever.
        let (price, count) = ((u64::from(requests) * 1_000).min(rate * 2_000), at_once.min(most));
        let mut buckets = lock(&self.buckets);
        let kept = of(&mut buckets, name, (rate, now));
        let mut bucket = lock(kept);
        (bucket.free, bucket.at) = (bucket.refilled(rate, now), now);
        if bucket.running + count > most {
            return Err(Wait(Millis(1_000)));
        }
        if bucket.free < price {
            return Err(Wait(Millis((price - bucket.free).div_ceil(rate.max(1)))));
        }
        bucket.free -= price;
        bucket.running += count;
        Ok(Arc::new(Turn { bucket: Arc::clone(kept), kind: Kind::Running, count }))
    }

    /// A connection of `name` that stands; `None` if it has too many.
    pub fn stand(&self, name: &Arc<str>, now: Millis) -> Option<Turn> {
        let mut buckets = lock(&self.buckets);
        let kept = of(&mut buckets, name, (u64::from(self.limits.rate_max), now));
        let mut bucket = lock(kept);
        if bucket.standing >= STANDING_MAX {
            return None;
        }
        bucket.standing += 1;
        Some(Turn { bucket: Arc::clone(kept), kind: Kind::Standing, count: 1 })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The bucket of a caller. Those with nothing to be remembered for make room.
fn of<'a>(buckets: &'a mut Buckets, name: &Arc<str>, (rate, now): (u64, Millis)) -> &'a Arc<Mutex<Bucket>> {
    let full = rate * 2_000;
    if buckets.len() >= CALLERS_MAX && !buckets.contains_key(name) {
        buckets.retain(|_, bucket| {
            let bucket = lock(bucket);
            bucket.running > 0 || bucket.standing > 0 || bucket.refilled(rate, now) < full
        });
    }
    let fresh = || Arc::new(Mutex::new(Bucket { free: full, at: now, running: 0, standing: 0 }));
    buckets.entry(Arc::clone(name)).or_insert_with(fresh)
}

impl Bucket {
    fn refilled(&self, rate: u64, now: Millis) -> u64 {
        let elapsed = now.0.saturating_sub(self.at.0);
        self.free.saturating_add(elapsed.saturating_mul(rate)).min(rate * 2_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Callers {
        fn take(&self, name: &Arc<str>, now: Millis) -> Result<Arc<Turn>, Wait> {
            self.take_many(name, (1, 1), now)
        }
    }

    fn callers(rate_max: u32, concurrency_max: u32) -> Callers {
        Callers::new(CallerLimits { rate_max, concurrency_max })
    }

    #[test]
    fn a_caller_waits_once_it_was_too_quick_and_others_do_not() {
        let callers = callers(10, 100);
        for _ in 0..20 {
            callers.take(&"ann".into(), Millis(5)).unwrap();
        }
        assert_eq!(callers.take(&"ann".into(), Millis(5)).unwrap_err(), Wait(Millis(100)));
        assert!(callers.take(&"zoe".into(), Millis(5)).is_ok());
        assert_eq!(callers.take(&"ann".into(), Millis(55)).unwrap_err(), Wait(Millis(50)));
        assert!(callers.take(&"ann".into(), Millis(105)).is_ok());
        assert!(callers.take(&"ann".into(), Millis(105)).is_err());
    }

    #[test]
    fn what_runs_counts_until_it_ends() {
        let callers = callers(1_000, 2);
        let held = (
            callers.take(&"ann".into(), Millis(0)).unwrap(),
            callers.take(&"ann".into(), Millis(0)).unwrap(),
        );
        assert!(callers.take(&"ann".into(), Millis(0)).is_err());
        drop(held);
        assert!(callers.take(&"ann".into(), Millis(0)).is_ok());
    }

    #[test]
    fn many_in_one_count_as_many() {
        let callers = callers(10, 8);
        let most = callers.take_many(&"ann".into(), (15, 8), Millis(0)).unwrap();
        assert_eq!(callers.take(&"ann".into(), Millis(0)).unwrap_err(), Wait(Millis(1_000)), "eight run");
        drop(most);
        assert_eq!(callers.take_many(&"ann".into(), (6, 6), Millis(0)).unwrap_err(), Wait(Millis(100)));
        assert!(callers.take_many(&"ann".into(), (5, 100), Millis(0)).is_ok(), "nothing was taken in vain");
        assert!(callers.take_many(&"zoe".into(), (100, 8), Millis(0)).is_ok(), "all that there is");
        assert!(callers.take(&"zoe".into(), Millis(99)).is_err());
    }

    #[test]
    fn what_stands_counts_by_itself_and_until_it_falls() {
        let callers = callers(1, 1);
        let mut standing: Vec<_> =
            (0..STANDING_MAX).map(|_| callers.stand(&"ann".into(), Millis(0)).unwrap()).collect();
        assert!(callers.stand(&"ann".into(), Millis(0)).is_none());
        assert!(
            callers.stand(&"zoe".into(), Millis(0)).is_some()
                && callers.take(&"ann".into(), Millis(0)).is_ok()
        );
        standing.pop();
        assert!(callers.stand(&"ann".into(), Millis(0)).is_some());
    }

    #[test]
    fn only_so_many_are_remembered() {
        let callers = callers(1, 1);
        let _held = callers.take(&"ann".into(), Millis(0)).unwrap();
        for index in 0..CALLERS_MAX + 100 {
            callers.take(&format!("caller {index}").into(), Millis(index as u64 * 10)).unwrap();
        }
        let buckets = lock(&callers.buckets);
        assert!(buckets.len() <= CALLERS_MAX && buckets.contains_key("ann"), "{}", buckets.len());
    }
}
