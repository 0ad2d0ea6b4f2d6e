//! Heads of audit records on their way: this node's to a few members, theirs into the store of this one.
//!
//! Nothing travels but signed bytes, over the membership's streams; no authority comes with it. A head is on
//! disk before it is countersigned. What members hold shows a record that was cut or written anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use futures::FutureExt;
use p2p_shared::id::NodeId;
use p2p_shared::rpc::codec::{self, Encoding};
use p2p_shared::services::node::{Member, MemberState};
use p2p_shared::time::UnixMillis;
use p2p_shared::tls::{Credentials, PeerIdentity};
use p2p_shared::witness::{AuditHead, Receipt, Statement};
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::{Parts, until};
use crate::audit::Audit;
use crate::audit::journal::Head;
use crate::audit::receipts::{self, Countersigned};
use crate::audit::witness::{Held, Kept, Verdict};
use crate::clock;
use crate::membership::core::message::Body;
use crate::membership::driver::Hold;
use crate::membership::handle::MembershipHandle;
use crate::store::Store;
use crate::transport::Transport;

/// Members that hold the head of one node.
const WITNESSES: usize = 3;
/// A head waits for those that follow it, and so that the nodes of which one thing is asked at a time do not all
/// speak at once: at most so long, by the id of the node.
const GATHER: Duration = Duration::from_secs(1);
/// It is handed over at most this often; so much later than it was written at most, too.
const HAND_EVERY: Duration = Duration::from_secs(5);
/// A member that does not take it, as one of an older version, is left alone for this long.
const SILENT: Duration = Duration::from_secs(600);
/// A member is handed the same head again after this, as both sides learn then what the other's clock says.
const AGAIN: Duration = Duration::from_secs(3_600);
/// Between two looks whether the clock was set.
const CLOCK_LOOK: Duration = Duration::from_secs(10);
/// Heads that wait for the disk; beyond, members are told to come again.
const WAITING_MAX: usize = 64;
/// How soon the same member may come again, in milliseconds.
const AGAIN_MS: u64 = 1_000;
/// Of how many members heads are held.
const MEMBERS_HELD_MAX: u64 = 4_096;

/// Takes heads of members into the store, one after the other.
pub(super) fn hold(credentials: &Arc<Credentials>, store: &Store, transport: &Transport) -> Hold {
    let (credentials, store, transport) = (Arc::clone(credentials), store.clone(), transport.clone());
    let (turn, waiting) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(WAITING_MAX)));
    Arc::new(move |from: PeerIdentity, statement: Statement| {
        let (credentials, store, turn) = (Arc::clone(&credentials), store.clone(), Arc::clone(&turn));
        let (transport, heard) = (transport.clone(), clock::wall());
        let waits = Arc::clone(&waiting).try_acquire_owned();
        async move {
            let (Ok(_place), Ok(turn)) = (waits, turn.acquire_owned().await) else { return Body::Busy };
            let taking = spawn_blocking(move || {
                let _turn = turn;
                take((&credentials, &store), &from, statement, |told| {
                    transport.note_clock(&from.id, told, heard);
                })
            });
            let taken = taking.await.unwrap_or_else(|error| Err(error.to_string()));
            taken.unwrap_or_else(|error| {
                tracing::debug!(%error, "the head of a member's audit record was not taken");
                Body::Busy
            })
        }
        .boxed()
    })
}

/// Judges a head of the member that sent it, keeps it, and then countersigns it. Blocks.
fn take(
    (credentials, store): (&Credentials, &Store),
    from: &PeerIdentity,
    statement: Statement,
    clock_says: impl FnOnce(UnixMillis),
) -> Result<Body, String> {
    let now = clock::wall();
    let (signer, head) =
        AuditHead::verify(&credentials.trust(), now, &statement).map_err(|error| error.to_string())?;
    if signer.id != from.id {
        return Err(format!("it is {}'s, and {} sent it", signer.name, from.name));
    }
    clock_says(head.at);
    let (kept, members) = store.held_head(&signer.id).map_err(|error| error.to_string())?;
    let mut held = match kept {
        Some(bytes) => codec::decode::<Held>(&bytes, Encoding::Bincode).map_err(|error| error.to_string())?,
        None if members >= MEMBERS_HELD_MAX => return Err("heads of too many members are held".to_owned()),
        None => Held::nothing(signer.id, signer.name.clone()),
    };
    let too_soon = |kept: &Kept| kept.head != head && now.since(kept.taken).0 < AGAIN_MS;
    if held.newest().is_some_and(too_soon) {
        return Ok(Body::Busy);
    }
    let verdict = held.take(Kept { head: head.clone(), statement, taken: now });
    if verdict != Verdict::Known {
        let bytes = codec::encode(&held, Encoding::Bincode).map_err(|error| error.to_string())?;
        store.put_held_head(&signer.id, &bytes).map_err(|error| error.to_string())?;
    }
    match held.newest() {
        Some(newest) if verdict == Verdict::Contradicts => {
            tracing::error!(
                node = %signer.name, held = newest.head.seq, said = head.seq,
                "ALARM: a member's audit record contradicts what is held of it: it was cut or written anew"
            );
            Ok(Body::Contradicted { head: newest.statement.clone() })
        }
        _ => {
            let receipt = Receipt { of: signer.id, head, at: now };
            let receipt = receipt.sign(credentials).map_err(|error| error.to_string())?;
            Ok(Body::Countersigned { receipt })
        }
    }
}

