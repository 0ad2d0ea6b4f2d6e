//! What client and node say to each other at `/ws` and in methods that stream both ways, as JSON.
//!
//! Texts enter and what they mean leaves, or why they mean nothing; what is to be told enters and a text leaves.
//! Every message of the node has a `seq`: those of a topic at a node count from 0 by themselves, and are the
//! same for all who follow it; all others count from 0 on their connection. Pure.

use axum::extract::ws::Utf8Bytes;
use p2p_shared::error::RpcError;
use p2p_shared::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::http::api::exact;
use crate::http::body::is_list;

fn own() -> String {
    "self".to_owned()
}

/// What a client of `/ws` says.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Wish {
    /// Who it is; again, with a new token of the same caller, before the old one ends.
    Auth {
        /// As in an `Authorization` header.
        token: String,
    },
    /// A topic at a node, from now on.
    Subscribe {
        /// Of the table, or the name of any method that is a watch.
        topic: String,
        /// Which node.
        #[serde(default = "own")]
        node: String,
        /// The arguments of its method; what is left out of a topic of the table has a default.
        #[serde(default, deserialize_with = "exact::map")]
        arguments: Map<String, Value>,
    },
    /// No longer.
    Unsubscribe {
        /// As it was subscribed.
        topic: String,
        /// Which node.
        #[serde(default = "own")]
        node: String,
    },
    /// Whether the node is there.
    Ping {},
}

/// What a client of a method that streams both ways says.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Word {
    /// Begins the call.
    Start {
        /// By their names.
        #[serde(default, deserialize_with = "exact::map")]
        arguments: Map<String, Value>,
    },
    /// One item to the method.
    Item {
        /// As the contract of the method has it.
        #[serde(deserialize_with = "exact::value")]
        item: Value,
    },
    /// No more items will come.
    End {},
}

/// What the node says besides items.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Told<'a> {
    /// The token is good.
    Welcome {
        /// This node.
        node: &'a str,
        /// Whom it knows the client as.
        caller: String,
        /// When the token ends, and the connection with it.
        until: UnixMillis,
    },
    /// Items follow. The same node may have been asked for by `self`.
    Subscribed {
        /// As asked.
        topic: &'a str,
        /// Its name.
        node: &'a str,
    },
    /// No more items of it follow.
    Unsubscribed {
        /// As asked.
        topic: &'a str,
        /// Its name.
        node: &'a str,
    },
    /// The call has begun.
    Started {},
    /// The answer to a ping.
    Pong {},
    /// The node is there.
    Heartbeat {
        /// By its clock.
        now: UnixMillis,
    },
    /// The client read too slowly, and the connection closes: begin anew.
    Lagged {
        /// In words.
        detail: &'a str,
    },
    /// The call ended well.
    End {},
    /// A message that meant nothing, or why the connection closes.
    Error {
        /// With its stable code.
        error: &'a RpcError,
    },
}

#[derive(Serialize)]
struct Numbered<'a> {
    #[serde(flatten)]
    told: Told<'a>,
    seq: u64,
}

#[derive(Serialize)]
struct Item<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a RpcError>,
}

/// Where an item comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Source {
    /// As asked.
    pub topic: String,
    /// The node's name.
    pub node: String,
}

impl Told<'_> {
    /// As text, with its number.
    pub(super) fn numbered(self, seq: u64) -> Utf8Bytes {
        text(&Numbered { told: self, seq })
    }
}

/// One item, which is JSON already.
///
/// # Errors
/// If it is none.
pub(super) fn item(source: Option<&Source>, seq: u64, json: &[u8]) -> Result<Utf8Bytes, RpcError> {
    let item =
        serde_json::from_slice(json).map_err(|error| RpcError::internal(format!("an item: {error}")))?;
    Ok(text(&framed(source, seq, "item", (Some(item), None))))
}

/// The end of a topic.
pub(super) fn over(source: &Source, seq: u64, error: Option<&RpcError>) -> Utf8Bytes {
    let kind = if error.is_some() { "error" } else { "end" };
    text(&framed(Some(source), seq, kind, (None, error)))
}

fn framed<'a>(
    source: Option<&'a Source>,
    seq: u64,
    kind: &'static str,
    (item, error): (Option<&'a RawValue>, Option<&'a RpcError>),
) -> Item<'a> {
    let (topic, node) = (source.map(|from| from.topic.as_str()), source.map(|from| from.node.as_str()));
    Item { r#type: kind, topic, node, seq, item, error }
}

fn text(message: &impl Serialize) -> Utf8Bytes {
    serde_json::to_string(message).unwrap_or_default().into()
}

/// What a text means.
///
/// # Errors
/// `bad_request` with what is wrong, and nothing of a token that may be in it.
pub(super) fn meant<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, RpcError> {
    if is_list(text.as_bytes()) {
        return Err(RpcError::bad_request("a message is an object: members by their names"));
    }
    serde_json::from_str(text).map_err(|error| {
        let why = match error.classify() {
            serde_json::error::Category::Data => error.to_string(),
            _ => format!("no JSON: {error}"),
        };
        RpcError::bad_request(why)
    })
}

#[cfg(test)]
mod tests {
    use p2p_shared::error::Code;

    use super::*;

    #[test]
    fn a_wish_is_what_it_says_and_nothing_else() {
        let wish =
            meant(r#"{"op": "subscribe", "topic": "fleet"}"#).unwrap_or_else(|error| panic!("{error}"));
        let Wish::Subscribe { topic, node, arguments } = wish else { panic!("another wish") };
        assert_eq!((topic.as_str(), node.as_str(), arguments.len()), ("fleet", "self", 0));
        for broken in [
            "",
            "[]",
            r#"["ping"]"#,
            r#" ["auth", "token"]"#,
            "null",
            "{}",
            r#"{"op": "no"}"#,
            r#"{"op": "auth"}"#,
            r#"{"op": "auth", "token": 7}"#,
            r#"{"op": "ping", "more": 1}"#,
            r#"{"op": "subscribe", "topic": "fleet", "topic": "units"}"#,
            r#"{"op": "subscribe", "topic": "fleet", "arguments": {"a": 1, "a": 2}}"#,
            r#"{"op": "subscribe", "topic": "fleet", "arguments": {"a": 1e999}}"#,
            &format!(r#"{{"op": {}"#, "[".repeat(10_000)),
        ] {
            let error = meant::<Wish>(broken).err().unwrap_or_else(|| panic!("{broken}"));
            assert_eq!(error.code, Code::BadRequest, "{broken}");
        }
    }

    #[test]
    fn what_is_told_has_its_number_and_is_json_as_it_came() {
        assert_eq!(Told::Pong {}.numbered(3).as_str(), r#"{"type":"pong","seq":3}"#);
        let source = Source { topic: "fleet".into(), node: "web-1".into() };
        let text = item(Some(&source), 7, br#"{"b": 1, "a": 2}"#).unwrap();
        let expected = r#"{"type":"item","topic":"fleet","node":"web-1","seq":7,"item":{"b": 1, "a": 2}}"#;
        assert_eq!(text.as_str(), expected);
        assert_eq!(
            over(&source, 8, None).as_str(),
            r#"{"type":"end","topic":"fleet","node":"web-1","seq":8}"#
        );
        assert!(item(None, 0, b"\xff").is_err());
    }
}
