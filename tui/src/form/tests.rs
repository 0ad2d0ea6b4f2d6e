//! Forms of schemas, ours and others.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;

fn schema() -> Value {
    let method = p2p_shared::services::program::SPEC.methods.iter().find(|it| it.name == "program.define");
    (method.unwrap().schemas)().args.to_value()["properties"]["definition"].clone()
}

fn form() -> Form {
    Form::new(spec::specs(&schema()))
}

fn type_into(form: &mut Form, name: &str, text: &str) {
    form.at = form.specs.iter().position(|spec| spec.name() == name).unwrap_or_else(|| panic!("{name}"));
    for letter in text.chars() {
        form.on_key(Key::plain(Code::Char(letter)));
    }
}

fn mistakes(form: &Form) -> Vec<(String, &str)> {
    let told = form.specs.iter().zip(&form.mistakes);
    told.filter_map(|(spec, what)| Some((spec.name(), what.as_deref()?))).collect()
}

/// The paths of a schema at which a value stands.
fn leaves(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    let alternatives = schema["oneOf"].as_array().into_iter().flatten();
    let nested: Vec<&Value> =
        alternatives.chain([schema]).filter(|it| it["properties"].is_object()).collect();
    if nested.is_empty() {
        found.insert(path.to_owned());
    }
    for (name, property) in nested.iter().flat_map(|it| it["properties"].as_object().unwrap()) {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        leaves(property, &path, found);
    }
}

#[test]
fn every_value_of_the_definition_has_a_field_of_its_own() {
    let mut expected = BTreeSet::new();
    leaves(&schema(), "", &mut expected);
    let form = form();
    let fields: BTreeSet<String> = form.specs.iter().map(Spec::name).collect();
    assert_eq!(fields, expected);
    let undone: Vec<String> = form
        .specs
        .iter()
        .filter(|spec| spec.kind == Kind::Json || spec.doc.is_empty())
        .map(Spec::name)
        .collect();
    assert_eq!(undone, [""; 0], "each has a kind and is explained");
}

#[test]
fn a_new_field_of_the_definition_appears_by_itself() {
    let mut schema = schema();
    schema["properties"]["watchdog_ms"] = json!({"type": ["integer", "null"], "format": "uint64", "description": "How long it may be silent.", "default": null});
    schema["properties"]["limits"]["properties"]["io_weight"] =
        json!({"type": "integer", "format": "uint8", "description": "Its share.", "default": 100});
    let mut form = Form::new(spec::specs(&schema));
    type_into(&mut form, "name", "web");
    type_into(&mut form, "command", "/bin/web");
    type_into(&mut form, "watchdog_ms", "5s");
    type_into(&mut form, "limits.io_weight", "7");
    let value =
        json!({"name": "web", "command": "/bin/web", "watchdog_ms": 5000, "limits": {"io_weight": 7}});
    assert_eq!(form.value(), Some(value));
}

#[test]
fn only_what_differs_from_the_defaults_is_said() {
    let mut form = form();
    type_into(&mut form, "name", "web");
    type_into(&mut form, "command", "nginx");
    type_into(&mut form, "arguments", "-g 'daemon off;'");
    type_into(&mut form, "environment", "A=1 B=2");
    type_into(&mut form, "restart.mode", "a");
    type_into(&mut form, "restart.delay_ms", "500ms");
    type_into(&mut form, "stop.timeout_ms", "30s");
    type_into(&mut form, "limits.memory_bytes", "1G");
    type_into(&mut form, "dependencies", "db:healthy cache");
    type_into(&mut form, "at_boot", " ");
    let expected = json!({
        "name": "web", "command": "nginx", "arguments": ["-g", "daemon off;"], "environment": {"A": "1", "B": "2"},
        "limits": {"memory_bytes": 1u64 << 30}, "restart": {"mode": "always"}, "stop": {"timeout_ms": 30_000},
        "dependencies": [
            {"program": "db", "condition": "healthy"}, {"program": "cache", "condition": "started"}
        ],
        "at_boot": true,
    });
    assert_eq!(form.value(), Some(expected.clone()));
    let mut again = self::form();
    again.open_with(&expected).unwrap();
    assert!(!again.is_changed());
    assert_eq!(again.value(), Some(expected.clone()));
    let mut edited = self::form();
    edited.take_text(&form.to_text()).unwrap();
    assert_eq!(edited.value(), Some(expected));
}

#[test]
fn every_mistake_stands_at_its_field() {
    let mut form = form();
    type_into(&mut form, "restart.delay_ms", "soon");
    type_into(&mut form, "limits.files", "-1");
    type_into(&mut form, "environment", "A");
    assert_eq!(form.value(), None);
    let told = mistakes(&form);
    let fields: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(fields, ["name", "command", "environment", "limits.files", "restart.delay_ms"], "{told:?}");
    assert_eq!(form.specs[form.at].name(), "name", "the cursor stands on the first");
    assert!(form.blame("user", "nobody is called so") && !form.blame("elsewhere", "what"));
}

#[test]
fn a_part_that_may_be_missing_is_whole_or_not_there() {
    let mut form = form();
    type_into(&mut form, "name", "web");
    type_into(&mut form, "command", "nginx");
    type_into(&mut form, "probe.interval_ms", "10s");
    assert_eq!(form.value(), None);
    let told = mistakes(&form);
    assert_eq!(told[0], ("probe.check.tcp".to_owned(), "one of tcp, http, command is needed"));
    assert_eq!(told[1], ("probe.timeout_ms".to_owned(), "needed with the rest of probe"));
    type_into(&mut form, "probe.check.http", "http://127.0.0.1/");
    type_into(&mut form, "probe.check.command", "true");
    type_into(&mut form, "probe.timeout_ms", "1s");
    type_into(&mut form, "probe.threshold", "3");
    assert_eq!(form.value(), None);
    assert_eq!(
        mistakes(&form),
        [("probe.check.command".to_owned(), "only one of tcp, http, command can be")]
    );
    form.on_key(Key::ctrl('u'));
    assert_eq!(form.value().unwrap()["probe"]["check"], json!({"http": "http://127.0.0.1/"}));
}

#[test]
fn choices_turn_and_the_default_is_as_if_nothing_were_written() {
    let mut form = form();
    type_into(&mut form, "restart.mode", "");
    let right = Key::plain(Code::Right);
    let mut seen = Vec::new();
    for _ in 0..3 {
        form.on_key(right);
        seen.push(form.fields[form.at].text().to_owned());
    }
    assert_eq!(seen, ["always", "never", ""]);
    form.paste("never\n");
    form.paste("sometimes");
    assert_eq!(form.fields[form.at].text(), "never");
}

#[test]
fn a_text_that_says_something_else_is_refused_whole() {
    let mut form = form();
    let error = form.take_text("name = \"web\"\nnmae = 1\n").unwrap_err();
    assert_eq!(error, "there is no field nmae");
    assert!(form.take_text("name = \"web\"\nlimits.swap = 1\n").is_err());
    assert!(form.take_text("name = \"web\"\ncommand =\n").unwrap_err().starts_with("line 2"));
    assert_eq!(form.fields[0].text(), "");
    form.take_text("name = \"web\"\nstop.timeout_ms = \"3s\"\n").unwrap();
    assert_eq!(form.fields[0].text(), "web");
}
