//! The commands of README, taken from it as they stand.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::host::top;

/// The blocks of commands under one heading, in their order.
pub fn blocks(heading: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(top().join("README.md")).context("README.md")?;
    let section = text
        .split_once(&format!("\n{heading}\n"))
        .with_context(|| format!("README has no heading {heading:?}"))?
        .1;
    let level = heading.split(' ').next().unwrap_or_default();
    let end = section
        .match_indices("\n#")
        .map(|(at, _)| at)
        .find(|at| section[at + 1..].split(' ').next().is_some_and(|mark| mark.len() <= level.len()));
    let section = &section[..end.unwrap_or(section.len())];
    let mut blocks: Vec<String> = Vec::new();
    let mut open = false;
    for line in section.lines() {
        match line.strip_prefix("    ") {
            Some(command) => {
                if !open {
                    blocks.push(String::new());
                }
                open = true;
                let block = blocks.last_mut().context("just pushed")?;
                block.push_str(command);
                block.push('\n');
            }
            // An empty line inside of a block does not end it.
            None => open = open && line.is_empty(),
        }
    }
    ensure!(!blocks.is_empty(), "there are no commands under {heading:?}");
    Ok(blocks)
}
