mod random;

use p2p_shared::access::Role;
use p2p_shared::services::exec::{CommandLine, ExecRequest, Variable};
use p2p_shared::services::job::{JobOwner, JobPriority, JobRetry, JobWork};
use p2p_shared::services::process::Signal;
use proptest::prelude::*;

use super::*;

fn request(word: &str) -> JobRequest {
    JobRequest::new(JobWork::Command(ExecRequest {
        command: CommandLine::Program { program: word.into(), arguments: vec!["x".into()] },
        directory: None,
        user: None,
        environment: vec![Variable { name: "TOKEN".into(), value: "hush".into() }],
        timeout_ms: None,
        output_bytes_max: None,
    }))
}

fn author(name: &str) -> Author {
    let owner = JobOwner { name: name.into(), id: None, role: Some(Role::Admin) };
    Author { owner, until: None }
}

/// The world around a queue: a disk that may lag behind, and attempts that run, also while there is no queue.
struct World {
    queue: Queue,
    limits: Limits,
    now: Now,
    disk: BTreeMap<JobId, Saved>,
    /// Attempts that go on, and whether they were told to end.
    running: BTreeMap<Attempt, bool>,
    /// How often each job was really begun.
    begun: BTreeMap<JobId, u32>,
    /// In which order.
    order: Vec<JobId>,
    /// The final state of each job, unless somebody asked for more.
    finals: BTreeMap<JobId, JobState>,
    dropped: Vec<JobId>,
    /// Outputs that are carried out before everything stops; all if none.
    fuel: Option<usize>,
}

impl World {
    fn new(limits: Limits) -> Self {
        let now = Now { at: Millis(1_000), wall: UnixMillis(1_700_000_000_000) };
        Self {
            queue: Queue::new(limits, 7),
            limits,
            now,
            disk: BTreeMap::new(),
            running: BTreeMap::new(),
            begun: BTreeMap::new(),
            order: Vec::new(),
            finals: BTreeMap::new(),
            dropped: Vec::new(),
            fuel: None,
        }
    }

    fn of(running: usize) -> Self {
        Self::new(Limits { running, ..Limits::default() })
    }

    fn handle(&mut self, input: Input) -> Result<Option<JobId>, Refusal> {
        let handled = self.queue.handle(self.now, input);
        self.settle();
        handled
    }

    fn submit(&mut self, request: JobRequest) -> JobId {
        let request = Box::new(request);
        self.handle(Input::Submit { request, author: author("ann") }).unwrap().unwrap()
    }

    fn ask(&mut self, id: &JobId, order: Order) -> Result<(), Refusal> {
        if order == Order::Retry && self.finals.get(id) != Some(&JobState::Succeeded) {
            self.finals.remove(id);
        }
        self.handle(Input::Ask { id: id.clone(), order, by: "bob".into() }).map(|_| ())
    }

