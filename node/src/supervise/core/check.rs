//! Whether a definition goes together with the others. Pure.

use std::collections::{BTreeMap, BTreeSet};

use p2p_shared::services::program::{Condition, ProgramDefinition, ProgramName};

use super::input::Refusal;

/// Most dependencies of one program.
const DEPENDENCIES_MAX: usize = 64;

fn bad<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Bad(text.into()))
}

/// A definition by itself.
pub(super) fn alone(definition: &ProgramDefinition) -> Result<(), Refusal> {
    let first = definition.check().err().and_then(|mistakes| mistakes.into_iter().next());
    first.map_or(Ok(()), |mistake| bad(mistake.what))
}

/// A definition among the others: what it depends on is there and can become what is asked, those that depend
/// on it keep what they asked for, and nothing waits for itself.
pub(super) fn among(
    definition: &ProgramDefinition,
    others: &BTreeMap<ProgramName, &ProgramDefinition>,
) -> Result<(), Refusal> {
    let name = &definition.name;
    if definition.dependencies.len() > DEPENDENCIES_MAX {
        return bad(format!("a program has at most {DEPENDENCIES_MAX} dependencies"));
    }
    for dependency in &definition.dependencies {
        let on = &dependency.program;
        if dependency.condition == Condition::Unknown {
            return bad(format!("this node does not know the condition of the dependency on {on}"));
        }
        if on == name {
            return bad(format!("dependency cycle: {name} -> {name}"));
        }
        let Some(other) = others.get(on) else {
            return bad(format!("{name} depends on {on}, which is not defined here: define it first"));
        };
        if dependency.condition == Condition::Healthy && other.probe.is_none() {
            return bad(format!("{name} waits until {on} is healthy, but {on} has no probe"));
        }
    }
    if definition.probe.is_none() {
        let waits = |other: &&&ProgramDefinition| {
            let mut dependencies = other.dependencies.iter();
            dependencies.any(|on| on.program == *name && on.condition == Condition::Healthy)
        };
        if let Some(other) = others.values().find(waits) {
            return bad(format!("{} waits until {name} is healthy: it needs a probe", other.name));
        }
    }
    match cycle(definition, others) {
        Some(path) => {
            let path: Vec<&str> = path.iter().map(|name| name.as_str()).collect();
            bad(format!("dependency cycle: {}", path.join(" -> ")))
        }
        None => Ok(()),
    }
}

/// The way from a definition back to itself, if there is one. Iterative: chains may be long.
fn cycle<'a>(
    definition: &'a ProgramDefinition,
    others: &BTreeMap<ProgramName, &'a ProgramDefinition>,
) -> Option<Vec<&'a ProgramName>> {
    let mut seen = BTreeSet::new();
    let mut path = vec![(&definition.name, definition.dependencies.iter())];
    while let Some((_, rest)) = path.last_mut() {
        let Some(next) = rest.next() else {
            path.pop();
            continue;
        };
        if next.program == definition.name {
            let names = path.iter().map(|(name, _)| *name);
            return Some(names.chain([&definition.name]).collect());
        }
        if seen.insert(&next.program)
            && let Some(other) = others.get(&next.program)
        {
            path.push((&other.name, other.dependencies.iter()));
        }
    }
    None
}
