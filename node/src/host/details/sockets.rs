//! The sockets of a process with their addresses, from the tables of its own network namespace.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use p2p_shared::services::process::{OpenFile, ProcessSocket};

use super::PATH_BYTES_MAX;
use super::files::socket_inode;
use crate::host::source::open;
use crate::host::text;

/// Most bytes of one table that are looked at: 100,000 connections.
const TABLE_BYTES_MAX: u64 = 16 << 20;

/// What a table says of one socket.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    inode: u64,
    local: String,
    remote: Option<String>,
    state: &'static str,
}

/// The sockets among `files`, by descriptor. Those of other families (netlink, packet) have no address here,
/// and are left out.
pub(super) fn of_files(dir: &OwnedFd, files: &[OpenFile]) -> Vec<ProcessSocket> {
    let mut wanted: HashMap<u64, Vec<u32>> = HashMap::new();
    for file in files {
        if let Some(inode) = socket_inode(file) {
            wanted.entry(inode).or_default().push(file.descriptor);
        }
    }
    let mut found = Vec::new();
    for protocol in ["tcp", "tcp6", "udp", "udp6", "unix"] {
        if !wanted.is_empty() {
            look_up(dir, protocol, &wanted, &mut found);
        }
    }
    found.sort_unstable_by_key(|socket| socket.descriptor);
    found
}

/// A socket of TCP or UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::host) struct Inet {
    pub(in crate::host) inode: u64,
    pub(in crate::host) uid: u32,
    pub(in crate::host) local: SocketAddr,
    /// `None` if it is not connected.
    pub(in crate::host) remote: Option<SocketAddr>,
    /// Empty of UDP.
    pub(in crate::host) state: &'static str,
}

/// Every socket of a table.
pub(in crate::host) fn table(dir: &OwnedFd, table: &str) -> impl Iterator<Item = Inet> + use<> {
    let is_tcp = table.starts_with("tcp");
    let file = open(dir, format!("net/{table}")).ok().map(File::from);
    let lines = file
        .into_iter()
        .flat_map(|file| BufReader::new(file.take(TABLE_BYTES_MAX)).split(b'\n').map_while(Result::ok));
    lines.filter_map(move |line| parse_inet(&line, is_tcp))
}

/// Inodes of the sockets in a table that are bound to `port`; of TCP those that listen.
pub(in crate::host) fn bound_to(dir: &OwnedFd, name: &str, port: u16) -> Vec<u64> {
    let is_tcp = name.starts_with("tcp");
    let is_bound = |socket: &Inet| socket.local.port() == port && (!is_tcp || socket.state == "listen");
    table(dir, name).filter(is_bound).map(|socket| socket.inode).collect()
}

/// The inode of the socket in a table that connects these two addresses.
pub(in crate::host) fn connected(
    dir: &OwnedFd,
    name: &str,
    local: SocketAddr,
    remote: SocketAddr,
) -> Option<u64> {
    let same = |found: SocketAddr, address: SocketAddr| plain(found) == plain(address);
    let fits =
        |socket: &Inet| socket.remote.is_some_and(|far| same(far, remote)) && same(socket.local, local);
    table(dir, name).find(fits).map(|socket| socket.inode)
}

/// An address of IPv4 in the clothes of IPv6 is one of IPv4.
fn plain(address: SocketAddr) -> (IpAddr, u16) {
    (address.ip().to_canonical(), address.port())
}

fn look_up(dir: &OwnedFd, protocol: &str, wanted: &HashMap<u64, Vec<u32>>, found: &mut Vec<ProcessSocket>) {
    let Ok(table) = open(dir, format!("net/{protocol}")) else { return };
    let mut table = BufReader::new(File::from(table).take(TABLE_BYTES_MAX));
    let mut line = Vec::new();
    while table.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let entry = match protocol {
            "unix" => parse_unix(&line),
            _ => parse_inet(&line, protocol.starts_with("tcp")).map(Entry::from),
        };
        let descriptors = entry.as_ref().and_then(|entry| wanted.get(&entry.inode));
        if let (Some(entry), Some(descriptors)) = (entry, descriptors) {
            found.extend(descriptors.iter().map(|&descriptor| socket(descriptor, protocol, &entry)));
        }
        line.clear();
    }
}

fn socket(descriptor: u32, protocol: &str, entry: &Entry) -> ProcessSocket {
    ProcessSocket {
        descriptor,
        protocol: protocol.into(),
        local: entry.local.clone(),
        remote: entry.remote.clone(),
        state: entry.state.into(),
    }
}

