use std::os::unix::process::ExitStatusExt;

use rustix::process::getpriority_process;

use super::*;
use crate::host::abilities::Capability;
use crate::host::testing::Sleeper;

fn send(target: &ProcessRef, number: Signal) -> Result<(), HostError> {
    signal(&Roots::default(), target, number)
}

fn own() -> ProcessRef {
    let roots = Roots::default();
    let mut line = Vec::new();
    read_at(CWD, "/proc/self/stat", &mut line, STAT_BYTES).unwrap();
    ProcessRef {
        boot_id: boot_id(&roots).unwrap().as_ref().into(),
        pid: std::process::id(),
        start_ticks: Stat::parse(&line).unwrap().start_ticks,
    }
}

#[test]
fn a_signal_reaches_the_process_that_was_seen() {
    let mut child = Sleeper::start();
    let target = child.reference();
    send(&target, Signal::Term).unwrap();
    assert_eq!(child.0.wait().unwrap().signal(), Some(Number::TERM.as_raw()));
    assert_eq!(send(&target, Signal::Term), Err(HostError::OtherProcess { pid: target.pid }));
}

#[test]
fn another_start_time_or_boot_is_another_process() {
    let mut child = Sleeper::start();
    let target = child.reference();
    let reused = ProcessRef { start_ticks: target.start_ticks + 1, ..target.clone() };
    assert_eq!(send(&reused, Signal::Kill), Err(HostError::OtherProcess { pid: target.pid }));
    assert_eq!(renice(&Roots::default(), &reused, 5), Err(HostError::OtherProcess { pid: target.pid }));
    let earlier = ProcessRef { boot_id: "earlier".into(), ..target.clone() };
    assert_eq!(send(&earlier, Signal::Kill), Err(HostError::OtherBoot { pid: target.pid }));
    assert_eq!(renice(&Roots::default(), &earlier, 5), Err(HostError::OtherBoot { pid: target.pid }));
    assert!(child.0.try_wait().unwrap().is_none(), "it lives");
}

#[test]
fn the_node_does_not_end_itself() {
    for number in Signal::ALL {
        let allowed =
            matches!(number, Signal::Term | Signal::Int | Signal::Hup | Signal::Cont | Signal::Winch);
        assert_eq!(refuse_own(getpid(), number).is_ok(), allowed, "{number:?}");
    }
    assert_eq!(send(&own(), Signal::Kill), Err(HostError::OwnProcess("SIGKILL")));
    assert_eq!(send(&own(), Signal::Winch), Ok(()));
}

#[test]
fn what_can_not_be_sent_is_refused() {
    let invalid = |target: ProcessRef, number| matches!(send(&target, number), Err(HostError::Invalid(_)));
    assert!(invalid(own(), Signal::Unknown));
    assert!(invalid(ProcessRef { pid: 0, ..own() }, Signal::Term));
    assert!(invalid(ProcessRef { pid: u32::MAX, ..own() }, Signal::Term));
    assert!(invalid(ProcessRef { pid: 1, ..own() }, Signal::Kill));
    for nice in [-21, 20, i32::MAX, i32::MIN] {
        assert!(matches!(renice(&Roots::default(), &own(), nice), Err(HostError::Invalid(_))));
    }
}

#[test]
fn a_nice_value_is_set() {
    let child = Sleeper::start();
    let target = child.reference();
    renice(&Roots::default(), &target, 7).unwrap();
    let pid = Pid::from_raw(i32::try_from(target.pid).unwrap());
    assert_eq!(getpriority_process(pid).unwrap(), 7);
}

#[test]
fn an_error_of_the_kernel_names_its_layer() {
    let denied = HostError::of(Action::Signal, 7, Errno::PERM);
    assert!(denied.to_string().starts_with("denied: operating system: signal of process 7"), "{denied}");
}

#[test]
fn a_refusal_names_the_right_that_is_missing() {
    let denied =
        |action, missing| HostError::Denied { action, pid: 7, missing, source: Errno::PERM }.to_string();
    for (action, capability, word) in [
        (Action::Signal, Capability::Kill, "this node lacks CAP_KILL"),
        (Action::Renice, Capability::SysNice, "this node lacks CAP_SYS_NICE"),
        (Action::Inspect, Capability::SysPtrace, "this node lacks CAP_SYS_PTRACE"),
    ] {
        let text = denied(action, Some(capability));
        assert!(text.contains(word) && text.contains("p2p-node doctor"), "{text}");
        assert!(denied(action, None).contains("security module"));
    }
}
