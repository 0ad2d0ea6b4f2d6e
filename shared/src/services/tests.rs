use std::collections::BTreeSet;

use super::*;
use crate::rpc::service::Verb;

#[test]
fn every_method_is_found_by_its_name() {
    let names: BTreeSet<_> = methods().map(|method| method.name).collect();
    assert_eq!(names.len(), methods().count());
    assert!(names.iter().all(|name| method(name).is_some_and(|found| found.name == *name)));
    assert!(method("process.lis").is_none());
}

#[test]
fn schemas_tell_methods_of_different_shapes_apart() {
    let hashes = schema_hashes();
    assert_ne!(hashes["process.list"], hashes["process.watch"]);
    assert_ne!(hashes["process.signal"], hashes["process.renice"]);
    assert_eq!(hashes.len(), methods().count());
}

#[test]
fn arguments_of_a_get_are_flat() {
    for method in methods().filter(|method| method.verb == Verb::Get) {
        let schemas = (method.schemas)();
        let properties = schemas.args.get("properties").and_then(|properties| properties.as_object());
        for (name, schema) in properties.into_iter().flatten() {
            let kind = schema.get("type").map(ToString::to_string).unwrap_or_default();
            assert!(!kind.contains("object") && !kind.contains("array"), "{}: {name}", method.name);
        }
    }
}
