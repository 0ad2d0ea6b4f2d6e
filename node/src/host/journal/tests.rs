use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::timeout;

use super::*;

const ENTRY: &str = r#"{"__CURSOR":"c%d","__REALTIME_TIMESTAMP":"1","MESSAGE":"m"}\n"#;

/// A journal whose program runs `lines` of a shell.
fn journal(lines: &str) -> (TempDir, Journal) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journalctl");
    fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let journal = Journal::read_by(&path);
    (directory, journal)
}

fn extent(rows: usize) -> Extent {
    Extent { rows, order: JournalOrder::Newest, fields: Fields::Named }
}

async fn page(lines: &str, rows: usize) -> Result<JournalPage, JournalError> {
    let (_kept, journal) = journal(lines);
    timeout(Duration::from_secs(20), journal.query(&Question::default(), extent(rows))).await.unwrap()
}

#[tokio::test]
async fn a_page_ends_at_its_limit_with_a_cursor() {
    let endless = format!("while :; do printf '{ENTRY}' 7; done");
    let page = page(&endless, 3).await.unwrap();
    assert_eq!((page.rows.len(), page.next.as_deref()), (3, Some("c7")));
}

#[tokio::test]
async fn a_page_that_holds_everything_has_no_cursor() {
    let page = page(&format!("printf '{ENTRY}' 1; echo nonsense; printf '{ENTRY}' 2"), 10).await.unwrap();
    assert_eq!((page.rows.len(), page.unreadable, page.next), (2, 1, None));
}

#[tokio::test]
async fn a_failure_says_what_the_program_said_and_an_empty_search_is_none() {
    let error = page("echo 'Failed to do it' >&2; exit 1", 1).await.unwrap_err();
    assert_eq!(error, JournalError::Failed("Failed to do it".into()));
    assert!(page("exit 1", 1).await.unwrap().rows.is_empty());
}

#[tokio::test]
async fn a_bad_expression_is_a_bad_question_for_a_follow_without_lines_too() {
    let (_kept, journal) = journal("echo 'Bad pattern \"(\": missing closing parenthesis' >&2; exit 1");
    let question = Question { regex: Some("(".into()), ..Question::default() };
    let error = journal.query(&question, extent(1)).await.unwrap_err();
    assert!(matches!(&error, JournalError::Invalid(words) if words.contains("parenthesis")), "{error}");
    assert!(matches!(journal.follow(question, 0).await, Err(JournalError::Invalid(_))));
}

#[tokio::test]
async fn a_line_without_end_is_thrown_away() {
    let lines = format!("head -c 3000000 /dev/zero | tr '\\0' x; echo; printf '{ENTRY}' 1");
    let page = page(&lines, 10).await.unwrap();
    assert_eq!((page.rows.len(), page.unreadable), (1, 1));
}

#[tokio::test]
async fn a_flood_is_counted_and_the_child_is_gone_at_the_end() {
    let flood = format!("echo $$ > \"$0.pid\"; while :; do printf '{ENTRY}' 7; done");
    let (kept, journal) = journal(&flood);
    let (rows, mut following) = journal.follow(Question::default(), 0).await.unwrap();
    assert!(rows.is_empty());
    let mut dropped = 0;
    while dropped == 0 {
        let batch = timeout(Duration::from_secs(20), following.next()).await.unwrap().unwrap();
        assert!(batch.rows.len() <= 200);
        dropped = batch.dropped;
    }
    let pid = fs::read_to_string(kept.path().join("journalctl.pid")).unwrap();
    following.end().await;
    assert!(!std::path::Path::new(&format!("/proc/{}", pid.trim())).exists(), "no child and no zombie");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let journal = Journal::read_by("/nonexistent/journalctl".as_ref());
    let error = journal.query(&Question::default(), extent(1)).await.unwrap_err();
    assert!(matches!(error, JournalError::NotRun(_)), "{error}");
}
