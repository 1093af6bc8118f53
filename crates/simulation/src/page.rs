//! Somebody's page: the library with its connections, and the application that uses it.

use std::collections::BTreeMap;

use foodtrack_contract::ApplicationType;
use serde_json::{Map, Value, json};

use crate::job::Job;
use crate::plan::Person;
use crate::{Action, Backoff, ClientHost, Event, Heard, HostNews, Input, Message, ModelClient};

/// What the application wants of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) order: String,
    pub(crate) joins: bool,
}

/// What the application waits for an answer to.
#[derive(Debug)]
pub(crate) enum Asked {
    Wish(Wish),
    Publication(Box<Job>),
}

/// What the application noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Noticed {
    Connected { recovered: bool, brought: Option<String> },
    TurnedAway(String),
    Event(SeenEvent),
    Answered(u64, String),
    Dismissed,
    Torn,
}

/// An event as a page notes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeenEvent {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) origin: Option<String>,
    pub(crate) cursor: Option<String>,
    pub(crate) ack_id: Option<u64>,
    pub(crate) retries: u64,
}

/// One page, open or closed for good.
pub(crate) struct Page {
    pub(crate) name: String,
    pub(crate) person: usize,
    pub(crate) tenant: String,
    pub(crate) model: ModelClient,
    pub(crate) host: ClientHost,
    /// Orders whose rooms it asks for whenever it begins a session.
    pub(crate) orders: Vec<String>,
    pub(crate) wishes: Vec<Wish>,
    pub(crate) asked: BTreeMap<u64, Asked>,
    emitted: u64,
    /// The messages of the events that asked for an acknowledgement, by its number.
    pub(crate) asking: BTreeMap<u64, String>,
    pub(crate) saw_fence: bool,
    /// Closed, or told to stay away.
    pub(crate) is_gone: bool,
}

impl Page {
    /// A page of a person, the `number`th that they open.
    pub(crate) fn new(
        seed: u64,
        index: usize,
        number: usize,
        person: &Person,
        tenant: &str,
    ) -> Self {
        let name = format!("{:?}-{index}.{number}", person.role).to_lowercase();
        let token = format!("{tenant} {} {}", person.user, person.role.user_role().as_str());
        let mut auth: Map<String, Value> = Map::new();
        auth.insert("token".into(), json!(token));
        auth.insert("application".into(), json!(application(person.role.application())));
        if let Some(device) = &person.device {
            auth.insert("deviceId".into(), json!(device));
        }
        let model = ModelClient::new(seed, person.ways.clone(), auth).with_backoff(Backoff::new(
            std::time::Duration::from_millis(200),
            std::time::Duration::from_secs(3),
        ));
        Self {
            name,
            person: index,
            tenant: tenant.to_owned(),
            model,
            host: ClientHost::new(seed ^ 1),
            orders: person.orders.clone(),
            wishes: Vec::new(),
            asked: BTreeMap::new(),
            emitted: 0,
            asking: BTreeMap::new(),
            saw_fence: false,
            is_gone: false,
        }
    }

    /// Tells the library something. Returns what its application noticed, and what is to be done on connections.
    pub(crate) fn handle(&mut self, now_ms: u64, input: Input<'_>) -> (Vec<Noticed>, Vec<Action>) {
        let (was_joined, brought) =
            (self.model.is_joined(), self.model.offset().map(str::to_owned));
        let mut noticed = Vec::new();
        let actions = self.model.handle(now_ms, input, &mut |heard| {
            noticed.push(match heard {
                Heard::Connected(recovered) => {
                    Noticed::Connected { recovered, brought: brought.clone() }
                }
                Heard::TurnedAway(code) => Noticed::TurnedAway(code),
                Heard::Event(event) => Noticed::Event(SeenEvent::of(&event)),
                Heard::Acknowledged(id, answer) => Noticed::Answered(id, answer.to_owned()),
                Heard::Dismissed => Noticed::Dismissed,
            });
        });
        if was_joined && !self.model.is_joined() {
            noticed.push(Noticed::Torn);
        }
        (noticed, actions)
    }

    /// Tells the library what its host heard.
    pub(crate) fn hear(&mut self, now_ms: u64, news: &HostNews) -> (Vec<Noticed>, Vec<Action>) {
        match news {
            HostNews::Payload(way, text) => self.handle(now_ms, Input::Payload(*way, text)),
            HostNews::Posted => self.handle(now_ms, Input::Posted),
            HostNews::Closed(way) => self.handle(now_ms, Input::Closed(*way)),
        }
    }

    /// Emits an event that asks for an answer. Returns what is to be done on connections.
    pub(crate) fn emit(
        &mut self,
        now_ms: u64,
        name: &str,
        argument: &str,
        asked: Asked,
    ) -> Vec<Action> {
        self.asked.insert(self.emitted, asked);
        self.emitted += 1;
        self.handle(now_ms, Input::Emit(name, argument)).1
    }
}

impl SeenEvent {
    fn of(event: &Event<'_>) -> Self {
        let message = Message::of(event);
        let own = |text: Option<std::borrow::Cow<'_, str>>| text.map(std::borrow::Cow::into_owned);
        Self {
            name: event.name.clone().into_owned(),
            id: own(message.payload.name.or(message.id)),
            tenant: own(message.tenant_id),
            origin: own(message.payload.origin),
            cursor: event.cursor.as_deref().map(str::to_owned),
            ack_id: event.ack_id,
            retries: message.retry_count,
        }
    }
}

/// As handshakes name it.
fn application(application: ApplicationType) -> &'static str {
    application.as_str()
}
