//! `label NODE k=v... k-` and `forget NODE`: what the mesh knows about its members.

use std::collections::BTreeMap;

use clap::Args;
use p2p_shared::error::{Exit, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::node::{Label, Member};
use serde::Serialize;

use super::failure::CliError;
use super::output::{Format, Row, Streams};
use super::session::{Account, Session};
use crate::effects::directory::is_there;
use crate::selector::Selector;

/// What `label` takes.
#[derive(Clone, Debug, Args)]
pub struct LabelArgs {
    /// Which nodes
    #[arg(value_name = "NODE")]
    pub on: Selector,
    /// Labels to set (key=value) and to remove (key-)
    #[arg(required = true, value_name = "KEY=VALUE|KEY-", value_parser = change)]
    pub changes: Vec<Change>,
    /// How to write what they have then
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// What `forget` takes.
#[derive(Clone, Debug, Args)]
pub struct ForgetArgs {
    /// Name or id of a member that is lost or has left
    #[arg(value_name = "NODE")]
    pub member: Selector,
}

/// One change of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// To this value.
    Set(Label),
    /// Away with it.
    Remove(String),
}

fn change(text: &str) -> Result<Change, String> {
    let key = |key: &str| {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._/-".contains(&byte);
        let fits = !key.is_empty() && key.len() <= 63 && key.bytes().all(good);
        if fits { Ok(key.to_owned()) } else { Err("a key is 1 to 63 of a-z 0-9 . _ / -".to_owned()) }
    };
    match (text.split_once('='), text.strip_suffix('-')) {
        (Some((name, value)), _) => Ok(Change::Set(Label { key: key(name)?, value: value.to_owned() })),
        (None, Some(name)) => Ok(Change::Remove(key(name)?)),
        (None, None) => Err("write key=value to set one, key- to remove one".to_owned()),
    }
}

/// The labels of a node. The names of the fields are stable.
#[derive(Debug, Serialize)]
struct LabelRow {
    node: NodeName,
    labels: BTreeMap<String, String>,
}

impl Row for LabelRow {
    const TITLES: &'static [&'static str] = &["NODE", "LABELS"];

    fn cells(&self) -> Vec<String> {
        let labels: Vec<String> = self.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        vec![self.node.to_string(), labels.join(" ")]
    }
}

/// Changes labels and prints what the nodes have then.
pub async fn run(session: &Session, args: &LabelArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let targets = session.writable(&args.on, streams)?;
    let (mut set, mut remove) = (Vec::new(), Vec::new());
    for change in &args.changes {
        match change {
            Change::Set(label) => set.push(label.clone()),
            Change::Remove(key) => remove.push(key.clone()),
        }
    }
    let mut account = Account::default();
    let mut rows = Vec::new();
    let question = |node: NodeHandle| {
        let (set, remove) = (set.clone(), remove.clone());
        async move { node.node().set_labels(set, remove).await }
    };
    let answered = |target: &Member, answer: Result<Vec<Label>, RpcError>| {
        match answer {
            Ok(labels) => {
                let labels = labels.into_iter().map(|label| (label.key, label.value)).collect();
                rows.push(LabelRow { node: target.name.clone(), labels });
            }
            Err(error) => account.failed(target, &error, streams),
        }
        Ok(())
    };
    session.ask(&targets, question, answered).await?;
    rows.sort_by(|a, b| a.node.cmp(&b.node));
    streams.rows(&rows, args.output)?;
    Ok(account.exit_of(&targets))
}

/// Has one member forgotten by all nodes.
pub async fn forget(
    session: &Session,
    args: &ForgetArgs,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let selection = args.member.select(session.members());
    if let Some(name) = selection.unknown.first() {
        return Err(CliError::new(
            Exit::Failed,
            format!("{name}: no node is called so; it may be forgotten already"),
        ));
    }
    // A name may have been given to a new key: then the lost one is meant.
    let lost: Vec<&Member> =
        selection.members.iter().copied().filter(|member| !is_there(member.state)).collect();
    let target = match (lost.as_slice(), selection.members.as_slice()) {
        ([only], _) => *only,
        ([], [alive]) => *alive,
        _ => return Err(several(&selection.members)),
    };
    session.entry().node().forget(target.id).await?;
    streams.say(&format!("{} ({}) is forgotten", target.name, target.id.short()));
    Ok(Exit::Ok)
}

fn several(members: &[&Member]) -> CliError {
    if members.is_empty() {
        return CliError::new(Exit::Failed, "the selector fits no node; `p2p-tui nodes` lists all");
    }
    let each: Vec<String> = members.iter().map(|member| format!("{} {}", member.name, member.id)).collect();
    CliError::usage(format!(
        "one member at a time is forgotten; name one of these by its id: {}",
        each.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_sets_or_removes() {
        let set = |key: &str, value: &str| Ok(Change::Set(Label { key: key.into(), value: value.into() }));
        assert_eq!(change("role=web"), set("role", "web"));
        assert_eq!(change("role="), set("role", ""));
        assert_eq!(change("a=b-"), set("a", "b-"));
        assert_eq!(change("role-"), Ok(Change::Remove("role".into())));
        for text in ["role", "", "=x", "-", "Role=x", "a b=c"] {
            assert!(change(text).is_err(), "{text}");
        }
    }
}
