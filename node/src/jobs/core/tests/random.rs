//! Random lives of a queue keep every promise.

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Submit {
        priority: u8,
        retry: bool,
        twice: bool,
        key: Option<u8>,
        within: bool,
    },
    End {
        which: usize,
        code: Option<i32>,
    },
    Ask {
        which: usize,
        order: u8,
    },
    Pass(u64),
    /// After so many outputs of the next step.
    Crash {
        fuel: usize,
        outlives: bool,
    },
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0u8..3, any::<bool>(), any::<bool>(), proptest::option::of(0u8..4), any::<bool>()).prop_map(
            |(priority, retry, twice, key, within)| Step::Submit { priority, retry, twice, key, within }
        ),
        5 => (any::<usize>(), proptest::option::weighted(0.9, 0i32..2))
            .prop_map(|(which, code)| Step::End { which, code }),
        2 => (any::<usize>(), 0u8..3).prop_map(|(which, order)| Step::Ask { which, order }),
        3 => (0u64..20_000).prop_map(Step::Pass),
        1 => (0usize..6, any::<bool>()).prop_map(|(fuel, outlives)| Step::Crash { fuel, outlives }),
    ]
}

fn submission(priority: u8, (retry, twice): (bool, bool), key: Option<u8>, within: bool) -> JobRequest {
    JobRequest {
        priority: [JobPriority::Low, JobPriority::Normal, JobPriority::High][usize::from(priority)],
        retry: retry.then_some(JobRetry { attempts: 3, delay_ms: 1_000, delay_max_ms: 4_000 }),
        may_run_twice: twice,
        key: key.map(|key| key.to_string()),
        start_within_ms: within.then_some(15_000),
        ..request("a")
    }
}

/// Lets everything come to its end.
fn drain(world: &mut World) {
    for _ in 0..2_000 {
        match world.running.keys().next().cloned() {
            Some(attempt) => world.end(&attempt, exit(0), 1),
            None if world.queue.counts().queued > 0 => world.pass(1_000),
            None => return,
        }
    }
    panic!("it does not come to an end");
}

proptest! {
    #[test]
    fn every_job_comes_to_one_end_and_none_is_begun_twice_unasked(
        script in proptest::collection::vec(steps(), 1..60),
    ) {
        let mut world = World::new(Limits { running: 3, finished: 1_000, ..Limits::default() });
        let mut known: Vec<JobId> = Vec::new();
        // How often each may be begun.
        let mut allowed: BTreeMap<JobId, u32> = BTreeMap::new();
        for step in script {
            match step {
                Step::Submit { priority, retry, twice, key, within } => {
                    let request = submission(priority, (retry, twice), key, within);
                    let most = if retry { 3 } else { 1 + u32::from(twice) };
                    let submit = Input::Submit { request: Box::new(request), author: author("ann") };
                    if let Ok(Some(id)) = world.handle(submit)
                        && !known.contains(&id)
                    {
                        allowed.insert(id.clone(), most);
                        known.push(id);
                    }
                }
                Step::End { which, code } => {
                    let running: Vec<Attempt> = world.running.keys().cloned().collect();
                    if let Some(attempt) = running.get(which % running.len().max(1)) {
                        world.end(attempt, Ended { code, ..Ended::default() }, 1);
                    }
                }
                Step::Ask { which, order } => {
                    let order = [Order::Cancel, Order::Retry, Order::Remove][usize::from(order)];
                    if let Some(id) = known.get(which % known.len().max(1)).cloned() {
                        let again = world.queue.row(&id).is_some_and(|(row, _)| row.state.is_final());
                        if world.ask(&id, order).is_ok() && order == Order::Retry && again {
                            let most = allowed[&id];
                            let begun = world.begun.get(&id).copied().unwrap_or_default();
                            allowed.insert(id, most.max(begun) + 3);
                        }
                    }
                }
                Step::Pass(span) => world.pass(span),
                Step::Crash { fuel, outlives } => {
                    world.fuel = Some(fuel);
                    let submit = Input::Submit { request: Box::new(request("last")), author: author("ann") };
                    // What was not on disk by then was not answered either.
                    let _ = world.handle(submit);
                    world.crash(outlives);
                    known.retain(|id| world.disk.contains_key(id));
                    for id in world.disk.keys() {
                        allowed.entry(id.clone()).or_insert(1);
                        if !known.contains(id) {
                            known.push(id.clone());
                        }
                    }
                }
            }
            for (id, begun) in &world.begun {
                prop_assert!(*begun <= allowed[id], "{id} was begun {begun} times");
            }
        }
        drain(&mut world);
        for saved in world.disk.values() {
            prop_assert!(saved.state.is_final(), "{saved:?}");
            prop_assert_eq!(world.finals.get(&saved.id), Some(&saved.state));
        }
        prop_assert_eq!(world.queue.counts().total(), world.disk.len() as u64);
    }

    #[test]
    fn what_is_kept_is_all_that_matters(script in proptest::collection::vec(steps(), 1..40)) {
        let mut world = World::of(2);
        for step in script {
            match step {
                Step::Submit { priority, retry, twice, key, within } => {
                    let request = Box::new(submission(priority, (retry, twice), key, within));
                    let _ = world.handle(Input::Submit { request, author: author("ann") });
                }
                Step::Pass(span) => world.pass(span),
                Step::End { code, .. } if !world.running.is_empty() => {
                    let attempt = world.running.keys().next().unwrap().clone();
                    world.end(&attempt, Ended { code, ..Ended::default() }, 1);
                }
                _ => {}
            }
        }
        let before: Vec<Option<Saved>> = world.disk.keys().map(|id| world.queue.saved(id)).collect();
        world.crash(true);
        let after: Vec<Option<Saved>> = world.disk.keys().map(|id| world.queue.saved(id)).collect();
        prop_assert_eq!(before, after);
    }
}
