use p2p_shared::services::process::ProcessKey;

use super::*;
use crate::host::testing::{FakeHost, Sleeper, at};

fn only(snapshot: &ProcessSnapshot) -> &ProcessRow {
    assert_eq!(snapshot.rows.len(), 1);
    &snapshot.rows[0]
}

#[test]
fn rows_say_what_the_kernel_says() {
    let host = FakeHost::new();
    host.process(7, "a) (b\n", 500, 100);
    host.write("proc/7/cmdline", b"/bin/a\0--x\0\xff\0");
    host.write("proc/self", "not a process");
    let snapshot = ProcessTable::open(&host.roots()).unwrap().scan(at(15)).unwrap();
    let info = only(&snapshot).to_info();
    assert_eq!(info.key, ProcessKey { pid: 7, start_ticks: 500 });
    assert_eq!((info.name.as_str(), info.command.as_str()), ("a) (b\n", "/bin/a --x \u{fffd}"));
    assert_eq!((info.ppid, info.started), (1, UnixMillis(1_005_000)));
    assert_eq!((info.usage.cpu_time_ms, info.usage.cpu_ratio), (1_000, 0.1));
    assert_eq!(&*snapshot.boot_id, "b0075a1d");
}

#[test]
fn shares_are_over_the_time_between_scans() {
    let host = FakeHost::new();
    host.write("proc/stat", "cpu  0 0 0 0\ncpu0 0 0 0 0\ncpu1 0 0 0 0\n");
    host.process(7, "a", 0, 0);
    let mut table = ProcessTable::open(&host.roots()).unwrap();
    table.scan(at(10)).unwrap();
    let mut ratio = |seconds, ticks| {
        host.process(7, "a", 0, ticks);
        only(&table.scan(at(seconds)).unwrap()).usage.cpu_ratio
    };
    assert_eq!(ratio(12, 100), 0.5);
    assert_eq!(ratio(12, 150), 0.5, "no time passed: the share stays");
    assert_eq!(ratio(13, 50), 0.0, "a counter that went backwards");
    assert_eq!(ratio(14, 9_999), 2.0, "at most the cores there are");
}

#[test]
fn a_pid_used_again_is_another_process() {
    let host = FakeHost::new();
    host.process(7, "old", 100, 50);
    host.write("proc/7/cmdline", "old\0");
    let mut table = ProcessTable::open(&host.roots()).unwrap();
    table.scan(at(10)).unwrap();
    host.process(7, "old", 900, 0);
    host.write("proc/7/cmdline", "new\0");
    let snapshot = table.scan(at(11)).unwrap();
    let identity = &only(&snapshot).identity;
    assert_eq!((identity.key.start_ticks, identity.command.as_str()), (900, "new"));
    assert!(snapshot.find(ProcessKey { pid: 7, start_ticks: 100 }).is_none());
    table.scan(at(12)).unwrap();
    assert_eq!((table.len(), table.kept_files()), (1, 1));
}

#[test]
fn a_command_line_is_read_again_after_an_exec_and_in_turn() {
    let host = FakeHost::new();
    host.process(7, "sh", 0, 0);
    host.write("proc/7/cmdline", "sh\0");
    let mut table = ProcessTable::open(&host.roots()).unwrap();
    let mut command = || only(&table.scan(at(10)).unwrap()).identity.command.clone();
    assert_eq!((command(), command()), ("sh".into(), "sh".into()));
    host.write("proc/7/cmdline", "sleep\x001\0");
    assert_eq!(command(), "sh", "the name is the same: not looked at");
    host.process(7, "sleep", 0, 0);
    assert_eq!(command(), "sleep 1");
    host.write("proc/7/cmdline", "title\0");
    let scans = (0..=REREAD_SCANS).take_while(|_| command() != "title").count();
    assert!(scans as u64 <= REREAD_SCANS);
}

