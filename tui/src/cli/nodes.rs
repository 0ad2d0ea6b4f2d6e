//! `nodes`: the members of the mesh as the entry node knows them. Nobody else is asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use p2p_shared::error::Exit;
use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::services::node::{Member, MemberState};
use p2p_shared::time::UnixMillis;
use serde::Serialize;

use super::ListArgs;
use super::failure::CliError;
use super::output::{Row, Streams};
use super::session::{Session, now};
use crate::format;

/// A member. The names of the fields are stable.
#[derive(Debug, Serialize)]
pub struct NodeRow {
    name: NodeName,
    id: NodeId,
    state: MemberState,
    state_since: UnixMillis,
    addresses: Vec<SocketAddr>,
    version: String,
    labels: BTreeMap<String, String>,
    started: UnixMillis,
    /// How long it runs, as far as this machine's clock can tell.
    #[serde(skip)]
    up_ms: u64,
}

impl NodeRow {
    fn new(member: &Member, now: UnixMillis) -> Self {
        let member = member.clone();
        Self {
            name: member.name,
            id: member.id,
            state: member.state,
            state_since: member.state_since,
            addresses: member.addresses,
            version: member.version,
            labels: member.labels.into_iter().map(|label| (label.key, label.value)).collect(),
            started: member.started,
            up_ms: now.since(member.started).0,
        }
    }
}

impl Row for NodeRow {
    const TITLES: &'static [&'static str] = &["NAME", "STATE", ">UP", "VERSION", "ADDRESS", "LABELS"];

    fn cells(&self) -> Vec<String> {
        let is_up = matches!(self.state, MemberState::Alive | MemberState::Suspect);
        let address = match self.addresses.as_slice() {
            [] => "-".to_owned(),
            [only] => only.to_string(),
            [first, others @ ..] => format!("{first} +{}", others.len()),
        };
        let labels: Vec<String> = self.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        vec![
            self.name.to_string(),
            self.state.as_str().to_owned(),
            if is_up { format::span_ms(self.up_ms) } else { "-".to_owned() },
            self.version.clone(),
            address,
            labels.join(" "),
        ]
    }
}

/// Lists them.
pub fn run(session: &Session, args: &ListArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let selection = args.on.select(session.members());
    for name in &selection.unknown {
        streams.say(&format!("{name}: no node is called so"));
    }
    let now = now();
    let rows: Vec<NodeRow> = selection.members.iter().map(|member| NodeRow::new(member, now)).collect();
    streams.rows(&rows, args.output)?;
    Ok(if selection.unknown.is_empty() { Exit::Ok } else { Exit::Failed })
}

#[cfg(test)]
mod tests {
    use p2p_shared::services::node::Label;

    use super::super::output::{json, table};
    use super::*;

    fn row() -> NodeRow {
        let member = Member {
            name: "web-1".parse().unwrap(),
            id: NodeId::new([7; 32]),
            state: MemberState::Alive,
            state_since: UnixMillis(2),
            addresses: vec!["10.0.0.1:5678".parse().unwrap(), "[::1]:5678".parse().unwrap()],
            version: "0.1.0".into(),
            labels: vec![Label { key: "role".into(), value: "web".into() }],
            started: UnixMillis(1_000),
            sequence: 3,
            http: None,
        };
        NodeRow::new(&member, UnixMillis(61_000))
    }

    #[test]
    fn the_shape_for_scripts_is_stable() {
        let expected = format!(
            "{{\"name\":\"web-1\",\"id\":\"{}\",\"state\":\"alive\",\"state_since\":\"1970-01-01T00:00:00.002Z\",\
             \"addresses\":[\"10.0.0.1:5678\",\"[::1]:5678\"],\"version\":\"0.1.0\",\
             \"labels\":{{\"role\":\"web\"}},\"started\":\"1970-01-01T00:00:01.000Z\"}}",
            "07".repeat(32)
        );
        assert_eq!(json(&row(), false).unwrap(), expected);
    }

    #[test]
    fn the_table_is_short() {
        let expected = "NAME   STATE     UP  VERSION  ADDRESS           LABELS\n\
                        web-1  alive  1m00s  0.1.0    10.0.0.1:5678 +1  role=web\n";
        assert_eq!(table(&[row()], None), expected);
    }
}
