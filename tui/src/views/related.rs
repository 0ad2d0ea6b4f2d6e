//! What leads from what: the one table of jumps. A view says what is under its cursor, and here is where one can go
//! from there, each with a letter. Pure.

use p2p_shared::id::NodeId;
use p2p_shared::services::alert::AlertInfo;
use p2p_shared::services::audit::AuditEntry;
use p2p_shared::services::file::FilePath;
use p2p_shared::services::monitor::BusyProcess;
use p2p_shared::services::network::NetSocket;
use p2p_shared::services::process::{ProcessDetails, ProcessKey, ProcessRef, ProcessSocket};
use p2p_shared::time::UnixMillis;
use serde_json::Value;

use super::{Request, Scene, Scope, ViewId};
use crate::action::SortKey;
use crate::app::menu::{Choice, Item, Menu};
use crate::command::{JournalQuestion, ServiceKey, ServiceKind, Sought, Source, Spot};
use crate::fleet::bears;
use crate::format::{cpu, date};
use crate::log::Line;
use crate::paths;

/// Letters for long lists; those that move in a menu are left out. What comes after them has none.
const LETTERS: &str = "123456789abcdefhilmnoprstuvwxyz";

/// What is under the cursor.
#[derive(Clone, Debug)]
pub enum Thing {
    /// A process.
    Process {
        /// Its node.
        node: NodeId,
        /// Which.
        target: ProcessRef,
        /// What it is called.
        name: String,
    },
    /// A socket.
    Socket(NodeId, Box<NetSocket>),
    /// A program or a unit, and its main process if it is known.
    Service(NodeId, ServiceKey, Option<u32>),
    /// An alert.
    Alert(NodeId, Box<AlertInfo>),
    /// An entry of an audit record.
    Record(NodeId, Box<AuditEntry>),
    /// A line of a journal, or of what a program or a job wrote.
    Line(Source, Box<Line>),
    /// The busiest processes of a time that is over.
    Moment(NodeId, UnixMillis, Vec<BusyProcess>),
}

/// Where one can go: a letter, words, and the request, or why there is no way.
type Jump = (char, String, Result<Request, String>);

/// The jumps from a thing, as a menu.
pub fn menu(scene: &Scene<'_>, thing: &Thing) -> Menu {
    Menu::new(title(scene, thing), items(scene, thing))
}

/// The same as lines of another menu.
pub fn items(scene: &Scene<'_>, thing: &Thing) -> Vec<Item> {
    let jumps = match thing {
        Thing::Process { node, target, name } => of_process(*node, target, name),
        Thing::Socket(node, socket) => of_socket(scene, *node, socket),
        Thing::Service(node, key, pid) => of_service(*node, key, *pid),
        Thing::Alert(node, alert) => of_alert(scene, *node, alert),
        Thing::Record(node, entry) => of_record(scene, *node, entry),
        Thing::Line(source, line) => of_line(source, line),
        Thing::Moment(node, at, processes) => of_moment(*node, *at, processes),
    };
    let item = |(key, label, to): Jump| Item { key, label, choice: to.map(|to| Choice::Do(Box::new(to))) };
    jumps.into_iter().map(item).collect()
}

fn title(scene: &Scene<'_>, thing: &Thing) -> String {
    let (what, node) = match thing {
        Thing::Process { node, name, .. } => (name.clone(), *node),
        Thing::Socket(node, socket) => (format!("{} {}", socket.protocol, socket.local), *node),
        Thing::Service(node, key, _) => (key.name.clone(), *node),
        Thing::Alert(node, alert) => (alert.rule.clone(), *node),
        Thing::Record(node, entry) => (format!("record {}", entry.seq), *node),
        Thing::Line(_, line) => (format!("a line of {}", line.who), line.node),
        Thing::Moment(node, at, _) => (format!("busiest at {} UTC", date(*at)), *node),
    };
    format!("from {what} on {}", scene.fleet.name_of(node))
}

fn process(node: NodeId, pid: u32) -> Request {
    Request::Find(ViewId::Processes, node, format!("pid={pid}"))
}

fn service(node: NodeId, name: &str) -> Request {
    Request::Find(ViewId::Services, node, format!("name={name:?}"))
}

fn lines(node: NodeId, key: &ServiceKey) -> Request {
    let unit = || JournalQuestion { unit: Some(key.name.clone()), ..JournalQuestion::default() };
    let source = match key.kind {
        ServiceKind::Program => Source::Program(key.name.clone()),
        ServiceKind::Unit => Source::Journal(unit()),
    };
    Request::Logs(source, Scope::one(node))
}

