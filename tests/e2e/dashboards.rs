//! What ships for Prometheus and Grafana, as far as it can be judged without them: the names in it are served, and every
//! rule has its test. The lab asks the real programs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use p2p_node::metrics::families::{ALL, Kind};
use serde_json::Value;

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/packaging").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(packaging(name)).unwrap()
}

/// Names of series that a text is about, and that nobody serves.
fn unknown(text: &str) -> BTreeSet<&str> {
    let ours = |family: &p2p_node::metrics::families::Family, name: &str| match family.kind {
        Kind::Histogram => {
            ["_bucket", "_sum", "_count"].iter().any(|end| name.strip_suffix(end) == Some(family.name))
        }
        _ => name == family.name,
    };
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.split(|letter| !word(letter))
        .filter(|name| name.starts_with("p2p_admin_") && !name.starts_with("p2p_admin_label_"))
        .filter(|name| !ALL.iter().any(|family| ours(family, name)))
        .collect()
}

#[test]
fn dashboards_ask_for_what_is_served_and_name_no_data_source() {
    let mut uids = BTreeSet::new();
    for name in ["fleet", "node", "mesh"] {
        let text = read(&format!("grafana/{name}.json"));
        assert_eq!(unknown(&text), BTreeSet::new(), "{name}");
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        assert!(uids.insert(dashboard["uid"].as_str().unwrap().to_owned()));
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        assert!(
            variables.iter().any(|one| one["name"] == "datasource" && one["type"] == "datasource"),
            "{name}"
        );
        let panels = dashboard["panels"].as_array().unwrap();
        let mut ids = BTreeSet::new();
        for panel in panels {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}: {panel}");
            for target in panel["targets"].as_array().into_iter().flatten() {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{name}: {panel}");
                assert!(target["expr"].as_str().unwrap().contains("$instance"), "{name}: {target}");
            }
        }
    }
}

#[test]
fn every_rule_is_about_what_is_served_and_has_a_test_and_words() {
    let (rules, tests) = (read("prometheus/p2p-admin.rules.yml"), read("prometheus/p2p-admin.test.yml"));
    assert_eq!((unknown(&rules), unknown(&tests)), (BTreeSet::new(), BTreeSet::new()));
    let named = |text: &str, key: &str| -> Vec<String> {
        let after =
            |line: &str| line.split_once(key).map(|(_, name)| name.trim().trim_end_matches(',').to_owned());
        text.lines().filter_map(after).collect()
    };
    let alerts = named(&rules, "- alert: ");
    let tested = named(&tests, "        alertname: ");
    assert_eq!(alerts, tested);
    for key in ["severity: ", "summary: ", "description: "] {
        assert_eq!(named(&rules, key).len(), alerts.len(), "{key}");
    }
}

#[test]
fn what_compose_and_the_package_ship_is_there() {
    for name in [
        "prometheus/prometheus.yml",
        "grafana/provisioning/dashboards.yaml",
        "grafana/provisioning/datasource.yaml",
        "nginx/p2p-admin.conf",
        "docker/prometheus.yml",
        "docker/grafana-datasource.yaml",
    ] {
        assert!(packaging(name).is_file(), "{name}");
    }
    // Both scrape alike: what differs is where the certificates lie, and whom they ask.
    let relabelling = |name: &str| -> Vec<String> {
        let text = read(name);
        let (_, after) = text.split_once("relabel_configs:\n").unwrap();
        let lines = after.lines().take_while(|line| line.starts_with("      "));
        lines.map(str::trim).filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    assert_eq!(relabelling("prometheus/prometheus.yml"), relabelling("docker/prometheus.yml"));
}
