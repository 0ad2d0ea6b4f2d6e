//! A plain read of one node, `GET /api/v1/nodes/{node}/{service}/{method}`, served past the router.
//!
//! Only what is written plainly is recognised: a path of exactly these parts, none of them encoded, of a method that
//! is a `get`. All else, every failure of the path among it, is the router's, and so is a HEAD.

use axum::extract::Request;
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use p2p_shared::rpc::service::{MethodSpec, Verb};
use p2p_shared::services;

use super::bearer::{Bearer, held};
use super::call::Asked;
use super::methods::answer;
use super::{Api, arguments};
use crate::http::Problem;
use crate::http::guard::CallerKind;

/// As the router has it.
pub(in crate::http) const PATTERN: &str = "/api/v1/nodes/{node}/{service}/{method}";
/// Before the node's name.
const PREFIX: &str = "/api/v1/nodes/";

/// Which method a request reads, if it is a plain read.
pub(in crate::http) fn method_of<B>(request: &Request<B>) -> Option<&'static MethodSpec> {
    if request.method() != Method::GET {
        return None;
    }
    let (_, service, name) = place(request.uri().path())?;
    services::method(&[service, ".", name].concat()).filter(|method| method.verb == Verb::Get)
}

/// Node, service and method of a path.
fn place(path: &str) -> Option<(&str, &str, &str)> {
    let rest = path.strip_prefix(PREFIX)?;
    let (node, rest) = rest.split_once('/')?;
    let (service, name) = rest.split_once('/')?;
    let is_plain = !node.is_empty() && !node.contains('%') && !name.contains('/');
    is_plain.then_some((node, service, name))
}

/// The answer to one.
pub(in crate::http) async fn serve(
    api: Api,
    parts: Parts,
    method: &'static MethodSpec,
    kind: CallerKind,
) -> Response {
    let asked = ask(&api, &parts, method, &kind);
    drop((parts, kind));
    match asked {
        Ok((bearer, asked)) => match api.call(&bearer, asked).await {
            Ok(json) => answer(held(json, bearer.turn())),
            Err(error) => Problem::from(error).into_response(),
        },
        Err(problem) => problem.into_response(),
    }
}

fn ask(
    api: &Api,
    parts: &Parts,
    method: &'static MethodSpec,
    kind: &CallerKind,
) -> Result<(Bearer, Asked), Problem> {
    let bearer = Bearer::read(parts, api, Some(kind))?;
    let (node, ..) = place(parts.uri.path()).unwrap_or_default();
    let node = api.place(node)?;
    let arguments = arguments::of_query(method, parts.uri.query().unwrap_or_default())?;
    Ok((bearer, Asked { node, method, arguments }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(verb: &str, path: &str) -> Option<&'static str> {
        let request = Request::builder().method(verb).uri(path).body(()).unwrap();
        method_of(&request).map(|method| method.name)
    }

    #[test]
    fn only_a_plain_read_goes_past_the_router() {
        let plain = ["self/node/info", "web-2/process/list", "web-2/process/list?filter=a%2Fb"];
        for path in plain {
            assert!(method("GET", &format!("{PREFIX}{path}")).is_some(), "{path}");
            assert_eq!(method("HEAD", &format!("{PREFIX}{path}")), None, "{path}");
            assert_eq!(method("POST", &format!("{PREFIX}{path}")), None, "{path}");
        }
        let others = [
            "self/node",
            "self/node/",
            "self/node/info/",
            "/node/info",
            "self//info",
            "we%62-1/node/info",
            "self/n%6fde/info",
            "self/node/nothing",
            "self/program/start",
            "self/node/fleet",
            "self/shell/open",
        ];
        for path in others {
            assert_eq!(method("GET", &format!("{PREFIX}{path}")), None, "{path}");
        }
        assert_eq!(method("GET", "/api/v1/node/self/node/info"), None);
    }
}
