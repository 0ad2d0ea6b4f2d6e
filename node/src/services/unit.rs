//! The service `unit`: reads and acts through `host::systemd`.

mod tally;

use std::time::Duration;

use p2p_shared::error::RpcError;
use p2p_shared::rpc::registry::CallContext;
use p2p_shared::rpc::service::Items;
use p2p_shared::services::journal::JournalOrder;
use p2p_shared::services::unit::{
    FileReport, JobReport, TimerInfo, Unit, UnitDelta, UnitFile, UnitInfo, UnitList, UnitStatus, UnitSummary,
};
use tokio::time::Instant;

use super::journal::{LINES_MAX, count};
use crate::clock;
use crate::host::journal::entry::Fields;
use crate::host::journal::question::Question;
use crate::host::journal::{Extent, Journal, JournalError};
use crate::host::systemd::Systemd;
use crate::host::systemd::changes::UnitNews;
use crate::host::systemd::control::{FileVerb, JobVerb, OwnUnit};
use crate::host::systemd::name::{KINDS, UnitName};
use crate::host::systemd::units::UnitFilter;
use tally::Tally;

/// Lines of the journal in a status, unless told.
const LINES: u32 = 10;
/// Units in one message of a watch.
const UNITS_PER_MESSAGE: usize = 500;
/// A job is waited for until so long before the caller's deadline, so that it learns that the job goes on.
const REPORT_TIME: Duration = Duration::from_millis(500);
/// How long a job is waited for where the caller has no deadline.
const PATIENCE: Duration = Duration::from_secs(600);

/// The implementation.
#[derive(Clone, Debug)]
pub struct UnitService {
    systemd: Systemd,
}

impl UnitService {
    /// A service over `systemd`.
    pub const fn new(systemd: Systemd) -> Self {
        Self { systemd }
    }

    async fn run(
        &self,
        context: &CallContext,
        verb: JobVerb,
        unit: &str,
        own: OwnUnit,
    ) -> Result<JobReport, RpcError> {
        let unit = UnitName::new(unit)?;
        let left = context.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let patience = left.map_or(PATIENCE, |left| left.saturating_sub(REPORT_TIME));
        Ok(self.systemd.run_job(verb, &unit, own, patience).await?)
    }

    async fn change(&self, verb: FileVerb, unit: &str, own: OwnUnit) -> Result<FileReport, RpcError> {
        Ok(self.systemd.change_file(verb, &UnitName::new(unit)?, own).await?)
    }
}

const fn own(force: Option<bool>) -> OwnUnit {
    match force {
        Some(true) => OwnUnit::Force,
        _ => OwnUnit::Spare,
    }
}

impl Unit for UnitService {
    async fn list(
        &self,
        _: &CallContext,
        text: Option<String>,
        kind: Option<String>,
        state: Option<String>,
    ) -> Result<UnitList, RpcError> {
        if let Some(kind) = kind.as_ref().filter(|kind| !KINDS.contains(&kind.as_str())) {
            let kinds = KINDS.join(", ");
            return Err(RpcError::bad_request(format!("{kind:?} is no kind of unit: {kinds}")));
        }
        Ok(self.systemd.list(&UnitFilter { text, kind, state }).await?)
    }

    async fn status(
        &self,
        _: &CallContext,
        unit: String,
        lines: Option<u32>,
    ) -> Result<UnitStatus, RpcError> {
        let unit = UnitName::new(&unit)?;
        let lines = count("lines", lines, LINES, LINES_MAX)?;
        let mut status = self.systemd.status(&unit).await?;
        if lines > 0 {
            match last_lines(&unit, lines).await {
                Ok(log) => status.log = log,
                Err(error) => status.log_missing = Some(error.to_string()),
            }
        }
        Ok(status)
    }

    async fn timers(&self, _: &CallContext) -> Result<Vec<TimerInfo>, RpcError> {
        Ok(self.systemd.timers().await?)
    }

    async fn file(&self, _: &CallContext, unit: String) -> Result<UnitFile, RpcError> {
        Ok(self.systemd.file(&UnitName::new(&unit)?).await?)
    }

