//! The failure detector and the directory as a plain state machine: SWIM (Das et al. 2002) with the
//! self-doubt of Lifeguard (Dadgar et al. 2018), over requests instead of datagrams.
//!
//! [`Input`]s enter by [`Membership::handle`], [`Output`]s leave by [`Membership::poll_output`]. There is no
//! clock, socket, task or signature in here. After *every* input the driver calls `poll_output` until there
//! is nothing, then [`Membership::poll_timeout`], and arms its timer with that.
//!
//! - Facts are signed by their member and the highest sequence wins. Who hears that it is doubted signs
//!   anew, with a higher sequence; so a doubt lasts for one sequence, and a lie costs its victim a signature.
//! - Nobody doubts on hearsay: what others claim of a member makes this node look for itself. It believes a
//!   loss only of a member that did not answer itself either, or that it never knew.
//! - News are pushed to a few members at once, ride on every message, and are sent a bounded number of
//!   times. What gets lost is found by comparing directories, which costs nothing while they are equal.
//! - Whatever peers send, what is held is bounded (`config`), and so is what they can cause (`limits`).

mod broadcast;
pub mod config;
mod detector;
pub mod directory;
mod gossip;
pub mod io;
mod limits;
pub mod message;
mod probe;
pub mod record;
mod revoked;
mod suspicion;
mod sync;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use p2p_shared::id::NodeId;
use p2p_shared::rng::Rng;
use p2p_shared::time::Millis;

use self::broadcast::{Broadcast, FillLimits, News};
use self::config::{Config, LAMBDA, PENDING_MAX};
use self::directory::{Directory, Member, State, Tombstones};
use self::io::{Counts, Disconnect, ForgetError, Input, Output, Received, ReplyToken, RequestId, Start};
use self::limits::{Favour, Limits};
use self::message::{Body, Gossip, Message, NEWS_BYTES_MAX, PIGGYBACK_BYTES_MAX, Tombstone, View};
use self::probe::{Health, Probe, Rounds};
use self::record::{SharedFacts, SignedFacts};
use self::revoked::Revoked;
use self::suspicion::Suspicion;

/// How long a reply is worth waiting for; later than a probe's next step, because a late answer counts too.
const REPLY_TIMEOUT: Millis = Millis(3_000);
/// A member that said so is given this long before it is looked after.
const LEAVING_GRACE: Millis = Millis(1_000);
/// Members that are told a good-bye, each of which passes it on.
const PARTING_PEERS: usize = 8;
/// Answers to it that are enough.
const PARTING_ANSWERS: usize = 3;

/// The directory of one node and its failure detector.
#[derive(Debug)]
pub struct Membership {
    config: Config,
    rng: Rng,
    now: Millis,
    started: Millis,
    own: NodeId,
    directory: Directory,
    tombstones: Tombstones,
    broadcast: Broadcast,
    probes: BTreeMap<NodeId, Probe>,
    suspects: BTreeMap<NodeId, Suspicion>,
    health: Health,
    rounds: Rounds,
    limits: Limits,
    pending: BTreeMap<RequestId, Pending>,
    last_request: u64,
    resign: Resign,
    parting: Option<Parting>,
    revoked: Revoked,
    tick: u64,
    next_tick: Millis,
    flush_at: Option<Millis>,
    sync_at: Millis,
    synced: bool,
    /// When the timer was due as of the last input: a much later input shows that the process stood still.
    due: Millis,
    counts: Counts,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Pending {
    to: NodeId,
    purpose: Purpose,
    sent: Millis,
    deadline: Millis,
}

/// Why a request was sent, which says what its answer means.
#[derive(Debug)]
enum Purpose {
    Ping,
    /// A ping on behalf of another member, who waits.
    Help {
        asker: NodeId,
        token: ReplyToken,
    },
    /// Another member pings this one for us.
    Helped {
        target: NodeId,
    },
    Digest {
        after: Option<NodeId>,
    },
    Want {
        ids: Vec<NodeId>,
    },
    Parting,
    WantRevoked,
}

/// Facts of this node that have to be signed anew.
#[derive(Debug, Default)]
struct Resign {
    above: Option<u64>,
    asked: Option<Millis>,
    /// Who doubts, and is told first.
    accusers: Vec<NodeId>,
}

#[derive(Debug)]
struct Parting {
    answers: usize,
    open: usize,
}

impl Membership {
    /// A directory of this node and of what the store remembers. Those are suspect until somebody confirms
    /// that they live, and the first round of pings to them is spread over some seconds.
    pub fn new(start: Start) -> Self {
        let Start { config, seed, now, own, known, revoked } = start;
        let mut rng = Rng::new(seed);
        let next_tick = now + Millis(rng.below(config.tick.0.max(1)));
        let sync_at = now + Millis(rng.below(config.sync_every.0.max(1)));
        let mut this = Self {
            config,
            rng,
            now,
            started: now,
            own: own.id,
            directory: Directory::default(),
            tombstones: Tombstones::default(),
            broadcast: Broadcast::default(),
            probes: BTreeMap::new(),
            suspects: BTreeMap::new(),
            health: Health::default(),
            rounds: Rounds::default(),
            limits: Limits::default(),
            pending: BTreeMap::new(),
            last_request: 0,
            resign: Resign::default(),
            parting: None,
            revoked: Revoked::of(revoked),
            tick: 0,
            next_tick,
            flush_at: None,
            sync_at,
            synced: false,
            due: now,
            counts: Counts::default(),
            outputs: VecDeque::new(),
        };
        this.directory.put(now, own.clone(), State::Alive);
        this.announce(News::Facts(own), None);
        for facts in known {
            this.restore(facts);
        }
        this.due = this.next_due();
        this
    }