    fn settle(&mut self) {
        while let Some(output) = self.queue.poll_output() {
            match self.fuel {
                Some(0) => continue,
                Some(fuel) => self.fuel = Some(fuel - 1),
                None => {}
            }
            self.carry_out(output);
        }
        assert!(self.running.len() <= self.limits.running, "{:?}", self.running);
        let counts = self.queue.counts();
        assert!(counts.running <= self.limits.running as u64);
        assert_eq!(counts.total(), self.queue.jobs.len() as u64);
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Keep(id) => {
                if let Some(saved) = self.queue.saved(&id) {
                    if let Some(before) = self.finals.get(&id) {
                        assert_eq!(*before, saved.state, "a final state stays");
                    }
                    if saved.state.is_final() {
                        self.finals.insert(id.clone(), saved.state);
                    }
                    self.disk.insert(id, saved);
                }
            }
            Output::Forget(id) => drop(self.disk.remove(&id)),
            Output::DropOutput(id) => self.dropped.push(id),
            Output::Launch(attempt) => {
                *self.begun.entry(attempt.id.clone()).or_default() += 1;
                self.order.push(attempt.id.clone());
                assert!(self.running.keys().all(|other| other.id != attempt.id), "never two of one job");
                self.running.insert(attempt.clone(), false);
                let started = Input::Started { attempt, process: None };
                assert_eq!(self.queue.handle(self.now, started), Ok(None));
            }
            Output::Signal(attempt, signal) => {
                assert!(matches!(signal, Signal::Term | Signal::Kill));
                *self.running.get_mut(&attempt).expect("what is signalled runs") = true;
            }
            Output::Release(attempt) => assert!(!self.running.contains_key(&attempt)),
            Output::Changed(_) => {}
        }
    }

    fn end(&mut self, attempt: &Attempt, ended: Ended, output_bytes: u64) {
        self.running.remove(attempt).expect("it runs");
        self.handle(Input::Exited { attempt: attempt.clone(), ended, output_bytes }).unwrap();
    }

    fn end_first(&mut self, code: i32) -> JobId {
        let attempt = self.running.keys().next().expect("something runs").clone();
        self.end(&attempt, exit(code), 0);
        attempt.id
    }

    fn pass(&mut self, span: u64) {
        self.now = Now { at: self.now.at + Millis(span), wall: self.now.wall.plus(Millis(span)) };
        self.handle(Input::Tick).unwrap();
    }

    /// The node dies and comes back; what ran goes on, or has ended with it.
    fn crash(&mut self, outlives: bool) {
        self.fuel = None;
        if !outlives {
            self.running.clear();
        }
        self.now.at = Millis(5);
        self.queue = Queue::new(self.limits, self.now.wall.0);
        for saved in self.disk.clone().into_values() {
            let attempt = Attempt { id: saved.id.clone(), number: saved.attempts };
            let runs = saved.run.is_some() && self.running.contains_key(&attempt);
            let fate = if runs { Fate::Runs(None) } else { Fate::Gone };
            self.queue.restore(saved, fate, self.now);
        }
        self.handle(Input::Tick).unwrap();
    }

    fn state(&self, id: &JobId) -> JobState {
        self.queue.row(id).expect("it is there").0.state
    }

    fn detail(&self, id: &JobId) -> String {
        self.queue.row(id).unwrap().0.detail
    }
}

fn exit(code: i32) -> Ended {
    Ended { code: Some(code), ..Ended::default() }
}

#[test]
fn ids_are_in_the_order_of_submission_even_when_the_clock_is_set_back() {
    let mut world = World::of(0);
    let mut last = world.submit(request("a"));
    assert_eq!(last.as_str().len(), 15);
    for step in 0..50 {
        if step % 10 == 0 {
            world.now.wall = UnixMillis(world.now.wall.0 - 3_600_000);
            world.crash(true);
        }
        let id = world.submit(request("a"));
        assert!(id > last, "{id} {last}");
        last = id;
    }
}

#[test]
fn high_comes_before_low_and_the_older_before_the_younger() {
    let mut world = World::of(1);
    let blocker = world.submit(request("first"));
    let with = |priority| JobRequest { priority, ..request("a") };
    let low = world.submit(with(JobPriority::Low));
    let normal = [world.submit(request("a")), world.submit(request("a"))];
    let high = [world.submit(with(JobPriority::High)), world.submit(with(JobPriority::High))];
    while !world.running.is_empty() {
        world.end_first(0);
    }
    let expected = [[blocker].as_slice(), &high, &normal, &[low]].concat();
    assert_eq!(world.order, expected);
}

#[test]
fn what_failed_is_tried_again_as_often_as_its_author_said_and_not_sooner() {
    let mut world = World::of(1);
    let retry = JobRetry { attempts: 3, delay_ms: 1_000, delay_max_ms: 1_500 };
    let id = world.submit(JobRequest { retry: Some(retry), ..request("a") });
    for (waits, attempt) in [(500..=1_000, 1), (750..=1_500, 2)] {
        world.end_first(1);
        let row = world.queue.row(&id).unwrap().0;
        assert_eq!((row.state, row.attempts), (JobState::Queued, attempt));
        let wait = row.again_at.unwrap().since(world.now.wall).0;
        assert!(waits.contains(&wait), "{wait}");
        assert_eq!(world.queue.poll_timeout(), Some(world.now.at + Millis(wait)));
        world.pass(wait - 1);
        assert_eq!(world.state(&id), JobState::Queued);
        world.pass(1);
        assert_eq!(world.state(&id), JobState::Running);
    }
    world.end_first(1);
    assert_eq!((world.state(&id), world.detail(&id).as_str()), (JobState::Failed, "exit 1"));
    assert_eq!(world.queue.status(&id).unwrap().exits.len(), 3);
    // Whoever asks for it gets another round of the same patience.
    world.ask(&id, Order::Retry).unwrap();
    world.end_first(1);
    assert_eq!(world.state(&id), JobState::Queued);
    world.ask(&id, Order::Retry).unwrap();
    assert_eq!(world.end_first(0), id);
    assert_eq!(world.state(&id), JobState::Succeeded);
    assert!(matches!(world.ask(&id, Order::Retry), Err(Refusal::Conflict(_))));
}

