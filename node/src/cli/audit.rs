//! `p2p-node audit verify`: whether the audit record of this machine is whole.
//!
//! Reads the files of a data directory and changes nothing, also while the node runs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use p2p_shared::config::Flag;
use p2p_shared::error::Exit;
use serde::Deserialize;

use super::CliError;
use crate::audit::disk::Directory;
use crate::audit::journal::Head;
use crate::audit::receipts::{self, Countersigned};
use crate::audit::verify::{Broken, Mark, Whole, judge_marks, verify_for};
use crate::config::{self, Given};
use crate::doctor::plan::Plan;
use crate::doctor::unit::Unit;
use crate::store::Store;
use crate::{audit, program};

/// How often the database is copied, because the node wrote to it meanwhile.
const COPIES: usize = 5;

const EXPLANATION: &str = "\
Every record is bound to the one before it, and the last one to the head that the node keeps in its database. What \
was changed, swapped, put in or taken out shows at the first record that is not what was written. Whoever has root \
can write a record anew together with its head and the countersignatures of other nodes that are kept here. What \
those nodes hold themselves is out of reach: `p2p-tui audit verify --on NODE` compares with that, and so does \
--against with a file that `p2p-tui audit heads --on NODE -o jsonl` wrote.

Exit code: 0 the record is whole, 1 it is broken, or cannot be read.";

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Says whether the record is whole, and if not, which record is the first that is broken
    #[command(after_help = EXPLANATION)]
    Verify {
        /// Directory of everything that survives a restart [default: as the installed service or `run` has it]
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Configuration file that names it [default: /etc/p2p-admin/node.toml, if it is there]
        #[arg(long, value_name = "FILE", conflicts_with = "data")]
        config: Option<PathBuf>,
        /// What other nodes hold of this record, as `p2p-tui audit heads -o jsonl` or `-o json` writes it
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
    },
}

/// Looks at one record.
pub(super) fn run(args: AuditArgs) -> anyhow::Result<()> {
    let Action::Verify { data, config, against } = args.action;
    let mut marks = against.as_deref().map(marks_of).transpose()?.unwrap_or_default();
    let data = match data {
        Some(data) => data,
        None => configured(config)?,
    };
    let place = data.join("audit");
    if !place.is_dir() {
        let message = format!("{}: there is no audit record: is --data right?", place.display());
        return Err(CliError::new(Exit::Failed, message).into());
    }
    // The head first: the record may have grown when it is read, but never be behind it.
    let kept = match kept(&data) {
        Ok(kept) => Some(kept),
        Err(why) => {
            super::complain(&format!("the head cannot be compared, so a cut tail would not show: {why}"));
            None
        }
    };
    let (head, countersigned) = kept.map_or((None, Vec::new()), |(head, signed)| (head, signed));
    marks.extend(countersigned.iter().map(Mark::from));
    let asked: Vec<u64> = marks.iter().map(|mark| mark.seq).collect();
    let judged = verify_for(&Directory::of(&data), head.as_ref(), &asked)
        .and_then(|whole| judge_marks(&whole, &marks).map(|compared| (whole, compared)));
    match judged {
        Ok((whole, compared)) => print(&place, &whole, head.as_ref(), compared),
        Err(error @ (Broken::At { .. } | Broken::Unreadable(_))) => {
            Err(CliError::new(Exit::Failed, format!("{}: {error}", place.display())).into())
        }
    }
}

fn print(place: &Path, whole: &Whole, head: Option<&Head>, compared: usize) -> anyhow::Result<()> {
    let mut text = match (whole.last + 1).checked_sub(whole.first.max(1)) {
        None | Some(0) => format!("ok: {}: no record yet\n", place.display()),
        Some(count) => format!(
            "ok: {}: {count} records, {} to {}, in {} files\n",
            place.display(),
            whole.first,
            whole.last,
            whole.segments
        ),
    };
    if let Some(head) = head {
        text.push_str(&format!("head: {} {}\n", head.seq, head.link));
    }
    text.push_str(&match compared {
        0 => "countersigned: by nobody yet that could be compared with\n".to_owned(),
        1 => "countersigned: agrees with 1 head that another node holds\n".to_owned(),
        count => format!("countersigned: agrees with {count} heads that other nodes hold\n"),
    });
    if whole.unfinished > 0 {
        text.push_str(&format!("unfinished: {} bytes behind the last record\n", whole.unfinished));
    }
    use std::io::Write;
    std::io::stdout().write_all(text.as_bytes()).context("standard output")
}

/// Where the node of this configuration keeps its data.
pub(super) fn configured(config: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let given = Given { config, env_file: None, flags: Vec::<Flag>::new() };
    // On a machine where the service is installed its node is meant, as for doctor.
    if let Some(data) = Plan::new(&given, &program::facts(), Unit::read().installed.as_ref()).data {
        return Ok(data);
    }
    let env = |name: &str| std::env::var_os(name);
    let loaded = config::load(&given, &program::facts(), &env);
    loaded.map(|config| config.data).map_err(|problems| {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        CliError::new(Exit::Config, format!("configuration: {first}: or name the directory with --data"))
            .into()
    })
}

/// The head and its countersignatures in the node's database, of a copy: the node may be running.
fn kept(data: &Path) -> Result<(Option<Head>, Vec<Countersigned>), String> {
    let mut why = String::new();
    for _ in 0..COPIES {
        match Store::copy_of(data) {
            Ok(None) => return Err(format!("{} holds no database", data.display())),
            Ok(Some(store)) => return Ok((audit::head_in(&store)?, receipts::countersigned(&store)?)),
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}

/// A row of `p2p-tui audit heads`; what else stands in it is not needed here.
#[derive(Debug, Deserialize)]
struct HeadRow {
    node: String,
    by: String,
    seq: u64,
    link: String,
}

impl From<HeadRow> for Mark {
    fn from(row: HeadRow) -> Self {
        Self { by: row.by, seq: row.seq, link: row.link }
    }
}

/// What other nodes hold: rows of JSON, one on a line or all in an array.
fn marks_of(file: &Path) -> anyhow::Result<Vec<Mark>> {
    let failed = |exit, why: String| CliError::new(exit, format!("{}: {why}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| failed(Exit::Failed, error.to_string()))?;
    let rows: Result<Vec<HeadRow>, _> = if text.trim_start().starts_with('[') {
        serde_json::from_str(&text)
    } else {
        text.lines().filter(|line| !line.trim().is_empty()).map(serde_json::from_str).collect()
    };
    let rows =
        rows.map_err(|error| failed(Exit::Data, format!("no rows of `p2p-tui audit heads`: {error}")))?;
    if rows.iter().any(|row| rows.first().is_some_and(|first| first.node != row.node)) {
        let why = "it holds heads of several nodes: `p2p-tui audit heads --on NODE` lists those of one";
        return Err(failed(Exit::Data, why.to_owned()).into());
    }
    if rows.is_empty() {
        return Err(failed(Exit::Data, "it holds no head to compare with".to_owned()).into());
    }
    Ok(rows.into_iter().map(Mark::from).collect())
}