    /// Takes in what happened at `now`, and everything that is due by then.
    pub fn handle(&mut self, now: Millis, input: Input) {
        self.advance(now);
        match self.turn_away(input).unwrap_or(Input::Timer) {
            Input::Timer => {}
            Input::Connected(peer) => self.on_connected(peer),
            Input::Disconnected { id, reason } => self.on_disconnected(id, reason),
            Input::Request { from, token, received } => self.on_request(from, token, received),
            Input::Notice { from, received } => {
                self.on_news(from, &received);
            }
            Input::Reply { from, request, received } => self.on_reply(from, request, received),
            Input::Failed(request) => self.on_failed(request),
            Input::OwnFacts(facts) => self.on_own_facts(facts),
        }
        self.run_timers();
        self.due = self.next_due();
    }

    /// What is to be done next; to be called until it gives nothing, after every input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timer`] is due if nothing else happens.
    pub const fn poll_timeout(&self) -> Option<Millis> {
        Some(self.due)
    }

    /// Removes a member that is lost or has left, here and on every node.
    ///
    /// # Errors
    /// [`ForgetError`] if it takes part or is unknown.
    pub fn forget(&mut self, now: Millis, id: &NodeId) -> Result<(), ForgetError> {
        let member = self.directory.get(id).ok_or(ForgetError::Unknown)?;
        if *id == self.own || member.is_present() {
            return Err(ForgetError::Present);
        }
        let stone = Tombstone { id: *id, sequence: member.sequence() };
        self.advance(now);
        self.bury(stone, None);
        self.due = self.next_due();
        Ok(())
    }

    /// Whether exactly these facts are in the directory, so that the driver need not verify them again.
    pub fn knows(&self, signed: &SignedFacts) -> bool {
        self.directory.knows(signed)
    }

    /// A member, this node included.
    pub fn member(&self, id: &NodeId) -> Option<&Member> {
        self.directory.get(id)
    }

    /// All members by id, this node included.
    pub fn members(&self) -> impl Iterator<Item = (&NodeId, &Member)> {
        self.directory.iter()
    }

    /// What happened how often.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    fn on_connected(&mut self, peer: NodeId) {
        let is_news = self.directory.get(&peer).is_none_or(|member| !member.is_present());
        if is_news || !self.synced {
            self.begin_sync(peer);
        }
    }

    fn on_disconnected(&mut self, id: NodeId, reason: Disconnect) {
        match reason {
            Disconnect::Ours => {}
            Disconnect::Leaving => self.look(id, LEAVING_GRACE),
            Disconnect::Broken => self.look(id, Millis::ZERO),
        }
    }

