//! The registry: every call of every face goes through [`Registry::call`], the only permission gate.
//!
//! A transport hands in who calls, what and the encoded arguments; the encoded result or an error comes out.
//! What depends on the arguments is checked in the service. Nothing here may let a call past `Gate::before`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use super::codec::Encoding;
use super::frame::RequestId;
use super::service::{Handler, MethodSpec, Mounted, Payload, ServiceSpec};
use crate::access::{Caller, Proof};
use crate::counters::{Counter, Durations};
use crate::error::{Code, RpcError};
use crate::time::UnixMillis;

/// How long a call without streams may run if its caller does not say.
pub const DEADLINE_DEFAULT: Duration = Duration::from_secs(10);
/// The longest that a caller may ask for.
pub const DEADLINE_MAX: Duration = Duration::from_secs(600);

/// By which door a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// The mesh.
    Quic,
    /// The HTTP API.
    Http,
    /// The Unix socket.
    Unix,
}

/// What is known of a call besides its arguments.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// Who asks, from the connection or a verified proof.
    pub caller: Caller,
    /// When that authority ends by itself, for work that outlives the call; `None` if it does not.
    pub caller_until: Option<UnixMillis>,
    /// By which door.
    pub face: Face,
    /// From where; `None` where a door knows no addresses.
    pub address: Option<SocketAddr>,
    /// The caller's identity for this request.
    pub request_id: RequestId,
    /// Ties together what several nodes log about one action.
    pub trace_id: Option<[u8; 16]>,
    /// When the caller stops waiting; `None` for a stream without end.
    pub deadline: Option<Instant>,
}

impl CallContext {
    /// The deadline of a call that came with `asked`, now: none for a stream unless asked, else the default,
    /// and never past [`DEADLINE_MAX`].
    pub fn deadline(method: Option<&MethodSpec>, asked: Option<Duration>) -> Option<Instant> {
        let streams = method.is_some_and(|method| method.verb.streams());
        let span = match asked {
            None if streams => return None,
            None => DEADLINE_DEFAULT,
            Some(asked) => asked.min(DEADLINE_MAX),
        };
        Some(Instant::now() + span)
    }
}

/// Whose word a call rests on, if it is not that of who is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Who.
    pub caller: Caller,
    /// When that authority ends by itself.
    pub until: UnixMillis,
}

/// What stands between a permitted call and its handler: revocation, local policy, replay, audit.
pub trait Gate: Send + Sync + 'static {
    /// Judges what a call rests on besides its connection, before anything else is judged: who is proven is who
    /// asks from then on.
    ///
    /// # Errors
    /// If this node cannot verify that kind of proof, or the proof is none.
    fn prove(
        &self,
        _method: &'static MethodSpec,
        _context: &CallContext,
        _proof: &Proof,
        _arguments: Arguments<'_>,
    ) -> Result<Proven, RpcError> {
        Err(RpcError::unauthenticated("this node cannot verify that kind of proof"))
    }

    /// Runs after the role was checked and before the handler; an error stops the call.
    fn before<'a>(
        &'a self,
        method: &'static MethodSpec,
        context: &'a CallContext,
        arguments: Arguments<'a>,
    ) -> Decision<'a>;

    /// Learns how it ended, refusals and calls that were given up included. `method` is `None` if there is no
    /// such method.
    fn after(&self, method: Option<&'static MethodSpec>, context: &CallContext, outcome: &Outcome<'_>);
}

/// What the gate says of a call: at once, as for every read, or after it has waited for something.
pub enum Decision<'a> {
    /// Without waiting.
    Now(Result<Ticket, RpcError>),
    /// Once this is done.
    Later(BoxFuture<'a, Result<Ticket, RpcError>>),
}

/// What the gate knows a call by that it let pass; it comes back in the [`Outcome`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticket(pub Option<u64>);

/// The arguments of a call, still encoded.
#[derive(Clone, Copy, Debug)]
pub struct Arguments<'a> {
    /// As they came.
    pub bytes: &'a Bytes,
    /// How they are written.
    pub encoding: Encoding,
}

/// How a call ended.
#[derive(Debug)]
pub struct Outcome<'a> {
    /// The name that was asked for.
    pub name: &'a str,
    /// `None` if it ended well.
    pub error: Option<&'a RpcError>,
    /// From the gate to the end.
    pub elapsed: Duration,
    /// What the gate gave; `None` if the call did not pass it.
    pub ticket: Option<Ticket>,
    /// What was asked for, of a call that did not pass the gate.
    pub arguments: Option<Arguments<'a>>,
}

