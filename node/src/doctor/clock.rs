//! The clock: does somebody keep it right, and is it behind what this machine has seen already.
//!
//! The wall clock, what keeps it, and times of the past enter; one finding leaves.

use std::path::Path;

use p2p_shared::error::Exit;
use p2p_shared::time::{Millis, UnixMillis};

use super::certificate::CertificateFacts;
use super::command;
use super::finding::Finding;
use super::store::StoreFacts;
use super::words::{span, utc};

const CHECK: &str = "clock";
/// What may lie ahead: clocks step back by little when they are set right.
const TOLERANCE: Millis = Millis::from_secs(60);
const SET: &str = "set it: `timedatectl set-ntp true`, or install chrony; then restart the node";

/// Whether the clock is kept right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronised {
    /// By whom.
    By(&'static str),
    /// Nobody does.
    No,
    /// It is the clock of the machine that this container runs on.
    HostOfContainer,
    /// There is nobody to ask.
    Unknown,
}

/// What is known of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockFacts {
    /// What it says.
    pub now: UnixMillis,
    /// Who keeps it.
    pub synchronised: Synchronised,
    /// When the certificate begins.
    pub certificate: Option<UnixMillis>,
    /// When this program was built, or put here.
    pub program: Option<UnixMillis>,
    /// The newest time in the data directory.
    pub remembered: Option<UnixMillis>,
}

impl ClockFacts {
    /// Reads it.
    pub(super) fn new(
        synchronised: Synchronised,
        certificate: Option<&CertificateFacts>,
        store: Option<&StoreFacts>,
    ) -> Self {
        let program = std::env::current_exe().and_then(std::fs::metadata).and_then(|file| file.modified());
        let program = program.ok().map(super::store::unix);
        Self {
            now: crate::clock::wall(),
            synchronised,
            certificate: certificate.and_then(|facts| facts.begins),
            program,
            remembered: store.and_then(|facts| facts.newest),
        }
    }
}

/// Asks the kernel through systemd, whoever sets its clock; without systemd there are only the programs that
/// are known to do it.
pub(crate) async fn synchronised() -> Synchronised {
    let exists = |path: &str| Path::new(path).exists();
    if exists("/run/systemd/timesync/synchronized") {
        return Synchronised::By("systemd-timesyncd");
    }
    let systemd = exists("/run/systemd/system");
    let asked = ["show", "--property=NTPSynchronized", "--value"];
    let answer = if systemd { command::ask("timedatectl", &asked).await } else { None };
    match answer.as_deref().map(str::trim) {
        Some("yes") => return Synchronised::By("the kernel says so"),
        Some("no") if !in_container() => return Synchronised::No,
        _ => {}
    }
    if ["/run/chrony/chronyd.pid", "/run/chronyd.pid"].into_iter().any(exists) {
        return Synchronised::By("chrony");
    }
    if in_container() { Synchronised::HostOfContainer } else { Synchronised::Unknown }
}

fn in_container() -> bool {
    let marks =
        ["/run/systemd/container", "/.dockerenv", "/run/.containerenv", "/run/host/container-manager"];
    marks.iter().any(|mark| Path::new(mark).exists())
}

/// What is to be said of the clock.
pub fn judge(facts: &ClockFacts) -> Finding {
    let now = utc(facts.now);
    let ahead = |past: Option<UnixMillis>| past.filter(|past| past.since(facts.now) > TOLERANCE);
    if let Some(begins) = ahead(facts.certificate) {
        let late = span(begins.since(facts.now));
        let found = format!("{now}: {late} before the certificate begins ({})", utc(begins));
        return Finding::fail(CHECK, Exit::Config, found, SET);
    }
    for (past, what) in
        [(facts.remembered, "its own data was written"), (facts.program, "this program was built")]
    {
        if let Some(past) = ahead(past) {
            let found = format!("{now}: before {what} ({}): it went back", utc(past));
            return Finding::warn(CHECK, found, SET);
        }
    }
    match facts.synchronised {
        Synchronised::By(whom) => Finding::ok(CHECK, format!("{now}, synchronised ({whom})")),
        Synchronised::HostOfContainer => {
            Finding::ok(CHECK, format!("{now}, kept by the machine that this container runs on"))
        }
        Synchronised::No => Finding::warn(CHECK, format!("{now}, not synchronised: it will drift"), SET),
        Synchronised::Unknown => Finding::warn(
            CHECK,
            format!("{now}; whether somebody keeps it right cannot be told here"),
            "compare it with another machine (`date -u`), and install chrony",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    const NOW: UnixMillis = UnixMillis(1_795_404_123_000);
    const GOOD: ClockFacts = ClockFacts {
        now: NOW,
        synchronised: Synchronised::By("chrony"),
        certificate: Some(UnixMillis(NOW.0 - 1)),
        program: Some(UnixMillis(NOW.0 - 1)),
        remembered: Some(UnixMillis(NOW.0 + 1_000)),
    };

    #[test]
    fn a_clock_is_judged_by_who_keeps_it_and_by_what_was_seen() {
        let later = Some(UnixMillis(NOW.0 + 3_600_000));
        for (facts, verdict, words) in [
            (GOOD, Verdict::Ok, "synchronised (chrony)"),
            (ClockFacts { synchronised: Synchronised::HostOfContainer, ..GOOD }, Verdict::Ok, "container"),
            (ClockFacts { synchronised: Synchronised::No, ..GOOD }, Verdict::Warn, "not synchronised"),
            (ClockFacts { synchronised: Synchronised::Unknown, ..GOOD }, Verdict::Warn, "cannot be told"),
            (ClockFacts { program: later, ..GOOD }, Verdict::Warn, "program was built"),
            (ClockFacts { remembered: later, ..GOOD }, Verdict::Warn, "own data was written"),
            (ClockFacts { certificate: later, ..GOOD }, Verdict::Fail(Exit::Config), "60 minutes before"),
        ] {
            let finding = judge(&facts);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.found.contains(words), "{finding:?}");
            assert_eq!(finding.action.is_some(), verdict != Verdict::Ok);
        }
    }
}
