//! `p2p-node user`: who may log in to this node's HTTP face, and the tokens of scrapers.
//!
//! Names and roles enter as arguments, passwords from a terminal or a pipe. A file of the data directory changes,
//! which a running node reads at once. A token leaves by stdout, once; only its hash stays.

use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use p2p_shared::access::Role;
use p2p_shared::error::Exit;
use p2p_shared::time::Millis;
use zeroize::Zeroizing;

use super::audit::configured;
use super::{CliError, output};
use crate::auth::LONG_PREFIX;
use crate::auth::password::{self, PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN};
use crate::auth::secret::{self, Digest};
use crate::auth::users::{LongToken, TOKENS_MAX, USERS_MAX, User, Users, UsersError, check_name};
use crate::clock;

const EXPLANATION: &str = "\
Users are good at this node alone; who looks after many nodes has an operator's certificate instead (`p2p-ca`). A \
password comes from the terminal, or as the first line of stdin. What is changed here counts at once, also for \
whoever is logged in.";

/// The longest that a token of a scraper lives.
const DAYS_MAX: u64 = 3_650;

/// Arguments of `user`.
#[derive(Debug, Args)]
#[command(after_help = EXPLANATION)]
pub struct UserArgs {
    #[command(subcommand)]
    action: Action,
    /// Directory of everything that survives a restart [default: as the installed service or `run` has it]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration file that names it [default: /etc/p2p-admin/node.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "data")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Adds a user, with a password
    Add {
        /// Login name
        name: String,
        /// viewer, operator or admin
        #[arg(long)]
        role: Role,
    },
    /// Gives a user another password; sessions that are open end
    Passwd {
        /// Login name
        name: String,
    },
    /// Lists the users and their tokens
    List,
    /// Removes a user; sessions that are open end, and tokens
    Remove {
        /// Login name
        name: String,
    },
    /// Makes a long-lived token that only reads, for a scraper, and prints it
    Token {
        /// Whose: a user who is not there yet is added, without a password
        name: String,
        /// Only viewer
        #[arg(long, default_value = "viewer")]
        role: Role,
        /// How long it lives, as 90d
        #[arg(long, value_name = "DAYS", default_value = "90d", value_parser = days)]
        ttl: u64,
    },
    /// Takes back a long-lived token
    Revoke {
        /// Its id, as `list` shows it
        id: String,
    },
}

fn days(text: &str) -> Result<u64, String> {
    let days = text.strip_suffix('d').unwrap_or(text).parse::<u64>();
    match days {
        Ok(days) if (1..=DAYS_MAX).contains(&days) => Ok(days),
        _ => Err(format!("a number of days, 1d to {DAYS_MAX}d")),
    }
}

/// Changes or lists the users.
pub(super) fn run(args: UserArgs) -> anyhow::Result<()> {
    let UserArgs { action, data, config } = args;
    let data = match data {
        Some(data) => data,
        None => configured(config)?,
    };
    match action {
        Action::Add { name, role } => add(&data, &name, role),
        Action::Passwd { name } => passwd(&data, &name),
        Action::List => list(&data),
        Action::Remove { name } => remove(&data, &name),
        Action::Token { name, role, ttl } => token(&data, &name, (role, ttl)),
        Action::Revoke { id } => revoke(&data, &id),
    }
}

fn failed(message: String) -> anyhow::Error {
    CliError::new(Exit::Failed, message).into()
}

fn change<T>(data: &Path, change: impl FnOnce(&mut Users) -> Result<T, String>) -> anyhow::Result<T> {
    enum Error {
        Users(UsersError),
        Said(String),
    }
    impl From<UsersError> for Error {
        fn from(error: UsersError) -> Self {
            Self::Users(error)
        }
    }
    Users::change(data, |users| change(users).map_err(Error::Said)).map_err(|error| match error {
        Error::Users(error) => failed(error.to_string()),
        Error::Said(message) => failed(message),
    })
}

fn checked(name: &str) -> anyhow::Result<()> {
    check_name(name).map_err(|why| CliError::new(Exit::Usage, why).into())
}

fn add(data: &Path, name: &str, role: Role) -> anyhow::Result<()> {
    checked(name)?;
    if Users::read(data).map_err(|error| failed(error.to_string()))?.get(name).is_some() {
        return Err(failed(taken(name)));
    }
    let phc = new_password(name)?;
    let user =
        User { name: name.to_owned(), role, password: Some(phc), changed: clock::wall(), tokens: Vec::new() };
    change(data, |users| put(users, user))?;
    super::complain(&format!("user {name} has role {role} at this node"));
    Ok(())
}

fn taken(name: &str) -> String {
    format!("there is a user {name}: `p2p-node user passwd {name}` changes the password")
}

fn put(users: &mut Users, user: User) -> Result<(), String> {
    if users.get(&user.name).is_some() {
        return Err(taken(&user.name));
    }
    if users.users.len() >= USERS_MAX {
        return Err(format!("there are {USERS_MAX} users already"));
    }
    users.users.push(user);
    Ok(())
}

