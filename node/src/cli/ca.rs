//! `p2p-node ca`: the CA of a mesh. `scripts/ca.sh` is the door to it.

mod revoke;

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::{Args, Subcommand};
use p2p_shared::access::Role;
use p2p_shared::error::Exit;
use p2p_shared::id::{MeshName, NodeName};
use p2p_shared::time::UnixMillis;

use super::CliError;
use super::passphrase::{self, CA_KEY, OPERATOR_KEY};
use crate::pki::{
    self, Address, Authority, CA_DAYS_DEFAULT, CaCertificate, Endpoint, Issued, Kind, LEAF_DAYS_MAX,
    NODE_DAYS_DEFAULT, NewCa, NodeRequest, OPERATOR_DAYS_DEFAULT, OperatorRequest, PkiError, Record, Renewal,
    Sealing,
};

/// How long a wrong passphrase costs, so that a script does not try many.
const WRONG_PASSPHRASE_PAUSE: Duration = Duration::from_secs(1);
/// The longest life of a CA: a century.
const CA_DAYS_MAX: u64 = 36_500;

const EXAMPLES: &str = "\
Examples:
  ca.sh init --mesh prod                          a new CA, its key behind a passphrase
  ca.sh issue node web-1 --address 10.0.0.1       a machine
  ca.sh issue operator anna --role admin          a person
  ca.sh bundle node web-1 --bootstrap 10.0.0.1:5678 > web-1.tar
  p2p-node import web-1.tar                       on web-1, as root
  p2p-tui import anna.tar                         where anna works
  ca.sh renew web-1                               the same key and id, a later end
  ca.sh revoke web-1 --push 10.0.0.2:5678         its key is out, on every node within seconds
  ca.sh issue node web-1 --replace                revoke the old key, and issue a new one

Passphrases are asked for on the terminal. Scripts name files instead:
  P2P_CA_PASSPHRASE_FILE   for the CA's key
  P2P_KEY_PASSPHRASE_FILE  for operators' keys";

/// The CA of a mesh.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct CaArgs {
    /// The CA's directory.
    #[arg(long, global = true, env = "P2P_CA_DIR", default_value = "certs", value_name = "DIR")]
    dir: PathBuf,
    #[command(subcommand)]
    command: CaCommand,
}

#[derive(Debug, Subcommand)]
enum CaCommand {
    /// Make a CA.
    Init(InitArgs),
    /// Issue a certificate and its key.
    #[command(subcommand, arg_required_else_help = true)]
    Issue(IssueCommand),
    /// Throw a key out of the mesh, for good; its name is free for a new one.
    Revoke(revoke::RevokeArgs),
    /// Hand the list of revoked keys to nodes, which tell all the others.
    Push(revoke::PushArgs),
    /// Write the revoked certificates as a CRL for other tools.
    Crl(revoke::CrlArgs),
    /// Issue a certificate anew for the key it has: the id stays.
    Renew(RenewArgs),
    /// Show everybody who has a certificate.
    List(OutputArgs),
    /// Show one certificate.
    Show(ShowArgs),
    /// Write a tar with all that a machine or a person needs to standard output.
    Bundle(BundleArgs),
}

#[derive(Debug, Args)]
struct InitArgs {
    /// Name of the mesh, which stands in every certificate.
    #[arg(long, default_value = "mesh", value_name = "NAME")]
    mesh: MeshName,
    /// Life of the CA in days.
    #[arg(long, default_value_t = CA_DAYS_DEFAULT, value_parser = clap::value_parser!(u64).range(1..=CA_DAYS_MAX))]
    days: u64,
    /// Leave the CA's key unencrypted: for demonstrations and tests.
    #[arg(long)]
    no_passphrase: bool,
}

#[derive(Debug, Subcommand)]
enum IssueCommand {
    /// A machine.
    Node(IssueNodeArgs),
    /// A person or a script.
    Operator(IssueOperatorArgs),
}

#[derive(Debug, Args)]
struct IssueNodeArgs {
    /// Name of the machine in the mesh.
    name: NodeName,
    /// IP address or DNS name under which browsers reach it; may be repeated. Its name, localhost and the
    /// loopback addresses are always in.
    #[arg(long = "address", value_name = "HOST")]
    addresses: Vec<Address>,
    /// Revoke the key that this name has, and issue a new one.
    #[arg(long)]
    replace: bool,
    /// Life in days.
    #[arg(long, default_value_t = NODE_DAYS_DEFAULT, value_parser = clap::value_parser!(u64).range(1..=LEAF_DAYS_MAX))]
    days: u64,
}