fn of_process(node: NodeId, target: &ProcessRef, name: &str) -> Vec<Jump> {
    let inspect = Request::Inspect { node, target: target.clone(), name: format!("{name} ({})", target.pid) };
    let sockets = Request::Sockets(node, format!("pid={}", target.pid));
    vec![
        ('f', "its open files, unit, journal (f, s, l there)".into(), Ok(inspect)),
        ('n', "its sockets".into(), Ok(sockets)),
        ('r', "charts of its node".into(), Ok(Request::Show(ViewId::Resources, Scope::one(node)))),
    ]
}

fn of_socket(scene: &Scene<'_>, node: NodeId, socket: &NetSocket) -> Vec<Jump> {
    let holder =
        socket.pid.map(|pid| process(node, pid)).ok_or_else(|| "no process is known to hold it".to_owned());
    vec![
        ('o', "the process that holds it".into(), holder),
        ('e', "the process at its other end".into(), other_end(scene, node, socket)),
    ]
}

/// The nodes that have an address; the loopback address is everybody's own.
fn other_end(scene: &Scene<'_>, node: NodeId, socket: &NetSocket) -> Result<Request, String> {
    let remote = socket.remote.ok_or_else(|| "it is not connected".to_owned())?;
    let address = remote.ip().to_canonical();
    let nodes: Vec<NodeId> = if address.is_loopback() {
        vec![node]
    } else {
        let there = scene.fleet.iter().filter(|(_, node)| node.is_there() && bears(&node.member, address));
        there.map(|(id, _)| id).collect()
    };
    if nodes.is_empty() {
        return Err(format!("{address} is no node of the mesh"));
    }
    let (protocol, local) = (socket.protocol.clone(), remote);
    Ok(Request::Seek(Sought::Holder { nodes, protocol, local, remote: socket.local }))
}

fn of_service(node: NodeId, key: &ServiceKey, pid: Option<u32>) -> Vec<Jump> {
    let main = pid.map(|pid| process(node, pid)).ok_or_else(|| "no main process is known".to_owned());
    vec![
        ('p', "its main process".into(), main),
        ('l', "its lines".into(), Ok(lines(node, key))),
        ('r', "charts of its node".into(), Ok(Request::Show(ViewId::Resources, Scope::one(node)))),
    ]
}

fn of_line(source: &Source, line: &Line) -> Vec<Jump> {
    let node = line.node;
    let mut jumps: Vec<Jump> = Vec::new();
    if let Some(pid) = line.pid {
        let at = UnixMillis(line.at.0.saturating_add_signed(line.ahead_ms));
        let to = Request::Seek(Sought::Numbered { node, pid, at, name: line.who.clone() });
        jumps.push(('p', format!("process {pid}, if it still lives"), Ok(to)));
    }
    let key = match (source, &line.unit) {
        (Source::Program(name), _) => Some(ServiceKey { kind: ServiceKind::Program, name: name.clone() }),
        (_, Some(unit)) => Some(ServiceKey { kind: ServiceKind::Unit, name: unit.clone() }),
        _ => None,
    };
    if let Some(key) = key {
        let kind = if key.kind == ServiceKind::Program { "program" } else { "unit" };
        jumps.push(('u', format!("{kind} {}", key.name), Ok(service(node, &key.name))));
        if key.kind == ServiceKind::Unit {
            jumps.push(('l', "its lines alone".into(), Ok(lines(node, &key))));
        }
    }
    if matches!(source, Source::Job(_)) {
        jumps.push(('o', "jobs of the node".into(), Ok(Request::Show(ViewId::Jobs, Scope::one(node)))));
    }
    jumps.push(('r', "charts of its node at that time".into(), Ok(Request::Moment(node, line.at))));
    jumps.push(('n', "its node now".into(), Ok(Request::Show(ViewId::Resources, Scope::one(node)))));
    jumps
}

