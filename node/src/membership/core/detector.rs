//! Who is there: pings, the help of others, suspicions, and everything that happens by the clock.
//!
//! Time and answers enter; pings, doubts and losses leave. A doubt arises here only, from a member's own
//! silence towards this node.

use p2p_shared::id::NodeId;
use p2p_shared::time::Millis;

use super::broadcast::News;
use super::config::{CONFIRMATIONS, HELPERS};
use super::directory::{Member, State};
use super::io::{Output, ReplyToken};
use super::limits::Favour;
use super::message::{Body, Claim, Doubt};
use super::probe::{Probe, Step};
use super::suspicion::{Span, Suspicion};
use super::{Membership, Purpose, REPLY_TIMEOUT};

/// A suspect is pinged again so often.
const SUSPECT_PING_EVERY: Millis = Millis(1_000);
/// If others say that it is lost, and it does not answer here either, it has this long.
const CONDEMNED: Millis = Millis(1_000);
/// Who is known from the disk has so long to be heard of.
const RESTORED_SPAN: Millis = Millis(8_000);
/// Pings to those are spread over this at most, and over 20 ms for each of them.
const RESTORED_SPREAD_MAX: u64 = 5_000;
/// A lost member is tried again after an eighth of the time that it has been lost, within these bounds.
const RETRY_SHARE: u64 = 8;
const RETRY_MIN: u64 = 5_000;
const RETRY_MAX: u64 = 300_000;
/// A try may have to dial first.
const RETRY_TIMEOUT: Millis = Millis(5_000);
/// Longest wait for a ping.
const PING_TIMEOUT_MAX: Millis = Millis(3_000);
/// Suspicions grow with the members only from here on: news travel in round trips, not in periods.
const SMALL_MESH: usize = 100;
/// What is worth nothing any more is dropped each so many ticks.
const PRUNE_TICKS: u64 = 64;

impl Membership {
    /// Time goes on. If it jumped past what was due, this process stood still, and the silence of the
    /// others may be its own.
    pub(super) fn advance(&mut self, now: Millis) {
        let now = now.max(self.now);
        self.now = now;
        let lag = now.since(self.due);
        if lag <= self.config.stall {
            return;
        }
        self.counts.stalls += 1;
        self.health.worse(2);
        let patience = now + self.config.ping_timeout;
        for probe in self.probes.values_mut() {
            probe.step_at = (probe.step_at + lag).max(patience);
        }
        for suspicion in self.suspects.values_mut() {
            suspicion.delay(lag);
        }
        for pending in self.pending.values_mut() {
            pending.deadline = pending.deadline + lag;
        }
    }

    pub(super) fn next_due(&self) -> Millis {
        let probes = self.probes.values().map(|probe| probe.step_at);
        let suspects = self.suspects.values().map(Suspicion::deadline);
        let pending = self.pending.values().map(|pending| pending.deadline);
        let others = self.flush_at.into_iter().chain([self.next_tick]);
        probes.chain(suspects).chain(pending).chain(others).min().unwrap_or(self.next_tick)
    }

