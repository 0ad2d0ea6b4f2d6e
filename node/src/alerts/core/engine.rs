//! What becomes of alerts: inactive, pending, firing, resolved.
//!
//! A rule and a figure with its labels make one alert. It is pending while the figure is on the wrong side,
//! fires once that held for as long as the rule says without a gap, and is resolved when the figure is well
//! again, past the hysteresis. A figure that is not there is neither well nor wrong: a pending alert is given
//! up, a firing one waits [`MISSING_MAX`] and is then resolved as missing.
//!
//! Every change is an [`Output`]; nothing is told twice. Time is the monotonic clock; the wall clock is only
//! written down.

use std::collections::{BTreeMap, VecDeque};

use p2p_shared::time::{Millis, UnixMillis};

use super::rule::{Labels, Limits, Rule, Severity};
use super::silence::{Running, SILENCES_MAX, Silence, SilenceError, SilenceId};

/// Between samples of a figure lies no more, or it was not there in between.
pub const GAP_MAX: Millis = Millis(30_000);
/// A firing alert whose figure is gone for so long is resolved.
pub const MISSING_MAX: Millis = Millis(300_000);
/// A resolved alert is shown for so long.
pub const RESOLVED_KEPT: Millis = Millis(900_000);
/// Most alerts that are not inactive; beyond, new ones are counted and not kept.
pub const ALERTS_MAX: usize = 1_000;
/// The label that holds the rule's name.
pub const NAME_LABEL: &str = "alertname";

/// Both clocks, as the driver read them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// For durations.
    pub monotonic: Millis,
    /// For people.
    pub wall: UnixMillis,
}

/// One figure now.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Its name.
    pub metric: String,
    /// Its labels.
    pub labels: Labels,
    /// Its value; what is not finite is not there.
    pub value: f64,
}

/// What an alert is doing. One that is inactive is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The figure is on the wrong side, not yet for long enough.
    Pending,
    /// It was for long enough.
    Firing,
    /// It fired, and is well again or missing.
    Resolved,
}

/// One alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The rule's name.
    pub rule: String,
    /// Labels of the figure and of the rule, and `alertname`.
    pub labels: Labels,
    /// How grave it is.
    pub severity: Severity,
    /// What it is doing.
    pub state: State,
    /// Since when it does that, by the wall clock of that time.
    pub since: UnixMillis,
    /// The last value that was seen.
    pub value: f64,
    /// Who has seen it, while it fires.
    pub acknowledged: Option<Acknowledged>,
    /// The silence that keeps it from being told.
    pub silenced: Option<SilenceId>,
}

/// Who looks after an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// Who.
    pub by: String,
    /// What was said.
    pub note: String,
}

/// What happened, in its order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// An alert fires, or is told now because its silence ended.
    Fires(Alert),
    /// An alert that fired no longer does. Who was not told of it need not be told of this.
    Resolves(Alert),
    /// A silence ended by itself.
    SilenceEnded(SilenceId),
}

type Key = (String, Labels);

#[derive(Clone, Debug)]
struct Entry {
    alert: Alert,
    /// When the state began.
    since: Millis,
    /// When the figure was last there.
    seen: Millis,
    limits: Limits,
    /// Whether somebody was told that it fires.
    told: bool,
}

/// All alerts of one node.
#[derive(Debug, Default)]
pub struct Alerts {
    rules: Vec<Rule>,
    alerts: BTreeMap<Key, Entry>,
    silences: Vec<Running>,
    next_silence: u64,
    outputs: VecDeque<Output>,
    refused: u64,
}

impl Alerts {
    /// Replaces the rules. Alerts of rules that are still there go on; those of others that fire are resolved.
    pub fn set_rules(&mut self, now: Now, rules: Vec<Rule>) {
        self.rules = rules;
        let names: Vec<&str> = self.rules.iter().map(|rule| rule.name.as_str()).collect();
        let gone = |entry: &Entry| !names.contains(&entry.alert.rule.as_str());
        self.alerts.retain(|_, entry| !gone(entry) || entry.alert.state != State::Pending);
        let gone: Vec<Key> =
            self.alerts.iter().filter(|(_, entry)| gone(entry)).map(|(key, _)| key.clone()).collect();
        gone.iter().for_each(|key| self.resolve(key, now));
    }