    fn on_request(&mut self, from: NodeId, token: ReplyToken, received: Received) {
        self.on_news(from, &received);
        match received.message.body {
            Body::Ping | Body::News => self.reply(from, token, Body::Taken),
            Body::PingOther { target } => self.help(from, token, target),
            Body::Digest { after } => self.on_digest(from, token, after, received.message.view),
            Body::Want { ids } => self.on_want(from, token, &ids),
            Body::WantRevoked => self.on_want_revoked(from, token),
            Body::Revoked { .. } => self.reply(from, token, Body::Taken),
            Body::Reached { .. }
            | Body::Page { .. }
            | Body::Taken
            | Body::Busy
            | Body::AuditHead { .. }
            | Body::Countersigned { .. }
            | Body::Contradicted { .. } => {
                self.counts.refused += 1;
                self.reply(from, token, Body::Busy);
            }
        }
    }

    fn on_reply(&mut self, from: NodeId, request: RequestId, received: Received) {
        if self.pending.get(&request).is_none_or(|pending| pending.to != from) {
            return;
        }
        let Some(pending) = self.pending.remove(&request) else { return };
        self.on_news(from, &received);
        match (pending.purpose, received.message.body) {
            (Purpose::Ping, _) => self.on_pong(from, pending.sent),
            (Purpose::Help { asker, token }, _) => {
                self.on_pong(from, pending.sent);
                self.reply(asker, token, Body::Reached { reached: true });
            }
            (Purpose::Helped { target }, Body::Reached { reached }) => self.on_helped(target, reached),
            (Purpose::Digest { after }, Body::Page { entries, more }) => {
                self.on_page(from, after, &entries, more);
            }
            (Purpose::Digest { .. }, Body::Taken) => self.on_equal(),
            (Purpose::Want { ids }, Body::Taken) => self.on_wanted(from, ids),
            (Purpose::Parting, _) => self.on_parting(true),
            (
                Purpose::Helped { .. } | Purpose::Digest { .. } | Purpose::Want { .. } | Purpose::WantRevoked,
                _,
            ) => {}
        }
    }

    fn on_failed(&mut self, request: RequestId) {
        let Some(pending) = self.pending.remove(&request) else { return };
        match pending.purpose {
            Purpose::Help { asker, token } => self.reply(asker, token, Body::Reached { reached: false }),
            Purpose::Parting => self.on_parting(false),
            Purpose::Ping
            | Purpose::Helped { .. }
            | Purpose::Digest { .. }
            | Purpose::Want { .. }
            | Purpose::WantRevoked => {}
        }
    }

    fn on_own_facts(&mut self, facts: SharedFacts) {
        let known = self.own_sequence();
        if facts.id != self.own || facts.facts.sequence <= known {
            return;
        }
        let leaves = facts.facts.left;
        self.resign.asked = None;
        self.resign.above = self.resign.above.filter(|&above| above >= facts.facts.sequence);
        self.directory.put(self.now, facts.clone(), if leaves { State::Left } else { State::Alive });
        self.outputs.push_back(Output::Changed(self.own));
        self.announce(News::Facts(facts), None);
        for accuser in std::mem::take(&mut self.resign.accusers) {
            self.notice(accuser);
        }
        if leaves {
            self.part();
        } else {
            self.flush();
        }
    }

    /// Says good-bye to some members and waits for their answers.
    fn part(&mut self) {
        let peers = self.some_present(PARTING_PEERS, &[]);
        self.parting = Some(Parting { answers: 0, open: peers.len() });
        for peer in peers {
            self.ask(peer, Body::News, Purpose::Parting, self.config.ping_timeout + self.config.ping_timeout);
        }
        self.check_parted();
    }

    fn on_parting(&mut self, answered: bool) {
        if let Some(parting) = &mut self.parting {
            parting.open = parting.open.saturating_sub(1);
            parting.answers += usize::from(answered);
        }
        self.check_parted();
    }

    fn check_parted(&mut self) {
        let is_done = |parting: &Parting| parting.open == 0 || parting.answers >= PARTING_ANSWERS;
        if self.parting.as_ref().is_some_and(is_done) {
            self.parting = None;
            self.outputs.push_back(Output::Parted);
        }
    }

