//! What becomes of alerts: inactive, pending, firing, resolved.
//!
//! A rule and a figure with its labels make one alert. It is pending while the figure is on the wrong side,
//! fires once that held for as long as the rule says without a gap, and is resolved when the figure is well
//! again, past the hysteresis. A figure that is not there is neither well nor wrong: a pending alert is given
//! up, a firing one waits [`MISSING_MAX`] and is then resolved as missing.
//!
//! Every change is an [`Output`]; nothing is told twice. Time is the monotonic clock; the wall clock is only
//! written down.

use std::collections::{BTreeMap, HashMap, VecDeque};

use p2p_shared::time::{Millis, UnixMillis};

use super::alert::{Acknowledged, Alert, Figure, Kept, State, labels_of};
use super::rule::{Labels, Limits, Rule, Telling};
use super::silence::{Running, SILENCE_MAX, SILENCES_MAX, Silence, SilenceError, SilenceId};
use super::words;

/// Between samples of a figure lies no more, or it was not there in between.
pub const GAP_MAX: Millis = Millis(30_000);
/// A firing alert whose figure is gone for so long is resolved.
pub const MISSING_MAX: Millis = Millis(300_000);
/// A resolved alert is shown for so long.
pub const RESOLVED_KEPT: Millis = Millis(900_000);
/// Most alerts that are not inactive; beyond, those that are resolved make room, and where there are none new
/// ones are counted and not kept.
pub const ALERTS_MAX: usize = 1_000;
/// Both clocks, as the driver read them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// For durations.
    pub monotonic: Millis,
    /// For people.
    pub wall: UnixMillis,
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
    revision: u64,
}

impl Alerts {
    /// Replaces the rules. Alerts of rules that still look at the same figures under the same labels go on; those
    /// of others that fire are resolved.
    pub fn set_rules(&mut self, now: Now, rules: Vec<Rule>) {
        let before = std::mem::replace(&mut self.rules, rules);
        // Of what an earlier run left only the name is known.
        let stays = |name: &str| match before.iter().find(|rule| rule.name == name) {
            Some(before) => self.rules.iter().any(|rule| rule.is_of(before)),
            None => self.rules.iter().any(|rule| rule.name == name),
        };
        let gone = |entry: &Entry| !stays(&entry.alert.rule);
        self.alerts.retain(|_, entry| !gone(entry) || entry.alert.state != State::Pending);
        let gone: Vec<Key> =
            self.alerts.iter().filter(|(_, entry)| gone(entry)).map(|(key, _)| key.clone()).collect();
        gone.iter().for_each(|key| self.resolve(key, now));
        self.revision += 1;
    }

    /// The rules in force.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Takes up what an earlier run left, before the rules are set. Alerts that were told are not told again;
    /// whether they still hold, the next samples say.
    pub fn restore(&mut self, now: Now, alerts: Vec<Kept>, silences: Vec<(SilenceId, Silence)>) {
        for (id, silence) in silences.into_iter().take(SILENCES_MAX) {
            let whole = silence.ends.since(silence.starts);
            let ends = now.monotonic + silence.ends.since(now.wall).min(whole);
            self.next_silence = self.next_silence.max(id.0 + 1);
            self.silences.push(Running { id, silence, ends });
        }
        for Kept { alert, limits, told } in alerts.into_iter().take(ALERTS_MAX) {
            let key = (alert.rule.clone(), alert.labels.clone());
            let entry = Entry { alert, since: now.monotonic, seen: now.monotonic, limits, told };
            self.alerts.insert(key, entry);
        }
        self.assign_silences();
    }