#[test]
fn a_key_makes_one_job_of_many_requests_of_one_author() {
    let mut world = World::of(1);
    let with = |word: &str| Box::new(JobRequest { key: Some("k".into()), ..request(word) });
    let submit = |world: &mut World, word: &str, who: &str| {
        world.handle(Input::Submit { request: with(word), author: author(who) })
    };
    let id = submit(&mut world, "a", "ann").unwrap().unwrap();
    assert_eq!(submit(&mut world, "a", "ann"), Ok(Some(id.clone())));
    assert!(matches!(submit(&mut world, "b", "ann"), Err(Refusal::Conflict(_))));
    assert_ne!(submit(&mut world, "b", "bob").unwrap().unwrap(), id);
    world.crash(true);
    assert_eq!(submit(&mut world, "a", "ann"), Ok(Some(id.clone())), "after a restart too");
    world.end_first(0);
    assert_eq!(submit(&mut world, "a", "ann"), Ok(Some(id.clone())), "and after its end");
    world.ask(&id, Order::Remove).unwrap();
    assert_ne!(submit(&mut world, "b", "ann").unwrap().unwrap(), id);
}

#[test]
fn what_did_not_begin_in_time_is_cancelled_also_over_a_restart() {
    let mut world = World::of(1);
    world.submit(request("blocks"));
    let id = world.submit(JobRequest { start_within_ms: Some(5_000), ..request("a") });
    let other = world.submit(JobRequest { start_within_ms: Some(6_000), ..request("a") });
    assert_eq!(world.queue.poll_timeout(), Some(world.now.at + Millis(5_000)));
    world.pass(5_000);
    assert_eq!(world.state(&id), JobState::Cancelled);
    assert!(world.detail(&id).contains("expired"));
    world.now.wall = world.now.wall.plus(Millis(1_000));
    world.crash(true);
    assert_eq!(world.state(&other), JobState::Cancelled);
    // What has begun does not expire any more.
    let id = world.submit(JobRequest { start_within_ms: Some(5_000), ..request("a") });
    world.end_first(0);
    world.pass(60_000);
    assert_eq!(world.state(&id), JobState::Running);
}

#[test]
fn an_authority_that_has_ended_begins_nothing() {
    let mut world = World::of(1);
    world.submit(request("blocks"));
    let until = Some(world.now.wall.plus(Millis(1_000)));
    let author = Author { until, ..author("ann") };
    let submit = Input::Submit { request: Box::new(request("a")), author };
    let id = world.handle(submit).unwrap().unwrap();
    world.pass(1_000);
    assert_eq!(world.state(&id), JobState::Queued);
    world.end_first(0);
    assert_eq!(world.state(&id), JobState::Cancelled);
    assert!(world.detail(&id).contains("certificate of ann"), "{}", world.detail(&id));
    assert_eq!(world.queue.row(&id).unwrap().0.attempts, 0);
}

