//! The topics of `/ws`, and the method behind each.
//!
//! A name enters; the method, its arguments and how its items follow from each other leave. Besides the topics of
//! the table, every method that is a watch is a topic by its own name. Pure.

use p2p_shared::error::RpcError;
use p2p_shared::rpc::service::{MethodSpec, Verb};
use p2p_shared::services;
use serde_json::{Map, Value, json};

use crate::http::api::arguments;

/// How the items of a topic follow from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A list first, marked `full`, and what differs after that.
    Differences,
    /// Each is all that there is.
    State,
    /// A method that does not watch: it is asked now and then, and told when its answer is another.
    Asked,
    /// Anything else: it is followed for one client alone.
    Alone,
}

/// What is subscribed.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) method: &'static MethodSpec,
    pub(super) arguments: Map<String, Value>,
    pub(super) kind: Kind,
}

/// A topic, its method and arguments that have a default.
type Row = (&'static str, &'static str, fn() -> Value);

const ROWS: [Row; 9] = [
    ("fleet", "node.fleet", || json!({})),
    ("processes", "process.watch", || json!({ "interval_ms": 2_000 })),
    ("resources", "monitor.watch", || json!({ "interval_ms": 2_000 })),
    ("peers", "node.peers", || json!({})),
    ("programs", "program.list", || json!({})),
    ("units", "unit.watch", || json!({})),
    ("alerts", "alert.watch", || json!({})),
    ("jobs", "job.watch", || json!({})),
    ("audit", "audit.list", || json!({ "limit": 100 })),
];

impl Topic {
    /// The topic of a name, with the arguments that were given.
    ///
    /// # Errors
    /// If there is none of that name.
    pub(super) fn new(name: &str, given: Map<String, Value>) -> Result<Self, RpcError> {
        let row = ROWS.iter().find(|(topic, ..)| *topic == name);
        let (method, mut arguments) = match row {
            Some((_, method, defaults)) => (*method, defaults().as_object().cloned().unwrap_or_default()),
            None => (name, Map::new()),
        };
        let method = services::method(method).filter(|method| row.is_some() || method.verb == Verb::Watch);
        let method = method.ok_or_else(|| {
            let known: Vec<&str> = ROWS.iter().map(|(topic, ..)| *topic).collect();
            let known = known.join(", ");
            RpcError::not_found(format!("there is no topic {name:?}: {known}, or the name of a watch"))
        })?;
        arguments.extend(given);
        let arguments = checked(method, arguments)?;
        let kind = match (row, method.verb) {
            (Some(_), Verb::Get) => Kind::Asked,
            (Some(_), Verb::Watch) if tells_differences(method) => Kind::Differences,
            (Some(_), Verb::Watch) => Kind::State,
            _ => Kind::Alone,
        };
        Ok(Self { name: name.to_owned(), method, arguments, kind })
    }
}

fn checked(method: &'static MethodSpec, given: Map<String, Value>) -> Result<Map<String, Value>, RpcError> {
    let given = Value::Object(given);
    arguments::check(method, &given)?;
    Ok(if let Value::Object(given) = given { given } else { Map::new() })
}

/// Whether an item says if it begins anew.
fn tells_differences(method: &MethodSpec) -> bool {
    let schema = (method.schemas)().output;
    schema.get("properties").is_some_and(|properties| properties.get("full").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_of_the_table_is_a_method_of_its_kind() {
        for (name, method, _) in ROWS {
            let topic = Topic::new(name, Map::new()).unwrap();
            let kind = match name {
                "resources" => Kind::State,
                "peers" | "programs" | "audit" => Kind::Asked,
                _ => Kind::Differences,
            };
            assert_eq!((topic.method.name, topic.kind), (method, kind), "{name}");
        }
    }

    #[test]
    fn any_watch_is_a_topic_and_nothing_else_is() {
        assert_eq!(Topic::new("journal.follow", Map::new()).unwrap().kind, Kind::Alone);
        for name in ["", "Fleet", "node.info", "program.start", "exec.run", "no.such"] {
            assert!(Topic::new(name, Map::new()).is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_given_goes_before_the_default() {
        let given = json!({ "interval_ms": 500 }).as_object().cloned().unwrap();
        assert_eq!(Topic::new("processes", given).unwrap().arguments["interval_ms"], 500);
    }
}
