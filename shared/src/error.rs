//! The one error that a call can end in, with a code that scripts and other versions may rely on.

use std::fmt;
use std::process::ExitCode;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::NodeName;

/// Longest message that travels, in bytes: what a peer sends beyond is cut.
pub const MESSAGE_BYTES_MAX: usize = 512;

/// Why a call failed. The names are stable; new ones are added before `Unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request is malformed or an argument is out of range.
    BadRequest,
    /// Who asks could not be established.
    Unauthenticated,
    /// Known, and not allowed; the message names the layer that refused.
    Forbidden,
    /// What was named is not there.
    NotFound,
    /// It is there, but no longer what the caller saw, or the same request id with another body.
    Conflict,
    /// A size limit was passed.
    TooLarge,
    /// A rate limit was passed; try later.
    RateLimited,
    /// The time ran out. What was asked may or may not have happened.
    Deadline,
    /// The caller went away.
    Cancelled,
    /// The target cannot be reached, or cannot serve now.
    Unavailable,
    /// This node, or its version, cannot do that.
    Unsupported,
    /// A defect; details are in the node's log.
    Internal,
    /// A code of a newer version.
    #[serde(other)]
    Unknown,
}

impl Code {
    /// Every code, in their order.
    pub const ALL: [Self; 13] = [
        Self::BadRequest,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::TooLarge,
        Self::RateLimited,
        Self::Deadline,
        Self::Cancelled,
        Self::Unavailable,
        Self::Unsupported,
        Self::Internal,
        Self::Unknown,
    ];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::TooLarge => "too_large",
            Self::RateLimited => "rate_limited",
            Self::Deadline => "deadline",
            Self::Cancelled => "cancelled",
            Self::Unavailable => "unavailable",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal",
            Self::Unknown => "unknown",
        }
    }

    /// The HTTP status that says the same.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::RateLimited => 429,
            Self::Cancelled => 499,
            Self::Unsupported => 501,
            Self::Unavailable => 503,
            Self::Deadline => 504,
            Self::Internal | Self::Unknown => 500,
        }
    }

    /// How a command that ends in it exits.
    pub const fn exit(self) -> Exit {
        match self {
            Self::Unauthenticated | Self::Forbidden => Exit::Permission,
            Self::BadRequest | Self::TooLarge => Exit::Data,
            Self::Unavailable => Exit::Unavailable,
            Self::Internal => Exit::Internal,
            Self::Deadline => Exit::TimedOut,
            Self::NotFound
            | Self::Conflict
            | Self::RateLimited
            | Self::Cancelled
            | Self::Unsupported
            | Self::Unknown => Exit::Failed,
        }
    }
}

/// Exit code of every program of ours: sysexits(3), and 124 as of timeout(1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All was done.
    Ok,
    /// It failed, or not every target ended well.
    Failed,
    /// The command line is wrong.
    Usage,
    /// Bad input data.
    Data,
    /// Cannot connect or bind; trying again later may help.
    Unavailable,
    /// A defect.
    Internal,
    /// Not allowed.
    Permission,
    /// Bad configuration; trying again without a change is useless.
    Config,
    /// The time ran out.
    TimedOut,
    /// That of a command which ran elsewhere, passed on.
    Remote(u8),
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Data => 65,
            Self::Unavailable => 69,
            Self::Internal => 70,
            Self::Permission => 77,
            Self::Config => 78,
            Self::TimedOut => 124,
            Self::Remote(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a call failed: a code for programs, a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{message} ({code})")]
pub struct RpcError {
    /// What kind of failure.
    pub code: Code,
    /// What failed, on what, and what to do; at most [`MESSAGE_BYTES_MAX`] bytes.
    pub message: String,
    /// The node that answered so; `None` if it arose on this side.
    #[serde(default)]
    pub node: Option<NodeName>,
}

impl RpcError {
    /// An error of this process; `message` is cut to [`MESSAGE_BYTES_MAX`].
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > MESSAGE_BYTES_MAX {
            message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        }
        Self { code, message, node: None }
    }

    /// The same error, as answered by `node`.
    #[must_use]
    pub fn from_node(self, node: NodeName) -> Self {
        Self { node: Some(node), ..self }
    }
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $code:ident;)*) => {
        impl RpcError {
            $($(#[$doc])* pub fn $name(message: impl Into<String>) -> Self {
                Self::new(Code::$code, message)
            })*
        }
    };
}

constructors! {
    /// [`Code::BadRequest`].
    bad_request => BadRequest;
    /// [`Code::Unauthenticated`].
    unauthenticated => Unauthenticated;
    /// [`Code::Forbidden`].
    forbidden => Forbidden;
    /// [`Code::NotFound`].
    not_found => NotFound;
    /// [`Code::Conflict`].
    conflict => Conflict;
    /// [`Code::TooLarge`].
    too_large => TooLarge;
    /// [`Code::Deadline`].
    deadline => Deadline;
    /// [`Code::Cancelled`].
    cancelled => Cancelled;
    /// [`Code::Unavailable`].
    unavailable => Unavailable;
    /// [`Code::Unsupported`].
    unsupported => Unsupported;
    /// [`Code::Internal`].
    internal => Internal;
}
