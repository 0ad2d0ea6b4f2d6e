//! The `service!` macro and what it describes a service by.
//!
//! A contract goes in as a block of methods and comes out as: a trait that the node implements with plain
//! `async fn`; per method a module with its `Args` and its [`MethodSpec`]; a typed `Client` over any
//! [`Call`](super::client::Call); and `mount`, which turns an implementation into erased handlers for the
//! registry. Method identity is the name, never a position.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::codec::{self, Encoding};
use super::registry::CallContext;
use crate::access::Permission;
use crate::error::RpcError;

/// What kind of call a method is; it decides more than the HTTP route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Safe to repeat, changes nothing, arguments flat.
    Get,
    /// Changes something; carries a request id and is audited.
    Post,
    /// Items stream out until one side ends it.
    Watch,
    /// Items stream both ways; audited.
    Duplex,
}

impl Verb {
    /// Whether the answer is a stream of items.
    pub const fn streams(self) -> bool {
        matches!(self, Self::Watch | Self::Duplex)
    }

    /// Whether calls are recorded in the audit.
    pub const fn is_audited(self) -> bool {
        matches!(self, Self::Post | Self::Duplex)
    }

    /// The word in a contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Watch => "watch",
            Self::Duplex => "duplex",
        }
    }
}

/// One service: its name and its methods.
pub struct ServiceSpec {
    /// As in routes and method names.
    pub name: &'static str,
    /// What it is for, from the contract.
    pub doc: &'static str,
    /// In the order of the contract.
    pub methods: &'static [&'static MethodSpec],
}

/// One method: all that a surface needs to know of it.
pub struct MethodSpec {
    /// The service that it belongs to.
    pub service: &'static ServiceSpec,
    /// `service.method`: the identity on the wire.
    pub name: &'static str,
    /// Decides route, deadline and audit.
    pub verb: Verb,
    /// What a caller needs.
    pub permission: Permission,
    /// What it does, from the contract.
    pub doc: &'static str,
    /// Names of the arguments, in order.
    pub arguments: &'static [&'static str],
    /// JSON schemas of everything it carries.
    pub schemas: fn() -> MethodSchemas,
    /// The arguments as JSON text, with their names: for people, the audit, and to judge them beforehand.
    pub describe: fn(&[u8], Encoding) -> Result<Bytes, RpcError>,
}

impl std::fmt::Debug for MethodSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("MethodSpec").field(&self.name).finish()
    }
}

/// The JSON schemas (draft 2020-12, everything inlined) of a method.
#[derive(Clone, Debug)]
pub struct MethodSchemas {
    /// The arguments, as one object.
    pub args: Schema,
    /// The result, or one item that streams out.
    pub output: Schema,
    /// One item that streams in (duplex only).
    pub input: Option<Schema>,
}

impl MethodSchemas {
    /// Schemas of a method that takes `A` and gives `O`.
    pub fn of<A: JsonSchema, O: JsonSchema>() -> Self {
        Self { args: schema::<A>(), output: schema::<O>(), input: None }
    }

    /// The same with items of `I` streaming in.
    #[must_use]
    pub fn with_input<I: JsonSchema>(self) -> Self {
        Self { input: Some(schema::<I>()), ..self }
    }

    /// A hash of the shapes: equal if and only if (but for collisions of 64 bits) both sides may speak
    /// bincode. Descriptions and titles do not count. FNV-1a over the JSON text, in which fields keep the
    /// order of the source, because bincode does.
    pub fn hash(&self) -> u64 {
        let mut hash = FNV_OFFSET;
        for schema in [Some(&self.args), Some(&self.output), self.input.as_ref()].into_iter().flatten() {
            let mut shape = schema.clone();
            strip_prose(&mut shape);
            for byte in shape.as_value().to_string().bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
            }
            hash = hash.wrapping_mul(FNV_PRIME);
        }
        hash
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

fn schema<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<T>()
}

fn strip_prose(schema: &mut Schema) {
    schema.remove("title");
    schema.remove("description");
    schemars::transform::transform_subschemas(&mut strip_prose, schema);
}