fn of_alert(scene: &Scene<'_>, node: NodeId, alert: &AlertInfo) -> Vec<Jump> {
    let label = |name: &str| alert.labels.get(name).filter(|value| !value.is_empty());
    let mut jumps: Vec<Jump> = Vec::new();
    for (name, kind) in [("unit", ServiceKind::Unit), ("program", ServiceKind::Program)] {
        if let Some(value) = label(name) {
            let key = ServiceKey { kind, name: value.clone() };
            jumps.push(('u', format!("{name} {value}"), Ok(service(node, value))));
            jumps.push(('l', "its lines".into(), Ok(lines(node, &key))));
        }
    }
    if let Some(path) = label("mountpoint") {
        jumps.push(('f', format!("files of {path}"), browse(node, path)));
    }
    if let Some((sort, by)) = sorted_by(&alert.metric) {
        jumps.push(('p', format!("processes by {by}"), Ok(Request::Sorted(node, sort))));
    }
    // The alert of one node may be about another one.
    let about = label("node").and_then(|name| scene.fleet.named(name)).map_or(node, |(id, _)| id);
    let name = scene.fleet.name_of(about);
    let at = alert.fired.unwrap_or(alert.since);
    jumps.push(('r', format!("charts of {name} when it began"), Ok(Request::Moment(about, at))));
    jumps.push((
        'h',
        format!("charts of {name} now"),
        Ok(Request::Show(ViewId::Resources, Scope::one(about))),
    ));
    jumps
}

/// What the processes behind a figure are sorted by.
fn sorted_by(metric: &str) -> Option<(SortKey, &'static str)> {
    let (name, _) = metric.split_once('{').unwrap_or((metric, ""));
    if name.contains("memory") || name.contains("swap") {
        Some((SortKey::Memory, "memory"))
    } else if ["cpu", "load", "pressure"].iter().any(|part| name.contains(part)) {
        Some((SortKey::Cpu, "processor"))
    } else {
        None
    }
}

/// A place among the files; a name in its directory.
fn browse(node: NodeId, path: &str) -> Result<Request, String> {
    let path: FilePath = path.parse().map_err(|error| format!("{path}: {error}"))?;
    if !path.as_bytes().starts_with(b"/") {
        return Err(format!("{path} is no absolute path"));
    }
    Ok(match paths::split(&path) {
        Some((directory, name)) => Request::Browse(Spot { node, path: directory }, Some(name)),
        None => Request::Browse(Spot { node, path }, None),
    })
}

fn of_record(scene: &Scene<'_>, node: NodeId, entry: &AuditEntry) -> Vec<Jump> {
    let mut jumps = about(node, entry);
    let name = scene.fleet.name_of(node);
    jumps.push(('r', format!("charts of {name} at that time"), Ok(Request::Moment(node, entry.at))));
    if !entry.who.is_empty() {
        let filter = format!("who={:?}", entry.who);
        let label = format!("what else {} did on {name}", entry.who);
        jumps.push(('w', label, Ok(Request::Find(ViewId::Audit, node, filter))));
    }
    jumps
}

/// What was done to, as far as the arguments say. They may be cut, and then they say nothing.
fn about(node: NodeId, entry: &AuditEntry) -> Vec<Jump> {
    let arguments: Value = serde_json::from_str(&entry.arguments).unwrap_or_default();
    let text = |keys: &[&str]| {
        let value = keys.iter().try_fold(&arguments, |value, key| value.get(*key));
        value.and_then(Value::as_str).map(str::to_owned)
    };
    let number = |keys: &[&str]| {
        let value = keys.iter().try_fold(&arguments, |value, key| value.get(*key));
        value.and_then(Value::as_u64)
    };
    let group = entry.method.split('.').next().unwrap_or_default();
    let name = text(&["name"]).or_else(|| text(&["definition", "name"]));
    match (group, name) {
        ("unit", Some(name)) => {
            let key = ServiceKey { kind: ServiceKind::Unit, name: name.clone() };
            vec![
                ('u', format!("unit {name}"), Ok(service(node, &name))),
                ('l', "its lines".into(), Ok(lines(node, &key))),
            ]
        }
        ("program", Some(name)) => {
            let key = ServiceKey { kind: ServiceKind::Program, name: name.clone() };
            vec![
                ('u', format!("program {name}"), Ok(service(node, &name))),
                ('l', "its lines".into(), Ok(lines(node, &key))),
            ]
        }
        ("process", _) => {
            let pid = number(&["target", "pid"]).or_else(|| number(&["pid"]));
            let Some(pid) = pid.and_then(|pid| u32::try_from(pid).ok()) else { return Vec::new() };
            let ticks = number(&["target", "start_ticks"]).or_else(|| number(&["start_ticks"]));
            let to = match ticks {
                Some(start_ticks) => {
                    let key = ProcessKey { pid, start_ticks };
                    Request::Seek(Sought::Living { node, key, at: entry.at, name: "it".into() })
                }
                // Which process that was nobody knows: the one of that number now.
                None => process(node, pid),
            };
            vec![('p', format!("process {pid}, if it still lives"), Ok(to))]
        }
        ("file" | "transfer", _) => {
            let path = [&["path"][..], &["from"], &["to"], &["order", "to"], &["source", "path"]];
            let path = path.into_iter().find_map(text);
            path.map(|path| ('f', format!("files: {path}"), browse(node, &path))).into_iter().collect()
        }
        ("job", _) => {
            vec![('o', "jobs of the node".into(), Ok(Request::Show(ViewId::Jobs, Scope::one(node))))]
        }
        ("shell", _) => {
            vec![('o', "shells of the node".into(), Ok(Request::Show(ViewId::Shell, Scope::one(node))))]
        }
        ("alert", _) => {
            vec![('o', "alerts of the node".into(), Ok(Request::Show(ViewId::Alerts, Scope::one(node))))]
        }
        _ => Vec::new(),
    }
}