#[test]
fn a_cancelled_job_is_asked_to_end_and_then_killed_until_it_has() {
    let mut world = World::of(1);
    let id = world.submit(request("a"));
    let attempt = world.running.keys().next().unwrap().clone();
    assert!(!world.running[&attempt]);
    world.ask(&id, Order::Cancel).unwrap();
    assert!(world.running[&attempt], "it was told");
    assert_eq!(world.state(&id), JobState::Running);
    for _ in 0..3 {
        world.running.insert(attempt.clone(), false);
        world.pass(GRACE.0.max(KILL_AGAIN.0));
        assert!(world.running[&attempt], "and told again");
    }
    world.end(&attempt, Ended { signal: Some(9), ..Ended::default() }, 0);
    assert_eq!(world.state(&id), JobState::Cancelled);
    assert_eq!(world.detail(&id), "called off by bob");
    assert_eq!(world.ask(&id, Order::Cancel), Ok(()), "twice is once");
}

#[test]
fn what_runs_too_long_is_ended_and_the_time_goes_on_while_the_node_is_down() {
    let mut world = World::of(1);
    let mut slow = request("a");
    let JobWork::Command(exec) = &mut slow.work else { panic!("a command") };
    exec.timeout_ms = Some(10_000);
    let id = world.submit(slow);
    let attempt = world.running.keys().next().unwrap().clone();
    world.pass(4_000);
    world.now.wall = world.now.wall.plus(Millis(4_000));
    world.crash(true);
    world.pass(1_999);
    assert!(!world.running[&attempt]);
    world.pass(1);
    assert!(world.running[&attempt]);
    world.end(&attempt, Ended { signal: Some(15), ..Ended::default() }, 0);
    let row = world.queue.row(&id).unwrap().0;
    assert_eq!((row.state, row.detail.as_str()), (JobState::Failed, "signal 15, timed out"));
    assert!(row.exit.unwrap().timed_out);
}

#[test]
fn what_is_gone_without_a_record_is_interrupted_and_begun_again_only_where_it_may_be() {
    let mut world = World::of(2);
    let once = world.submit(request("a"));
    let twice = world.submit(JobRequest { may_run_twice: true, ..request("b") });
    let stubborn = JobRequest { retry: Some(JobRetry::default()), ..request("c") };
    let queued = world.submit(stubborn);
    world.crash(false);
    assert_eq!(world.state(&once), JobState::Interrupted);
    assert_eq!((world.state(&twice), world.begun[&twice]), (JobState::Queued, 1));
    assert_eq!(world.state(&queued), JobState::Running, "what had not begun does so now");
    world.pass(300_000);
    assert_eq!((world.state(&twice), world.begun[&twice]), (JobState::Running, 2));
    world.crash(false);
    assert_eq!(world.state(&twice), JobState::Interrupted, "twice is not thrice");
    assert_eq!(world.state(&queued), JobState::Interrupted, "a retry is for failures");
    world.ask(&once, Order::Retry).unwrap();
    assert_eq!(world.begun[&once], 2);
}

#[test]
fn one_that_was_called_off_and_is_gone_was_called_off() {
    let mut world = World::of(1);
    let id = world.submit(JobRequest { may_run_twice: true, ..request("a") });
    world.ask(&id, Order::Cancel).unwrap();
    world.crash(true);
    let attempt = world.running.keys().next().unwrap().clone();
    assert!(world.running[&attempt], "told once more");
    world.crash(false);
    assert_eq!(world.state(&id), JobState::Cancelled);
}

#[test]
fn there_is_room_for_so_much_and_no_more() {
    let limits = Limits { running: 1, queued: 3, queued_bytes: 5_000, ..Limits::default() };
    let mut world = World::new(limits);
    world.submit(request("runs"));
    let submit = |request| Input::Submit { request: Box::new(request), author: author("ann") };
    let large = request(&"x".repeat(3_000));
    let first = world.submit(large.clone());
    assert!(matches!(world.handle(submit(large)), Err(Refusal::Full(_))));
    world.ask(&first, Order::Cancel).unwrap();
    (0..3).for_each(|_| drop(world.submit(request("a"))));
    assert!(matches!(world.handle(submit(request("a"))), Err(Refusal::Full(_))));
    assert!(matches!(world.ask(&first, Order::Retry), Err(Refusal::Full(_))));
    let huge = request(&"x".repeat(70_000));
    assert!(matches!(world.handle(submit(huge)), Err(Refusal::Bad(_))));
}