impl Parts {
    /// The task that hands this node's own head over.
    pub(super) fn hand_over(
        &self,
        credentials: &Arc<Credentials>,
        store: &Store,
        membership: &MembershipHandle,
        audit: &Audit,
    ) {
        let handing = HandOver {
            head: audit.head(),
            transport: self.transport.clone(),
            membership: membership.clone(),
            credentials: Arc::clone(credentials),
            store: store.clone(),
            audit: audit.clone(),
        };
        self.tasks.spawn_on(until(&self.stopping, handing.run()), &self.handle);
    }
}

/// Hands the head of this node's record to a few members whenever it changes.
struct HandOver {
    head: watch::Receiver<Option<Head>>,
    transport: Transport,
    membership: MembershipHandle,
    credentials: Arc<Credentials>,
    store: Store,
    audit: Audit,
}

/// What is known of the members that were asked.
#[derive(Default)]
struct Asked {
    /// What each has taken.
    given: BTreeMap<NodeId, u64>,
    /// Until when they are left alone.
    silent: BTreeMap<NodeId, Instant>,
    /// Those that contradict the record, which was told.
    contradicted: BTreeSet<NodeId>,
}

impl HandOver {
    async fn run(mut self) {
        let (mut members, mut asked) = (self.membership.watch(), Asked::default());
        let gather = gather(&self.credentials.identity().id);
        let mut offset_ms = clock::offset_ms();
        loop {
            sleep(gather).await;
            let head = self.head.borrow_and_update().clone();
            let known = members.borrow_and_update().clone();
            let done = match head {
                Some(head) => self.hand(&head, &known, &mut asked).await,
                None => true,
            };
            sleep(HAND_EVERY.saturating_sub(gather)).await;
            if !done {
                continue;
            }
            tokio::select! {
                changed = self.head.changed() => if changed.is_err() { return },
                changed = members.changed() => if changed.is_err() { return },
                () = clock_is_due(offset_ms) => {
                    offset_ms = clock::offset_ms();
                    asked.given.clear();
                }
            }
        }
    }

    /// Hands it to whoever lacks it; false if somebody should be asked again.
    async fn hand(&self, head: &Head, members: &[Member], asked: &mut Asked) -> bool {
        let now = Instant::now();
        asked.silent.retain(|_, until| *until > now);
        let own = self.credentials.identity().id;
        let chosen = witnesses(&own, members, |id| asked.silent.contains_key(id));
        let lacking: Vec<&Member> =
            chosen.into_iter().filter(|member| asked.given.get(&member.id) != Some(&head.seq)).collect();
        if lacking.is_empty() {
            return true;
        }
        let said = AuditHead { seq: head.seq, link: head.link.clone(), at: clock::wall() };
        let Ok(statement) = said.sign(&self.credentials) else { return true };
        let handing = lacking.into_iter().map(|member| {
            let handing = self.membership.hand_head(member.id, statement.clone());
            async move { (member, handing.await) }
        });
        let (mut news, mut done) = (Vec::new(), true);
        for (member, answer) in futures::future::join_all(handing).await {
            match answer {
                Some(Body::Countersigned { receipt }) => news.extend(self.receipt(member, receipt)),
                Some(Body::Contradicted { head }) => {
                    news.extend(self.contradicted(member, head, &mut asked.contradicted));
                }
                Some(Body::Busy) => {
                    done = false;
                    continue;
                }
                _ => {
                    asked.silent.insert(member.id, now + SILENT);
                    done = false;
                    continue;
                }
            }
            asked.given.insert(member.id, head.seq);
        }
        self.keep(news).await;
        done
    }

