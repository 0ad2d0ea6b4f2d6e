//! `Idempotency-Key`: a request that is sent again is not done again (draft-ietf-httpapi-idempotency-key-header).
//!
//! A key, its caller and what was asked enter; the first time the work is begun, and its end is kept for whoever
//! comes with the same key, the same request and the same caller, also while it still runs. The work goes on though
//! the client goes away: that is when the answer is asked for again. Kept in memory, for an hour and up to a limit, and
//! each answer says whether it was given before. A restart forgets it: to hold over one, what is begun would have to be
//! on disk before it begins, for every answer of any size, and what a restart cut short would still be unknown. What
//! must not be done twice then either is a job, whose key is on disk with it.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::header::{HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use p2p_shared::error::RpcError;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::bearer::{Bearer, held};
use super::methods::answer;
use crate::http::Problem;

/// The header.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest key.
const KEY_BYTES_MAX: usize = 128;
/// For how long an answer is kept.
const KEPT_FOR: Duration = Duration::from_secs(3_600);
/// Most answers.
const KEPT_MAX: usize = 4_096;
/// Most bytes of all of them.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// How a request ended.
type End = Result<Bytes, Problem>;

/// A caller and a key.
type Name = (String, String);

#[derive(Debug)]
struct Kept {
    request: blake3::Hash,
    end: watch::Receiver<Option<End>>,
    since: Instant,
}

/// What was asked under keys.
#[derive(Debug, Default)]
pub struct Once {
    // Held for one look-up, never across a wait.
    kept: Mutex<Table>,
    /// Of all answers that are kept.
    bytes: Arc<AtomicUsize>,
    tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct Table {
    by_name: HashMap<Name, Kept>,
    /// The oldest first.
    order: VecDeque<Name>,
}

impl Once {
    /// Does `work`, unless the same was done under the request's key.
    pub(super) async fn run<W>(
        &self,
        (headers, bearer): (&HeaderMap, &Bearer),
        asked: &[&[u8]],
        work: W,
    ) -> Result<Response, Problem>
    where
        W: Future<Output = End> + Send + 'static,
    {
        let said = |json| said(held(json, bearer.turn()));
        let Some(key) = key(headers)? else { return work.await.map(said) };
        let (end, replayed) = self.begin((bearer.name().to_string(), key), fingerprint(asked), work)?;
        let lost = || Problem::from(RpcError::internal("the request ended without an answer"));
        let mut end = end;
        let ended = end.wait_for(Option::is_some).await.map_err(|_| lost())?.clone().ok_or_else(lost)?;
        let mut response = ended.map_or_else(IntoResponse::into_response, said);
        if replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        Ok(response)
    }

    fn begin<W>(
        &self,
        name: Name,
        request: blake3::Hash,
        work: W,
    ) -> Result<(watch::Receiver<Option<End>>, bool), RpcError>
    where
        W: Future<Output = End> + Send + 'static,
    {
        let mut table = self.table();
        table.forget_old(Instant::now(), &self.bytes);
        if let Some(kept) = table.by_name.get(&name) {
            if kept.request == request {
                return Ok((kept.end.clone(), true));
            }
            return Err(RpcError::conflict(
                "another request had this Idempotency-Key: a new request, a new key",
            ));
        }
        if table.order.len() >= KEPT_MAX {
            let why = "too many requests with an Idempotency-Key are still running: try again later";
            return Err(RpcError::unavailable(why));
        }
        let (told, end) = watch::channel(None);
        table.order.push_back(name.clone());
        table.by_name.insert(name, Kept { request, end: end.clone(), since: Instant::now() });
        drop(table);
        let bytes = Arc::clone(&self.bytes);
        self.tasks.spawn(async move {
            let ended = work.await;
            bytes.fetch_add(size(&ended), Relaxed);
            told.send_replace(Some(ended));
        });
        Ok((end, false))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Makes room, from the oldest on: what is too old goes, and more while there is too much. What still runs
    /// is kept, and counts as new.
    fn forget_old(&mut self, now: Instant, bytes: &AtomicUsize) {
        for _ in 0..self.order.len() {
            let Some(name) = self.order.pop_front() else { return };
            let Some(kept) = self.by_name.get(&name) else { continue };
            let too_much = self.order.len() + 1 >= KEPT_MAX || bytes.load(Relaxed) > KEPT_BYTES_MAX;
            if !too_much && now.duration_since(kept.since) <= KEPT_FOR {
                self.order.push_front(name);
                return;
            }
            if kept.has_ended() {
                bytes.fetch_sub(kept.bytes(), Relaxed);
                self.by_name.remove(&name);
            } else {
                self.order.push_back(name);
            }
        }
    }
}

impl Kept {
    fn has_ended(&self) -> bool {
        self.end.borrow().is_some() || self.end.has_changed().is_err()
    }