/// Where the items of a streaming method go. Sending waits while the other side is slow.
#[derive(Debug)]
pub struct Items<T> {
    sender: mpsc::Sender<Bytes>,
    encoding: Encoding,
    item: std::marker::PhantomData<fn(T)>,
}

impl<T: Serialize> Items<T> {
    /// How items are written.
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Sends one item.
    ///
    /// # Errors
    /// [`Code::Cancelled`](crate::error::Code::Cancelled) once nobody reads, which a handler passes on with
    /// `?`; an item that cannot be encoded or is too large is an error of its own.
    pub async fn send(&self, item: &T) -> Result<(), RpcError> {
        let bytes = codec::encode(item, self.encoding)?;
        self.sender.send(bytes).await.map_err(|_| RpcError::cancelled("the caller went away"))
    }

    /// Resolves once nobody reads any more.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }
}

/// Where the items that stream into a duplex method come from.
#[derive(Debug)]
pub struct Inputs<T> {
    receiver: mpsc::Receiver<Bytes>,
    encoding: Encoding,
    item: std::marker::PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Inputs<T> {
    /// The next item, or `None` once the caller has ended its side.
    ///
    /// # Errors
    /// If the bytes are no such item.
    pub async fn next(&mut self) -> Result<Option<T>, RpcError> {
        match self.receiver.recv().await {
            Some(bytes) => Ok(Some(codec::decode(&bytes, self.encoding)?)),
            None => Ok(None),
        }
    }
}

/// The two directions of a streaming call, as a transport provides them.
#[derive(Debug)]
pub struct Io {
    /// Encoded items to the caller. Bounded: a full queue stops the handler until the caller reads.
    pub output: mpsc::Sender<Bytes>,
    /// Encoded items from the caller. Bounded: the transport stops reading while it is full.
    pub input: mpsc::Receiver<Bytes>,
}

/// Arguments and directions of one call, still encoded.
#[derive(Debug)]
pub struct Payload {
    /// The encoded arguments.
    pub args: Bytes,
    /// How everything of this call is encoded.
    pub encoding: Encoding,
    /// `None` for methods that do not stream.
    pub io: Option<Io>,
}

impl Payload {
    /// The typed arguments.
    ///
    /// # Errors
    /// [`Code::BadRequest`](crate::error::Code::BadRequest) if they are not such arguments.
    pub fn args<A: DeserializeOwned>(&self) -> Result<A, RpcError> {
        Ok(codec::decode(&self.args, self.encoding)?)
    }

    fn take_io(&mut self) -> Result<Io, RpcError> {
        self.io.take().ok_or_else(|| RpcError::bad_request("this method streams: call it as a stream"))
    }

    /// The direction out of a watch.
    ///
    /// # Errors
    /// If the call came without streams.
    pub fn items<T>(&mut self) -> Result<Items<T>, RpcError> {
        let io = self.take_io()?;
        Ok(Items { sender: io.output, encoding: self.encoding, item: std::marker::PhantomData })
    }

