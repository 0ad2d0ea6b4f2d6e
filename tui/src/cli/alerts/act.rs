//! Silencing, ending silences, and looking after alerts.

use p2p_shared::error::{Code, Exit, RpcError};
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::alert::{AlertInfo, AlertSilence, AlertState};
use p2p_shared::services::node::Member;

use super::rows::{AlertRow, Ordered, SilenceRow};
use super::{AckArgs, SilenceArgs, UnsilenceArgs};
use crate::cli::failure::{CliError, words};
use crate::cli::output::Streams;
use crate::cli::session::{Account, Session};

/// Shortest beginning of an id that means it.
const ID_DIGITS_MIN: usize = 4;

/// Silences what fits on each node, and prints the silences.
pub async fn silence(
    session: &Session,
    args: &SilenceArgs,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let too_long = |_| CliError::usage("--for is a year at most");
    let span_s = u32::try_from(args.span.0.div_ceil(1_000)).map_err(too_long)?;
    let matchers = matchers(&args.matchers);
    let members = session.writable(&args.on, streams)?;
    let (mut account, mut rows) = (Account::default(), Vec::new());
    let ask = |node: NodeHandle| {
        let (matchers, reason) = (matchers.clone(), args.reason.clone());
        async move { node.alert().silence(matchers, reason, span_s).await }
    };
    let answered = |member: &Member, answer: Result<AlertSilence, RpcError>| {
        match answer {
            Ok(silence) => rows.push(SilenceRow::new(&member.name, silence)),
            Err(error) => account.failed(member, &error, streams),
        }
        Ok(())
    };
    session.ask(&members, ask, answered).await?;
    rows.sort_by(Ordered::order);
    streams.rows(&rows, args.output)?;
    Ok(account.exit_of(&members))
}

/// Bare words are names of rules, of which any is meant; everything else has to fit.
fn matchers(texts: &[String]) -> String {
    let is_name = |text: &&str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    let (names, mut all): (Vec<&str>, Vec<&str>) = texts.iter().map(String::as_str).partition(is_name);
    let named = match names.as_slice() {
        [] => String::new(),
        [one] => format!("alertname=\"{one}\""),
        several => format!("alertname=~\"{}\"", several.join("|")),
    };
    if !named.is_empty() {
        all.insert(0, &named);
    }
    all.join(", ")
}

/// What a node answered about a silence.
type Ended = (u64, Result<(), RpcError>);

/// Ends silences on each node. A number that one of several nodes does not know is meant on another.
pub async fn unsilence(
    session: &Session,
    args: &UnsilenceArgs,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let members = session.writable(&args.on, streams)?;
    let (mut account, mut failed, mut unknown) = (Account::default(), false, args.ids.clone());
    let ask = |node: NodeHandle| {
        let ids = args.ids.clone();
        async move {
            let mut answers = Vec::new();
            for id in ids {
                let answer = node.alert().unsilence(id).await;
                answers.push((id, answer));
            }
            Ok(answers)
        }
    };
    let answered = |member: &Member, answers: Result<Vec<Ended>, RpcError>| {
        match answers {
            Err(error) => account.failed(member, &error, streams),
            Ok(answers) => {
                for (id, answer) in answers {
                    match answer {
                        Err(RpcError { code: Code::NotFound, .. }) => continue,
                        Ok(()) => streams.tell(&format!("{}: silence {id} is over", member.name)),
                        Err(error) => {
                            failed = true;
                            streams.say(&format!("{}: {}", member.name, words(&error)));
                        }
                    }
                    unknown.retain(|other| *other != id);
                }
            }
        }
        Ok(())
    };
    session.ask(&members, ask, answered).await?;
    for id in &unknown {
        streams.say(&format!("{id}: no such silence there; `p2p-tui alerts silences` lists those there are"));
    }
    Ok(if failed || !unknown.is_empty() { Exit::Failed } else { account.exit_of(&members) })
}

/// Acknowledges what fires and is meant, and prints it.
pub async fn acknowledge(
    session: &Session,
    args: &AckArgs,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let members = session.writable(&args.on, streams)?;
    let (mut account, mut rows) = (Account::default(), Vec::new());
    let mut unknown = args.alerts.clone();
    let ask = |node: NodeHandle| {
        let (wanted, note) = (args.alerts.clone(), args.note.clone());
        async move {
            let mut noted = Vec::new();
            let list = node.alert().list().await?;
            for alert in list.alerts.iter().filter(|alert| wanted.iter().any(|text| means(text, alert))) {
                match node.alert().acknowledge(alert.id.clone(), note.clone()).await {
                    Ok(alert) => noted.push(alert),
                    // It was resolved in between.
                    Err(RpcError { code: Code::NotFound, .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(noted)
        }
    };
    let answered = |member: &Member, answer: Result<Vec<AlertInfo>, RpcError>| {
        match answer {
            Ok(noted) => {
                for alert in noted {
                    unknown.retain(|text| !means(text, &alert));
                    rows.push(AlertRow::new(&member.name, alert));
                }
            }
            Err(error) => account.failed(member, &error, streams),
        }
        Ok(())
    };
    session.ask(&members, ask, answered).await?;
    for text in &unknown {
        streams.say(&format!("{text}: no such alert fires there; `p2p-tui alerts` lists those that do"));
    }
    rows.sort_by(Ordered::order);
    streams.rows(&rows, args.output)?;
    Ok(if unknown.is_empty() { account.exit_of(&members) } else { Exit::Failed })
}

/// Whether a word of the command line means an alert that fires.
fn means(text: &str, alert: &AlertInfo) -> bool {
    let is_id = text.len() >= ID_DIGITS_MIN && alert.id.starts_with(text);
    alert.state == AlertState::Firing && (is_id || alert.rule == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_words_are_names_of_rules() {
        let matchers = |texts: &[&str]| matchers(&texts.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(
            matchers(&["mountpoint=\"/srv\"", "disk_full"]),
            "alertname=\"disk_full\", mountpoint=\"/srv\""
        );
        assert_eq!(matchers(&["a", "b"]), "alertname=~\"a|b\"");
    }
}
