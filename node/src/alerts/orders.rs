//! What operators order of alerts, carried out: each is on disk before it is answered.

use p2p_shared::error::RpcError;
use p2p_shared::services::alert::{
    AlertApplied, AlertInfo, AlertRules, AlertSilence, AlertTest, NOTE_BYTES_MAX, RULES_BYTES_MAX,
    RuleVerdict,
};
use p2p_shared::time::Millis;

use super::core::alert::{Acknowledged, Alert, Figure, State, labels_of};
use super::core::book::{Book, Origin};
use super::core::engine::Alerts;
use super::core::file::{self, FileRule};
use super::core::rule::Rule;
use super::core::silence::{Silence, SilenceId};
use super::core::{text, words};
use super::driver::{Driver, now};
use super::handle::{Answer, Order};
use super::keeping::Applied;
use super::view;
use crate::host::moment::Moment;

/// Verdicts of one test.
const VERDICTS_MAX: usize = 500;
/// Mistakes that are told at once.
const MISTAKES_MAX: usize = 20;

impl Driver {
    pub(super) async fn on_order(&mut self, order: Order) {
        match order {
            Order::Configure(rules, receivers) => {
                self.notifier.configure(receivers);
                if self.configured != rules {
                    self.configured = rules;
                    self.set_rules();
                    self.settle_and_log().await;
                }
            }
            Order::Rules(answer) => reply(answer, Ok(self.rules())),
            Order::Test(text, answer) => reply(answer, self.test(&text)),
            Order::Apply { text, seen, by, answer } => {
                let applied = self.apply(text, &seen, by).await;
                reply(answer, applied);
            }
            Order::Silence { matchers, reason, by, span, answer } => {
                let silenced = self.silence(&matchers, (reason, by), span).await;
                reply(answer, silenced);
            }
            Order::Unsilence(id, answer) => {
                let ended = self.unsilence(id).await;
                reply(answer, ended);
            }
            Order::Acknowledge { id, by, note, answer } => {
                let noted = self.acknowledge(&id, by, note).await;
                reply(answer, noted);
            }
        }
    }

