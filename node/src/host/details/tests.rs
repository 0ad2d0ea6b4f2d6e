use std::net::TcpListener;
use std::os::fd::AsRawFd;

use super::*;
use crate::host::testing::Sleeper;

fn own() -> ProcessRef {
    let snapshot = crate::host::processes::ProcessTable::open(&Roots::default()).unwrap();
    let snapshot = { snapshot }.scan(Moment::now()).unwrap();
    let row = snapshot.rows.iter().find(|row| row.identity.key.pid == std::process::id()).unwrap();
    let start_ticks = row.identity.key.start_ticks;
    ProcessRef { boot_id: snapshot.boot_id.as_ref().into(), pid: std::process::id(), start_ticks }
}

#[test]
fn a_child_is_described_without_its_secrets() {
    let child = Sleeper::start();
    let details = inspect(&Roots::default(), &child.reference(), None).unwrap();
    assert_eq!(details.arguments, ["sleep", "600"]);
    assert_eq!(details.info.command, "sleep 600");
    let names = details.environment_names.clone().unwrap();
    assert!(names.iter().any(|name| name == "SECRET_OF_TEST"));
    assert!(!format!("{details:?}").contains("hunter2"));
    assert_eq!(details.ancestors[0].key.pid, std::process::id());
    assert_eq!(details.threads.len(), 1);
    assert!(details.executable.is_some_and(|path| path.contains('/')));
    assert!(details.files.is_some_and(|files| files.iter().any(|file| file.target == "/dev/null")));
}

#[test]
fn sockets_are_found_with_their_addresses() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let details = inspect(&Roots::default(), &own(), None).unwrap();
    let descriptor = u32::try_from(listener.as_raw_fd()).unwrap();
    let socket = details.sockets.iter().find(|socket| socket.descriptor == descriptor).unwrap();
    assert_eq!((socket.protocol.as_str(), socket.state.as_str()), ("tcp", "listen"));
    assert_eq!((&socket.local, &socket.remote), (&address, &None));
}

#[test]
fn another_process_is_not_described() {
    let child = Sleeper::start();
    let target = child.reference();
    let look = |target: &ProcessRef| inspect(&Roots::default(), target, None);
    let reused = ProcessRef { start_ticks: 1, ..target.clone() };
    assert_eq!(look(&reused), Err(HostError::OtherProcess { pid: target.pid }));
    let earlier = ProcessRef { boot_id: "x".into(), ..target.clone() };
    assert_eq!(look(&earlier), Err(HostError::OtherBoot { pid: target.pid }));
    drop(child);
    assert_eq!(look(&target), Err(HostError::OtherProcess { pid: target.pid }));
    assert!(look(&ProcessRef { pid: u32::MAX, ..target }).is_err());
}

#[test]
fn what_may_not_be_read_is_none() {
    let host = crate::host::testing::FakeHost::new();
    host.process(7, "a", 5, 0);
    let target = ProcessRef { boot_id: "b0075a1d".into(), pid: 7, start_ticks: 5 };
    let details = inspect(&host.roots(), &target, None).unwrap();
    assert_eq!((details.files, details.environment_names, details.cgroup), (None, None, None));
    assert_eq!((details.executable, details.read_bytes), (None, None));
    assert!(details.threads.is_empty() && details.sockets.is_empty() && details.ancestors.is_empty());
}

#[test]
fn parents_that_go_in_a_circle_end() {
    let host = crate::host::testing::FakeHost::new();
    host.process(1, "a", 5, 0);
    let proc_dir = open_dir(CWD, host.roots().proc).unwrap();
    assert_eq!(ancestors(&proc_dir, 1).len(), 1);
}
