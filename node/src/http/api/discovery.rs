//! `GET /prometheus/sd`: the whole fleet as targets, for the HTTP service discovery of Prometheus.
//!
//! The members enter, as `node.members` answers them to whoever asks; a target each leaves, with its name, id, version
//! and labels as `__meta_p2p_admin_...`. A member whose face serves its own machine alone is left out, since nobody could
//! scrape it from elsewhere: `p2p_admin_mesh_members` counts it. This node is always there.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::extract::State;
use axum::response::Response;
use p2p_shared::error::RpcError;
use p2p_shared::id::NodeName;
use p2p_shared::rpc::codec::{self, Encoding};
use p2p_shared::services::node::{self, Member, MemberState};
use serde::Serialize;
use serde_json::json;

use super::Api;
use super::bearer::{Bearer, held};
use super::call::{Asked, Where};
use super::methods::answer;
use crate::http::Problem;

/// A target, as Prometheus reads it.
#[derive(Debug, PartialEq, Serialize)]
struct Target {
    targets: [SocketAddr; 1],
    labels: BTreeMap<String, String>,
}

pub(super) async fn get(State(api): State<Api>, bearer: Bearer) -> Result<Response, Problem> {
    let asked = Asked { node: Where::Here, method: &node::members::METHOD, arguments: json!({}) };
    let members = api.call(&bearer, asked).await?;
    let members: Vec<Member> = codec::decode(&members, Encoding::Json).map_err(RpcError::from)?;
    let targets = targets(&members, (&api.0.own, api.0.address));
    let json = serde_json::to_vec(&targets).map_err(|error| RpcError::internal(error.to_string()))?;
    Ok(answer(held(json.into(), bearer.turn())))
}

/// One target a name: of a name with several keys the likeliest, as for every call.
fn targets(members: &[Member], (own, face): (&NodeName, Option<SocketAddr>)) -> Vec<Target> {
    let mut likeliest: BTreeMap<&NodeName, &Member> = BTreeMap::new();
    let rank = |member: &Member| (member.state == MemberState::Alive, member.started);
    for member in members.iter().filter(|member| member.state != MemberState::Left) {
        let best = likeliest.entry(&member.name).or_insert(member);
        if rank(member) > rank(best) {
            *best = member;
        }
    }
    let target = |member: &&Member| {
        let here = face.filter(|face| member.name == *own && face.ip().to_canonical().is_loopback());
        let (address, scheme) = member.http.map(|http| (http, "https")).or(here.map(|face| (face, "http")))?;
        Some(Target { targets: [address], labels: labels(member, scheme) })
    };
    likeliest.values().filter_map(target).collect()
}

fn labels(member: &Member, scheme: &str) -> BTreeMap<String, String> {
    let meta = |name: &str, value: &str| (format!("__meta_p2p_admin_{name}"), value.to_owned());
    let mut labels = BTreeMap::from([
        ("__scheme__".to_owned(), scheme.to_owned()),
        meta("name", member.name.as_str()),
        meta("id", &member.id.to_string()),
        meta("version", &member.version),
        meta("state", member.state.as_str()),
    ]);
    for label in &member.labels {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
        let key: String = label.key.chars().map(plain).collect();
        labels.extend([meta(&format!("label_{key}"), &label.value)]);
    }
    labels
}

#[cfg(test)]
mod tests {
    use p2p_shared::id::NodeId;
    use p2p_shared::services::node::Label;
    use p2p_shared::time::UnixMillis;

    use super::*;

    fn member(name: &str, state: MemberState, http: Option<&str>) -> Member {
        Member {
            name: name.parse().unwrap(),
            id: NodeId::new([7; 32]),
            state,
            state_since: UnixMillis(1),
            addresses: Vec::new(),
            version: "0.1.0".to_owned(),
            labels: vec![Label { key: "rack/row.1".to_owned(), value: "b".to_owned() }],
            started: UnixMillis(1),
            sequence: 1,
            http: http.map(|http| http.parse().unwrap()),
        }
    }

    #[test]
    fn who_can_be_scraped_is_a_target_with_its_labels() {
        let members = [
            member("web-1", MemberState::Alive, None),
            member("web-2", MemberState::Lost, Some("10.0.0.7:1")),
            Member { started: UnixMillis(9), ..member("web-2", MemberState::Alive, Some("10.0.0.2:8000")) },
            member("web-3", MemberState::Left, Some("10.0.0.3:8000")),
            member("web-4", MemberState::Lost, Some("[fd00::4]:8000")),
            member("web-5", MemberState::Alive, None),
        ];
        let own: NodeName = "web-1".parse().unwrap();
        let told = serde_json::to_value(targets(&members, (&own, "127.0.0.1:8000".parse().ok()))).unwrap();
        let seen: Vec<_> =
            told.as_array().unwrap().iter().map(|one| one["targets"][0].as_str().unwrap()).collect();
        assert_eq!(seen, ["127.0.0.1:8000", "10.0.0.2:8000", "[fd00::4]:8000"]);
        let schemes: Vec<_> =
            (0..3).map(|index| told[index]["labels"]["__scheme__"].as_str().unwrap()).collect();
        assert_eq!(schemes, ["http", "https", "https"]);
        assert_eq!(told[1]["labels"]["__meta_p2p_admin_name"], "web-2");
        assert_eq!(told[1]["labels"]["__meta_p2p_admin_label_rack_row_1"], "b");
        assert_eq!(told[2]["labels"]["__meta_p2p_admin_state"], "lost");
    }
}
