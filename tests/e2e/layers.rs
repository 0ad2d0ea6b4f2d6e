//! The "may import" column of the design, held against the sources.
//!
//! A rule names a part of the tree and what may not stand in it; the words are looked for outside of
//! comments and tests.

use std::fs;
use std::path::{Path, PathBuf};

/// One rule: in these files (prefixes from the workspace root) none of these words.
struct Rule {
    what: &'static str,
    inside: &'static [&'static str],
    except: &'static [&'static str],
    never: &'static [&'static str],
}

const RULES: &[Rule] = &[
    Rule {
        what: "only rpc/codec.rs names bincode",
        inside: &["shared/src", "node/src", "tui/src"],
        except: &["shared/src/rpc/codec.rs"],
        never: &["bincode::"],
    },
    Rule {
        what: "in shared only rpc/codec.rs names serde_json",
        inside: &["shared/src"],
        except: &["shared/src/rpc/codec.rs"],
        never: &["serde_json"],
    },
    Rule {
        what: "cores have no clock, socket, task or other layer",
        inside: &[
            "node/src/dht/core",
            "node/src/membership/core",
            "node/src/supervise/core",
            "node/src/jobs/core",
            "node/src/history/core",
            "node/src/alerts/core",
            "node/src/alerts/notify/core",
            "node/src/alerts/deaths/core",
        ],
        except: &[],
        never: &[
            "tokio",
            "quinn",
            "Instant::now",
            "SystemTime",
            "std::fs",
            "crate::transport",
            "crate::store",
            "crate::host",
            "tracing::",
        ],
    },
    Rule {
        what: "identities and time know no clock and no runtime",
        inside: &["shared/src/id.rs", "shared/src/time.rs", "shared/src/rng.rs", "shared/src/access.rs"],
        except: &[],
        never: &["tokio", "quinn", "Instant::now", "SystemTime"],
    },
    Rule {
        what: "only host touches the operating system's processes and figures",
        inside: &["shared/src", "node/src", "tui/src"],
        except: &["node/src/host"],
        never: &["sysinfo::", "procfs::", "zbus::", "\"/proc/", "\"/sys/"],
    },
    Rule {
        what: "services know no transport and no HTTP",
        inside: &["node/src/services", "shared/src/services"],
        except: &[],
        never: &["axum", "quinn", "sysinfo"],
    },
    Rule {
        what: "mesh and rpc know no concrete service",
        inside: &["shared/src/rpc", "shared/src/mesh"],
        except: &[],
        never: &["services::process", "services::monitor", "services::node"],
    },
    Rule {
        what: "a view is drawn from state: no network, no clock, no colour",
        inside: &["tui/src/views", "tui/src/widgets", "tui/src/view.rs", "tui/src/app.rs"],
        except: &[],
        never: &["p2p_shared::mesh", "tokio", "quinn", "Instant::now", "SystemTime", "Color::"],
    },
    Rule {
        what: "wire types are plain: no attribute that bincode cannot read back",
        inside: &["shared/src/services", "node/src/dht/core/message.rs", "node/src/membership/core"],
        except: &[],
        never: &["flatten", "untagged", "serde(tag", "skip_serializing_if", "serde_json::Value"],
    },
    Rule {
        what: "every queue is bounded and every task is tracked",
        inside: &["shared/src", "node/src", "tui/src"],
        except: &[],
        never: &["unbounded_channel", "tokio::spawn("],
    },
    Rule {
        what: "no lint is silenced without a reason",
        inside: &["shared/src", "node/src", "tui/src", "tests"],
        except: &["tests/e2e/layers.rs"],
        never: &["#[allow("],
    },
];

/// Longest file without its tests, in lines.
const FILE_LINES_MAX: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    for part in ["shared/src", "node/src", "tui/src", "tests"] {
        sources(&root.join(part), &mut found);
    }
    found.sort();
    assert!(found.len() > 20, "the sources are not where this test looks");
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// The product's own lines: without comments, and without the tests at the end of the file.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| (index + 1, line))
}

fn is_test_file(name: &str) -> bool {
    name.ends_with("tests.rs") || name.contains("/tests/") || name.ends_with("testing.rs")
}

fn under(name: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| {
        name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.']))
    })
}

#[test]
fn every_layer_imports_only_what_it_may() {
    let mut broken = Vec::new();
    for (name, text) in all_sources().iter().filter(|(name, _)| !is_test_file(name)) {
        for rule in RULES.iter().filter(|rule| under(name, rule.inside) && !under(name, rule.except)) {
            for (line, code) in code(text) {
                if let Some(word) = rule.never.iter().find(|word| code.contains(**word)) {
                    broken.push(format!("{name}:{line}: {word}: {}", rule.what));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn no_file_grows_past_its_limit() {
    let long: Vec<String> = all_sources()
        .iter()
        .filter(|(name, _)| !is_test_file(name) && !name.starts_with("tests/"))
        .map(|(name, text)| {
            let tests = text.lines().position(|line| line.starts_with("#[cfg(test)]"));
            (name, tests.unwrap_or_else(|| text.lines().count()))
        })
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .map(|(name, lines)| format!("{name}: {lines} lines, of at most {FILE_LINES_MAX}"))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_module_opens_with_what_it_is() {
    let silent: Vec<String> = all_sources()
        .into_iter()
        .filter(|(name, text)| !is_test_file(name) && !text.starts_with("//!"))
        .map(|(name, _)| name)
        .collect();
    assert!(silent.is_empty(), "no module documentation: {}", silent.join(", "));
}