#[derive(Debug, Args)]
struct IssueOperatorArgs {
    /// Name of the person in the mesh.
    name: NodeName,
    /// What the person is trusted with: viewer, operator or admin.
    #[arg(long)]
    role: Role,
    /// Revoke the key that this name has, and issue a new one.
    #[arg(long)]
    replace: bool,
    /// Life in days.
    #[arg(long, default_value_t = OPERATOR_DAYS_DEFAULT, value_parser = clap::value_parser!(u64).range(1..=LEAF_DAYS_MAX))]
    days: u64,
    /// Leave the operator's key unencrypted: for demonstrations and tests.
    #[arg(long)]
    no_passphrase: bool,
}

#[derive(Debug, Args)]
struct RenewArgs {
    /// Name of the node or operator.
    name: NodeName,
    /// Life in days from now [default: 90 for a node, 30 for an operator].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=LEAF_DAYS_MAX))]
    days: Option<u64>,
    /// Of a node: addresses in place of those it has; may be repeated.
    #[arg(long = "address", value_name = "HOST")]
    addresses: Vec<Address>,
}

#[derive(Debug, Args)]
struct OutputArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// Name of the node or operator.
    name: NodeName,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum BundleKind {
    Node,
    Operator,
}

#[derive(Debug, Args)]
struct BundleArgs {
    /// Whose.
    kind: BundleKind,
    /// Name of the node or operator.
    name: NodeName,
    /// Nodes to dial first.
    #[arg(long, value_name = "HOST:PORT,...", value_delimiter = ',')]
    bootstrap: Vec<Endpoint>,
}

/// Runs one command of the CA.
pub fn run(args: CaArgs) -> anyhow::Result<()> {
    let outcome = dispatch(&args.dir, args.command);
    if let Err(error) = &outcome
        && error.downcast_ref().is_some_and(PkiError::is_wrong_passphrase)
    {
        std::thread::sleep(WRONG_PASSPHRASE_PAUSE);
    }
    outcome
}

fn dispatch(dir: &Path, command: CaCommand) -> anyhow::Result<()> {
    match command {
        CaCommand::Init(args) => init(dir, args),
        CaCommand::Issue(IssueCommand::Node(args)) => issue_node(dir, args),
        CaCommand::Issue(IssueCommand::Operator(args)) => issue_operator(dir, args),
        CaCommand::Revoke(args) => revoke::revoke(dir, args),
        CaCommand::Push(args) => revoke::push(dir, &args),
        CaCommand::Crl(args) => revoke::crl(dir, &args),
        CaCommand::Renew(args) => renew(dir, args),
        CaCommand::List(args) => list(dir, &args),
        CaCommand::Show(args) => show(dir, &args),
        CaCommand::Bundle(args) => bundle(dir, &args),
    }
}

fn init(dir: &Path, args: InitArgs) -> anyhow::Result<()> {
    Authority::refuse_existing(dir)?;
    let sealing = if args.no_passphrase { Sealing::Plain } else { passphrase::chosen(CA_KEY)? };
    let new = NewCa { mesh: args.mesh, days: args.days };
    let authority = Authority::init(dir, &new, &sealing, now())?;
    let ca = authority.certificate();
    eprintln!("Made the CA of mesh {} in {}, good until {}.", ca.mesh(), dir.display(), ca.ends());
    eprintln!("Keep {} safe: who has it owns the mesh.", dir.join("ca.key").display());
    eprintln!("Next: ca.sh issue node NAME --address HOST, and ca.sh issue operator NAME --role admin");
    Ok(())
}

fn issue_node(dir: &Path, args: IssueNodeArgs) -> anyhow::Result<()> {
    let replaced = revoke::replaced(dir, &args.name, args.replace.then_some(Kind::Node))?;
    let authority = open(dir)?;
    revoke::replace(&authority, replaced)?;
    let request = NodeRequest { name: args.name, addresses: args.addresses, days: args.days };
    tell(&authority.issue_node(&request, now())?, "Issued");
    Ok(())
}

fn issue_operator(dir: &Path, args: IssueOperatorArgs) -> anyhow::Result<()> {
    let replaced = revoke::replaced(dir, &args.name, args.replace.then_some(Kind::Operator))?;
    let authority = open(dir)?;
    let sealing = if args.no_passphrase { Sealing::Plain } else { passphrase::chosen(OPERATOR_KEY)? };
    revoke::replace(&authority, replaced)?;
    let request = OperatorRequest { name: args.name, role: args.role, days: args.days };
    tell(&authority.issue_operator(&request, &sealing, now())?, "Issued");
    Ok(())
}

fn renew(dir: &Path, args: RenewArgs) -> anyhow::Result<()> {
    let kind = pki::find(dir, &args.name)?;
    if kind == Kind::Operator && !args.addresses.is_empty() {
        return Err(CliError::new(
            Exit::Usage,
            format!("{} is an operator, who has no addresses", args.name),
        )
        .into());
    }
    let renewal = Renewal { name: args.name, days: args.days, addresses: args.addresses };
    tell(&open(dir)?.renew(&renewal, now())?, "Renewed");
    Ok(())
}

