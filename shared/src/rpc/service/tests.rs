use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio_util::task::TaskTracker;

use super::*;
use crate::access::{Caller, Proof, Role};
use crate::error::Code;
use crate::id::NodeId;
use crate::rpc::client::{Answer, Call, EncodeArgs, ItemSink, ItemSource, MethodRef, Opened};
use crate::rpc::frame::RequestId;
use crate::rpc::registry::{Arguments, Decision, Face, Gate, Outcome, Registry, Request, Ticket};

/// A contract with all four verbs.
mod echo {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub struct Twice {
        pub text: String,
        pub count: u32,
    }

    crate::service! {
        /// Says things again.
        service Echo = "echo" {
            /// The text twice.
            get twice(text: String) -> Twice, needs NodeRead;
            /// Fails.
            post fail(text: String) -> (), needs NodeLabel;
            /// Counts up to `end`.
            watch count(end: u32) -> u32, needs NodeRead;
            /// Sums up what comes.
            duplex sum(start: u64) -> u64, takes u32, needs NodeRead;
        }
    }
}

struct EchoService;

impl echo::Echo for EchoService {
    async fn twice(&self, _: &CallContext, text: String) -> Result<echo::Twice, RpcError> {
        if text == "panic" {
            panic!("asked for");
        }
        if text == "hang" {
            std::future::pending::<()>().await;
        }
        Ok(echo::Twice { text: text.repeat(2), count: 2 })
    }

    async fn fail(&self, context: &CallContext, text: String) -> Result<(), RpcError> {
        Err(RpcError::not_found(format!("{text} for {}", context.caller)))
    }

    async fn count(&self, _: &CallContext, end: u32, items: Items<u32>) -> Result<(), RpcError> {
        for number in 0..end {
            items.send(&number).await?;
        }
        Ok(())
    }

    async fn sum(
        &self,
        _: &CallContext,
        start: u64,
        mut inputs: Inputs<u32>,
        items: Items<u64>,
    ) -> Result<(), RpcError> {
        let mut sum = start;
        while let Some(number) = inputs.next().await? {
            sum += u64::from(number);
            items.send(&sum).await?;
        }
        Ok(())
    }
}

/// Lets everything through but one method.
struct NoFail;

impl Gate for NoFail {
    fn before<'a>(
        &'a self,
        method: &'static MethodSpec,
        _: &'a CallContext,
        _: Arguments<'a>,
    ) -> Decision<'a> {
        if method.name == "echo.fail" {
            return Decision::Now(Err(RpcError::forbidden("denied: local policy")));
        }
        Decision::Later(Box::pin(async { Ok(Ticket::default()) }))
    }

    fn after(&self, _: Option<&'static MethodSpec>, _: &CallContext, _: &Outcome<'_>) {}
}

fn registry() -> Registry {
    Registry::new(Arc::new(NoFail)).mount(echo::mount(EchoService))
}

fn operator(role: Role) -> Caller {
    Caller::Operator { id: NodeId::new([1; 32]), name: "ann".parse().unwrap(), role }
}

fn request(method: &str, args: &str, caller: Caller) -> Request {
    Request {
        method: method.into(),
        context: CallContext {
            caller,
            caller_until: None,
            face: Face::Quic,
            address: None,
            request_id: RequestId([0; 16]),
            trace_id: None,
            deadline: CallContext::deadline(None, None),
        },
        proof: Proof::Connection,
        payload: Payload {
            args: Bytes::copy_from_slice(args.as_bytes()),
            encoding: Encoding::Json,
            io: None,
        },
    }
}

async fn code(method: &str, args: &str, caller: Caller) -> Code {
    registry().call(request(method, args, caller)).await.unwrap_err().code
}