impl From<Inet> for Entry {
    fn from(socket: Inet) -> Self {
        let Inet { inode, local, remote, state, .. } = socket;
        Self { inode, local: local.to_string(), remote: remote.map(|remote| remote.to_string()), state }
    }
}

/// `sl local rem st tx:rx tr:when retrnsmt uid timeout inode ...`
fn parse_inet(line: &[u8], tcp: bool) -> Option<Inet> {
    let mut fields = str::from_utf8(line).ok()?.split_ascii_whitespace();
    let (local, remote) = (address(fields.nth(1)?)?, address(fields.next()?)?);
    let state = u8::from_str_radix(fields.next()?, 16).ok()?;
    let (uid, inode) = (fields.nth(3)?.parse().ok()?, fields.nth(1)?.parse().ok()?);
    let connected = remote.port() != 0 || !remote.ip().is_unspecified();
    Some(Inet {
        inode,
        uid,
        local,
        remote: connected.then_some(remote),
        state: if tcp { tcp_state(state) } else { "" },
    })
}

/// `0100007F:1F90`: words in the order of the machine, the port as a number.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let word = |index: usize| {
        let digits = address.get(index * 8..index * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip = match address.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let mut bytes = [0; 16];
            bytes.copy_from_slice(words.as_flattened());
            IpAddr::from(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

const fn tcp_state(number: u8) -> &'static str {
    match number {
        1 => "established",
        2 => "syn_sent",
        3 | 12 => "syn_received",
        4 => "fin_wait_1",
        5 => "fin_wait_2",
        6 => "time_wait",
        7 => "closed",
        8 => "close_wait",
        9 => "last_ack",
        10 => "listen",
        11 => "closing",
        _ => "",
    }
}

/// `Num: RefCount Protocol Flags Type St Inode Path`; the path may hold anything, or be missing.
fn parse_unix(line: &[u8]) -> Option<Entry> {
    const ACCEPTS: u32 = 0x1_0000;
    let mut rest = line.strip_suffix(b"\n").unwrap_or(line);
    let mut words = [""; 7];
    for word in &mut words {
        let start = rest.iter().position(|&byte| byte != b' ')?;
        let end = rest[start..].iter().position(|&byte| byte == b' ').map_or(rest.len(), |end| start + end);
        *word = str::from_utf8(&rest[start..end]).ok()?;
        rest = &rest[end..];
    }
    let [_, _, _, flags, _, state, inode] = words;
    let state = match state {
        _ if u32::from_str_radix(flags, 16).ok()? & ACCEPTS != 0 => "listen",
        "03" => "established",
        _ => "",
    };
    let path = rest.strip_prefix(b" ").unwrap_or_default();
    Some(Entry { inode: inode.parse().ok()?, local: text::lossy(path, PATH_BYTES_MAX), remote: None, state })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn inet_lines_give_addresses_and_states() {
        let listen = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100";
        let local = "127.0.0.1:8080".parse().unwrap();
        let expected = Inet { inode: 4_711, uid: 0, local, remote: None, state: "listen" };
        assert_eq!(parse_inet(listen.as_bytes(), true), Some(expected));
        let open = "  12: 00000000000000000000000001000000:0016 0000000000000000FFFF00000100007F:C350 01 0:0 00:0 0 0 0 9 1";
        let found = Entry::from(parse_inet(open.as_bytes(), true).unwrap());
        assert_eq!((found.local.as_str(), found.state), ("[::1]:22", "established"));
        assert_eq!(found.remote.as_deref(), Some("[::ffff:127.0.0.1]:50000"));
        assert_eq!(parse_inet(open.as_bytes(), false).unwrap().state, "");
    }

    #[test]
    fn unix_lines_give_any_path() {
        let line = b"ffff: 00000002 00000000 00010000 0001 01    42 /run/a b\x1b.sock\n";
        let found = parse_unix(line).unwrap();
        assert_eq!((found.inode, found.local.as_str(), found.state), (42, "/run/a b\x1b.sock", "listen"));
        let unnamed = parse_unix(b"ffff: 00000003 00000000 00000000 0001 03 104242\n").unwrap();
        assert_eq!((unnamed.inode, unnamed.local.as_str(), unnamed.state), (104_242, "", "established"));
    }

    #[test]
    fn titles_are_no_sockets() {
        assert_eq!(parse_inet(b"  sl  local_address rem_address   st tx_queue", true), None);
        assert_eq!(parse_unix(b"Num       RefCount Protocol Flags    Type St Inode Path"), None);
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_panic(line in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = (parse_inet(&line, true), parse_unix(&line));
        }

        #[test]
        fn any_address_is_read_without_panic(text in "[0-9A-Fa-f:\u{e9}]{0,50}") {
            let _ = address(&text);
        }
    }
}