#[test]
fn rows_share_what_did_not_change() {
    let host = FakeHost::new();
    host.process(7, "a", 0, 0);
    let mut table = ProcessTable::open(&host.roots()).unwrap();
    let (first, second) = (table.scan(at(10)).unwrap(), table.scan(at(11)).unwrap());
    assert!(Arc::ptr_eq(&only(&first).identity, &only(&second).identity));
}

#[test]
fn what_ended_is_forgotten_with_its_descriptor() {
    let host = FakeHost::new();
    host.process(7, "a", 0, 0);
    host.process(8, "b", 0, 0);
    let mut table = ProcessTable::open(&host.roots()).unwrap();
    table.scan(at(10)).unwrap();
    assert_eq!((table.len(), table.kept_files()), (2, 2));
    host.end(7);
    assert_eq!(only(&table.scan(at(11)).unwrap()).identity.key.pid, 8);
    assert_eq!((table.len(), table.kept_files()), (1, 1));
}

#[test]
fn beyond_the_budget_files_are_opened_each_time() {
    let host = FakeHost::new();
    (1..=5).for_each(|pid| host.process(pid, "a", 0, 0));
    let mut table = ProcessTable::open(&host.roots()).unwrap();
    table.kept_files_max = 2;
    for seconds in 10..13 {
        assert_eq!(table.scan(at(seconds)).unwrap().rows.len(), 5);
        assert_eq!(table.kept_files(), 2);
    }
}

#[test]
fn a_clock_that_was_set_moves_start_times_and_one_that_jitters_does_not() {
    let host = FakeHost::new();
    host.process(7, "a", 0, 0);
    let mut table = ProcessTable::open(&host.roots()).unwrap();
    let mut started = |ahead: u64| {
        let now = at(10);
        let wall = now.wall.plus(Millis(ahead));
        only(&table.scan(Moment { wall, ..now }).unwrap()).identity.started
    };
    assert_eq!(started(0), started(3));
    assert_eq!(started(60_000), UnixMillis(1_060_000));
}

#[test]
fn without_proc_there_is_a_typed_error() {
    let host = FakeHost::new();
    let roots = Roots { proc: host.path("nothing"), ..host.roots() };
    assert!(matches!(ProcessTable::open(&roots), Err(HostError::Unreadable { .. })));
    let unmounted = Roots { proc: host.path("etc"), ..host.roots() };
    assert!(matches!(ProcessTable::open(&unmounted), Err(HostError::Unreadable { .. })));
}

#[test]
fn garbage_in_stat_leaves_one_process_out() {
    let host = FakeHost::new();
    host.process(7, "a", 0, 0);
    host.write("proc/8/stat", "8 (b");
    host.write("proc/9/stat", "");
    host.write("proc/99999999999/stat", "x");
    let mut table = ProcessTable::open(&host.roots()).unwrap();
    assert_eq!(only(&table.scan(at(10)).unwrap()).identity.key.pid, 7);
}

#[test]
fn a_real_child_appears_and_goes() {
    let mut table = ProcessTable::open(&Roots::default()).unwrap();
    table.scan(Moment::now()).unwrap();
    let child = Sleeper::start();
    let pid = child.0.id();
    let seen = table.scan(Moment::now()).unwrap();
    assert!(seen.rows.iter().any(|row| row.identity.key.pid == pid));
    assert!(seen.rows.is_sorted_by_key(|row| row.identity.key));
    drop(child);
    let gone = table.scan(Moment::now()).unwrap();
    assert!(gone.rows.iter().all(|row| row.identity.key.pid != pid));
}

#[test]
fn this_process_is_itself() {
    let snapshot = ProcessTable::open(&Roots::default()).unwrap().scan(Moment::now()).unwrap();
    let own = snapshot.rows.iter().find(|row| row.identity.key.pid == std::process::id()).unwrap();
    assert_eq!(own.identity.uid, rustix::process::geteuid().as_raw());
    assert!(own.usage.rss_bytes > 0 && own.usage.threads > 0 && !own.identity.command.is_empty());
    let age = Moment::now().wall.since(own.identity.started);
    assert!(age < Millis::from_secs(3_600), "{age:?}");
}