    fn bytes(&self) -> usize {
        self.end.borrow().as_ref().map_or(0, size)
    }
}

fn size(end: &End) -> usize {
    end.as_ref().map_or(0, Bytes::len)
}

/// An answer; an empty one says that there is none.
fn said(json: Bytes) -> Response {
    if json.is_empty() { StatusCode::NO_CONTENT.into_response() } else { answer(json) }
}

/// Refuses a key where it could not be honoured.
///
/// # Errors
/// If there is one.
pub(super) fn none(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(KEY) {
        let why = "what streams cannot be given again: no Idempotency-Key here";
        return Err(RpcError::bad_request(why).into());
    }
    Ok(())
}

/// The key of a request, if it has one.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut keys = headers.get_all(KEY).iter();
    let (first, second) = (keys.next(), keys.next());
    let Some(first) = first else { return Ok(None) };
    let key = first.to_str().ok().filter(|key| second.is_none() && (1..=KEY_BYTES_MAX).contains(&key.len()));
    let wrong = || {
        let why = format!("Idempotency-Key is there once, with 1 to {KEY_BYTES_MAX} visible characters");
        Problem::from(RpcError::bad_request(why))
    };
    key.map(|key| Some(key.to_owned())).ok_or_else(wrong)
}

fn fingerprint(parts: &[&[u8]]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use p2p_shared::error::Code;

    use super::*;

    fn name(key: &str) -> Name {
        ("ann".to_owned(), key.to_owned())
    }

    async fn ended(mut end: watch::Receiver<Option<End>>) -> Bytes {
        let end = end.wait_for(Option::is_some).await.unwrap().clone();
        end.unwrap().unwrap_or_else(|problem| panic!("{problem:?}"))
    }

    #[tokio::test]
    async fn the_same_is_done_once_also_while_it_runs_and_though_nobody_waits() {
        let once = Once::default();
        let done = Arc::new(AtomicU32::new(0));
        let work = || {
            let done = Arc::clone(&done);
            async move {
                tokio::task::yield_now().await;
                Ok(Bytes::from(done.fetch_add(1, Relaxed).to_string()))
            }
        };
        let request = fingerprint(&[b"a", b"b"]);
        let (first, replayed) = once.begin(name("k"), request, work()).unwrap();
        drop(first);
        assert!(!replayed);
        let (second, replayed) = once.begin(name("k"), request, work()).unwrap();
        assert!(replayed);
        assert_eq!(ended(second).await, "0");
        let (other, _) = once.begin(name("l"), request, work()).unwrap();
        assert_eq!(ended(other).await, "1");
        let (of_another, _) = once.begin(("zoe".into(), "k".into()), request, work()).unwrap();
        assert_eq!(ended(of_another).await, "2");
        let conflict = once.begin(name("k"), fingerprint(&[b"ab", b""]), work()).unwrap_err();
        assert_eq!(conflict.code, Code::Conflict);
        assert_eq!(done.load(Relaxed), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_are_kept_for_a_while_and_up_to_a_limit() {
        let once = Once::default();
        let large = || async { Ok(Bytes::from(vec![0; KEPT_BYTES_MAX / 4])) };
        for key in 0..6 {
            let (end, _) = once.begin(name(&key.to_string()), fingerprint(&[]), large()).unwrap();
            ended(end).await;
        }
        assert!(!once.begin(name("0"), fingerprint(&[]), large()).unwrap().1, "the oldest went");
        assert!(once.begin(name("5"), fingerprint(&[]), large()).unwrap().1);
        tokio::time::advance(KEPT_FOR + Duration::from_secs(1)).await;
        assert!(!once.begin(name("5"), fingerprint(&[]), large()).unwrap().1, "too old");
        for key in 0..KEPT_MAX + 100 {
            let (end, _) =
                once.begin(name(&format!("k{key}")), fingerprint(&[]), async { Ok(Bytes::new()) }).unwrap();
            ended(end).await;
        }
        assert!(once.table().by_name.len() <= KEPT_MAX);
    }

    #[test]
    fn a_key_is_one_short_visible_text() {
        let headers = |keys: &[&str]| {
            let mut headers = HeaderMap::new();
            for key in keys {
                headers.append(KEY, HeaderValue::from_str(key).unwrap());
            }
            headers
        };
        assert!(key(&headers(&[])).unwrap().is_none());
        assert_eq!(key(&headers(&["8e03978e-40d5"])).unwrap().as_deref(), Some("8e03978e-40d5"));
        for broken in [&[""][..], &["a", "a"], &[&"x".repeat(KEY_BYTES_MAX + 1)], &["ключ"]] {
            assert!(key(&headers(broken)).is_err(), "{broken:?}");
        }
    }
}