/// One call, as a transport hands it in.
#[derive(Debug)]
pub struct Request {
    /// `service.method`.
    pub method: String,
    /// Who, whence, until when.
    pub context: CallContext,
    /// What it rests on besides the connection.
    pub proof: Proof,
    /// Arguments and streams.
    pub payload: Payload,
}

struct Entry {
    spec: &'static MethodSpec,
    handler: Handler,
    /// How many calls ended well, and with each code.
    ended: [Counter; Code::ALL.len() + 1],
}

impl Entry {
    fn ended(&self, error: Option<&RpcError>) -> &Counter {
        &self.ended[error.map_or(0, |error| error.code as usize + 1)]
    }
}

/// All methods of a node, behind one gate.
pub struct Registry {
    methods: BTreeMap<&'static str, Entry>,
    services: Vec<&'static ServiceSpec>,
    gate: Arc<dyn Gate>,
    counters: Arc<CallCounters>,
}

/// What a registry counts.
#[derive(Debug, Default)]
pub struct CallCounters {
    /// Calls that reached the registry.
    pub calls: Counter,
    /// Calls that ended in an error.
    pub failed: Counter,
    /// Calls of methods that there are not.
    pub unknown: Counter,
    /// How long calls took that do not stream.
    pub took: Durations,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("methods", &self.methods.keys()).finish_non_exhaustive()
    }
}

impl Registry {
    /// An empty registry behind `gate`.
    pub fn new(gate: Arc<dyn Gate>) -> Self {
        Self { methods: BTreeMap::new(), services: Vec::new(), gate, counters: Arc::default() }
    }

    /// What it counts, for a service that reports it.
    pub fn counters(&self) -> Arc<CallCounters> {
        Arc::clone(&self.counters)
    }

    /// Adds a service.
    #[must_use]
    pub fn mount(mut self, mounted: Mounted) -> Self {
        self.services.push(mounted.spec);
        for (spec, handler) in mounted.handlers {
            self.methods.insert(spec.name, Entry { spec, handler, ended: Default::default() });
        }
        self
    }

    /// What is mounted, in that order.
    pub fn services(&self) -> &[&'static ServiceSpec] {
        &self.services
    }

    /// The method of a name.
    pub fn method(&self, name: &str) -> Option<&'static MethodSpec> {
        self.methods.get(name).map(|entry| entry.spec)
    }

    /// How many calls of each method ended how; `None` for well. What never happened is left out.
    pub fn ended(&self) -> impl Iterator<Item = (&'static str, Option<Code>, u64)> {
        self.methods.values().flat_map(|entry| {
            let outcomes = [None].into_iter().chain(Code::ALL.map(Some));
            let counts = outcomes.zip(&entry.ended).map(|(code, count)| (entry.spec.name, code, count.get()));
            counts.filter(|(_, _, count)| *count > 0)
        })
    }

    /// Looks up, checks the permission, asks the gate, and runs the method within its deadline. The gate
    /// hears of the end of every call, also of one that is dropped before it ended.
    ///
    /// # Errors
    /// [`Code::Unsupported`] for an unknown method, [`Code::Forbidden`] without the permission,
    /// [`Code::Deadline`] when the time ran out, [`Code::Internal`] if the handler panicked; else as the
    /// gate or the handler says.
    pub async fn call(&self, request: Request) -> Result<Bytes, RpcError> {
        self.counters.calls.increment();
        let Request { method: name, mut context, proof, payload } = request;
        let entry = self.methods.get(name.as_str());
        let proven = entry.map_or(Ok(()), |entry| self.prove(entry.spec, &mut context, &proof, &payload));
        let mut ending = Ending {
            registry: self,
            entry,
            name: &name,
            context: &context,
            started: Instant::now(),
            ticket: None,
            refused: None,
            told: false,
        };
        let result = match entry {
            None => Err(RpcError::unsupported(format!("there is no method {name:?} on this node"))),
            Some(entry) => self.gated(entry, &mut ending, proven, payload).await,
        };
        ending.tell(result.as_ref().err());
        result
    }

    /// Whether role and gate would let `request` pass now, for what joins a call of the same caller that runs: a
    /// watch, whose gate does not wait. Nothing is run or recorded.
    ///
    /// # Errors
    /// As [`Registry::call`] would refuse it.
    pub fn admits(&self, method: &'static MethodSpec, request: &Request) -> Result<(), RpcError> {
        permitted(method, &request.context.caller)?;
        let arguments = Arguments { bytes: &request.payload.args, encoding: request.payload.encoding };
        match self.gate.before(method, &request.context, arguments) {
            Decision::Now(passed) => passed.map(|_| ()),
            Decision::Later(_) => Ok(()),
        }
    }

    /// Puts who is proven in the place of who is connected.
    fn prove(
        &self,
        method: &'static MethodSpec,
        context: &mut CallContext,
        proof: &Proof,
        payload: &Payload,
    ) -> Result<(), RpcError> {
        if *proof == Proof::Connection {
            return Ok(());
        }
        let arguments = Arguments { bytes: &payload.args, encoding: payload.encoding };
        let proven = self.gate.prove(method, context, proof, arguments)?;
        (context.caller, context.caller_until) = (proven.caller, Some(proven.until));
        Ok(())
    }

    async fn gated(
        &self,
        entry: &Entry,
        ending: &mut Ending<'_>,
        proven: Result<(), RpcError>,
        payload: Payload,
    ) -> Result<Bytes, RpcError> {
        let (spec, context) = (entry.spec, ending.context);
        let passed = match proven.and_then(|()| permitted(spec, &context.caller)) {
            Err(error) => Err(error),
            Ok(()) => {
                let arguments = Arguments { bytes: &payload.args, encoding: payload.encoding };
                match self.gate.before(spec, context, arguments) {
                    Decision::Now(passed) => passed,
                    Decision::Later(waiting) => waiting.await,
                }
            }
        };
        match passed {
            Ok(ticket) => ending.ticket = Some(ticket),
            Err(error) => {
                ending.refused = Some((payload.args, payload.encoding));
                return Err(error);
            }
        }
        let late = || out_of_time(spec);
        if context.deadline.is_some_and(|deadline| deadline <= ending.started) {
            return Err(late());
        }
        let mut run = AssertUnwindSafe((entry.handler)(context.clone(), payload)).catch_unwind();
        // Most handlers read a snapshot and are done at once: they need no timer.
        let ended = match ((&mut run).now_or_never(), context.deadline) {
            (Some(ended), _) => ended,
            (None, None) => run.await,
            (None, Some(deadline)) => timeout_at(deadline, run).await.map_err(|_| late())?,
        };
        ended.unwrap_or_else(|_| Err(RpcError::internal(format!("{} failed; see the node's log", spec.name))))
    }
}

