//! The service `alert`: orders to the driver of alerts, and what is seen of it.
//!
//! Rules that connect to other machines may be applied only by who may run anything anyway: a rule is no way around
//! the permission to scan.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use p2p_shared::access::{Caller, Permission};
use p2p_shared::error::RpcError;
use p2p_shared::rpc::registry::CallContext;
use p2p_shared::rpc::service::Items;
use p2p_shared::services::alert::{
    Alert, AlertApplied, AlertDelta, AlertInfo, AlertList, AlertRules, AlertSilence, AlertTest,
};
use p2p_shared::time::Millis;
use tokio::time::sleep;

use crate::alerts::core::file::{self, FileRule};
use crate::alerts::core::wanted::Wanted;
use crate::alerts::handle::AlertsHandle;
use crate::alerts::view::View;
use crate::clock;

/// Changes within this are told together: values change each second.
const GATHER: Duration = Duration::from_millis(900);
/// Alerts of one item of a watch.
const ROWS_MAX: usize = 128;

/// The implementation.
#[derive(Clone, Debug)]
pub struct AlertService {
    alerts: AlertsHandle,
}

impl AlertService {
    /// A service over these alerts.
    pub const fn new(alerts: AlertsHandle) -> Self {
        Self { alerts }
    }
}

impl Alert for AlertService {
    async fn list(&self, _: &CallContext) -> Result<AlertList, RpcError> {
        Ok(self.alerts.view().borrow().list(clock::wall()))
    }

    async fn rules(&self, _: &CallContext) -> Result<AlertRules, RpcError> {
        self.alerts.rules().await
    }

    async fn watch(&self, _: &CallContext, items: Items<AlertDelta>) -> Result<(), RpcError> {
        let mut view = self.alerts.view();
        let mut told: Option<Arc<View>> = None;
        loop {
            let now = Arc::clone(&view.borrow_and_update());
            send(told.as_deref(), &now, &items).await?;
            told = Some(now);
            sleep(GATHER).await;
            tokio::select! {
                changed = view.changed() => if changed.is_err() { return Ok(()) },
                () = items.closed() => return Err(RpcError::cancelled("the caller went away")),
            }
        }
    }

    async fn test(&self, _: &CallContext, rules: String) -> Result<AlertTest, RpcError> {
        self.alerts.test(rules).await
    }

    async fn apply(
        &self,
        context: &CallContext,
        rules: String,
        seen: String,
    ) -> Result<AlertApplied, RpcError> {
        judge_rules(&context.caller, &rules)?;
        self.alerts.apply(rules, seen, context.caller.to_string()).await
    }

    async fn silence(
        &self,
        context: &CallContext,
        matchers: String,
        reason: String,
        span_s: u32,
    ) -> Result<AlertSilence, RpcError> {
        let span = Millis::from_secs(span_s.into());
        self.alerts.silence((matchers, reason), context.caller.to_string(), span).await
    }

    async fn unsilence(&self, _: &CallContext, id: u64) -> Result<(), RpcError> {
        self.alerts.unsilence(id).await
    }

    async fn acknowledge(
        &self,
        context: &CallContext,
        id: String,
        note: String,
    ) -> Result<AlertInfo, RpcError> {
        self.alerts.acknowledge(id, context.caller.to_string(), note).await
    }
}

/// Whether a caller may apply rules: those that connect to other machines are an admin's. A text that cannot be
/// read is refused later, with its mistakes.
pub(super) fn judge_rules(caller: &Caller, text: &str) -> Result<(), RpcError> {
    if caller.may(Permission::Exec) {
        return Ok(());
    }
    let rules = file::read(text).rules;
    let rules = rules.iter().filter_map(|rule| match rule {
        FileRule::On(rule) => Some(rule.as_ref()),
        FileRule::Off(_) => None,
    });
    let is_foreign = |text: &&String| {
        text.parse::<SocketAddr>().is_ok_and(|address| !address.ip().to_canonical().is_loopback())
    };
    match Wanted::of(rules).ports.iter().find(is_foreign) {
        Some(address) => Err(RpcError::forbidden(format!(
            "denied: role: a rule that connects to {address}, another machine, is applied by an admin"
        ))),
        None => Ok(()),
    }
}

/// What is another than was told before, a part at a time.
async fn send(told: Option<&View>, now: &View, items: &Items<AlertDelta>) -> Result<(), RpcError> {
    let before: BTreeMap<&str, &Arc<AlertInfo>> =
        told.iter().flat_map(|view| &view.alerts).map(|alert| (alert.id.as_str(), alert)).collect();
    let is_new =
        |alert: &&Arc<AlertInfo>| before.get(alert.id.as_str()).is_none_or(|old| !Arc::ptr_eq(old, alert));
    let changed: Vec<&Arc<AlertInfo>> = now.alerts.iter().filter(is_new).collect();
    let is_there = |id: &str| now.alerts.iter().any(|alert| alert.id == id);
    let mut removed: Vec<String> =
        before.keys().filter(|id| !is_there(id)).map(|id| (*id).to_owned()).collect();
    let mut full = told.is_none();
    let mut parts = changed.chunks(ROWS_MAX).peekable();
    loop {
        let part = parts.next().unwrap_or_default();
        let delta = AlertDelta {
            full,
            changed: part.iter().map(|alert| AlertInfo::clone(alert)).collect(),
            removed: std::mem::take(&mut removed),
            silences: now.silences.clone(),
            counts: now.counts,
        };
        items.send(&delta).await?;
        full = false;
        if parts.peek().is_none() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use p2p_shared::access::Role;

    use super::*;

    #[test]
    fn only_an_admin_has_other_machines_connected_to() {
        let rule =
            |address: &str| format!("[[rule]]\nname = 'a'\nwhen = 'port_open{{address=\"{address}\"}} < 1'");
        let caller = |role| Caller::User { name: "ann".into(), role };
        let judge = |role, address: &str| judge_rules(&caller(role), &rule(address));
        judge(Role::Operator, "127.0.0.1:5432").unwrap();
        judge(Role::Operator, "[::1]:5432").unwrap();
        judge(Role::Admin, "10.0.0.1:22").unwrap();
        let refused = judge(Role::Operator, "10.0.0.1:22").unwrap_err();
        assert!(refused.message.starts_with("denied: role: "), "{}", refused.message);
    }
}