#[tokio::test]
async fn a_call_reaches_the_implementation() {
    let call = request("echo.twice", r#"{"text":"ab"}"#, operator(Role::Viewer));
    let answer = registry().call(call).await.unwrap();
    assert_eq!(answer, Bytes::from_static(br#"{"text":"abab","count":2}"#));
}

#[tokio::test]
async fn refusals_are_typed() {
    let viewer = || operator(Role::Viewer);
    let node = Caller::Node { id: NodeId::new([2; 32]), name: "web-1".parse().unwrap() };
    assert_eq!(code("echo.nothing", "{}", viewer()).await, Code::Unsupported);
    assert_eq!(code("echo.twice", "{}", viewer()).await, Code::BadRequest);
    assert_eq!(code("echo.twice", r#"{"text":"a","role":1}"#, viewer()).await, Code::BadRequest);
    assert_eq!(code("echo.twice", r#"{"text":"a"}"#, node).await, Code::Forbidden);
    assert_eq!(code("echo.fail", r#"{"text":"a"}"#, viewer()).await, Code::Forbidden);
    assert_eq!(code("echo.count", r#"{"end":1}"#, viewer()).await, Code::BadRequest);
}

#[tokio::test]
async fn the_gate_stops_what_the_role_allows() {
    let call = request("echo.fail", r#"{"text":"a"}"#, operator(Role::Admin));
    assert_eq!(registry().call(call).await.unwrap_err().message, "denied: local policy");
}

#[tokio::test]
async fn a_proof_that_cannot_be_verified_is_no_authority() {
    let mut call = request("echo.twice", r#"{"text":"a"}"#, operator(Role::Admin));
    call.proof = Proof::Token(b"x".to_vec());
    assert_eq!(registry().call(call).await.unwrap_err().code, Code::Unauthenticated);
}

#[tokio::test]
async fn a_panic_becomes_an_error() {
    assert_eq!(code("echo.twice", r#"{"text":"panic"}"#, operator(Role::Viewer)).await, Code::Internal);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_ends_at_the_deadline() {
    assert_eq!(code("echo.twice", r#"{"text":"hang"}"#, operator(Role::Viewer)).await, Code::Deadline);
}

/// A way to a registry of this process, as an operator with the role viewer.
#[derive(Clone)]
struct Local(Arc<Registry>);

struct LocalSource {
    items: mpsc::Receiver<Bytes>,
    ended: Option<tokio::task::JoinHandle<Result<Bytes, RpcError>>>,
}

impl ItemSource for LocalSource {
    async fn next_item(&mut self) -> Result<Option<Bytes>, RpcError> {
        if let Some(item) = self.items.recv().await {
            return Ok(Some(item));
        }
        match self.ended.take() {
            Some(task) => task.await.unwrap().map(|_| None),
            None => Ok(None),
        }
    }
}

struct LocalSink(Option<mpsc::Sender<Bytes>>);

impl ItemSink for LocalSink {
    async fn send_item(&mut self, item: Bytes) -> Result<(), RpcError> {
        self.0.as_ref().unwrap().send(item).await.map_err(|_| RpcError::cancelled("gone"))
    }

    async fn finish(&mut self) -> Result<(), RpcError> {
        self.0 = None;
        Ok(())
    }
}

impl Call for Local {
    type Source = LocalSource;
    type Sink = LocalSink;

    async fn exchange(&self, method: MethodRef<'_>, args: &dyn EncodeArgs) -> Result<Answer, RpcError> {
        let mut call = request(method.name, "", operator(Role::Viewer));
        call.payload.encoding = Encoding::Bincode;
        call.payload.args = args.encode_args(Encoding::Bincode)?;
        let bytes = self.0.call(call).await?;
        Ok(Answer { bytes, encoding: Encoding::Bincode })
    }

    async fn open(&self, method: MethodRef<'_>, args: &dyn EncodeArgs) -> Result<Opened<Self>, RpcError> {
        let (output, items) = mpsc::channel(1);
        let (inputs, input) = mpsc::channel(1);
        let mut call = request(method.name, "", operator(Role::Viewer));
        call.payload = Payload {
            args: args.encode_args(Encoding::Bincode)?,
            encoding: Encoding::Bincode,
            io: Some(Io { output, input }),
        };
        let registry = Arc::clone(&self.0);
        let ended = Some(TaskTracker::new().spawn(async move { registry.call(call).await }));
        let source = LocalSource { items, ended };
        Ok(Opened { source, sink: LocalSink(Some(inputs)), encoding: Encoding::Bincode })
    }
}

fn client() -> echo::Client<Local> {
    echo::Client::new(Local(Arc::new(registry())))
}

#[tokio::test]
async fn the_typed_client_says_what_the_contract_says() {
    let client = client();
    let twice = client.twice("ab".into()).await.unwrap();
    assert_eq!(twice, echo::Twice { text: "abab".into(), count: 2 });
    assert_eq!(client.fail("a".into()).await.unwrap_err().code, Code::Forbidden);
}

#[tokio::test]
async fn items_stream_out_until_the_end() {
    let mut count = client().count(3).await.unwrap();
    for expected in 0..3 {
        assert_eq!(count.next().await.unwrap(), Some(expected));
    }
    assert_eq!(count.next().await.unwrap(), None);
}

#[tokio::test]
async fn items_stream_both_ways() {
    let mut sum = client().sum(1).await.unwrap();
    for (number, expected) in [(2, 3), (3, 6)] {
        sum.send(&number).await.unwrap();
        assert_eq!(sum.output.next().await.unwrap(), Some(expected));
    }
    sum.finish().await.unwrap();
    assert_eq!(sum.output.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_watch_ends_when_nobody_reads() {
    let (output, items) = mpsc::channel(1);
    let (_, input) = mpsc::channel(1);
    drop(items);
    let mut call = request("echo.count", r#"{"end":9}"#, operator(Role::Viewer));
    call.payload.io = Some(Io { output, input });
    assert_eq!(registry().call(call).await.unwrap_err().code, Code::Cancelled);
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is read")]
struct Before {
    /// Prose.
    a: u32,
    b: u32,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is read")]
struct After {
    b: u32,
    /// Other prose.
    a: u32,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is read")]
struct Prose {
    a: u32,
    /// New prose.
    b: u32,
}

#[test]
fn swapped_fields_change_the_hash_and_prose_does_not() {
    let hash = |schemas: MethodSchemas| schemas.hash();
    assert_ne!(hash(MethodSchemas::of::<(), Before>()), hash(MethodSchemas::of::<(), After>()));
    assert_eq!(hash(MethodSchemas::of::<(), Before>()), hash(MethodSchemas::of::<(), Prose>()));
}

/// What a gate heard: the ticket, the code of the end, and what was asked for.
type Heard = Vec<(Option<u64>, Option<Code>, Option<String>)>;

/// Numbers what it lets pass and keeps what it hears.
#[derive(Clone, Default)]
struct Listening(Arc<std::sync::Mutex<Heard>>);

impl Gate for Listening {
    fn before<'a>(&'a self, _: &'static MethodSpec, _: &'a CallContext, _: Arguments<'a>) -> Decision<'a> {
        Decision::Now(Ok(Ticket(Some(7))))
    }

    fn after(&self, method: Option<&'static MethodSpec>, _: &CallContext, outcome: &Outcome<'_>) {
        let asked = outcome.arguments.zip(method).map(|(arguments, method)| {
            let text = (method.describe)(arguments.bytes, arguments.encoding).unwrap();
            String::from_utf8(text.to_vec()).unwrap()
        });
        let ticket = outcome.ticket.map(|ticket| ticket.0.unwrap());
        self.0.lock().unwrap().push((ticket, outcome.error.map(|error| error.code), asked));
    }
}

#[tokio::test]
async fn the_gate_hears_of_every_end_once() {
    let heard = Listening::default();
    let registry = Registry::new(Arc::new(heard.clone())).mount(echo::mount(EchoService));
    let asked = r#"{"text":"ab"}"#;
    let viewer = || operator(Role::Viewer);
    registry.call(request("echo.twice", asked, viewer())).await.unwrap();
    registry.call(request("echo.fail", asked, viewer())).await.unwrap_err();
    registry.call(request("echo.fail", asked, operator(Role::Admin))).await.unwrap_err();
    let given_up = registry.call(request("echo.twice", r#"{"text":"hang"}"#, viewer()));
    assert!(futures::FutureExt::now_or_never(given_up).is_none());
    let expected = [
        (Some(7), None, None),
        (None, Some(Code::Forbidden), Some(asked.to_owned())),
        (Some(7), Some(Code::NotFound), None),
        (Some(7), Some(Code::Cancelled), None),
    ];
    assert_eq!(*heard.0.lock().unwrap(), expected);
}

#[test]
fn arguments_of_either_encoding_are_described_alike() {
    let method = &echo::twice::METHOD;
    let compact = codec::encode(&echo::twice::Args { text: "ab".into() }, Encoding::Bincode).unwrap();
    let expected = Bytes::from_static(br#"{"text":"ab"}"#);
    assert_eq!((method.describe)(&compact, Encoding::Bincode).unwrap(), expected);
    assert_eq!((method.describe)(br#" {"text": "ab"}"#, Encoding::Json).unwrap(), expected);
    assert_eq!((method.describe)(b"{}", Encoding::Json).unwrap_err().code, Code::BadRequest);
}