    /// Takes the figures of one moment.
    pub fn handle<'f>(&mut self, now: Now, figures: impl IntoIterator<Item = &'f Figure>) {
        self.on_time(now);
        let mut by_name: HashMap<&str, Vec<&Figure>> = HashMap::new();
        for figure in figures.into_iter().filter(|figure| figure.value.is_finite()) {
            by_name.entry(&figure.metric).or_default().push(figure);
        }
        let rules = std::mem::take(&mut self.rules);
        for rule in &rules {
            let named = by_name.get(rule.expression.metric.as_str()).into_iter().flatten();
            // Most rules have nothing to say of many figures: those cost a comparison and no more.
            let mut is_quiet = !self.alerts.values().any(|entry| entry.alert.rule == rule.name);
            for figure in named.filter(|figure| rule.is_about(&figure.metric, &figure.labels)) {
                if is_quiet && !rule.is_wrong(figure.value, &figure.labels) {
                    continue;
                }
                is_quiet = false;
                self.on_figure(now, rule, figure);
            }
        }
        self.rules = rules;
    }

    /// What time alone changes. It runs before every sample; a driver calls it at [`Self::poll_timeout`] too.
    pub fn on_time(&mut self, now: Now) {
        self.end_silences(now);
        let late = |entry: &Entry, most: Millis| now.monotonic.since(entry.seen) > most;
        let before = self.alerts.len();
        self.alerts.retain(|_, entry| match entry.alert.state {
            State::Pending => !late(entry, GAP_MAX),
            State::Firing => true,
            State::Resolved => now.monotonic.since(entry.since) <= RESOLVED_KEPT,
        });
        self.revision += u64::from(self.alerts.len() != before);
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
    pub fn firing(&self) -> impl Iterator<Item = Kept> {
        let firing = self.alerts.values().filter(|entry| entry.alert.state == State::Firing);
        firing.map(|entry| Kept { alert: entry.alert.clone(), limits: entry.limits, told: entry.told })
    }

    /// Counts the changes of states, silences and acknowledgements: values alone are none.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// How many alerts were not kept, because there are too many.
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// Silences what fits.
    ///
    /// # Errors
    /// [`SilenceError`] if it silences everything, says no reason, is over or too long, or there are too many.
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
        if span > SILENCE_MAX {
            return Err(SilenceError::TooLong);
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
        let Some(entry) = entry.filter(|entry| entry.alert.state == State::Firing) else { return false };
        entry.alert.acknowledged = Some(who);
        self.revision += 1;
        true
    }

    fn on_figure(&mut self, now: Now, rule: &Rule, figure: &Figure) {
        let (limits, severity) = rule.limits(&figure.labels);
        let is_wrong = rule.expression.op.holds(figure.value, limits.threshold);
        let key = (rule.name.clone(), labels_of(rule, figure));
        let Some(entry) = self.alerts.get_mut(&key) else {
            if is_wrong {
                self.begin(now, rule, figure);
            }
            return;
        };
        entry.seen = now.monotonic;
        entry.limits = limits;
        entry.alert.severity = severity;
        entry.alert.telling = rule.telling;
        if entry.alert.value != figure.value && entry.alert.state != State::Resolved {
            entry.alert.value = figure.value;
            entry.alert.summary = words::summary(rule, &entry.alert.labels, figure.value);
        }
        let is_well = !rule.expression.op.holds(figure.value, limits.until.unwrap_or(limits.threshold));
        match entry.alert.state {
            State::Pending if !is_wrong => {
                self.alerts.remove(&key);
                self.revision += 1;
            }
            State::Pending if now.monotonic.since(entry.since) >= limits.hold => self.fire(&key, now),
            State::Firing if is_well => self.resolve(&key, now),
            State::Resolved if is_wrong => {
                self.alerts.remove(&key);
                self.begin(now, rule, figure);
            }
            State::Pending | State::Firing | State::Resolved => {}
        }
    }

    fn begin(&mut self, now: Now, rule: &Rule, figure: &Figure) {
        if self.alerts.len() >= ALERTS_MAX && !self.make_room() {
            self.refused += 1;
            return;
        }
        let (limits, severity) = rule.limits(&figure.labels);
        let labels = labels_of(rule, figure);
        let alert = Alert {
            rule: rule.name.clone(),
            metric: figure.metric.clone(),
            summary: words::summary(rule, &labels, figure.value),
            labels,
            severity,
            state: State::Pending,
            since: now.wall,
            fired: UnixMillis::default(),
            value: figure.value,
            acknowledged: None,
            silenced: None,
            telling: rule.telling,
        };
        let key = (alert.rule.clone(), alert.labels.clone());
        let entry = Entry { alert, since: now.monotonic, seen: now.monotonic, limits, told: false };
        self.alerts.insert(key.clone(), entry);
        self.revision += 1;
        if limits.hold == Millis::ZERO {
            self.fire(&key, now);
        }
    }

    /// Forgets the alert that was resolved first; whether there was one.
    fn make_room(&mut self) -> bool {
        let resolved = self.alerts.iter().filter(|(_, entry)| entry.alert.state == State::Resolved);
        let first = resolved.min_by_key(|(_, entry)| entry.since).map(|(key, _)| key.clone());
        first.is_some_and(|key| self.alerts.remove(&key).is_some())
    }

    fn fire(&mut self, key: &Key, now: Now) {
        let Some(entry) = self.alerts.get_mut(key) else { return };
        entry.enter(State::Firing, now);
        entry.alert.fired = now.wall;
        entry.assign(&self.silences, &mut self.outputs);
        self.revision += 1;
    }

    fn resolve(&mut self, key: &Key, now: Now) {
        let Some(entry) = self.alerts.get_mut(key).filter(|entry| entry.alert.state == State::Firing) else {
            return;
        };
        entry.enter(State::Resolved, now);
        entry.alert.acknowledged = None;
        entry.alert.silenced = None;
        self.revision += 1;
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
        self.revision += 1;
        for entry in self.alerts.values_mut().filter(|entry| entry.alert.state == State::Firing) {
            entry.assign(&self.silences, &mut self.outputs);
        }
    }
}

impl Entry {
    const fn enter(&mut self, state: State, now: Now) {
        self.alert.state = state;
        self.alert.since = now.wall;
        self.since = now.monotonic;
    }

    /// Looks for its silence, and tells it if it has none and was not told.
    fn assign(&mut self, silences: &[Running], outputs: &mut VecDeque<Output>) {
        let silence = silences.iter().find(|running| running.silence.fits(&self.alert.labels));
        self.alert.silenced = silence.map(|running| running.id);
        let is_wanted = silence.is_none() && self.alert.telling == Telling::Told;
        if is_wanted && !std::mem::replace(&mut self.told, true) {
            outputs.push_back(Output::Fires(self.alert.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
