//! Acting on exactly one process: signals and nice values.
//!
//! A [`ProcessRef`] comes in; the process behind it is acted on, or an error says why not. The check that it is
//! still that process comes after a handle on it was opened, so that a pid that is used again in between can
//! not be hit. The node never ends or stops itself this way.

use std::os::fd::AsFd;

use p2p_shared::services::process::{ProcessRef, Signal};
use rustix::fs::{CWD, Dir};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal as Number, getpid, pidfd_open, pidfd_send_signal, setpriority_process,
};

use super::Roots;
use super::error::{Action, HostError};
use super::processes::boot_id;
use super::source::{open_dir, read_at};
use super::stat::{STAT_BYTES, Stat, number};

/// Least and greatest nice value.
pub const NICE: std::ops::RangeInclusive<i32> = -20..=19;

/// Sends `signal` to the process.
///
/// # Errors
/// [`HostError::OtherProcess`] or [`HostError::OtherBoot`] if it is no more, [`HostError::OwnProcess`] if it is
/// this one, [`HostError::Denied`] if the kernel refuses, [`HostError::Invalid`] for what cannot be sent.
pub fn signal(roots: &Roots, target: &ProcessRef, signal: Signal) -> Result<(), HostError> {
    let number =
        number_of(signal).ok_or_else(|| HostError::Invalid("this node does not know that signal".into()))?;
    let pid = pid_of(target)?;
    refuse_own(pid, signal)?;
    if pid == Pid::INIT && matches!(signal, Signal::Kill | Signal::Stop | Signal::Tstp) {
        let name = signal.as_str();
        return Err(HostError::Invalid(format!("the kernel discards {name} to process 1: nothing was sent")));
    }
    let failed = |errno| match errno {
        // A thread that leads no process.
        Errno::INVAL => HostError::OtherProcess { pid: target.pid },
        _ => HostError::of(Action::Signal, target.pid, errno),
    };
    let handle = pidfd_open(pid, PidfdFlags::empty()).map_err(failed)?;
    verify(roots, target)?;
    pidfd_send_signal(&handle, number).map_err(|errno| HostError::of(Action::Signal, target.pid, errno))
}

/// Sets the nice value of the process: of all its threads, since Linux keeps one for each.
///
/// The kernel takes no handle for this, only numbers. The identity is checked right before and through the
/// open directory of the process afterwards; a pid that is used again within those microseconds would be
/// changed, and is reported as [`HostError::OtherProcess`].
///
/// # Errors
/// As [`signal`].
pub fn renice(roots: &Roots, target: &ProcessRef, nice: i32) -> Result<(), HostError> {
    if !NICE.contains(&nice) {
        return Err(HostError::Invalid(format!("a nice value is -20 to 19, not {nice}")));
    }
    let pid = pid_of(target)?;
    let failed = |errno| HostError::of(Action::Renice, target.pid, errno);
    let dir = open_dir(CWD, roots.proc.join(target.pid.to_string())).map_err(failed)?;
    verify(roots, target)?;
    setpriority_process(Some(pid), nice).map_err(failed)?;
    // Twice: a thread born meanwhile of one that was not changed yet has the old value.
    for _ in 0..2 {
        for thread in threads(&dir).map_err(failed)? {
            match setpriority_process(Some(thread), nice) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
    }
    verify_start(&dir, target)
}

/// Threads of the process behind `dir`; those of nobody else, whoever has its pid now.
fn threads(dir: impl AsFd) -> Result<Vec<Pid>, Errno> {
    let tasks = Dir::new(open_dir(dir, "task")?)?;
    let number_of = |name: &[u8]| Pid::from_raw(i32::try_from(number(name)?).ok()?);
    let named = tasks.filter_map(|entry| number_of(entry.ok()?.file_name().to_bytes()));
    Ok(named.collect())
}

fn pid_of(target: &ProcessRef) -> Result<Pid, HostError> {
    let pid = i32::try_from(target.pid).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| HostError::Invalid(format!("there is no process {}", target.pid)))
}

/// Only signals that the node handles, or that do no harm, reach it.
fn refuse_own(pid: Pid, signal: Signal) -> Result<(), HostError> {
    let allowed = matches!(signal, Signal::Term | Signal::Int | Signal::Hup | Signal::Cont | Signal::Winch);
    if pid == getpid() && !allowed {
        return Err(HostError::OwnProcess(signal.as_str()));
    }
    Ok(())
}

/// That the process is the one that was seen.
fn verify(roots: &Roots, target: &ProcessRef) -> Result<(), HostError> {
    if *boot_id(roots)? != *target.boot_id {
        return Err(HostError::OtherBoot { pid: target.pid });
    }
    let dir = open_dir(CWD, roots.proc.join(target.pid.to_string()))
        .map_err(|errno| HostError::of(Action::Identify, target.pid, errno))?;
    verify_start(dir, target)
}

pub(super) fn verify_start(dir: impl AsFd, target: &ProcessRef) -> Result<(), HostError> {
    let mut line = Vec::new();
    read_at(dir, "stat", &mut line, STAT_BYTES)
        .map_err(|errno| HostError::of(Action::Identify, target.pid, errno))?;
    match Stat::parse(&line) {
        Some(stat) if stat.start_ticks == target.start_ticks => Ok(()),
        _ => Err(HostError::OtherProcess { pid: target.pid }),
    }
}

pub(super) const fn number_of(signal: Signal) -> Option<Number> {
    Some(match signal {
        Signal::Hup => Number::HUP,
        Signal::Int => Number::INT,
        Signal::Quit => Number::QUIT,
        Signal::Abrt => Number::ABORT,
        Signal::Kill => Number::KILL,
        Signal::Usr1 => Number::USR1,
        Signal::Usr2 => Number::USR2,
        Signal::Pipe => Number::PIPE,
        Signal::Alrm => Number::ALARM,
        Signal::Term => Number::TERM,
        Signal::Cont => Number::CONT,
        Signal::Stop => Number::STOP,
        Signal::Tstp => Number::TSTP,
        Signal::Winch => Number::WINCH,
        Signal::Unknown => return None,
    })
}

#[cfg(test)]
mod tests;
