//! A tenant driven by a string of operations, each a byte and its argument: clients that come, come back, send, subscribe,
//! confirm and go; back ends that ask; a log that answers late or refuses; time that jumps.
//!
//! What must hold, whatever comes: nothing panics; nothing is sent to a slot that is nobody's; an entry is sent to a connection
//! once, and a durable one not before it is on disk; what a listener brings back it is not sent again; cursors do not go back; and what was asked is answered once.

use std::sync::{Arc, LazyLock};

use foodtrack_contract::{ApplicationType, Cursor, DeviceId, Priority, RoomName, TenantId};
use foodtrack_tenant::{
    Admission, Arrival, Broadcast, ClientAbout, ClientEvent, ConnectionFilter, ConnectionSlot,
    Counters, Dialect, DisconnectTarget, Input, Now, OwnedRoom, PageLimits, PageQuery, Policies,
    Rate, Recipients, RecoveryConfig, Request, RequestId, Resume, RetryPolicy, RoomMetadata,
    SessionKey, Settings, Tenant, TenantLimits, Verdict, rfc3339,
};
use foodtrack_tenant_log::{Completion, MemoryStore};
use foodtrack_wire::{NamespaceId, Sid};

use super::outside::{Client, Outside};
use super::users::{LISTENER, Tokens, USERS, principal};

const EVENTS: [&str; 5] = [
    r#"["order:created",{"orderId":"@"}]"#,
    r#"["order:status_changed",{"orderId":"@","status":"ready"}]"#,
    r#"["notification:info",{"message":"@"}]"#,
    r#"["delivery:location_updated",{"orderId":"@","latitude":1,"longitude":2}]"#,
    r#"["no:such_event",{"#,
];
const CONTROLS: [&str; 6] = [
    r#"["subscribe:order","@"]"#,
    r#"["unsubscribe:order","@"]"#,
    r#"["subscribe:kitchen","@"]"#,
    r#"["ping"]"#,
    r#"["health_check"]"#,
    r#"["authenticate","good"]"#,
];
/// Made once: schemas take long to compile.
static POLICIES: LazyLock<Arc<Policies>> = LazyLock::new(Arc::default);

const START_MS: u64 = 1_795_435_200_000;

/// Runs the operations that the bytes are. The first says whether the log is one in memory.
///
/// # Panics
/// Where something does not hold that must.
pub(crate) fn run(bytes: &[u8]) {
    let Some((first, operations)) = bytes.split_first() else { return };
    let mut world = World::new(first & 1 == 1);
    for operation in operations.chunks_exact(2) {
        world.step(operation[0], operation[1]);
    }
    world.settle();
}