    async fn watch(&self, _: &CallContext, items: Items<UnitDelta>) -> Result<(), RpcError> {
        let mut watch = self.systemd.watch().await?;
        let mut seq = 0;
        loop {
            let news = tokio::select! {
                news = watch.next() => news?,
                () = items.closed() => return Err(RpcError::cancelled("the caller went away")),
            };
            for delta in deltas(news, &mut seq) {
                tokio::select! {
                    sent = items.send(&delta) => sent?,
                    // Signals are read on while the caller is slow; they become names of units to look at.
                    ended = watch.gather() => ended?,
                }
            }
        }
    }

    async fn summary(&self, _: &CallContext, items: Items<UnitSummary>) -> Result<(), RpcError> {
        let mut watch = self.systemd.watch().await?;
        let mut tally = Tally::default();
        loop {
            let news = tokio::select! {
                news = watch.next() => news?,
                () = items.closed() => return Err(RpcError::cancelled("the caller went away")),
            };
            let Some(summary) = tally.take(news, clock::wall()) else { continue };
            tokio::select! {
                sent = items.send(&summary) => sent?,
                ended = watch.gather() => ended?,
            }
        }
    }

    async fn start(&self, context: &CallContext, unit: String) -> Result<JobReport, RpcError> {
        self.run(context, JobVerb::Start, &unit, OwnUnit::Spare).await
    }

    async fn stop(
        &self,
        context: &CallContext,
        unit: String,
        force: Option<bool>,
    ) -> Result<JobReport, RpcError> {
        self.run(context, JobVerb::Stop, &unit, own(force)).await
    }

    async fn restart(&self, context: &CallContext, unit: String) -> Result<JobReport, RpcError> {
        self.run(context, JobVerb::Restart, &unit, OwnUnit::Spare).await
    }

    async fn reload(&self, context: &CallContext, unit: String) -> Result<JobReport, RpcError> {
        self.run(context, JobVerb::Reload, &unit, OwnUnit::Spare).await
    }

    async fn enable(&self, _: &CallContext, unit: String) -> Result<FileReport, RpcError> {
        self.change(FileVerb::Enable, &unit, OwnUnit::Spare).await
    }

    async fn disable(
        &self,
        _: &CallContext,
        unit: String,
        force: Option<bool>,
    ) -> Result<FileReport, RpcError> {
        self.change(FileVerb::Disable, &unit, own(force)).await
    }

    async fn mask(&self, _: &CallContext, unit: String, force: Option<bool>) -> Result<FileReport, RpcError> {
        self.change(FileVerb::Mask, &unit, own(force)).await
    }

    async fn unmask(&self, _: &CallContext, unit: String) -> Result<FileReport, RpcError> {
        self.change(FileVerb::Unmask, &unit, OwnUnit::Spare).await
    }
}

async fn last_lines(
    unit: &UnitName,
    lines: usize,
) -> Result<Vec<p2p_shared::services::journal::JournalRow>, JournalError> {
    let question = Question { unit: Some(unit.to_string()), ..Question::default() };
    let extent = Extent { rows: lines, order: JournalOrder::Newest, fields: Fields::Named };
    let mut rows = Journal::here()?.query(&question, extent).await?.rows;
    rows.reverse();
    Ok(rows)
}

/// News in messages that fit a frame; at least one.
fn deltas(news: UnitNews, seq: &mut u64) -> Vec<UnitDelta> {
    let UnitNews { full, changed, mut gone } = news;
    let mut delta = |full, changed: Vec<UnitInfo>, gone| {
        let delta = UnitDelta { seq: *seq, at: clock::wall(), full, changed, gone };
        *seq += 1;
        delta
    };
    let mut deltas = Vec::new();
    let mut units = changed.into_iter().peekable();
    loop {
        let some: Vec<UnitInfo> = units.by_ref().take(UNITS_PER_MESSAGE).collect();
        deltas.push(delta(full && deltas.is_empty(), some, std::mem::take(&mut gone)));
        if units.peek().is_none() {
            return deltas;
        }
    }
}