fn of_moment(node: NodeId, at: UnixMillis, processes: &[BusyProcess]) -> Vec<Jump> {
    let jump = |(process, letter): (&BusyProcess, char)| {
        let label = format!("{} ({}), {} % then", process.name, process.key.pid, cpu(process.cpu_ratio));
        let sought = Sought::Living { node, key: process.key, at, name: process.name.clone() };
        (letter, label, Ok(Request::Seek(sought)))
    };
    processes.iter().zip(letters()).map(jump).collect()
}

fn letters() -> impl Iterator<Item = char> {
    LETTERS.chars().chain(std::iter::repeat(' '))
}

/// The open files of a process, as a menu that leads to each.
pub fn files(node: NodeId, name: &str, process: &ProcessDetails) -> Menu {
    let mut targets: Vec<&str> = process.files.iter().flatten().map(|file| file.target.as_str()).collect();
    targets.retain(|target| target.starts_with('/'));
    targets.extend(process.executable.as_deref());
    targets.extend(process.working_directory.as_deref());
    targets.sort_unstable();
    targets.dedup();
    let item = |(target, key): (&str, char)| {
        let gone = target.ends_with(" (deleted)");
        let to = if gone { Err("it has no name any more".to_owned()) } else { browse(node, target) };
        Item { key, label: target.to_owned(), choice: to.map(|to| Choice::Do(Box::new(to))) }
    };
    Menu::new(format!("files of {name}"), targets.into_iter().zip(letters()).map(item).collect())
}

/// The sockets of a process, as a menu that leads to each.
pub fn sockets(node: NodeId, name: &str, process: &ProcessDetails) -> Menu {
    let pid = process.info.key.pid;
    let item = |(socket, key): (&ProcessSocket, char)| {
        let remote = socket.remote.as_ref().map(|remote| format!(" to {remote}")).unwrap_or_default();
        let label = format!("{} {}{remote} {}", socket.protocol, socket.local, socket.state);
        let to = match socket.local.parse::<std::net::SocketAddr>() {
            Ok(local) => Ok(Request::Sockets(node, format!("pid={pid} and port={}", local.port()))),
            Err(_) => browse(node, &socket.local),
        };
        Item { key, label, choice: to.map(|to| Choice::Do(Box::new(to))) }
    };
    Menu::new(format!("sockets of {name}"), process.sockets.iter().zip(letters()).map(item).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_leads_to_the_processes_behind_it() {
        for (metric, sort) in [
            ("memory_used_ratio", Some(SortKey::Memory)),
            ("pressure_memory_full_ratio", Some(SortKey::Memory)),
            ("load15_per_core", Some(SortKey::Cpu)),
            ("pressure_cpu_some_ratio", Some(SortKey::Cpu)),
            ("filesystem_used_ratio{mountpoint=\"/memory\"}", None),
            ("unit_failed", None),
        ] {
            assert_eq!(sorted_by(metric).map(|(sort, _)| sort), sort, "{metric}");
        }
    }

    #[test]
    fn a_place_is_a_name_in_its_directory_and_no_relative_one() {
        let node = NodeId::new([1; 32]);
        let spot = |path: &str| Spot { node, path: path.parse().unwrap() };
        let name = |name: &str| Some(name.parse().unwrap());
        assert_eq!(browse(node, "/srv/a"), Ok(Request::Browse(spot("/srv"), name("a"))));
        assert_eq!(browse(node, "/"), Ok(Request::Browse(spot("/"), None)));
        assert!(browse(node, "srv").is_err() && browse(node, "").is_err());
    }
}