    pub(super) fn run_timers(&mut self) {
        let now = self.now;
        let late = self.pending.iter().filter(|(_, pending)| pending.deadline <= now).map(|(id, _)| *id);
        for request in late.collect::<Vec<_>>() {
            self.on_failed(request);
        }
        let due = self.probes.iter().filter(|(_, probe)| probe.step_at <= now).map(|(id, _)| *id);
        for id in due.collect::<Vec<_>>() {
            self.step(id);
        }
        let over = self.suspects.iter().filter(|(_, suspicion)| suspicion.deadline() <= now);
        for id in over.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.on_suspicion_over(id);
        }
        if self.next_tick <= now {
            self.on_tick();
        }
        if self.flush_at.is_some_and(|at| at <= now) {
            self.flush();
        }
    }

    fn on_tick(&mut self) {
        let tick = self.config.tick.0;
        // A tenth of chance, so that nodes that started together do not keep step.
        let jitter = self.rng.below(tick / 5 + 1);
        self.next_tick = self.now + Millis(tick - tick / 10 + jitter);
        self.tick += 1;
        if self.has_left() {
            return;
        }
        if let Some(target) = self.next_target() {
            self.look(target, Millis::ZERO);
        }
        self.ping_suspects();
        self.retry_lost();
        self.sync_some();
        self.try_resign();
        if self.flush_at.is_none() && !self.broadcast.is_empty() && self.directory.present() > 1 {
            self.flush_at = Some(self.now);
        }
        if self.tick.is_multiple_of(PRUNE_TICKS) {
            self.limits.prune(self.now);
            self.tombstones.prune(self.now);
        }
    }

    fn next_target(&mut self) -> Option<NodeId> {
        if self.tick.is_multiple_of(2) {
            return self.neighbour();
        }
        let (own, directory, probes) = (self.own, &self.directory, &self.probes);
        let is_alive = |id: &NodeId| directory.get(id).is_some_and(|member| member.state == State::Alive);
        let alive = || {
            let all = directory.iter().filter(|(id, member)| **id != own && member.state == State::Alive);
            all.map(|(id, _)| *id).collect()
        };
        self.rounds.next(&mut self.rng, alive, |id| is_alive(id) && !probes.contains_key(id))
    }

    /// The next member on the ring of ids: everybody is watched by somebody.
    fn neighbour(&self) -> Option<NodeId> {
        let behind = self.directory.behind(Some(self.own)).chain(self.directory.iter());
        let mut alive = behind.filter(|(id, member)| **id != self.own && member.state == State::Alive);
        alive.next().map(|(id, _)| *id)
    }

    /// Looks after a member that counts as alive, unless that is being done.
    pub(super) fn look(&mut self, id: NodeId, delay: Millis) {
        let is_alive = self.directory.get(&id).is_some_and(|member| member.state == State::Alive);
        if id == self.own || !is_alive || self.has_left() {
            return;
        }
        let at = self.now + delay;
        let probe = self.probes.entry(id).or_insert_with(|| Probe::new(at));
        if !probe.has_begun() {
            probe.step_at = probe.step_at.min(at);
        }
        if delay == Millis::ZERO && !probe.has_begun() {
            self.step(id);
        }
    }

    fn step(&mut self, id: NodeId) {
        let wait = self.ping_timeout(&id);
        let Some(probe) = self.probes.get_mut(&id) else { return };
        let helpers = probe.helpers.clone();
        match probe.step(self.now, wait) {
            Step::Ping => self.ping(id, REPLY_TIMEOUT),
            Step::PingWithHelp => {
                self.ping(id, REPLY_TIMEOUT);
                self.seek_help(id, helpers);
            }
            Step::Verdict => self.on_silence(id),
        }
    }

    fn ping(&mut self, id: NodeId, timeout: Millis) {
        self.ask(id, Body::Ping, Purpose::Ping, timeout);
    }

    /// Asks members that were not asked before to ping this one.
    fn seek_help(&mut self, target: NodeId, mut asked: Vec<NodeId>) {
        asked.push(target);
        let mut helpers = self.some_present(HELPERS, &asked);
        if helpers.is_empty() {
            helpers = self.some_present(HELPERS, &[target]);
        }
        for &helper in &helpers {
            self.ask(helper, Body::PingOther { target }, Purpose::Helped { target }, REPLY_TIMEOUT);
        }
        if let Some(probe) = self.probes.get_mut(&target) {
            probe.helpers.extend(helpers);
        }
    }

    /// Another member asks whether this one answers us.
    pub(super) fn help(&mut self, asker: NodeId, token: ReplyToken, target: NodeId) {
        let reached = target == self.own;
        if reached || self.directory.get(&target).is_none() || self.limited(asker, Favour::Help) {
            self.reply(asker, token, Body::Reached { reached });
            return;
        }
        let before = self.pending.len();
        self.ask(target, Body::Ping, Purpose::Help { asker, token }, self.config.ping_timeout);
        if self.pending.len() == before {
            self.reply(asker, token, Body::Busy);
        }
    }

    pub(super) fn on_helped(&mut self, target: NodeId, reached: bool) {
        if reached {
            self.on_life(target);
        } else if let Some(probe) = self.probes.get_mut(&target) {
            probe.nacked = true;
        }
    }

    pub(super) fn on_pong(&mut self, from: NodeId, sent: Millis) {
        let sample = self.now.since(sent);
        self.directory.note(&from, |member| {
            let smooth = member.rtt.map_or(sample, |rtt| Millis((rtt.0 * 7 + sample.0) / 8));
            member.rtt = Some(smooth);
        });
    }

    /// Anything came from a member itself.
    pub(super) fn on_heard(&mut self, from: NodeId) {
        let now = self.now;
        self.directory.note(&from, |member| member.heard = Some(now));
        self.on_life(from);
        let is_lost = self.directory.get(&from).is_some_and(|member| member.state == State::Lost);
        if is_lost && self.limits.allow(now, from, Favour::Look) {
            self.ping(from, REPLY_TIMEOUT);
        }
    }

    /// A member lives, as its own message or a helper shows. It may still have a doubt to refute.
    fn on_life(&mut self, id: NodeId) {
        self.confirm_restored(&id);
        if self.probes.get(&id).is_some_and(Probe::has_begun) {
            self.probes.remove(&id);
            self.health.better();
        }
        if let Some(suspicion) = self.suspects.get_mut(&id) {
            suspicion.hold(self.now);
        }
    }

    /// A member that only the disk knew lives indeed.
    pub(super) fn confirm_restored(&mut self, id: &NodeId) {
        if self.directory.get(id).is_some_and(|member| member.restored) {
            self.suspects.remove(id);
            self.change_state(id, State::Alive);
        }
    }

    /// No ping was answered, neither ours nor anybody else's.
    fn on_silence(&mut self, id: NodeId) {
        let Some(probe) = self.probes.remove(&id) else { return };
        let Some(member) = self.directory.get(&id).filter(|member| member.state == State::Alive) else {
            return;
        };
        let is_condemned = member.claims.iter().any(|claim| claim.doubt == Doubt::Lost);
        let accusers: Vec<NodeId> = member.claims.iter().map(|claim| claim.accuser).collect();
        let sequence = member.sequence();
        let mut suspicion = Suspicion::new(self.now, self.span(is_condemned));
        accusers.into_iter().filter(|accuser| *accuser != self.own).for_each(|id| suspicion.confirm(id));
        suspicion.ping_at = self.now + SUSPECT_PING_EVERY;
        self.suspects.insert(id, suspicion);
        if !probe.helpers.is_empty() && !probe.nacked {
            self.health.worse(1);
        }
        self.change_state(&id, State::Suspect);
        let claim = Claim { subject: id, sequence, doubt: Doubt::Suspect, accuser: self.own };
        self.spread_claim(claim, None);
    }

    fn span(&self, is_condemned: bool) -> Span {
        if is_condemned {
            return Span { min: CONDEMNED, max: CONDEMNED, needed: 0 };
        }
        let members = self.directory.present();
        // 1 up to a hundred members, 1.35 at five hundred, 1.8 at four thousand.
        let growth = ((members.max(SMALL_MESH) as f64).log10() / 2.0).max(1.0);
        let stretch = |span: Millis| self.health.scale(Millis((span.0 as f64 * growth) as u64));
        Span {
            min: stretch(self.config.suspicion_min),
            max: stretch(self.config.suspicion_max),
            needed: CONFIRMATIONS.min(members.saturating_sub(2)),
        }
    }

    pub(super) fn suspect_restored(&mut self, id: NodeId) {
        let spread = (self.directory.len() as u64 * 20).min(RESTORED_SPREAD_MAX);
        if self.directory.get(&id).is_some_and(|member| member.restored) {
            let span = Span { min: RESTORED_SPAN, max: RESTORED_SPAN, needed: 0 };
            let mut suspicion = Suspicion::new(self.now, span);
            suspicion.silent = true;
            suspicion.ping_at = self.now + Millis(self.rng.below(spread + 1));
            self.suspects.insert(id, suspicion);
        }
    }

    fn ping_suspects(&mut self) {
        let now = self.now;
        let due = self.suspects.iter_mut().filter(|(_, suspicion)| suspicion.ping_at <= now);
        let ids: Vec<NodeId> = due
            .map(|(id, suspicion)| {
                suspicion.ping_at = now + SUSPECT_PING_EVERY;
                *id
            })
            .collect();
        for id in ids {
            self.ping(id, REPLY_TIMEOUT);
        }
    }

    fn on_suspicion_over(&mut self, id: NodeId) {
        let Some(suspicion) = self.suspects.remove(&id) else { return };
        let Some(sequence) = self.directory.get(&id).map(Member::sequence) else { return };
        if suspicion.silent {
            // Whoever lives knows better, and says so when directories are compared.
            self.change_state(&id, State::Lost);
            self.directory.note(&id, |member| member.restored = true);
            return;
        }
        self.lose(Claim { subject: id, sequence, doubt: Doubt::Lost, accuser: self.own }, None);
    }

    /// A member is lost, as this node or another one found.
    pub(super) fn lose(&mut self, claim: Claim, source: Option<NodeId>) {
        let id = claim.subject;
        self.suspects.remove(&id);
        self.probes.remove(&id);
        self.counts.lost += 1;
        self.change_state(&id, State::Lost);
        self.directory.note(&id, |member| member.claims.push(claim));
        self.announce(News::Claim(claim), source);
    }

    fn change_state(&mut self, id: &NodeId, state: State) {
        if self.directory.set_state(self.now, id, state) {
            let retry_at = self.now + Millis(RETRY_MIN);
            self.directory.note(id, |member| member.retry_at = retry_at);
            self.outputs.push_back(Output::Changed(*id));
        }
    }

    /// Tries the lost member that has waited longest beyond its time, one a tick.
    fn retry_lost(&mut self) {
        let now = self.now;
        let lost = self.directory.iter().filter(|(_, member)| member.state == State::Lost);
        let due = lost.filter(|(_, member)| member.retry_at <= now);
        let Some((id, since)) =
            due.min_by_key(|(_, member)| member.retry_at).map(|(id, member)| (*id, member.since))
        else {
            return;
        };
        let pause = (now.since(since).0 / RETRY_SHARE).clamp(RETRY_MIN, RETRY_MAX);
        let jitter = self.rng.below(pause / 4 + 1);
        self.directory.note(&id, |member| member.retry_at = now + Millis(pause + jitter));
        self.ping(id, RETRY_TIMEOUT);
    }

    fn ping_timeout(&self, id: &NodeId) -> Millis {
        let rtt = self.directory.get(id).and_then(|member| member.rtt).unwrap_or_default();
        let base = self.config.ping_timeout.max(Millis(rtt.0.saturating_mul(4)));
        self.health.scale(base.min(PING_TIMEOUT_MAX))
    }
}
