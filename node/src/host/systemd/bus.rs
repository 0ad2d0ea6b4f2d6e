//! The two connections, and calls over them. Types of the bus come no further than this directory.

use std::num::NonZeroUsize;

use futures::StreamExt;
use zbus::message::{Message, Type};
use zbus::{Connection, MatchRule, MessageStream, OwnedVariant};

use super::SystemdError;
use super::name::UnitName;

const NAME: &str = "org.freedesktop.systemd1";
const OBJECT: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// The interface that every unit has.
pub(super) const UNIT: &str = "org.freedesktop.systemd1.Unit";
/// Signals that wait for their reader. While they are that many the others wait in the bus.
const QUEUE: NonZeroUsize = NonZeroUsize::new(1_024).expect("it is not zero");

/// A way to systemd.
#[derive(Clone, Debug)]
pub(super) struct Bus {
    calls: Connection,
    signals: Connection,
}

impl Bus {
    pub(super) async fn new(calls: Connection, signals: Connection) -> zbus::Result<Self> {
        let bus = Self { calls, signals };
        // systemd sends no signals unless somebody asked for them.
        bus.signals.call_method(Some(NAME), OBJECT, Some(MANAGER), "Subscribe", &()).await?;
        Ok(bus)
    }

    /// Whether both connections live.
    pub(super) async fn answers(&self) -> bool {
        // Not a ping: the usual policy of the system bus refuses those.
        let ping = async |connection: &Connection| {
            let bus = "org.freedesktop.DBus";
            connection.call_method(Some(bus), "/org/freedesktop/DBus", Some(bus), "GetId", &()).await.is_ok()
        };
        let (calls, signals) = tokio::join!(ping(&self.calls), ping(&self.signals));
        calls && signals
    }

    /// A method of the manager. `what` is the verb and the unit, for the refusal.
    pub(super) async fn manager<B, T>(&self, what: &str, method: &str, body: &B) -> Result<T, SystemdError>
    where
        B: serde::Serialize + zbus::DynamicType,
        T: serde::de::DeserializeOwned + zbus::Type,
    {
        let answer = self.calls.call_method(Some(NAME), OBJECT, Some(MANAGER), method, body).await;
        let read = answer.and_then(|answer| answer.body().deserialize::<T>());
        read.map_err(|error| SystemdError::of(what, &error))
    }

    /// A property of a unit; `None` where the unit, or its kind, has no such thing.
    pub(super) async fn property<T>(&self, unit: &str, interface: &str, name: &str) -> Option<T>
    where
        T: TryFrom<OwnedVariant>,
    {
        let path = super::name::path(unit);
        let asked = (interface, name);
        let answer = self.calls.call_method(Some(NAME), path, Some(PROPERTIES), "Get", &asked).await.ok()?;
        let value: OwnedVariant = answer.body().deserialize().ok()?;
        T::try_from(value).ok()
    }

    /// A property of the interface that is the unit's own kind's.
    pub(super) async fn own<T: TryFrom<OwnedVariant>>(&self, unit: &str, name: &str) -> Option<T> {
        self.property(unit, &interface(super::name::kind(unit))?, name).await
    }

    /// Signals of the manager called `member`.
    pub(super) async fn manager_signals(&self, member: &str) -> Result<Signals, SystemdError> {
        let rule = signal().path(OBJECT).interface(MANAGER).member(member);
        self.listen(rule).await
    }

    /// Every signal of one unit.
    pub(super) async fn unit_signals(&self, unit: &UnitName) -> Result<Signals, SystemdError> {
        self.listen(signal().path(unit.path())).await
    }

    /// That a unit is no longer loaded.
    pub(super) async fn removal(&self, unit: &UnitName) -> Result<Signals, SystemdError> {
        let rule = signal().path(OBJECT).interface(MANAGER).member("UnitRemoved").add_arg(unit.as_str());
        self.listen(rule).await
    }

    /// Every signal of systemd.
    pub(super) async fn all_signals(&self) -> Result<Signals, SystemdError> {
        self.listen(signal().path_namespace(OBJECT)).await
    }

    async fn listen(&self, rule: zbus::match_rule::Builder<'_>) -> Result<Signals, SystemdError> {
        let failed = |error: zbus::Error| SystemdError::of("listen for changes", &error);
        let rule = rule.build().map_err(failed)?;
        let stream = MessageStream::for_match_rule(rule, &self.signals, Some(QUEUE)).await;
        Ok(Signals(stream.map_err(failed)?))
    }
}

fn signal<'a>() -> zbus::match_rule::Builder<'a> {
    MatchRule::builder().msg_type(Type::Signal).sender(NAME)
}

/// `org.freedesktop.systemd1.Service` of `service`.
fn interface(kind: &str) -> Option<String> {
    let (first, rest) = kind.split_at_checked(1)?;
    Some(format!("org.freedesktop.systemd1.{}{rest}", first.to_ascii_uppercase()))
}

/// Signals as they come. Whoever holds one reads it on and on: the queue is bounded.
#[derive(Debug)]
pub(super) struct Signals(MessageStream);

impl Signals {
    /// The next one; an error once the connection is gone. May be dropped and called again.
    pub(super) async fn next(&mut self, what: &str) -> Result<Message, SystemdError> {
        match self.0.next().await {
            Some(Ok(message)) => Ok(message),
            Some(Err(error)) => Err(SystemdError::of(what, &error)),
            None => Err(SystemdError::Broken(what.to_owned())),
        }
    }
}
