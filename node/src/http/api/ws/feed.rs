//! Feeds: what is followed once, however many clients want it.
//!
//! A topic at a node enters with who asks; each item leaves as one text that all clients share. Clients share a
//! feed when topic, node, arguments and authority are the same. One that comes later is first given what was told
//! since the last whole list, as long as that is little; else a new feed begins. A client whose queue is full is
//! let go of, and learns that: it never holds up the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use futures::StreamExt;
use futures::stream::unfold;
use p2p_shared::error::RpcError;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::topics::{Kind, Topic};
use super::wire::{self, Source};
use super::{TOLD_BYTES_MAX, WRITE_BYTES_MAX};
use crate::http::api::Api;
use crate::http::api::bearer::Bearer;
use crate::http::api::call::{Asked, Items, Where};

/// Texts that wait for one client.
pub(super) const QUEUE: usize = 256;
/// Texts that are kept for clients that come later.
const KEPT_MAX: usize = 64;
/// Bytes of them.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// How often a method that does not watch is asked.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// Largest text: with its frame it fits what may wait to be written.
const TEXT_BYTES_MAX: usize = WRITE_BYTES_MAX - TOLD_BYTES_MAX;

/// What a feed tells a client.
#[derive(Clone, Debug)]
pub(super) enum News {
    /// One more item.
    Item(Utf8Bytes),
    /// The last of it.
    Over(Source, Utf8Bytes),
}

/// Where a client is told.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) news: mpsc::Sender<News>,
    /// Notified once its queue was full.
    pub(super) lagged: Arc<Notify>,
}

/// Which clients may share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    source: Source,
    arguments: String,
    authority: String,
}

#[derive(Debug)]
struct Feed {
    source: Source,
    kind: Kind,
    // Held for one item or one client at a time, never across a wait.
    state: Mutex<State>,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    readers: Vec<(u64, Reader)>,
    joined: u64,
    kept: Vec<Utf8Bytes>,
    kept_bytes: usize,
    /// Nobody can come later any more: too much was told, or it is over.
    closed: bool,
    seq: u64,
}

/// All feeds that are shared.
#[derive(Debug, Default)]
pub struct Feeds {
    // Held for one look-up; a feed's own lock is taken inside, never the other way round.
    shared: Mutex<HashMap<Key, Arc<Feed>>>,
    tasks: TaskTracker,
}