    fn rules(&self) -> AlertRules {
        let figures = |rule: &Rule| {
            let count = self.looked.all().filter(|figure| is_about(rule, figure)).count();
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        let applied = self.applied.as_ref();
        AlertRules {
            version: self.version(),
            applied: applied.map(|one| one.text.clone()).unwrap_or_default(),
            applied_by: applied.map(|one| one.by.clone()).unwrap_or_default(),
            applied_at: applied.map(|one| one.at),
            configured: self
                .configured
                .as_ref()
                .map(|one| one.path.display().to_string())
                .unwrap_or_default(),
            ..view::rules(&self.book, figures)
        }
    }

    fn version(&self) -> String {
        self.applied.as_ref().map(|applied| version(&applied.text)).unwrap_or_default()
    }

    /// The book as it would be with another text applied.
    fn book_with(&self, text: &str) -> Book {
        let configured = self.configured.as_ref().map(|one| one.text.as_str());
        Book::new((!text.trim().is_empty()).then_some(text), configured)
    }

    fn test(&self, text: &str) -> Result<AlertTest, RpcError> {
        check_size(text)?;
        let read = file::read(text);
        let mut verdicts = Vec::new();
        let mut blind = Vec::new();
        for rule in &read.rules {
            let FileRule::On(rule) = rule else { continue };
            let before = verdicts.len();
            let figures = self.looked.all().filter(|figure| is_about(rule, figure));
            verdicts.extend(figures.map(|figure| verdict(rule, figure)));
            if verdicts.len() == before {
                blind.push(rule.name.clone());
            }
        }
        verdicts.sort_by_key(|verdict| !verdict.is_wrong);
        verdicts.truncate(VERDICTS_MAX);
        let mistakes = read.mistakes.iter().map(|mistake| view::mistake(Origin::Applied, mistake)).collect();
        let changes = view::changes(self.book.changes(&self.book_with(text)));
        Ok(AlertTest { version: self.version(), mistakes, changes, verdicts, blind })
    }

    async fn apply(&mut self, text: String, seen: &str, by: String) -> Result<AlertApplied, RpcError> {
        check_size(&text)?;
        let mistakes = file::read(&text).mistakes;
        if !mistakes.is_empty() {
            let told: Vec<String> = mistakes.iter().take(MISTAKES_MAX).map(ToString::to_string).collect();
            return Err(RpcError::bad_request(told.join("\n")));
        }
        if seen != self.version() {
            let who = self.applied.as_ref().map(|applied| applied.by.clone());
            let who =
                who.map_or_else(|| "nothing is applied".to_owned(), |by| format!("{by} applied another"));
            return Err(RpcError::conflict(format!("{who} since you looked: look again, then apply")));
        }
        let changes = view::changes(self.book.changes(&self.book_with(&text)));
        let wanted = (!text.trim().is_empty()).then(|| Applied { text, by, at: Moment::now().wall });
        let is_new = wanted.as_ref().map(|one| &one.text) != self.applied.as_ref().map(|one| &one.text);
        if is_new {
            let before = std::mem::replace(&mut self.applied, wanted);
            self.set_rules();
            if let Err(error) = self.settle().await {
                self.applied = before;
                self.set_rules();
                return Err(RpcError::internal(format!("the rules cannot be kept: {error}")));
            }
        }
        Ok(AlertApplied { version: self.version(), changes })
    }

    async fn silence(
        &mut self,
        matchers: &str,
        (reason, by): (String, String),
        span: Millis,
    ) -> Result<AlertSilence, RpcError> {
        check_note("reason", &reason)?;
        let matchers = text::parse_matchers(matchers)
            .map_err(|mistake| RpcError::bad_request(format!("matchers: {mistake}")))?;
        let now = now(Moment::now());
        let ends = now.wall.plus(span);
        let silence = Silence { matchers, reason, by, starts: now.wall, ends };
        let id = self.alerts.silence(now, silence);
        let id = id.map_err(|error| RpcError::bad_request(error.to_string()))?;
        self.settle_and_log().await;
        let made = self.view_now().silences.iter().find(|silence| silence.id == id.0).cloned();
        made.ok_or_else(|| RpcError::internal("the silence ended at once"))
    }

    async fn unsilence(&mut self, id: u64) -> Result<(), RpcError> {
        if !self.alerts.unsilence(SilenceId(id)) {
            return Err(RpcError::not_found(format!("there is no silence {id}")));
        }
        self.settle_and_log().await;
        Ok(())
    }

    async fn acknowledge(&mut self, id: &str, by: String, note: String) -> Result<AlertInfo, RpcError> {
        check_note("note", &note)?;
        let is_it = |alert: &&Alert| alert.state == State::Firing && view::id(alert) == id;
        let found = find(&self.alerts, is_it).map(|alert| (alert.rule.clone(), alert.labels.clone()));
        let (rule, labels) = found.ok_or_else(|| RpcError::not_found(format!("no alert {id} fires")))?;
        self.alerts.acknowledge(&rule, &labels, Acknowledged { by, note, at: Moment::now().wall });
        self.settle_and_log().await;
        let noted = find(&self.alerts, is_it).map(view::info);
        noted.ok_or_else(|| RpcError::not_found(format!("alert {id} was resolved just now")))
    }
}

fn find(alerts: &Alerts, is_it: impl FnMut(&&Alert) -> bool) -> Option<&Alert> {
    alerts.alerts().find(is_it)
}

fn is_about(rule: &Rule, figure: &Figure) -> bool {
    figure.value.is_finite() && rule.is_about(&figure.metric, &figure.labels)
}

fn verdict(rule: &Rule, figure: &Figure) -> RuleVerdict {
    let labels = labels_of(rule, figure);
    RuleVerdict {
        rule: rule.name.clone(),
        value: figure.value,
        summary: words::summary(rule, &labels, figure.value),
        is_wrong: rule.is_wrong(figure.value, &figure.labels),
        hold_ms: rule.limits(&figure.labels).0.hold.0,
        labels,
    }
}

/// A name for a text: the beginning of its hash.
fn version(text: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn check_size(text: &str) -> Result<(), RpcError> {
    if text.len() <= RULES_BYTES_MAX {
        return Ok(());
    }
    Err(RpcError::too_large(format!(
        "a file of rules has at most {RULES_BYTES_MAX} bytes, not {}",
        text.len()
    )))
}

fn check_note(what: &str, text: &str) -> Result<(), RpcError> {
    if text.len() <= NOTE_BYTES_MAX {
        return Ok(());
    }
    Err(RpcError::bad_request(format!("{what} has at most {NOTE_BYTES_MAX} bytes, not {}", text.len())))
}

fn reply<T>(answer: Answer<T>, result: Result<T, RpcError>) {
    // Whoever went away needs no answer.
    let _ = answer.send(result);
}