    /// Takes alerts up that fired when an earlier run ended. They are not told again; whether they still hold,
    /// the next samples say.
    pub fn restore(&mut self, now: Now, alerts: impl IntoIterator<Item = (Alert, Limits)>) {
        for (alert, limits) in alerts.into_iter().filter(|(alert, _)| alert.state == State::Firing) {
            let key = (alert.rule.clone(), alert.labels.clone());
            let entry = Entry { alert, since: now.monotonic, seen: now.monotonic, limits, told: true };
            self.alerts.insert(key, entry);
        }
    }

    /// Takes the figures of one moment.
    pub fn handle(&mut self, now: Now, figures: &[Figure]) {
        self.on_time(now);
        let rules = std::mem::take(&mut self.rules);
        for rule in &rules {
            let about =
                |figure: &&Figure| figure.value.is_finite() && rule.is_about(&figure.metric, &figure.labels);
            for figure in figures.iter().filter(about) {
                self.on_figure(now, rule, figure);
            }
        }
        self.rules = rules;
    }

    /// What time alone changes. It runs before every sample; a driver calls it at [`Self::poll_timeout`] too.
    pub fn on_time(&mut self, now: Now) {
        self.end_silences(now);
        let late = |entry: &Entry, most: Millis| now.monotonic.since(entry.seen) > most;
        self.alerts.retain(|_, entry| match entry.alert.state {
            State::Pending => !late(entry, GAP_MAX),
            State::Firing => true,
            State::Resolved => now.monotonic.since(entry.since) <= RESOLVED_KEPT,
        });
        let missing = |entry: &Entry| entry.alert.state == State::Firing && late(entry, MISSING_MAX);
        let missing: Vec<Key> =
            self.alerts.iter().filter(|(_, entry)| missing(entry)).map(|(key, _)| key.clone()).collect();
        missing.iter().for_each(|key| self.resolve(key, now));
    }

    /// When [`Self::on_time`] has something to do, without samples.
    pub fn poll_timeout(&self) -> Option<Millis> {
        let one = Millis(1);
        let of = |entry: &Entry| match entry.alert.state {
            State::Pending => entry.seen + GAP_MAX + one,
            State::Firing => entry.seen + MISSING_MAX + one,
            State::Resolved => entry.since + RESOLVED_KEPT + one,
        };
        let silences = self.silences.iter().map(|running| running.ends);
        self.alerts.values().map(of).chain(silences).min()
    }