#[test]
fn of_what_has_ended_the_youngest_are_remembered_for_a_week() {
    let limits = Limits { running: 1, finished: 3, ..Limits::default() };
    let mut world = World::new(limits);
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(world.submit(request("a")));
        world.end_first(0);
        world.pass(1_000);
    }
    let known = |world: &World| ids.iter().map(|id| world.queue.row(id).is_some()).collect::<Vec<_>>();
    assert_eq!(known(&world), [false, false, true, true, true]);
    assert_eq!(world.disk.len(), 3);
    let week = world.queue.poll_timeout().unwrap().since(world.now.at);
    world.pass(week.0);
    assert_eq!(known(&world), [false, false, false, true, true]);
    world.pass(7 * 86_400_000);
    assert!(world.disk.is_empty());
    assert_eq!(world.queue.poll_timeout(), None);
}

#[test]
fn output_makes_room_for_that_of_later_jobs() {
    let limits = Limits { running: 1, output_bytes: 100, ..Limits::default() };
    let mut world = World::new(limits);
    let mut ids = Vec::new();
    for bytes in [60, 30, 20, 0] {
        ids.push(world.submit(request("a")));
        let attempt = world.running.keys().next().unwrap().clone();
        world.end(&attempt, exit(0), bytes);
        world.pass(1_000);
    }
    assert_eq!(world.dropped, [ids[0].clone()]);
    assert!(world.queue.status(&ids[0]).unwrap().output_dropped);
    assert!(!world.queue.status(&ids[1]).unwrap().output_dropped);
}

#[test]
fn a_request_that_makes_no_sense_is_refused_in_words() {
    let mut world = World::of(1);
    let retry = |attempts, delay_ms| JobRetry { attempts, delay_ms, ..JobRetry::default() };
    for (bad, word) in [
        (JobRequest { priority: JobPriority::Unknown, ..request("a") }, "priority"),
        (JobRequest { label: Some("x".repeat(201)), ..request("a") }, "label"),
        (JobRequest { key: Some(String::new()), ..request("a") }, "key"),
        (JobRequest { retry: Some(retry(0, 1_000)), ..request("a") }, "attempts"),
        (JobRequest { retry: Some(retry(101, 1_000)), ..request("a") }, "attempts"),
        (JobRequest { retry: Some(retry(2, 1)), ..request("a") }, "waits"),
        (JobRequest { start_within_ms: Some(u64::MAX), ..request("a") }, "waits"),
    ] {
        let submit = Input::Submit { request: Box::new(bad), author: author("ann") };
        match world.handle(submit) {
            Err(Refusal::Bad(text)) => assert!(text.contains(word), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn more_may_run_at_a_time_from_one_moment_to_the_next_and_fewer_end_none() {
    let mut world = World::of(1);
    for word in ["a", "b", "c"] {
        world.submit(request(word));
    }
    assert_eq!(world.running.len(), 1);
    world.limits.running = 3;
    world.handle(Input::Limit { running: 3 }).unwrap();
    assert_eq!(world.running.len(), 3);
    world.handle(Input::Limit { running: 1 }).unwrap();
    let first = world.running.keys().next().unwrap().clone();
    world.submit(request("d"));
    world.end(&first, Ended { code: Some(0), ..Ended::default() }, 0);
    assert_eq!(world.running.len(), 2, "none is ended for it, and none begins");
}

#[test]
fn what_is_told_has_no_secrets() {
    let mut world = World::of(1);
    let id = world.submit(request("a"));
    let JobWork::Command(exec) = world.queue.status(&id).unwrap().request.work else { panic!("a command") };
    assert_eq!(exec.environment[0].value, "***");
    let mut secret = request("mysql");
    let JobWork::Command(exec) = &mut secret.work else { panic!("a command") };
    exec.command = CommandLine::Program {
        program: "mysql".into(),
        arguments: ["--password", "hunter2", "-e", "x"].map(str::to_owned).to_vec(),
    };
    let secret = world.submit(secret);
    assert_eq!(world.queue.row(&id).unwrap().0.work, "a x");
    assert_eq!(world.queue.row(&secret).unwrap().0.work, "mysql --password *** -e x");
    assert!(!format!("{:?}", world.queue.status(&secret)).contains("hunter2"));
}
