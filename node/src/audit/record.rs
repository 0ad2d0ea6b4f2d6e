//! What is recorded: who, from where, what, and how it ended.
//!
//! A call enters with its decoded arguments; a record leaves, bounded, with secrets cut. It becomes one line
//! of JSON, and reads back. The names of the fields are stable: scripts read the files.

use p2p_shared::access::{Caller, Role};
use p2p_shared::rpc::registry::{Arguments, CallContext, Face, Outcome};
use p2p_shared::rpc::service::MethodSpec;
use p2p_shared::time::UnixMillis;
use serde::{Deserialize, Serialize};

use super::chain::TEXT_BYTES_MAX;
use super::mask;
use crate::logging::is_hidden;

/// Longest message that is kept, in bytes.
const MESSAGE_BYTES_MAX: usize = 512;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Counts up by one through all segments, from 1.
    pub seq: u64,
    /// When it was written, by the node's clock.
    #[serde(with = "p2p_shared::time::number")]
    pub at_ms: UnixMillis,
    /// The node, by name.
    pub node: String,
    /// What happened.
    pub what: What,
}

/// What a record is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A segment begins here; the link of the record before it, which may be gone.
    Segment {
        /// In hexadecimal.
        previous: String,
    },
    /// Somebody may do something, and is about to.
    Call(Asked),
    /// How a call ended.
    Outcome(Ended),
    /// Somebody was not allowed to do something.
    Refused {
        /// What.
        asked: Asked,
        /// The stable name of the code.
        code: String,
        /// Which layer refused, and why.
        message: String,
        /// How many refusals before this one were not recorded, because they came too fast.
        omitted: u64,
    },
    /// Something about the record itself.
    Note(String),
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// `operator`, `user`, `node` or `unix`.
    pub caller: String,
    /// Name of who asks; a user id over the Unix socket.
    pub who: String,
    /// Identity of the key; `None` for whoever has none.
    pub id: Option<String>,
    /// With which role; `None` for whoever has no authority.
    pub role: Option<Role>,
    /// The address that it came from.
    pub from: Option<String>,
    /// `quic`, `http` or `unix`.
    pub face: String,
    /// `service.method`.
    pub method: String,
    /// JSON, cut where it is long, and masked where it is secret.
    pub arguments: String,
    /// The caller's identity of the request, in hexadecimal.
    pub request: String,
    /// What ties actions on several nodes together, in hexadecimal.
    pub trace: Option<String>,
}

/// The end of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The record of the call.
    pub of: u64,
    /// `ok`, or the stable name of the code.
    pub code: String,
    /// Why it failed; empty if it did not.
    pub message: String,
    /// From the gate to the end.
    pub duration_ms: u64,
}

impl Asked {
    /// What a call is recorded as.
    pub fn new(method: &MethodSpec, context: &CallContext, arguments: Option<Arguments<'_>>) -> Self {
        let (caller, who, id) = match &context.caller {
            Caller::Node { id, name } => ("node", name.to_string(), Some(id.to_string())),
            Caller::Operator { id, name, .. } => ("operator", name.to_string(), Some(id.to_string())),
            Caller::User { name, .. } => ("user", cut(name), None),
            Caller::Unix { name, .. } => ("unix", name.clone(), None),
        };
        let face = match context.face {
            Face::Quic => "quic",
            Face::Http => "http",
            Face::Unix => "unix",
        };
        Self {
            caller: caller.to_owned(),
            who,
            id,
            role: context.caller.role(),
            from: context.address.map(|address| address.to_string()),
            face: face.to_owned(),
            method: method.name.to_owned(),
            arguments: arguments.map(|arguments| described(method, arguments)).unwrap_or_default(),
            request: context.request_id.to_string(),
            trace: context.trace_id.map(|trace| p2p_shared::id::hex(&trace)),
        }
    }
}

/// Arguments that cannot be read are not dropped silently: their size is told.
fn described(method: &MethodSpec, arguments: Arguments<'_>) -> String {
    match (method.describe)(arguments.bytes, arguments.encoding) {
        Ok(json) => mask::arguments(&json),
        Err(_) => format!("{} bytes that are no arguments of it", arguments.bytes.len()),
    }
}

impl Ended {
    /// How the call of record `of` ended.
    pub fn new(of: u64, outcome: &Outcome<'_>) -> Self {
        Self {
            of,
            code: outcome.error.map_or("ok", |error| error.code.as_str()).to_owned(),
            message: outcome.error.map(|error| cut(&error.message)).unwrap_or_default(),
            duration_ms: u64::try_from(outcome.elapsed.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl What {
    /// A refusal; `omitted` before it were not recorded.
    pub fn refused(asked: Asked, error: &p2p_shared::error::RpcError, omitted: u64) -> Self {
        let (code, message) = (error.code.as_str().to_owned(), cut(&error.message));
        Self::Refused { asked, code, message, omitted }
    }
}

impl Record {
    /// As one line of JSON, in which no character changes what a terminal shows.
    pub fn to_text(&self) -> Vec<u8> {
        // Plain structs of texts and numbers can always be written.
        let json = serde_json::to_string(self).unwrap_or_default();
        let text = if json.contains(is_hidden) { escaped(&json) } else { json };
        debug_assert!(text.len() <= TEXT_BYTES_MAX, "every part of a record is bounded");
        text.into_bytes()
    }

    /// The record of a line.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }
}

/// Outside of its strings JSON is plain ASCII, and inside `\u` means the same to every reader.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + 64);
    for letter in json.chars() {
        if is_hidden(letter) {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            text.push(letter);
        }
    }
    text
}

fn cut(message: &str) -> String {
    message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)].to_owned()
}
