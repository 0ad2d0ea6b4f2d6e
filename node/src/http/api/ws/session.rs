//! One client of `/ws`, from its first message to its last.
//!
//! Wishes of the client and news of feeds enter; texts leave, in their order. The queue of news is bounded; once it
//! was full the client is told that it lags, and the connection closes.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Utf8Bytes, WebSocket};
use p2p_shared::error::RpcError;
use serde_json::{Map, Value};
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval};

use super::channel::{Channel, Ended, Fault, Pace};
use super::feed::{News, QUEUE, Reader, Subscription};
use super::held;
use super::topics::Topic;
use super::wire::{Source, Told, Wish, meant};
use crate::http::api::Api;
use crate::http::api::bearer::{ASK_EVERY, Bearer};

/// Most topics of one client.
const TOPICS_MAX: usize = 1_024;
/// Most messages of a client in a second.
const WISHES_MAX: u32 = 1_200;
/// A client that so often said what means nothing is none.
const STRIKES_MAX: u32 = 3;

/// How long a client may take to take one message.
const SAY_MAX: Duration = Duration::from_secs(10);

struct Session {
    api: Api,
    bearer: Bearer,
    topics: BTreeMap<Source, (Map<String, Value>, Subscription)>,
    reader: Reader,
    /// What feeds had told before this client came.
    earlier: VecDeque<Utf8Bytes>,
    wishes: Pace,
    strikes: u32,
}

/// Serves a client until one side ends it.
pub(super) async fn run(api: Api, socket: WebSocket, bearer: Option<Bearer>, from: SocketAddr) {
    let mut channel = Channel::new(socket, SAY_MAX);
    match converse(api, &mut channel, bearer, from).await {
        Ended::Gone => {}
        Ended::Fault(fault) => {
            tracing::debug!(%from, close = fault.close, code = %fault.error.code, "a WebSocket is closed");
            channel.close(Some(fault)).await;
        }
    }
}

async fn converse(api: Api, channel: &mut Channel, bearer: Option<Bearer>, from: SocketAddr) -> Ended {
    let (bearer, _turn) = match held::enter((&api, from), channel, bearer).await {
        Ok(entered) => entered,
        Err(ended) => return ended,
    };
    let (news, received) = mpsc::channel(QUEUE);
    let session = Session {
        api,
        bearer,
        topics: BTreeMap::new(),
        reader: Reader { news, lagged: Arc::new(Notify::new()) },
        earlier: VecDeque::new(),
        wishes: Pace::new(WISHES_MAX),
        strikes: 0,
    };
    match session.serve(channel, received).await {
        Ok(never) => match never {},
        Err(ended) => ended,
    }
}

impl Session {
    async fn serve(
        mut self,
        channel: &mut Channel,
        mut news: mpsc::Receiver<News>,
    ) -> Result<std::convert::Infallible, Ended> {
        let mut ask = interval(ASK_EVERY);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (lagged, parting) = (Arc::clone(&self.reader.lagged), self.api.0.parting.clone());
        loop {
            while let Some(text) = self.earlier.pop_front() {
                channel.say(text).await?;
            }
            tokio::select! {
                biased;
                () = parting.cancelled() => return Err(Fault::leaving().into()),
                () = lagged.notified() => return Err(Fault::lagged().into()),
                now = ask.tick() => {
                    held::still(&self.api, &self.bearer)?;
                    channel.tend(now).await?;
                }
                heard = channel.hear() => self.hear(channel, heard?.as_str()).await?,
                Some(news) = news.recv() => self.pass_on(channel, news).await?,
            }
        }
    }

    async fn pass_on(&mut self, channel: &mut Channel, news: News) -> Result<(), Ended> {
        let text = match news {
            News::Item(text) => text,
            News::Over(source, text) => {
                self.topics.remove(&source);
                text
            }
        };
        channel.say(text).await
    }

    async fn hear(&mut self, channel: &mut Channel, text: &str) -> Result<(), Ended> {
        self.wishes.note()?;
        let done = match meant(text) {
            Ok(wish) => self.grant(channel, wish).await?,
            Err(error) => {
                self.strikes += 1;
                if self.strikes >= STRIKES_MAX {
                    return Err(Fault::new(1008, error).into());
                }
                Err(error)
            }
        };
        if let Err(error) = done {
            channel.tell(Told::Error { error: &error }).await?;
        }
        Ok(())
    }

    async fn grant(&mut self, channel: &mut Channel, wish: Wish) -> Result<Result<(), RpcError>, Ended> {
        match wish {
            Wish::Ping {} => channel.tell(Told::Pong {}).await?,
            Wish::Auth { token } => {
                self.bearer = held::renewed(&self.api, &self.bearer, token)?;
                held::welcome(&self.api, channel, &self.bearer).await?;
            }
            Wish::Unsubscribe { topic, node } => {
                let source = match self.api.place(&node) {
                    Ok(place) => Source { topic, node: self.api.name_of(&place).to_owned() },
                    Err(error) => return Ok(Err(error)),
                };
                if self.topics.remove(&source).is_none() {
                    let why = format!("{} of {} is not subscribed", source.topic, source.node);
                    return Ok(Err(RpcError::not_found(why)));
                }
                channel.tell(Told::Unsubscribed { topic: &source.topic, node: &source.node }).await?;
            }
            Wish::Subscribe { topic, node, arguments } => match self.subscribe(&topic, &node, arguments) {
                Ok((source, earlier)) => {
                    channel.tell(Told::Subscribed { topic: &source.topic, node: &source.node }).await?;
                    self.earlier.extend(earlier);
                }
                Err(error) => return Ok(Err(error)),
            },
        }
        Ok(Ok(()))
    }

    /// Asking twice for the same changes nothing.
    fn subscribe(
        &mut self,
        topic: &str,
        node: &str,
        arguments: Map<String, Value>,
    ) -> Result<(Source, Vec<Utf8Bytes>), RpcError> {
        let node = self.api.place(node)?;
        let topic = Topic::new(topic, arguments)?;
        self.api.may_reach(&self.bearer, &node)?;
        let source = Source { topic: topic.name.clone(), node: self.api.name_of(&node).to_owned() };
        if let Some((known, _)) = self.topics.get(&source) {
            if *known == topic.arguments {
                return Ok((source, Vec::new()));
            }
            let why = format!("{} of {} is subscribed with other arguments", source.topic, source.node);
            return Err(RpcError::conflict(format!("{why}: unsubscribe first")));
        }
        if self.topics.len() >= TOPICS_MAX {
            return Err(RpcError::bad_request(format!("at most {TOPICS_MAX} topics a connection")));
        }
        let arguments = topic.arguments.clone();
        let reader = self.reader.clone();
        let (subscription, earlier) =
            self.api.0.feeds.subscribe(&self.api, &self.bearer, (topic, node), reader);
        self.topics.insert(source.clone(), (arguments, subscription));
        Ok((source, earlier))
    }
}
