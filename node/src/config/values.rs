//! The types of configuration values: each reads itself from text and says what is wrong with it.
//!
//! Flags, variables and files go through the same [`FromStr`]; nothing here looks outside its argument.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use p2p_shared::services::node::Label;
use serde::{Deserialize, Serialize};

/// Longest label key or value, and longest host name label, in bytes.
const LABEL_BYTES_MAX: usize = 63;
/// Longest host name in bytes.
const HOST_BYTES_MAX: usize = 253;
/// Most labels of a node.
const LABELS_MAX: usize = 64;

/// A sentence on what a text should have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadValue(String);

impl BadValue {
    /// A value that is wrong for this reason.
    pub(super) const fn new(why: String) -> Self {
        Self(why)
    }
}

fn bad<T>(message: impl Into<String>) -> Result<T, BadValue> {
    Err(BadValue(message.into()))
}

macro_rules! text_in_serde {
    ($($name:ty),*) => {$(
        impl TryFrom<String> for $name {
            type Error = BadValue;

            fn try_from(text: String) -> Result<Self, BadValue> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )*};
}

text_in_serde!(Host, HostPort, Advertise, LogLevel);

/// A port to listen on: 0, 80, 443, or 1024 and above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Port(u16);

impl Port {
    /// The number; 0 stands for any free port.
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl From<Port> for u16 {
    fn from(port: Port) -> Self {
        port.0
    }
}

impl TryFrom<u16> for Port {
    type Error = BadValue;

    fn try_from(number: u16) -> Result<Self, BadValue> {
        match number {
            0 | 80 | 443 | 1024.. => Ok(Self(number)),
            _ => bad(format!(
                "port {number} belongs to a system service: take 0 (any), 80, 443, or 1024 to 65535"
            )),
        }
    }
}

impl FromStr for Port {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        port_number(text)?.try_into()
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn port_number(text: &str) -> Result<u16, BadValue> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number) if digits => Ok(number),
        _ => bad("a port is a number from 0 to 65535"),
    }
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Host(IpAddr);

impl Host {
    /// The address.
    pub const fn address(self) -> IpAddr {
        self.0
    }
}

impl FromStr for Host {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let text = text.trim();
        if text == "localhost" {
            return Ok(Self(Ipv4Addr::LOCALHOST.into()));
        }
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        match bare.parse() {
            Ok(address) => Ok(Self(address)),
            Err(_) => bad("is not an IP address of this host such as 10.0.0.5, 0.0.0.0 or ::"),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A host, by name or address, and a port to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPort {
    /// A DNS name, or an address without brackets.
    pub host: String,
    /// The port, from 1.
    pub port: u16,
}

impl FromStr for HostPort {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let text = text.trim();
        let Some((host, port)) = text.rsplit_once(':') else {
            return bad(format!("{text:?} is not HOST:PORT, such as web-1.example:5678"));
        };
        let port = port_number(port)?;
        if port == 0 {
            return bad("nobody can connect to port 0");
        }
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bracketed {
            Some(inside) if inside.parse::<std::net::Ipv6Addr>().is_ok() => inside,
            Some(_) => return bad(format!("{host} is not an IPv6 address in brackets")),
            None if host.contains(':') => {
                return bad(format!("write IPv6 addresses in brackets: [{host}]:{port}"));
            }
            None if is_host_name(host) => host,
            None => return bad(format!("{host:?} is neither a host name nor an address")),
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        let inside = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        inside && !label.is_empty() && label.len() <= LABEL_BYTES_MAX && !label.starts_with('-')
    };
    text.len() <= HOST_BYTES_MAX && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

/// An address to tell the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Advertise {
    /// The address.
    pub ip: IpAddr,
    /// The port; `None`: the one that the mesh listens on.
    pub port: Option<u16>,
}

impl Advertise {
    /// The whole address, given the port that the mesh listens on.
    pub fn with_port(self, quic_port: u16) -> SocketAddr {
        SocketAddr::new(self.ip, self.port.unwrap_or(quic_port))
    }
}

impl FromStr for Advertise {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let text = text.trim();
        let parsed = match (text.parse::<SocketAddr>(), text.parse::<Host>()) {
            (Ok(address), _) if address.port() != 0 => Self { ip: address.ip(), port: Some(address.port()) },
            (Err(_), Ok(Host(ip))) => Self { ip, port: None },
            _ => return bad(format!("{text:?} is neither an IP address nor IP:PORT")),
        };
        if parsed.ip.is_unspecified() || parsed.ip.is_multicast() {
            return bad(format!("{} is no address that others can connect to", parsed.ip));
        }
        Ok(parsed)
    }
}

impl fmt::Display for Advertise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.ip, port).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}

/// What is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum LogLevel {
    /// What somebody has to look at.
    Error,
    /// And what may become that.
    Warn,
    /// And what happens to the node as a whole.
    Info,
    /// And what happens to single peers and calls.
    Debug,
    /// And every step.
    Trace,
}

impl LogLevel {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Error, "error"),
        (Self::Warn, "warn"),
        (Self::Info, "info"),
        (Self::Debug, "debug"),
        (Self::Trace, "trace"),
    ];
}

impl FromStr for LogLevel {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let found = Self::ALL.iter().find(|(_, name)| name.eq_ignore_ascii_case(text.trim()));
        found.map_or_else(|| bad("must be error, warn, info, debug or trace"), |&(level, _)| Ok(level))
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(level, _)| level == self).map_or("info", |&(_, name)| name);
        f.pad(name)
    }
}

/// Labels by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// As the mesh is told.
    pub fn to_labels(&self) -> Vec<Label> {
        self.0.iter().map(|(key, value)| Label { key: key.clone(), value: value.clone() }).collect()
    }
}

impl From<Labels> for BTreeMap<String, String> {
    fn from(labels: Labels) -> Self {
        labels.0
    }
}

impl TryFrom<BTreeMap<String, String>> for Labels {
    type Error = BadValue;

    fn try_from(labels: BTreeMap<String, String>) -> Result<Self, BadValue> {
        if labels.len() > LABELS_MAX {
            return bad(format!("a node has at most {LABELS_MAX} labels"));
        }
        for (key, value) in &labels {
            if !is_label_key(key) {
                return bad(format!(
                    "{key:?} is no label key: 1 to 63 of a-z 0-9 . _ / -, a letter or digit at both ends"
                ));
            }
            if !is_label_value(value) {
                return bad(format!("{value:?} is no label value: at most 63 of A-Z a-z 0-9 . _ -"));
            }
        }
        Ok(Self(labels))
    }
}

fn is_label_key(key: &str) -> bool {
    let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = key.as_bytes();
    let inside = bytes.iter().all(|&byte| edge(byte) || b"._/-".contains(&byte));
    let ends = bytes.first().is_some_and(|&byte| edge(byte)) && bytes.last().is_some_and(|&byte| edge(byte));
    inside && ends && bytes.len() <= LABEL_BYTES_MAX
}

fn is_label_value(value: &str) -> bool {
    value.len() <= LABEL_BYTES_MAX
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}