/// A call on its way: whatever becomes of it, the gate is told once.
struct Ending<'a> {
    registry: &'a Registry,
    entry: Option<&'a Entry>,
    name: &'a str,
    context: &'a CallContext,
    started: Instant,
    ticket: Option<Ticket>,
    refused: Option<(Bytes, Encoding)>,
    told: bool,
}

impl Ending<'_> {
    fn tell(&mut self, error: Option<&RpcError>) {
        self.told = true;
        let (counters, method) = (&self.registry.counters, self.entry.map(|entry| entry.spec));
        if error.is_some() {
            counters.failed.increment();
        }
        self.entry.map_or(&counters.unknown, |entry| entry.ended(error)).increment();
        let arguments =
            self.refused.as_ref().map(|(bytes, encoding)| Arguments { bytes, encoding: *encoding });
        let (name, ticket, elapsed) = (self.name, self.ticket, self.started.elapsed());
        if method.is_some_and(|method| !method.verb.streams()) {
            counters.took.note(elapsed);
        }
        let outcome = Outcome { name, error, elapsed, ticket, arguments };
        self.registry.gate.after(method, self.context, &outcome);
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.tell(Some(&RpcError::cancelled("the caller went away before it ended")));
        }
    }
}

/// Whether the role of `caller` allows `method`: the check of every call, and of the question beforehand.
///
/// # Errors
/// [`Code::Forbidden`], with the role that it takes.
pub fn permitted(method: &MethodSpec, caller: &Caller) -> Result<(), RpcError> {
    if caller.may(method.permission) { Ok(()) } else { Err(refusal(method, caller)) }
}

fn refusal(method: &MethodSpec, caller: &Caller) -> RpcError {
    let permission = method.permission;
    let why = match caller.role() {
        None if let Caller::Unix { uid, .. } = caller => {
            format!("user id {uid} is neither root nor the user as whom this node runs; try sudo")
        }
        None => format!("{caller} has no authority of its own"),
        Some(role) => format!("{permission} needs role {}, {caller} has {role}", permission.role()),
    };
    RpcError::forbidden(format!("denied: role: {}: {why}", method.name))
}

fn out_of_time(method: &MethodSpec) -> RpcError {
    RpcError::new(Code::Deadline, format!("{} did not end in time; it may still have happened", method.name))
}