    /// Both directions of a duplex call.
    ///
    /// # Errors
    /// If the call came without streams.
    pub fn duplex<In, Out>(&mut self) -> Result<(Inputs<In>, Items<Out>), RpcError> {
        let io = self.take_io()?;
        let (encoding, item) = (self.encoding, std::marker::PhantomData);
        let inputs = Inputs { receiver: io.input, encoding, item: std::marker::PhantomData };
        Ok((inputs, Items { sender: io.output, encoding, item }))
    }
}

/// Reads arguments of one method and writes them as JSON text.
///
/// # Errors
/// [`Code::BadRequest`](crate::error::Code::BadRequest) if they are not such arguments.
pub fn describe<A: Serialize + DeserializeOwned>(
    bytes: &[u8],
    encoding: Encoding,
) -> Result<Bytes, RpcError> {
    let arguments: A = codec::decode(bytes, encoding)?;
    Ok(codec::encode(&arguments, Encoding::Json)?)
}

/// An erased method: encoded arguments in, the encoded result out (empty for a stream that ended).
pub type Handler =
    Box<dyn Fn(CallContext, Payload) -> BoxFuture<'static, Result<Bytes, RpcError>> + Send + Sync>;

/// An implementation, ready for the registry.
pub struct Mounted {
    /// What it is.
    pub spec: &'static ServiceSpec,
    /// One handler a method, beside its spec.
    pub handlers: Vec<(&'static MethodSpec, Handler)>,
}

/// The result of a stream that ended well.
pub const fn nothing() -> Bytes {
    Bytes::new()
}

/// Makes a handler of a function over the shared implementation.
pub fn handler<S, F, Fut>(service: &Arc<S>, run: F) -> Handler
where
    S: Send + Sync + 'static,
    F: Fn(Arc<S>, CallContext, Payload) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Bytes, RpcError>> + Send + 'static,
{
    let service = Arc::clone(service);
    Box::new(move |context, payload| Box::pin(run(Arc::clone(&service), context, payload)))
}

/// Defines a service. See the module, and `services/process.rs` for one in use.
///
/// A method is `get|post name(args) -> Output, needs Permission;`, or `watch name(args) -> Item, needs P;`,
/// or `duplex name(args) -> ItemOut, takes ItemIn, needs P;`.
#[macro_export]
macro_rules! service {
    (
        $(#[doc = $service_doc:literal])*
        service $Service:ident = $service_name:literal {
            $(
                $(#[doc = $doc:literal])*
                $verb:ident $method:ident ( $($arg:ident : $ty:ty),* $(,)? ) -> $out:ty
                    $(, takes $input:ty)?, needs $permission:ident;
            )+
        }
    ) => {
        $(#[doc = $service_doc])*
        pub trait $Service: Send + Sync + 'static {
            $($crate::service! {
                @trait $verb $method [$(#[doc = $doc])*] ($($arg: $ty),*) ($out) ($($input)?)
            })+
        }

        $(
            #[doc = concat!("The method `", $service_name, ".", stringify!($method), "`.")]
            pub mod $method {
                use super::*;

                #[doc = concat!("Arguments of `", $service_name, ".", stringify!($method), "`.")]
                #[derive(Clone, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
                #[serde(deny_unknown_fields)]
                pub struct Args {
                    $(#[doc = "As in the contract."] pub $arg: $ty,)*
                }

                /// What every surface knows of it.
                pub static METHOD: $crate::rpc::service::MethodSpec = $crate::rpc::service::MethodSpec {
                    service: &SPEC,
                    name: concat!($service_name, ".", stringify!($method)),
                    verb: $crate::service!(@verb $verb),
                    permission: $crate::access::Permission::$permission,
                    doc: concat!($($doc, "\n"),*),
                    arguments: &[$(stringify!($arg)),*],
                    schemas: || {
                        $crate::rpc::service::MethodSchemas::of::<Args, $out>()$(.with_input::<$input>())?
                    },
                    describe: $crate::rpc::service::describe::<Args>,
                };
            }
        )+

        /// What every surface knows of this service.
        pub static SPEC: $crate::rpc::service::ServiceSpec = $crate::rpc::service::ServiceSpec {
            name: $service_name,
            doc: concat!($($service_doc, "\n"),*),
            methods: &[$(&$method::METHOD),+],
        };

        /// Turns an implementation into handlers for the registry.
        pub fn mount<S: $Service>(service: S) -> $crate::rpc::service::Mounted {
            let service = std::sync::Arc::new(service);
            $crate::rpc::service::Mounted {
                spec: &SPEC,
                handlers: vec![$((
                    &$method::METHOD,
                    $crate::service!(@handler $verb service $method ($($arg),*)),
                )),+],
            }
        }

        /// The typed client.
        #[derive(Clone, Debug)]
        pub struct Client<C> {
            call: C,
        }

        impl<C: $crate::rpc::client::Call> Client<C> {
            /// A client of this service over `call`.
            pub const fn new(call: C) -> Self {
                Self { call }
            }

            $($crate::service! {
                @client $verb $method [$(#[doc = $doc])*] ($($arg: $ty),*) ($out) ($($input)?)
            })+
        }
    };

    (@verb get) => { $crate::rpc::service::Verb::Get };
    (@verb post) => { $crate::rpc::service::Verb::Post };
    (@verb watch) => { $crate::rpc::service::Verb::Watch };
    (@verb duplex) => { $crate::rpc::service::Verb::Duplex };

    (@trait watch $method:ident [$($doc:tt)*] ($($arg:ident: $ty:ty),*) ($out:ty) ()) => {
        $($doc)*
        fn $method(
            &self,
            context: &$crate::rpc::registry::CallContext,
            $($arg: $ty,)*
            items: $crate::rpc::service::Items<$out>,
        ) -> impl Future<Output = Result<(), $crate::error::RpcError>> + Send;
    };
    (@trait duplex $method:ident [$($doc:tt)*] ($($arg:ident: $ty:ty),*) ($out:ty) ($input:ty)) => {
        $($doc)*
        fn $method(
            &self,
            context: &$crate::rpc::registry::CallContext,
            $($arg: $ty,)*
            inputs: $crate::rpc::service::Inputs<$input>,
            items: $crate::rpc::service::Items<$out>,
        ) -> impl Future<Output = Result<(), $crate::error::RpcError>> + Send;
    };
    (@trait $verb:ident $method:ident [$($doc:tt)*] ($($arg:ident: $ty:ty),*) ($out:ty) ()) => {
        $($doc)*
        fn $method(
            &self,
            context: &$crate::rpc::registry::CallContext,
            $($arg: $ty,)*
        ) -> impl Future<Output = Result<$out, $crate::error::RpcError>> + Send;
    };

    (@handler watch $service:ident $method:ident ($($arg:ident),*)) => {
        $crate::rpc::service::handler(&$service, |service, context, mut payload| async move {
            let $method::Args { $($arg),* } = payload.args()?;
            let items = payload.items()?;
            service.$method(&context, $($arg,)* items).await.map(|()| $crate::rpc::service::nothing())
        })
    };
    (@handler duplex $service:ident $method:ident ($($arg:ident),*)) => {
        $crate::rpc::service::handler(&$service, |service, context, mut payload| async move {
            let $method::Args { $($arg),* } = payload.args()?;
            let (inputs, items) = payload.duplex()?;
            service.$method(&context, $($arg,)* inputs, items).await.map(|()| $crate::rpc::service::nothing())
        })
    };
    (@handler $verb:ident $service:ident $method:ident ($($arg:ident),*)) => {
        $crate::rpc::service::handler(&$service, |service, context, payload| async move {
            let $method::Args { $($arg),* } = payload.args()?;
            let output = service.$method(&context, $($arg),*).await?;
            Ok($crate::rpc::codec::encode(&output, payload.encoding)?)
        })
    };

    (@client watch $method:ident [$($doc:tt)*] ($($arg:ident: $ty:ty),*) ($out:ty) ()) => {
        $($doc)*
        ///
        /// # Errors
        /// As the node answers, or as the way to it fails.
        pub async fn $method(
            &self, $($arg: $ty),*
        ) -> Result<$crate::rpc::client::Subscription<$out, C::Source>, $crate::error::RpcError> {
            $crate::rpc::client::watch(&self.call, &$method::METHOD, &$method::Args { $($arg),* }).await
        }
    };
    (@client duplex $method:ident [$($doc:tt)*] ($($arg:ident: $ty:ty),*) ($out:ty) ($input:ty)) => {
        $($doc)*
        ///
        /// # Errors
        /// As the node answers, or as the way to it fails.
        pub async fn $method(
            &self, $($arg: $ty),*
        ) -> Result<$crate::rpc::client::Duplex<$input, $out, C>, $crate::error::RpcError> {
            $crate::rpc::client::duplex(&self.call, &$method::METHOD, &$method::Args { $($arg),* }).await
        }
    };
    (@client $verb:ident $method:ident [$($doc:tt)*] ($($arg:ident: $ty:ty),*) ($out:ty) ()) => {
        $($doc)*
        ///
        /// # Errors
        /// As the node answers, or as the way to it fails.
        pub async fn $method(&self, $($arg: $ty),*) -> Result<$out, $crate::error::RpcError> {
            $crate::rpc::client::unary(&self.call, &$method::METHOD, &$method::Args { $($arg),* }).await
        }
    };
}

#[cfg(test)]
mod tests;