fn unknown(name: &str) -> String {
    format!("there is no user {name}: see `p2p-node user list`")
}

fn passwd(data: &Path, name: &str) -> anyhow::Result<()> {
    if Users::read(data).map_err(|error| failed(error.to_string()))?.get(name).is_none() {
        return Err(failed(unknown(name)));
    }
    let phc = new_password(name)?;
    change(data, |users| {
        let user = users.get_mut(name).ok_or_else(|| unknown(name))?;
        (user.password, user.changed) = (Some(phc), clock::wall());
        Ok(())
    })?;
    super::complain(&format!("user {name} has another password; whoever was logged in has to log in again"));
    Ok(())
}

fn remove(data: &Path, name: &str) -> anyhow::Result<()> {
    change(data, |users| {
        let before = users.users.len();
        users.users.retain(|user| user.name != name);
        if users.users.len() < before { Ok(()) } else { Err(unknown(name)) }
    })
}

fn token(data: &Path, name: &str, (role, days): (Role, u64)) -> anyhow::Result<()> {
    checked(name)?;
    if role != Role::Viewer {
        let message =
            "a long-lived token only reads: --role viewer; who may more logs in, or has a certificate";
        return Err(CliError::new(Exit::Usage, message).into());
    }
    let now = clock::wall();
    let (text, id) = (secret::new(LONG_PREFIX), p2p_shared::id::hex(&secret::random::<4>()));
    let long = LongToken {
        id: id.clone(),
        hash: Digest::of(&text),
        made: now,
        ends: now.plus(Millis::from_secs(days * 86_400)),
    };
    change(data, |users| {
        if users.get(name).is_none() {
            let (name, role) = (name.to_owned(), Role::Viewer);
            put(users, User { name, role, password: None, changed: now, tokens: Vec::new() })?;
        }
        let user = users.get_mut(name).ok_or_else(|| unknown(name))?;
        user.tokens.retain(|token| token.ends > now);
        if user.tokens.len() >= TOKENS_MAX {
            return Err(format!("user {name} has {TOKENS_MAX} tokens already: `p2p-node user revoke ID`"));
        }
        user.tokens.push(long);
        Ok(())
    })?;
    super::complain(&format!(
        "token {id} of {name} reads at this node for {days} days; it is shown only now"
    ));
    printed(&format!("{text}\n"))
}

fn revoke(data: &Path, id: &str) -> anyhow::Result<()> {
    change(data, |users| {
        let count = |users: &Users| users.users.iter().map(|user| user.tokens.len()).sum::<usize>();
        let before = count(users);
        users.users.iter_mut().for_each(|user| user.tokens.retain(|token| token.id != id));
        if count(users) < before { Ok(()) } else { Err(format!("there is no token {id}")) }
    })
}

fn list(data: &Path) -> anyhow::Result<()> {
    let users = Users::read(data).map_err(|error| failed(error.to_string()))?;
    let now = clock::wall();
    let mut text = String::from("USER                 ROLE      PASSWORD  TOKENS\n");
    for user in &users.users {
        let left = |token: &LongToken| match token.ends.since(now) {
            Millis(0) => format!("{} (ended)", token.id),
            left => format!("{} ({} days)", token.id, left.0.div_ceil(86_400_000)),
        };
        let tokens: Vec<String> = user.tokens.iter().map(left).collect();
        let has = if user.password.is_some() { "yes" } else { "no" };
        let role = user.role;
        text.push_str(format!("{:<20} {role:<9} {has:<9} {}", user.name, tokens.join(", ")).trim_end());
        text.push('\n');
    }
    printed(&text)
}

fn printed(text: &str) -> anyhow::Result<()> {
    match output::print(text.as_bytes()) {
        Exit::Ok => Ok(()),
        exit => Err(CliError::new(exit, "stdout cannot be written to").into()),
    }
}

/// The PHC string of a new password.
fn new_password(name: &str) -> anyhow::Result<String> {
    let password = if io::stdin().is_terminal() {
        let first = asked(&format!("Password of {name} (at least {PASSWORD_CHARS_MIN} characters): "))?;
        let again = asked("Once more: ")?;
        if *first != *again {
            return Err(CliError::new(Exit::Usage, "the two differ: nothing was changed").into());
        }
        first
    } else {
        let mut line = Zeroizing::new(String::new());
        io::stdin().lock().read_line(&mut line).context("stdin")?;
        Zeroizing::new(line.trim_end_matches(['\n', '\r']).to_owned())
    };
    if password.chars().count() < PASSWORD_CHARS_MIN || password.len() > PASSWORD_BYTES_MAX {
        let message = format!(
            "a password has at least {PASSWORD_CHARS_MIN} characters, and at most {PASSWORD_BYTES_MAX} bytes"
        );
        return Err(CliError::new(Exit::Data, message).into());
    }
    password::hash(&password).map_err(failed)
}

fn asked(prompt: &str) -> anyhow::Result<Zeroizing<String>> {
    rpassword::prompt_password(prompt).map(Zeroizing::new).context("the terminal gave no password")
}
