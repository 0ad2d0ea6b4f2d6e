//! The figures of the node itself: its program, its certificate, what it runs, what it was asked.

use std::collections::BTreeMap;

use p2p_shared::error::Code;
use p2p_shared::services::alert::{AlertSeverity, AlertState};
use p2p_shared::services::job::JobState;
use p2p_shared::services::program::ProgramState;

use super::Sources;
use super::families as f;
use super::text::Text;
use crate::clock;
use crate::{logging, program};

pub(super) fn write(sources: &Sources, text: &mut Text) {
    program(sources, text);
    certificate(sources, text);
    programs(sources, text);
    let jobs = sources.portrait.jobs.counts();
    let mut by_state = text.family(&f::JOBS);
    JobState::ALL.into_iter().for_each(|state| by_state.put(&[state.as_str()], jobs.get(state)));
    alerts(sources, text);
    text.one(&f::AUDIT_LOST, sources.audit.lost());
    text.one(&f::LOG_LOST, logging::ENTRIES_LOST.get());
    text.one(&f::WRITES_DROPPED, sources.writes_dropped.get());
    text.one(&f::RELOADS_FAILED, program::RELOADS_FAILED.get());
    calls(sources, text);
}

fn program(sources: &Sources, text: &mut Text) {
    let usage = sources.pulse.borrow().usage;
    text.family(&f::BUILD).put(&[env!("CARGO_PKG_VERSION")], true);
    text.one(&f::START_TIME, seconds(sources.portrait.started.1.0));
    text.one(&f::PROCESS_CPU, seconds(usage.cpu_time.0));
    text.one(&f::PROCESS_MEMORY, usage.rss_bytes);
    text.one(&f::PROCESS_FILES, usage.open_files);
}

fn certificate(sources: &Sources, text: &mut Text) {
    let portrait = &sources.portrait;
    let (ends, now) = (portrait.identity.not_after.0, clock::wall().0);
    text.one(&f::CERTIFICATE_REMAINING, seconds(ends) - seconds(now));
    text.one(&f::REVOCATION_AGE, portrait.revocations.silence().as_secs_f64());
    text.one(&f::REVOCATION_EPOCH, portrait.revocations.epoch());
    text.one(&f::REVOKED, portrait.revocations.own_revoked().is_some());
}

fn programs(sources: &Sources, text: &mut Text) {
    let states = [
        ProgramState::Stopped,
        ProgramState::Waiting,
        ProgramState::Starting,
        ProgramState::Running,
        ProgramState::Healthy,
        ProgramState::Unhealthy,
        ProgramState::BackingOff,
        ProgramState::Stopping,
        ProgramState::Failed,
        ProgramState::Completed,
    ];
    let programs = sources.programs.list();
    let mut by_state = text.family(&f::PROGRAMS);
    for state in states {
        let count = programs.iter().filter(|program| program.state == state).count();
        by_state.put(&[&state.as_str().replace(' ', "_")], count);
    }
    let mut up = text.family(&f::PROGRAM_UP);
    programs.iter().for_each(|program| up.put(&[program.name.as_str()], program.state.runs()));
    let mut starts = text.family(&f::PROGRAM_STARTS);
    programs.iter().for_each(|program| starts.put(&[program.name.as_str()], program.starts));
}

fn alerts(sources: &Sources, text: &mut Text) {
    let view = sources.alerts.view();
    let view = view.borrow();
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for state in [AlertState::Pending, AlertState::Firing, AlertState::Resolved] {
        for severity in [AlertSeverity::Info, AlertSeverity::Warning, AlertSeverity::Critical] {
            counts.insert((state.as_str(), severity.as_str()), 0);
        }
    }
    for alert in &view.alerts {
        *counts.entry((alert.state.as_str(), alert.severity.as_str())).or_default() += 1;
    }
    let mut by_state = text.family(&f::ALERTS);
    counts.iter().for_each(|((state, severity), count)| by_state.put(&[state, severity], *count));
    text.one(&f::ALERTS_SILENCED, view.counts.silenced);
    text.one(&f::ALERTS_REFUSED, view.refused);
}

fn calls(sources: &Sources, text: &mut Text) {
    let counters = sources.registry.counters();
    let mut calls = text.family(&f::CALLS);
    for (method, code, count) in sources.registry.ended() {
        calls.put(&[method, code.map_or("ok", Code::as_str)], count);
    }
    calls.put(&["unknown", Code::Unsupported.as_str()], counters.unknown.get());
    text.family(&f::CALL_TIME).durations(&counters.took.seen());
}

fn seconds(millis: u64) -> f64 {
    millis as f64 / 1e3
}