    fn own_sequence(&self) -> u64 {
        self.directory.get(&self.own).map_or(0, Member::sequence)
    }

    fn has_left(&self) -> bool {
        self.directory.get(&self.own).is_some_and(|member| member.state == State::Left)
    }

    /// Up to `count` members that are alive, by chance, without this node and `except`.
    fn some_present(&mut self, count: usize, except: &[NodeId]) -> Vec<NodeId> {
        let own = self.own;
        let candidates = self
            .directory
            .iter()
            .filter(|(id, member)| **id != own && member.state == State::Alive && !except.contains(id));
        let mut ids: Vec<NodeId> = candidates.map(|(id, _)| *id).collect();
        let last = ids.len();
        for index in 0..count.min(last) {
            let other = index + self.rng.below((last - index) as u64) as usize;
            ids.swap(index, other);
        }
        ids.truncate(count);
        ids
    }

    /// Puts news on their way.
    fn announce(&mut self, news: News, source: Option<NodeId>) {
        self.broadcast.push(news, source);
        let at = self.now + self.config.flush_delay;
        self.flush_at = Some(self.flush_at.map_or(at, |flush_at| flush_at.min(at)));
    }

    fn flush(&mut self) {
        self.flush_at = None;
        if self.broadcast.is_empty() {
            return;
        }
        for peer in self.some_present(config::FAN_OUT, &[]) {
            self.notice(peer);
        }
        if !self.broadcast.is_empty() {
            self.flush_at = Some(self.now + self.config.flush_every);
        }
    }

    fn notice(&mut self, to: NodeId) {
        let message = self.message(to, Body::News, NEWS_BYTES_MAX);
        if !message.gossip.is_empty() {
            self.outputs.push_back(Output::Notice { to, message });
        }
    }

    fn notice_of(&mut self, to: NodeId, gossip: Gossip) {
        let message = Message { view: self.view(), body: Body::News, gossip };
        self.outputs.push_back(Output::Notice { to, message });
    }

    fn reply(&mut self, to: NodeId, token: ReplyToken, body: Body) {
        let message = self.message(to, body, PIGGYBACK_BYTES_MAX);
        self.outputs.push_back(Output::Reply { to, token, message });
    }

    fn reply_with(&mut self, to: NodeId, token: ReplyToken, gossip: Gossip) {
        let message = Message { view: self.view(), body: Body::Taken, gossip };
        self.outputs.push_back(Output::Reply { to, token, message });
    }

    fn ask(&mut self, to: NodeId, body: Body, purpose: Purpose, timeout: Millis) {
        if self.pending.len() >= PENDING_MAX {
            return;
        }
        self.last_request += 1;
        let request = RequestId(self.last_request);
        let message = self.message(to, body, PIGGYBACK_BYTES_MAX);
        let pending = Pending { to, purpose, sent: self.now, deadline: self.now + timeout };
        self.pending.insert(request, pending);
        self.outputs.push_back(Output::Request { to, request, message, timeout });
    }

    /// A message with the doubts about its receiver first, so that it can refute them, and then news.
    fn message(&mut self, to: NodeId, body: Body, bytes: usize) -> Message {
        let mut gossip = Gossip::default();
        gossip.claims.extend(self.doubt_about(&to));
        let limits = FillLimits { bytes, copies_max: self.copies_max() };
        self.broadcast.fill(&mut gossip, to, limits);
        Message { view: self.view(), body, gossip }
    }

    /// What this node says in every message.
    pub fn view(&self) -> View {
        View {
            sequence: self.own_sequence(),
            fingerprint: self.directory.fingerprint(),
            revoked: self.revoked.epoch(),
        }
    }

    /// Copies of one piece of news that this node sends: `LAMBDA` log n, as in the SWIM paper.
    fn copies_max(&self) -> u32 {
        let members = self.directory.present() as u32 + 1;
        LAMBDA * members.next_power_of_two().ilog2().max(2)
    }

    fn limited(&mut self, peer: NodeId, favour: Favour) -> bool {
        let allowed = self.limits.allow(self.now, peer, favour);
        self.counts.limited += u64::from(!allowed);
        !allowed
    }
}
