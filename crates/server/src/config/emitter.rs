//! Back ends that publish through Redis, in the configuration.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::problems::ConfigErrors;
use super::secret::Secret;
use super::webhook::{NAME_BYTES_MAX, is_name};
use crate::WebSocketConfig;
use crate::room_names::RoomNames;

/// A Redis through which back ends publish, as they would to Socket.IO's own servers: `[[emitters]]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EmitterConfig {
    /// Its name, in logs and metrics.
    pub name: String,
    /// How they publish. Default: `pubsub`.
    pub kind: EmitterKind,
    /// Where that Redis is. Default: `redis.url`.
    pub url: Option<Secret>,
    /// The emitter's own option: what channels' names begin with, or the stream's name. Default: `socket.io`.
    pub key: String,
    /// The namespace that they publish to. Default: `/`.
    pub namespace: String,
    /// Whose a room is: names with `{tenant}` in them, and perhaps `*` at the end. Default: those of the contract's rooms.
    pub rooms: Vec<String>,
}

/// How back ends publish through Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmitterKind {
    /// As `@socket.io/redis-emitter` does: what is published while no node listens is lost.
    #[default]
    Pubsub,
    /// As `@socket.io/redis-streams-emitter` does: what is in the stream waits for a node.
    Streams,
}

impl Default for EmitterConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            kind: EmitterKind::default(),
            url: None,
            key: String::from("socket.io"),
            namespace: String::from("/"),
            rooms: ROOMS.map(String::from).into(),
        }
    }
}

/// The rooms of the contract.
const ROOMS: [&str; 6] = [
    "tenant:{tenant}",
    "app:{tenant}:*",
    "order:{tenant}:*",
    "kitchen_station:{tenant}:*",
    "delivery_route:{tenant}:*",
    "user:{tenant}:*",
];
/// Each has a connection and a task.
const EMITTERS_MAX: usize = 16;
const ROOMS_MAX: usize = 64;

/// Says what is wrong with the emitters.
pub(super) fn check(said: &WebSocketConfig, errors: &mut ConfigErrors) {
    if said.emitters.len() > EMITTERS_MAX {
        errors.add("emitters", format!("at most {EMITTERS_MAX}"));
    }
    let mut names = BTreeSet::new();
    for (i, emitter) in said.emitters.iter().enumerate() {
        let mut fault = |key: &str, message: String| {
            errors.add(&format!("emitters.{i}.{key}"), message);
        };
        if !is_name(&emitter.name) {
            fault("name", "letters, digits, - and _, at most 64, such as gateway".into());
        } else if !names.insert(emitter.name.as_str()) {
            fault("name", format!("another emitter is called {} already", emitter.name));
        }
        match &emitter.url {
            None if said.redis.fixed_address().is_none() => {
                fault("url", "is missing, and there is no redis.url in its place".into());
            }
            Some(url) if redis::Client::open(url.reveal()).is_err() => {
                fault("url", "no address; write one such as redis://127.0.0.1:6379/0".into());
            }
            _ => {}
        }
        if !is_plain(&emitter.key) {
            fault("key", "letters, digits and _ - . : alone, such as socket.io".into());
        }
        if !is_namespace(&emitter.namespace) {
            fault("namespace", "begins with /, such as / or /restaurants".into());
        }
        if !(1..=ROOMS_MAX).contains(&emitter.rooms.len()) {
            fault("rooms", format!("from 1 to {ROOMS_MAX}"));
        }
        if let Err(sentence) = RoomNames::parse(&emitter.rooms) {
            fault("rooms", sentence);
        }
    }
}

/// Nothing that means something in a pattern of channels.
fn is_plain(text: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_good)
}

fn is_namespace(text: &str) -> bool {
    text == "/" || text.strip_prefix('/').is_some_and(|rest| is_plain(&rest.replace('/', "")))
}