    /// The next thing that happened.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Every alert that is not inactive.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.values().map(|entry| &entry.alert)
    }

    /// Alerts that fire, as [`Self::restore`] takes them.
    pub fn firing(&self) -> impl Iterator<Item = (Alert, Limits)> {
        let firing = self.alerts.values().filter(|entry| entry.alert.state == State::Firing);
        firing.map(|entry| (entry.alert.clone(), entry.limits))
    }

    /// How many alerts were not kept, because there are too many.
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// Silences what fits.
    ///
    /// # Errors
    /// [`SilenceError`] if it silences everything, says no reason, is over, or there are too many.
    pub fn silence(&mut self, now: Now, silence: Silence) -> Result<SilenceId, SilenceError> {
        if silence.matchers.is_empty() {
            return Err(SilenceError::Everything);
        }
        if silence.reason.trim().is_empty() {
            return Err(SilenceError::NoReason);
        }
        let span = silence.ends.since(now.wall);
        if span == Millis::ZERO {
            return Err(SilenceError::Over);
        }
        if self.silences.len() >= SILENCES_MAX {
            return Err(SilenceError::TooMany);
        }
        let id = SilenceId(self.next_silence);
        self.next_silence += 1;
        self.silences.push(Running { id, silence, ends: now.monotonic + span });
        self.assign_silences();
        Ok(id)
    }

    /// Ends a silence; whether there was one. What still fires is told now.
    pub fn unsilence(&mut self, id: SilenceId) -> bool {
        let before = self.silences.len();
        self.silences.retain(|running| running.id != id);
        self.assign_silences();
        self.silences.len() < before
    }

    /// Every silence.
    pub fn silences(&self) -> impl Iterator<Item = (SilenceId, &Silence)> {
        self.silences.iter().map(|running| (running.id, &running.silence))
    }

    /// Notes who looks after an alert; whether it fires.
    pub fn acknowledge(&mut self, rule: &str, labels: &Labels, who: Acknowledged) -> bool {
        let entry = self.alerts.get_mut(&(rule.to_owned(), labels.clone()));
        let firing = entry.filter(|entry| entry.alert.state == State::Firing);
        firing.map(|entry| entry.alert.acknowledged = Some(who)).is_some()
    }

    fn on_figure(&mut self, now: Now, rule: &Rule, figure: &Figure) {
        let (limits, severity) = rule.limits(&figure.labels);
        let is_wrong = rule.expression.op.holds(figure.value, limits.threshold);
        let key = (rule.name.clone(), labels_of(rule, figure));
        let Some(entry) = self.alerts.get_mut(&key) else {
            if is_wrong {
                self.begin(key, now, (limits, severity), figure.value);
            }
            return;
        };
        entry.seen = now.monotonic;
        entry.limits = limits;
        entry.alert.value = figure.value;
        entry.alert.severity = severity;
        let is_well = !rule.expression.op.holds(figure.value, limits.until.unwrap_or(limits.threshold));
        match entry.alert.state {
            State::Pending if !is_wrong => drop(self.alerts.remove(&key)),
            State::Pending if now.monotonic.since(entry.since) >= limits.hold => self.fire(&key, now),
            State::Firing if is_well => self.resolve(&key, now),
            State::Resolved if is_wrong => {
                self.alerts.remove(&key);
                self.begin(key, now, (limits, severity), figure.value);
            }
            State::Pending | State::Firing | State::Resolved => {}
        }
    }

    fn begin(&mut self, key: Key, now: Now, (limits, severity): (Limits, Severity), value: f64) {
        if self.alerts.len() >= ALERTS_MAX {
            self.refused += 1;
            return;
        }
        let alert = Alert {
            rule: key.0.clone(),
            labels: key.1.clone(),
            severity,
            state: State::Pending,
            since: now.wall,
            value,
            acknowledged: None,
            silenced: None,
        };
        let entry = Entry { alert, since: now.monotonic, seen: now.monotonic, limits, told: false };
        self.alerts.insert(key.clone(), entry);
        if limits.hold == Millis::ZERO {
            self.fire(&key, now);
        }
    }

    fn fire(&mut self, key: &Key, now: Now) {
        let Some(entry) = self.alerts.get_mut(key) else { return };
        entry.enter(State::Firing, now);
        self.assign_silences();
    }

    fn resolve(&mut self, key: &Key, now: Now) {
        let Some(entry) = self.alerts.get_mut(key).filter(|entry| entry.alert.state == State::Firing) else {
            return;
        };
        entry.enter(State::Resolved, now);
        entry.alert.acknowledged = None;
        entry.alert.silenced = None;
        if std::mem::take(&mut entry.told) {
            self.outputs.push_back(Output::Resolves(entry.alert.clone()));
        }
    }

    fn end_silences(&mut self, now: Now) {
        let over = self.silences.extract_if(.., |running| running.ends <= now.monotonic);
        let over: Vec<SilenceId> = over.map(|running| running.id).collect();
        if over.is_empty() {
            return;
        }
        self.outputs.extend(over.into_iter().map(Output::SilenceEnded));
        self.assign_silences();
    }

    /// Looks for the silence of every firing alert, and tells those that have none and were not told.
    fn assign_silences(&mut self) {
        for entry in self.alerts.values_mut().filter(|entry| entry.alert.state == State::Firing) {
            let silence = self.silences.iter().find(|running| running.silence.fits(&entry.alert.labels));
            entry.alert.silenced = silence.map(|running| running.id);
            if silence.is_none() && !std::mem::replace(&mut entry.told, true) {
                self.outputs.push_back(Output::Fires(entry.alert.clone()));
            }
        }
    }
}

impl Entry {
    const fn enter(&mut self, state: State, now: Now) {
        self.alert.state = state;
        self.alert.since = now.wall;
        self.since = now.monotonic;
    }
}

/// The labels of an alert: the rule's, over them the figure's, so that no two figures become one alert, and the
/// rule's name.
fn labels_of(rule: &Rule, figure: &Figure) -> Labels {
    let mut labels = rule.labels.clone();
    labels.extend(figure.labels.clone());
    labels.insert(NAME_LABEL.to_owned(), rule.name.clone());
    labels
}

#[cfg(test)]
mod tests;