/// Runs the operations on two nodes with one log. The first byte decides which notices are lost.
///
/// # Panics
/// As [`run`], and where a node does not get to the log's end.
pub(crate) fn run_on_two_nodes(bytes: &[u8]) {
    let Some((first, operations)) = bytes.split_first() else { return };
    let store = MemoryStore::default();
    let mut nodes = [1, 2].map(|node| World::sharing(&store, node));
    for (n, operation) in operations.chunks_exact(2).enumerate() {
        let node = &mut nodes[usize::from(operation[0] / 16 % 2)];
        node.step(operation[0], operation[1]);
        if n % 7 == usize::from(first % 7) {
            node.outside.news.lock().unwrap().retain(|it| !matches!(it, Completion::Grown { .. }));
        }
    }
    for _ in 0..3 {
        nodes.iter_mut().for_each(World::settle);
        nodes.iter_mut().for_each(World::sweep);
    }
    nodes.iter_mut().for_each(World::settle);
    // What comes last is the last for somebody new on either.
    let olgas = nodes.each_mut().map(World::enter_alone);
    for _ in 0..200 {
        // The log was told to refuse some.
        let said = nodes[0].say(olgas[0], r#"["notification:info",{"message":"the end"}]"#);
        nodes[0].pass(1_000);
        nodes.iter_mut().for_each(World::settle);
        let answers = &nodes[0].outside.clients[&olgas[0]].answers;
        if answers[&said].contains("\"success\":true") {
            break;
        }
    }
    let [one, other] = [0, 1].map(|it| nodes[it].outside.clients[&olgas[it]].got.last().copied());
    assert!(one.is_some() && one == other, "{one:?} and {other:?} are not the log's end");
}

pub(crate) struct World {
    pub(crate) tenant: Tenant,
    pub(crate) outside: Outside,
    settings: Settings,
    pub(crate) now_ms: u64,
    turn: u64,
    serial: u64,
    /// The private ids that users have, each with the cursor that was theirs last.
    pub(crate) resumes: [Option<(String, Option<String>)>; USERS.len()],
    of_user: Vec<(ConnectionSlot, usize)>,
}

impl World {
    fn new(is_in_memory: bool) -> Self {
        Self::within(Outside::new(is_in_memory))
    }

    /// A node whose log others write to as well.
    pub(crate) fn sharing(store: &MemoryStore, node: u32) -> Self {
        // No two nodes give clients the same name.
        Self { serial: u64::from(node) << 32, ..Self::within(Outside::sharing(store, false, node)) }
    }

    fn within(outside: Outside) -> Self {
        let session_key = SessionKey::new(&[1; 32]);
        let limits = TenantLimits {
            connections_max: 12,
            orders_in_memory_max: 4,
            messages_per_connection: Rate { per_second: 20, burst: 20 },
            ..TenantLimits::default()
        };
        let settings = Settings {
            policies: Arc::clone(&POLICIES),
            limits,
            retry: RetryPolicy::default(),
            recovery: RecoveryConfig::default(),
            page: PageLimits::within(4, 4_096),
            emission_key: session_key.emission_key(),
            session_key,
            authenticator: Arc::new(Tokens),
            counters: Arc::new(Counters::default()),
            crowds: None,
            node_trouble: None,
        };
        let mut world = Self {
            tenant: Tenant::new(TenantId::parse("t1").unwrap()),
            outside,
            settings,
            now_ms: 1,
            turn: 0,
            serial: 0,
            resumes: Default::default(),
            of_user: Vec::new(),
        };
        world.handle(Input::OpenLog);
        world
    }

    fn handle(&mut self, input: Input<'_>) {
        let wall_ms = START_MS + self.now_ms;
        let text = rfc3339(wall_ms);
        let now = Now {
            monotonic_ms: self.now_ms,
            steady_ms: self.now_ms,
            wall_ms,
            believed_ms: wall_ms,
            text: &text,
            turn: self.turn,
            has_others: self.turn % 2 == 1,
        };
        self.tenant.handle(now, &self.settings, input, &mut self.outside);
        if self.tenant.has_more() {
            self.turn += 1;
            self.handle(Input::GoOn);
        }
    }

    /// A client by a number, if anybody is here.
    fn client(&self, argument: u8) -> Option<ConnectionSlot> {
        let clients = &self.outside.clients;
        clients.keys().nth(argument as usize % clients.len().max(1)).copied()
    }

    pub(crate) fn step(&mut self, operation: u8, argument: u8) {
        self.turn += 1;
        let client = self.client(argument / 16);
        match (operation % 16, client) {
            (0, _) => self.connect(argument as usize % USERS.len(), argument & 0x80 != 0),
            (1 | 2, Some(client)) => self.send(client, &EVENTS, argument),
            (3, Some(client)) => self.send(client, &CONTROLS, argument),
            (4, Some(client)) => self.handle(Input::Acknowledged(client, u64::from(argument % 8))),
            (5, Some(client)) if operation & 0x40 != 0 => self.confirm(client, argument),
            (5, Some(client)) => {
                let mark = self.outside.clients[&client].mark;
                self.handle(Input::Ponged(client, mark));
            }
            (6, Some(client)) => self.drain_or_fill(client),
            (7, Some(client)) => self.leave(client, argument & 1 == 1),
            (8, _) => self.hear(usize::from(argument % 4) + 1),
            (9, _) => self.read(usize::from(argument % 4) + 1),
            (10, _) => self.pass(u64::from(argument) * 40),
            (11, _) => self.request(argument),
            (12, _) => self.outside.refuse_next(),
            (13, _) => self.handle(Input::Sweep(argument.into())),
            (14, Some(client)) => self.handle(Input::TokenEnds(client)),
            (15, _) => self.stale(argument),
            _ => {}
        }
    }

    /// Lets somebody in. Returns where they are.
    pub(crate) fn enter(&mut self, user: usize) -> ConnectionSlot {
        self.connect(user, false);
        self.of_user.last().map(|(slot, _)| *slot).unwrap()
    }

    /// Lets somebody in with what is their own by [`World::resumes`].
    pub(crate) fn come_back(&mut self, user: usize) -> ConnectionSlot {
        self.connect(user, true);
        self.of_user.last().map(|(slot, _)| *slot).unwrap()
    }

    /// Lets somebody in after all others have gone, and brings them up to date.
    fn enter_alone(&mut self) -> ConnectionSlot {
        let clients: Vec<ConnectionSlot> = self.outside.clients.keys().copied().collect();
        clients.into_iter().for_each(|client| self.leave(client, false));
        let olga = self.enter(2);
        self.settle();
        while self.outside.clients[&olga].waits_to_drain {
            self.drain();
            self.settle();
        }
        olga
    }

    /// The incarnation of the log, as clients say it.
    pub(crate) fn epoch(&self) -> String {
        let mut cursors = self.outside.clients.values().filter_map(|it| it.cursor.clone());
        cursors.next().unwrap().0
    }

    /// Has a client send something. Returns the number of the acknowledgement that it asks for.
    pub(crate) fn say(&mut self, client: ConnectionSlot, data: &str) -> u64 {
        self.serial += 1;
        let id = self.serial;
        self.outside.clients.get_mut(&client).unwrap().asked.insert(id);
        let data = data.to_owned().into();
        let event = ClientEvent { id: Some(id), data, attachments: Vec::new().into() };
        self.turn += 1;
        self.handle(Input::Event(client, event));
        id
    }

    /// Lets every client take what it was sent.
    pub(crate) fn drain(&mut self) {
        let waits = |(slot, it): (&ConnectionSlot, &Client)| it.waits_to_drain.then_some(*slot);
        for slot in self.outside.clients.iter().filter_map(waits).collect::<Vec<_>>() {
            self.drain_or_fill(slot);
        }
    }

    pub(crate) fn sweep(&mut self) {
        self.handle(Input::Sweep(1));
    }

    fn connect(&mut self, user: usize, comes_back: bool) {
        if !self.tenant.takes_clients() {
            return;
        }
        self.serial += 1;
        let mut resume = self.resumes[user].clone().filter(|_| comes_back);
        let (_, application, _) = USERS[user];
        let is_device = user + 2 >= USERS.len();
        let mut had = None;
        if user == LISTENER
            && let Some((pid, offset)) = &mut resume
        {
            pid.clear();
            had.clone_from(offset);
        }
        let admission = Admission {
            principal: principal(user, (START_MS + self.now_ms) / 1_000 + 60),
            application: Some(application),
            // One of them is spoken to as an application of today.
            dialect: match application {
                ApplicationType::KitchenApp => Dialect::Profile(application),
                _ if user == LISTENER => Dialect::Listening,
                _ => Dialect::Canonical,
            },
            device: is_device.then(|| DeviceId::parse("d1").unwrap()),
            about: ClientAbout {
                address: ([127, 0, 0, 1], 1).into(),
                user_agent: None,
                version: None,
                features: Box::default(),
            },
            resume: resume.map(|(pid, offset)| Resume { pid, offset }),
            is_expired: false,
            owns: None,
            permit: None,
        };
        let new_id = Sid::parse(&format!("{:0>20}", self.serial)).unwrap();
        let namespace = NamespaceId::at(user % 2).unwrap();
        let arrival = Arrival { admission, new_id, namespace, user_agent: None };
        self.handle(Input::Connect(Box::new(arrival)));
        match self.outside.verdict.take().expect("nothing was decided") {
            Verdict::Accepted { slot, welcome } => {
                self.resumes[user] = welcome.pid.map(|pid| (pid, None));
                self.of_user.push((slot, user));
                self.outside.clients.get_mut(&slot).unwrap().had = had;
                self.handle(Input::Connected(slot));
            }
            Verdict::Refused(_) | Verdict::ComeAgain => {}
        }
    }

    fn send(&mut self, client: ConnectionSlot, events: &[&str], argument: u8) {
        self.serial += 1;
        let text = events[usize::from(argument) % events.len()];
        let data = text.replace('@', &(argument % 7).to_string());
        let id = (argument & 8 == 0).then_some(self.serial);
        if let (Some(id), Some(client)) = (id, self.outside.clients.get_mut(&client)) {
            client.asked.insert(id);
        }
        let event = ClientEvent { id, data: data.into(), attachments: Vec::new().into() };
        self.handle(Input::Event(client, event));
    }

    /// A client says that it has dealt with what it got, with some of it, with more, or with what is of another log.
    fn confirm(&mut self, slot: ConnectionSlot, argument: u8) {
        let Some((epoch, offset)) = self.outside.clients[&slot].cursor.clone() else { return };
        let said = match argument % 4 {
            0 => format!("{epoch}-{offset}"),
            1 => format!("{epoch}-{}", offset / 2),
            2 => format!("{epoch}-{}", offset + 1_000),
            _ => format!("{epoch}x-{offset}"),
        };
        if let Some(cursor) = Cursor::parse(&said) {
            self.handle(Input::Confirmed(slot, cursor));
        }
    }

    fn drain_or_fill(&mut self, slot: ConnectionSlot) {
        let Some(client) = self.outside.clients.get_mut(&slot) else { return };
        client.is_backlogged = !client.is_backlogged && !client.waits_to_drain;
        if std::mem::take(&mut client.waits_to_drain) {
            client.is_backlogged = false;
            self.handle(Input::Drained(slot));
        }
    }

    pub(crate) fn leave(&mut self, slot: ConnectionSlot, on_purpose: bool) {
        let Some(client) = self.outside.clients.get(&slot) else { return };
        let cursor = client.cursor.as_ref().map(|(epoch, offset)| format!("{epoch}-{offset}"));
        if let Some((_, user)) = self.of_user.iter().find(|(of, _)| *of == slot)
            && let Some((_, last)) = &mut self.resumes[*user]
        {
            *last = cursor;
        }
        if on_purpose {
            self.handle(Input::Left(slot));
        }
        // From now on nobody is there to be sent anything.
        self.outside.clients.remove(&slot);
        self.handle(Input::Gone(slot, "left"));
    }

    pub(crate) fn hear(&mut self, count: usize) {
        for _ in 0..count {
            let news = self.outside.news.lock().unwrap().pop_front();
            let Some(news) = news else { return };
            self.outside.heard(&news);
            self.handle(Input::Log(news));
        }
    }

    pub(crate) fn read(&mut self, count: usize) {
        for _ in 0..count {
            let Some((asker, job)) = self.outside.jobs.pop_front() else { return };
            let answer = job.run(&self.outside.log, self.tenant.id());
            self.handle(Input::Read(asker, answer));
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        if self.tenant.next_deadline_ms().is_some_and(|due_ms| due_ms <= self.now_ms) {
            self.handle(Input::Deadline);
            let next_ms = self.tenant.next_deadline_ms();
            assert!(next_ms.is_none_or(|due_ms| due_ms > self.now_ms), "it is due for ever");
        }
    }

    fn request(&mut self, argument: u8) {
        self.serial += 1;
        let tenant = self.tenant.id().clone();
        let order = (argument % 7).to_string();
        let room = OwnedRoom::new(&RoomName::Order(&order).of(&tenant));
        let user = USERS[usize::from(argument) % USERS.len()].0.to_owned();
        let request = match argument % 9 {
            0 => Request::Counts,
            1 => Request::List(ConnectionFilter::default()),
            2 => Request::Rooms(PageQuery::default()),
            3 => Request::Grant { room, user },
            4 => Request::RevokeGrant { room, user },
            5 => Request::DescribeRoom { room, metadata: RoomMetadata::default() },
            6 => Request::Disconnect(DisconnectTarget::User(user)),
            7 => Request::Broadcast(Broadcast {
                event: "system:announcement".to_owned(),
                payload: "{}".to_owned(),
                priority: Priority::default(),
                to: Recipients { everyone: true, ..Recipients::default() },
                except: Vec::new(),
            }),
            _ => Request::Publish {
                principal: principal(2, u64::MAX),
                event: "order:created".to_owned(),
                argument: format!(r#"{{"orderId":"{order}","customerId":"ada"}}"#),
                spare_id: None,
            },
        };
        self.outside.requests.insert(self.serial);
        self.handle(Input::Request(RequestId(self.serial), request));
    }

    /// The names of the rooms that a user's connection is in, the last one's.
    pub(crate) fn rooms_of(&mut self, user: usize) -> Vec<String> {
        self.serial += 1;
        self.outside.requests.insert(self.serial);
        let list = Request::List(ConnectionFilter::default());
        self.handle(Input::Request(RequestId(self.serial), list));
        let Some(foodtrack_tenant::Answer::Connections(page)) = self.outside.last_reply.take()
        else {
            panic!()
        };
        let mut own = page.items.into_iter().filter(|it| it.user == USERS[user].0);
        own.next_back().unwrap().rooms
    }

    /// What is late for a connection that has gone.
    fn stale(&mut self, argument: u8) {
        let gone = self.of_user.iter().map(|(slot, _)| *slot);
        let gone = gone.filter(|slot| !self.outside.clients.contains_key(slot));
        let Some(slot) =
            gone.max_by_key(|slot| slot.generation().serial() % (u32::from(argument) + 2))
        else {
            return;
        };
        let event =
            ClientEvent { id: Some(1), data: r#"["ping"]"#.into(), attachments: Vec::new().into() };
        self.handle(Input::Event(slot, event));
        self.handle(Input::Gone(slot, "left"));
        self.handle(Input::Ponged(slot, 1));
        self.handle(Input::Confirmed(slot, Cursor::parse("1-1").unwrap()));
        self.handle(Input::Drained(slot));
    }

    /// Lets everything come to an end: then nobody waits for an answer any more.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            self.pass(10);
            self.hear(usize::MAX);
            self.read(usize::MAX);
            let news = self.outside.news.lock().unwrap().is_empty();
            if news && self.outside.jobs.is_empty() && !self.tenant.owes_answers() {
                break;
            }
        }
        assert!(!self.tenant.owes_answers(), "somebody waits for ever");
        assert!(self.outside.requests.is_empty(), "{:?}", self.outside.requests);
        for (slot, client) in &self.outside.clients {
            assert!(client.asked.is_empty(), "{slot:?} waits for {:?}", client.asked);
        }
    }
}
