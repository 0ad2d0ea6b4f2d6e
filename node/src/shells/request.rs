//! What a caller wants, judged: a request becomes what is to be run, or a refusal that says why.

use std::path::PathBuf;

use p2p_shared::error::RpcError;
use p2p_shared::services::shell::{ShellRequest, ShellSize};

use super::facts::Facts;
use crate::host::Roots;
use crate::host::run::account::Account;
use crate::host::run::{self, Limits, RunId, Size, Stop, Streams, Work};

/// Arguments and variables of one shell.
const WORDS_MAX: usize = 4_096;
/// Longest `TERM`.
const TERM_BYTES_MAX: usize = 64;
/// What becomes a login shell with `-l`.
const LOGIN_SHELLS: [&str; 8] = ["ash", "bash", "dash", "fish", "ksh", "mksh", "sh", "zsh"];

/// A shell that can be asked of a runner.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// As whom.
    pub user: String,
    /// `TERM`.
    pub term: String,
    /// Of its terminal.
    pub size: ShellSize,
    program: String,
    arguments: Vec<String>,
    directory: PathBuf,
    account: Option<Account>,
    environment: Vec<(String, String)>,
}

impl Wanted {
    /// Judges a request.
    ///
    /// # Errors
    /// If it makes no sense, or this machine knows no such user.
    pub fn new(request: ShellRequest) -> Result<Self, RpcError> {
        check(&request)?;
        let own = rustix::process::geteuid().as_raw().to_string();
        let user = request.user.as_deref().unwrap_or(&own);
        let account = Account::find(&Roots::default(), user);
        if let (None, Some(user)) = (&account, &request.user) {
            return Err(RpcError::not_found(format!("user {user:?} is in no line of /etc/passwd")));
        }
        let home = account.as_ref().map(|account| account.home.clone()).filter(|home| home.is_dir());
        let login = || account.as_ref().map_or("/bin/sh", |account| account.shell.as_str());
        let (program, arguments) = match request.command {
            Some(command) => (command.program, command.arguments),
            None => login_shell(login()),
        };
        let mut environment = run::base_environment(account.as_ref());
        environment.push(("TERM".to_owned(), request.term.clone()));
        environment.extend(request.environment.into_iter().map(|one| (one.name, one.value)));
        Ok(Self {
            user: account.as_ref().map_or_else(|| own.clone(), |account| account.name.clone()),
            term: request.term,
            size: request.size.clamped(),
            program,
            arguments,
            directory: request.directory.map_or_else(|| home.unwrap_or_else(|| "/".into()), PathBuf::from),
            account: account.filter(|account| account.uid.to_string() != own),
            environment,
        })
    }

    /// The program and its arguments.
    pub fn words(&self) -> Vec<String> {
        std::iter::once(&self.program).chain(&self.arguments).cloned().collect()
    }

    /// The file that is really run.
    pub fn file(&self) -> PathBuf {
        run::really_run(&self.program, &self.directory, &self.environment)
    }

    /// What a runner is asked for.
    pub fn work(self, id: RunId, facts: &Facts) -> Work {
        Work {
            id,
            description: format!("shell of {}, opened by {}", facts.user, facts.opener.words()),
            // What was judged is what is run; what is not there says so when it is started.
            file: Some(self.file()).filter(|file| file.is_absolute()),
            program: self.program,
            arguments: self.arguments,
            directory: self.directory,
            account: self.account,
            environment: self.environment,
            limits: Limits::default(),
            stop: Stop::default(),
            streams: Streams::Terminal(Size { rows: self.size.rows, columns: self.size.columns }),
        }
    }
}

/// A shell that reads what a login reads, as far as it is known how it is told so.
fn login_shell(path: &str) -> (String, Vec<String>) {
    let name = path.rsplit('/').next().unwrap_or(path);
    let arguments = if LOGIN_SHELLS.contains(&name) { vec!["-l".to_owned()] } else { Vec::new() };
    (path.to_owned(), arguments)
}

fn check(request: &ShellRequest) -> Result<(), RpcError> {
    let bad = |text: String| Err(RpcError::bad_request(text));
    let is_of_term = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
    let term = &request.term;
    if term.is_empty() || term.len() > TERM_BYTES_MAX || !term.bytes().all(is_of_term) {
        return bad(format!("{term:?} is no name of a terminal"));
    }
    let command = request.command.as_ref();
    if command.is_some_and(|command| command.program.is_empty()) {
        return bad("the command is empty".into());
    }
    let arguments = command.map_or(&[][..], |command| &command.arguments);
    if arguments.len() > WORDS_MAX || request.environment.len() > WORDS_MAX {
        return bad(format!("a shell has at most {WORDS_MAX} arguments and variables"));
    }
    let variables = request.environment.iter();
    if let Some(one) = variables.clone().find(|one| one.name.is_empty() || one.name.contains('=')) {
        return bad(format!("{:?} is no name of a variable", one.name));
    }
    let texts = arguments.iter().chain(command.map(|command| &command.program)).chain(&request.directory);
    if texts.chain(variables.flat_map(|one| [&one.name, &one.value])).any(|text| text.contains('\0')) {
        return bad("a shell holds a zero byte, which none can".into());
    }
    Ok(())
}