/// One client's part in a feed, until it is dropped.
#[derive(Debug)]
pub(super) struct Subscription {
    feed: Arc<Feed>,
    number: u64,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = lock(&self.feed.state);
        state.readers.retain(|(number, _)| *number != self.number);
        if state.readers.is_empty() {
            state.closed = true;
            self.feed.stop.cancel();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Feeds {
    /// Has `reader` told of `topic` at `node` from now on; first comes what is returned.
    pub(super) fn subscribe(
        &self,
        api: &Api,
        bearer: &Bearer,
        (topic, node): (Topic, Where),
        reader: Reader,
    ) -> (Subscription, Vec<Utf8Bytes>) {
        let source = Source { topic: topic.name, node: api.name_of(&node).to_owned() };
        let asked = Asked { node, method: topic.method, arguments: Value::Object(topic.arguments) };
        let key = Key {
            source: source.clone(),
            arguments: asked.arguments.to_string(),
            authority: bearer.authority(&asked.node),
        };
        let is_shared = topic.kind != Kind::Alone && api.admits(bearer, &asked);
        let mut shared = lock(&self.shared);
        if is_shared && let Some(joined) = shared.get(&key).and_then(|feed| feed.join(&reader)) {
            return joined;
        }
        let stop = CancellationToken::new();
        let feed = Arc::new(Feed { source, kind: topic.kind, state: Mutex::default(), stop });
        let number = lock(&feed.state).add(reader);
        if is_shared {
            shared.insert(key.clone(), Arc::clone(&feed));
        }
        drop(shared);
        self.tasks.spawn(run(api.clone(), bearer.clone(), asked, (key, Arc::clone(&feed))));
        (Subscription { feed, number }, Vec::new())
    }

    fn forget(&self, key: &Key, feed: &Arc<Feed>) {
        let mut shared = lock(&self.shared);
        if shared.get(key).is_some_and(|shared| Arc::ptr_eq(shared, feed)) {
            shared.remove(key);
        }
    }
}

async fn run(api: Api, bearer: Bearer, asked: Asked, (key, feed): (Key, Arc<Feed>)) {
    let followed = tokio::select! {
        biased;
        () = feed.stop.cancelled() => None,
        ended = follow(&api, &bearer, asked, &feed) => Some(ended),
    };
    api.0.feeds.forget(&key, &feed);
    if let Some(ended) = followed {
        feed.end(ended.err().as_ref());
    }
}

async fn follow(api: &Api, bearer: &Bearer, asked: Asked, feed: &Feed) -> Result<(), RpcError> {
    let mut items = match feed.kind {
        Kind::Asked => again_and_again(api.clone(), bearer.clone(), asked),
        Kind::Differences | Kind::State | Kind::Alone => api.watch(bearer, asked).await?,
    };
    while let Some(item) = items.next().await {
        let item = item?;
        if feed.kind != Kind::Alone {
            feed.tell(&item)?;
        } else if !feed.hand(&item).await? {
            break;
        }
    }
    Ok(())
}

/// The answers of a method, whenever one is another than the one before.
fn again_and_again(api: Api, bearer: Bearer, asked: Asked) -> Items {
    Box::pin(unfold((api, bearer, asked, None), async |(api, bearer, asked, before)| {
        let answer = loop {
            if before.is_some() {
                tokio::time::sleep(ASK_EVERY).await;
            }
            match api.call(&bearer, asked.clone()).await {
                Ok(same) if before.as_ref() == Some(&same) => {}
                answer => break answer,
            }
        };
        let now = answer.as_ref().ok().cloned();
        Some((answer, (api, bearer, asked, now)))
    }))
}

impl State {
    fn add(&mut self, reader: Reader) -> u64 {
        let number = self.joined;
        self.joined += 1;
        self.readers.push((number, reader));
        number
    }

    /// The text of the next item.
    fn next(&mut self, source: &Source, json: &[u8]) -> Result<Utf8Bytes, RpcError> {
        let text = wire::item(Some(source), self.seq, json)?;
        if text.as_str().len() > TEXT_BYTES_MAX {
            let why = format!("an item of {} bytes, of at most {TEXT_BYTES_MAX}", text.as_str().len());
            return Err(RpcError::too_large(why));
        }
        self.seq += 1;
        Ok(text)
    }

    /// Keeps a text for those who come later, while that is possible.
    fn keep(&mut self, text: &Utf8Bytes) {
        self.kept_bytes += text.as_str().len();
        if self.closed || self.kept.len() >= KEPT_MAX || self.kept_bytes > KEPT_BYTES_MAX {
            self.closed = true;
            self.kept = Vec::new();
        } else {
            self.kept.push(text.clone());
        }
    }
}

/// All that is read of an item here.
#[derive(Deserialize)]
struct Begins {
    #[serde(default)]
    full: bool,
}

impl Feed {
    fn join(self: &Arc<Self>, reader: &Reader) -> Option<(Subscription, Vec<Utf8Bytes>)> {
        let mut state = lock(&self.state);
        if state.closed {
            return None;
        }
        let number = state.add(reader.clone());
        Some((Subscription { feed: Arc::clone(self), number }, state.kept.clone()))
    }

    /// Tells the only client, and waits while it is slow. Whether it is still there.
    async fn hand(&self, json: &[u8]) -> Result<bool, RpcError> {
        let (text, news) = {
            let mut state = lock(&self.state);
            let text = state.next(&self.source, json)?;
            (text, state.readers.first().map(|(_, reader)| reader.news.clone()))
        };
        match news {
            Some(news) => Ok(news.send(News::Item(text)).await.is_ok()),
            None => Ok(false),
        }
    }

    /// Tells all clients, without waiting for any.
    fn tell(&self, json: &[u8]) -> Result<(), RpcError> {
        let begins_anew = match self.kind {
            Kind::State | Kind::Asked => true,
            Kind::Differences => serde_json::from_slice(json).is_ok_and(|Begins { full }| full),
            Kind::Alone => false,
        };
        let mut state = lock(&self.state);
        let text = state.next(&self.source, json)?;
        if begins_anew {
            (state.kept, state.kept_bytes) = (Vec::new(), 0);
            // Whoever has left for good is not called back by this.
            state.closed = self.stop.is_cancelled();
        }
        state.keep(&text);
        state.readers.retain(|(_, reader)| reader.tell(News::Item(text.clone())));
        Ok(())
    }

    fn end(&self, error: Option<&RpcError>) {
        let mut state = lock(&self.state);
        state.closed = true;
        let text = wire::over(&self.source, state.seq, error);
        for (_, reader) in std::mem::take(&mut state.readers) {
            reader.tell(News::Over(self.source.clone(), text.clone()));
        }
    }
}

impl Reader {
    /// Whether it takes more.
    fn tell(&self, news: News) -> bool {
        let told = self.news.try_send(news).is_ok();
        if !told {
            self.lagged.notify_one();
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader() -> (Reader, mpsc::Receiver<News>) {
        let (news, received) = mpsc::channel(2);
        (Reader { news, lagged: Arc::default() }, received)
    }

    fn feed(kind: Kind) -> Arc<Feed> {
        let source = Source { topic: "fleet".into(), node: "web-1".into() };
        Arc::new(Feed { source, kind, state: Mutex::default(), stop: CancellationToken::new() })
    }

    fn texts(kept: &[Utf8Bytes]) -> Vec<u64> {
        let number = |text: &Utf8Bytes| serde_json::from_str::<Value>(text.as_str()).unwrap()["seq"].as_u64();
        kept.iter().map(|text| number(text).unwrap()).collect()
    }

    #[test]
    fn who_comes_later_gets_all_since_the_last_whole_list() {
        let feed = feed(Kind::Differences);
        for item in [r#"{"full":true}"#, r#"{"full":false}"#, r#"{"full":true}"#, r#"{"full":false}"#] {
            feed.tell(item.as_bytes()).unwrap();
        }
        let (_subscription, kept) = feed.join(&reader().0).unwrap();
        assert_eq!(texts(&kept), [2, 3]);
    }

    #[test]
    fn a_state_is_told_once_and_what_differs_too_much_not_at_all() {
        let state = feed(Kind::State);
        let differs = feed(Kind::Differences);
        for _ in 0..=KEPT_MAX {
            state.tell(b"{}").unwrap();
            differs.tell(b"{}").unwrap();
        }
        assert_eq!(texts(&state.join(&reader().0).unwrap().1), [KEPT_MAX as u64]);
        assert!(differs.join(&reader().0).is_none());
        assert!(lock(&differs.state).kept.is_empty(), "it is not held on to");
        differs.tell(br#"{"full":true}"#).unwrap();
        assert!(differs.join(&reader().0).is_some(), "a whole list begins anew");
    }

    #[test]
    fn all_share_one_text_and_a_slow_one_is_let_go_of() {
        let feed = feed(Kind::State);
        let (slow, mut slow_news) = reader();
        let (quick, mut quick_news) = reader();
        let _held = (feed.join(&slow).unwrap(), feed.join(&quick).unwrap());
        let mut shared = Vec::new();
        for _ in 0..4 {
            feed.tell(b"{}").unwrap();
            let News::Item(text) = quick_news.try_recv().unwrap() else { panic!("over") };
            shared.push(text);
        }
        let News::Item(first) = slow_news.try_recv().unwrap() else { panic!("over") };
        assert_eq!(first.as_str().as_ptr(), shared[0].as_str().as_ptr());
        assert_eq!(lock(&feed.state).readers.len(), 1);
    }

    #[tokio::test]
    async fn what_one_client_follows_alone_waits_for_it() {
        let feed = feed(Kind::Alone);
        let (slow, mut news) = reader();
        let _held = feed.join(&slow).unwrap();
        let tell = async {
            for _ in 0..5 {
                assert_eq!(feed.hand(b"{}").await, Ok(true));
            }
        };
        let read = async {
            for expected in 0..5 {
                let Some(News::Item(text)) = news.recv().await else { panic!("over") };
                assert_eq!(texts(&[text]), [expected]);
            }
        };
        tokio::join!(tell, read);
        drop(news);
        assert_eq!(feed.hand(b"{}").await, Ok(false));
    }

    #[test]
    fn the_last_one_who_leaves_ends_it() {
        let feed = feed(Kind::State);
        let first = feed.join(&reader().0).unwrap();
        let second = feed.join(&reader().0).unwrap();
        drop(first);
        assert!(!feed.stop.is_cancelled());
        drop(second);
        assert!(feed.stop.is_cancelled() && feed.join(&reader().0).is_none());
    }

    #[test]
    fn what_is_too_large_to_be_written_is_an_error_of_the_topic() {
        let feed = feed(Kind::State);
        let huge = format!("\"{}\"", "x".repeat(TEXT_BYTES_MAX));
        assert_eq!(feed.tell(huge.as_bytes()).unwrap_err().code, p2p_shared::error::Code::TooLarge);
    }
}