fn list(dir: &Path, args: &OutputArgs) -> anyhow::Result<()> {
    let ca = CaCertificate::read(dir)?;
    let (records, broken): (Vec<_>, Vec<_>) = pki::list(dir, now())?.into_iter().partition(Result::is_ok);
    let records: Vec<Record> = records.into_iter().flatten().collect();
    if args.json {
        emit(&(serde_json::to_string_pretty(&records)? + "\n"))?;
    } else {
        eprintln!("Mesh {}: the CA in {} is good until {}.", ca.mesh(), dir.display(), ca.ends());
        emit(&table(&records))?;
    }
    let broken: Vec<String> =
        broken.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect();
    if broken.is_empty() { Ok(()) } else { Err(CliError::new(Exit::Data, broken.join("; ")).into()) }
}

fn show(dir: &Path, args: &ShowArgs) -> anyhow::Result<()> {
    let record = pki::show(dir, &args.name, now())?;
    if args.output.json {
        return emit(&(serde_json::to_string_pretty(&record)? + "\n"));
    }
    let rows = [
        ("name", record.name.to_string()),
        ("kind", record.kind.to_string()),
        ("role", record.role.map_or("-", Role::as_str).to_owned()),
        ("id", record.id.to_string()),
        ("not before", record.not_before.clone()),
        ("not after", format!("{} ({})", record.not_after, left(&record))),
        ("serial", record.serial.clone()),
        ("addresses", or_dash(record.addresses.join(" "))),
        ("revoked", revoked(&record)),
    ];
    emit(&rows.map(|(key, value)| format!("{key:<11} {value}\n")).concat())
}

fn bundle(dir: &Path, args: &BundleArgs) -> anyhow::Result<()> {
    let out = io::stdout();
    if out.is_terminal() {
        let name = &args.name;
        let message = format!("a bundle holds a private key and is not for a terminal: add > {name}.tar");
        return Err(CliError::new(Exit::Usage, message).into());
    }
    close_to_others(&out);
    let kind = match args.kind {
        BundleKind::Node => Kind::Node,
        BundleKind::Operator => Kind::Operator,
    };
    pki::bundle(dir, (kind, &args.name), &args.bootstrap, out.lock())?;
    let name = &args.name;
    let there = match kind {
        Kind::Node => format!("On {name}, as root: p2p-node import {name}.tar"),
        Kind::Operator => format!("Where {name} works: p2p-tui import {name}.tar"),
    };
    eprintln!("The bundle holds a private key: carry it safely, and delete it when it is in place.");
    eprintln!("{there}");
    Ok(())
}

fn open(dir: &Path) -> anyhow::Result<Authority> {
    Ok(Authority::open(dir, |path| passphrase::known(CA_KEY, path))?)
}

fn tell(issued: &Issued, verb: &str) {
    let Record { name, kind, role, id, not_after, .. } = &issued.record;
    let role = role.map(|role| format!(" ({role})")).unwrap_or_default();
    eprintln!("{verb} {kind} {name}{role}, id {}, good until {not_after}.", id.short());
    if issued.shortened {
        eprintln!("That is earlier than asked, because the CA ends then.");
    }
    eprintln!(
        "Its files are in {}. To carry them: ca.sh bundle {kind} {name} > {name}.tar",
        issued.directory.display()
    );
}

fn table(records: &[Record]) -> String {
    let header = ["NAME", "KIND", "ROLE", "ID", "ENDS", "LEFT", "ADDRESSES"].map(str::to_owned);
    let rows = records.iter().map(|record| {
        [
            record.name.to_string(),
            record.kind.to_string(),
            record.role.map_or("-", Role::as_str).to_owned(),
            record.id.short(),
            record.not_after.clone(),
            left(record),
            or_dash(record.addresses.join(" ")),
        ]
    });
    let rows: Vec<[String; 7]> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
    let widths: [usize; 7] = std::array::from_fn(width);
    let line = |row: &[String; 7]| {
        let cells: String = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}  ")).collect();
        cells.trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn revoked(record: &Record) -> String {
    record
        .revoked
        .as_ref()
        .map_or_else(|| "no".to_owned(), |revoked| format!("{} ({})", revoked.at, revoked.reason))
}

fn left(record: &Record) -> String {
    if record.revoked.is_some() {
        return "revoked".to_owned();
    }
    match record.days_left {
        ..=-1 => "ended".to_owned(),
        0 => "hours".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

/// Data for standard output, in one piece.
fn emit(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("standard output")
}

/// A redirect makes a file by the umask, mostly readable by all: not for keys. Whatever else standard output
/// may be keeps its rights, and a failure leaves the warning that follows.
fn close_to_others(out: &io::Stdout) {
    let Ok(file) = out.as_fd().try_clone_to_owned().map(File::from) else {
        return;
    };
    if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        let _ = rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(0o600));
    }
}

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