    fn receipt(&self, member: &Member, proof: Statement) -> Option<Countersigned> {
        let (signer, receipt) = Receipt::verify(&self.credentials.trust(), clock::wall(), &proof).ok()?;
        let is_its = signer.id == member.id && receipt.of == self.credentials.identity().id;
        if is_its {
            self.transport.note_clock(&member.id, receipt.at, clock::wall());
        }
        is_its.then_some(Countersigned { by: signer.name, id: signer.id, head: receipt.head, proof })
    }

    /// A member holds a head that this node signed, and that its record does not know.
    fn contradicted(
        &self,
        member: &Member,
        proof: Statement,
        told: &mut BTreeSet<NodeId>,
    ) -> Option<Countersigned> {
        let (signer, head) = AuditHead::verify(&self.credentials.trust(), clock::wall(), &proof).ok()?;
        if signer.id != self.credentials.identity().id {
            return None;
        }
        if told.insert(member.id) {
            let why = format!(
                "{} holds record {} of this node, with which this record does not agree: \
                 somebody cut it off or wrote it anew",
                member.name, head.seq
            );
            tracing::error!("ALARM: audit record: {why}");
            self.audit.note(why);
        }
        Some(Countersigned { by: member.name.clone(), id: member.id, head, proof })
    }

    /// Keeps the newest countersignature of each member.
    async fn keep(&self, news: Vec<Countersigned>) {
        if news.is_empty() {
            return;
        }
        let store = self.store.clone();
        let keeping = spawn_blocking(move || receipts::keep(&store, news));
        if let Ok(Err(error)) = keeping.await {
            tracing::warn!(%error, "the countersignatures of the audit record cannot be kept");
        }
    }
}

/// Resolves once the clock was set since `offset_ms`, or may have drifted away: then members are asked anew.
async fn clock_is_due(offset_ms: i64) {
    let began = Instant::now();
    while began.elapsed() < AGAIN && clock::offset_ms().abs_diff(offset_ms) < clock::STEP_LEAST_MS {
        sleep(CLOCK_LOOK).await;
    }
}

/// How long the heads of a node wait for company: half of the most, and its own share of the other half.
fn gather(own: &NodeId) -> Duration {
    GATHER / 2 + GATHER / 2 * u32::from(own.as_bytes()[0]) / 256
}

/// The members that hold the head of `own`: the same ones as long as they are there, and others for others.
fn witnesses<'a>(
    own: &NodeId,
    members: &'a [Member],
    is_silent: impl Fn(&NodeId) -> bool,
) -> Vec<&'a Member> {
    let takes_part =
        |member: &&Member| member.state == MemberState::Alive && member.id != *own && !is_silent(&member.id);
    let mut chosen: Vec<&Member> = members.iter().filter(takes_part).collect();
    chosen.sort_by_cached_key(|member| {
        let pair = [own.as_bytes().as_slice(), member.id.as_bytes().as_slice()].concat();
        digest::digest(&digest::SHA256, &pair).as_ref().to_vec()
    });
    chosen.truncate(WITNESSES);
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(index: u8, state: MemberState) -> Member {
        Member {
            name: format!("n{index}").parse().unwrap(),
            id: NodeId::new([index; 32]),
            state,
            state_since: UnixMillis(0),
            addresses: Vec::new(),
            version: String::new(),
            labels: Vec::new(),
            started: UnixMillis(0),
            sequence: 1,
            http: None,
        }
    }

    #[test]
    fn a_node_has_the_same_few_witnesses_and_another_has_others() {
        let members: Vec<Member> = (0..40).map(|index| member(index, MemberState::Alive)).collect();
        let of = |own: u8, members: &[Member]| -> Vec<NodeId> {
            witnesses(&NodeId::new([own; 32]), members, |_| false).iter().map(|member| member.id).collect()
        };
        let chosen = of(0, &members);
        assert_eq!(chosen.len(), WITNESSES);
        assert!(!chosen.contains(&NodeId::new([0; 32])), "nobody is its own witness");
        assert_ne!(chosen, of(1, &members));
        let fewer: Vec<Member> = members.iter().filter(|one| one.id != chosen[1]).cloned().collect();
        let after = of(0, &fewer);
        assert_eq!((after[0], after[1]), (chosen[0], chosen[2]), "one more comes, the others stay");
    }

    #[test]
    fn who_is_lost_or_silent_holds_nothing() {
        let members =
            [member(1, MemberState::Lost), member(2, MemberState::Alive), member(3, MemberState::Alive)];
        let silent = NodeId::new([3; 32]);
        let chosen = witnesses(&NodeId::new([9; 32]), &members, |id| *id == silent);
        assert_eq!(chosen.iter().map(|member| member.name.as_str()).collect::<Vec<_>>(), ["n2"]);
    }
}
