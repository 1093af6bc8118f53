//! The people of a schedule: what they want, and what they notice.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::json;

use super::job::{FirstSent, Job};
use super::plan::{Person, Plan};
use crate::client::{Observer, Opened, Swarm};
use crate::recorder::Recorder;
use foodtrack_history_checker::{Receipt, Recipient, What};
use foodtrack_simulation::Answer;
use foodtrack_simulation::{Event, Message};

/// How long a publisher waits for an answer on a connection that lives.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// Everybody with a socket.
pub(super) struct Clients {
    recorder: Recorder,
    members: Vec<Member>,
    /// By the client's number in the swarm.
    sockets: Vec<OneSocket>,
    fences: Vec<String>,
}

/// A person, with as many sockets as their application has opened.
struct Member {
    person: Person,
    tenant: String,
    sockets: Vec<usize>,
    jobs: VecDeque<Job>,
    sent: Option<Sent>,
    first_sent: FirstSent,
}

struct Sent {
    socket: usize,
    id: u64,
    at: Instant,
    job: Job,
}

/// A socket object.
struct OneSocket {
    name: String,
    member: usize,
    /// What it is to ask when it is in.
    wishes: Vec<Wish>,
    asked: HashMap<u64, Wish>,
    saw_fence: bool,
}

#[derive(Clone)]
struct Wish {
    order: String,
    joins: bool,
}

impl Clients {
    pub(super) fn new(plan: &Plan, recorder: &Recorder) -> Self {
        let members = plan.people.iter().map(|person| Member {
            tenant: plan.tenants[person.tenant].clone(),
            person: person.clone(),
            sockets: Vec::new(),
            jobs: VecDeque::new(),
            sent: None,
            first_sent: FirstSent::default(),
        });
        let (recorder, members) = (recorder.clone(), members.collect());
        Self { recorder, members, sockets: Vec::new(), fences: Vec::new() }
    }

    /// Notes that a person opens a socket, the next client of the swarm.
    pub(super) fn opens(&mut self, member: usize, socket: usize) {
        assert_eq!(socket, self.sockets.len(), "sockets are told in the order of the swarm");
        let Member { person, tenant, sockets, .. } = &mut self.members[member];
        let name = format!("{:?}-{member}.{}", person.role, sockets.len()).to_lowercase();
        sockets.push(socket);
        self.recorder.note(What::Recipient(Recipient {
            recipient: name.clone(),
            tenant: tenant.clone(),
            user: person.user.to_owned(),
            application: person.role.application().as_str().to_owned(),
            device: person.device.clone(),
        }));
        let (wishes, asked) = (Vec::new(), HashMap::new());
        self.sockets.push(OneSocket { name, member, wishes, asked, saw_fence: false });
    }

    pub(super) fn sockets_of(&self, member: usize) -> &[usize] {
        &self.members[member].sockets
    }

    pub(super) fn takes(&mut self, member: usize, job: Job) {
        self.members[member].jobs.push_back(job);
    }

    /// A person wants to be in an order's room from now on, or no longer.
    pub(super) fn wants(&mut self, member: usize, order: &str, joins: bool) {
        let Member { person, sockets, .. } = &mut self.members[member];
        person.orders.retain(|one| one != order);
        if joins {
            person.orders.push(order.to_owned());
        }
        for socket in sockets {
            let socket = &mut self.sockets[*socket];
            socket.wishes.push(Wish { order: order.to_owned(), joins });
        }
    }

    /// The fence of a tenant, which everybody of it is to see.
    pub(super) fn expects_fence(&mut self, id: String) {
        self.fences.push(id);
    }

    pub(super) fn saw_fence(&self, socket: usize) -> bool {
        self.sockets[socket].saw_fence
    }

    pub(super) fn name(&self, socket: usize) -> String {
        let socket = &self.sockets[socket];
        format!("{} of {}", socket.name, self.members[socket.member].tenant)
    }

    /// Publications that are neither told nor given up; those of people whose sockets are all gone for good do not count.
    pub(super) fn pending(&self, swarm: &Swarm) -> usize {
        let members = self.members.iter();
        let live = members.filter(|one| one.sockets.iter().any(|s| !swarm.is_retired(*s)));
        live.map(|one| one.jobs.len() + usize::from(one.sent.is_some())).sum()
    }

    /// Whether everybody has been answered what they asked.
    pub(super) fn is_settled(&self) -> bool {
        self.sockets.iter().all(|socket| socket.wishes.is_empty() && socket.asked.is_empty())
    }

    /// Sends what people want to send and can.
    pub(super) fn pump(&mut self, swarm: &mut Swarm) {
        for place in 0..self.sockets.len() {
            if swarm.is_open(place) {
                self.ask(place, swarm);
            }
        }
        for member in 0..self.members.len() {
            self.publish(member, swarm);
        }
    }

    fn ask(&mut self, place: usize, swarm: &mut Swarm) {
        let socket = &mut self.sockets[place];
        for wish in std::mem::take(&mut socket.wishes) {
            let (recipient, order) = (socket.name.clone(), wish.order.clone());
            let name = if wish.joins { "subscribe:order" } else { "unsubscribe:order" };
            self.recorder.note(if wish.joins {
                What::Subscribing { recipient, order }
            } else {
                What::Unsubscribing { recipient, order }
            });
            if let Some(id) = swarm.emit(place, name, &json!(wish.order).to_string()) {
                socket.asked.insert(id, wish);
            }
        }
    }

    fn publish(&mut self, member: usize, swarm: &mut Swarm) {
        let one = &mut self.members[member];
        if one.sent.as_ref().is_some_and(|sent| sent.at.elapsed() > ANSWER_TIMEOUT) {
            one.answered(Answer::Unknown, &self.recorder);
        }
        if one.sent.is_some() || one.jobs.front().is_none_or(|job| job.not_before > Instant::now())
        {
            return;
        }
        let Some(socket) = one.sockets.iter().copied().find(|socket| swarm.is_open(*socket)) else {
            return;
        };
        let Some(job) = one.jobs.pop_front() else { return };
        if !one.first_sent.lets(&job, Instant::now()) {
            return;
        }
        let message = job.attempt(&one.tenant, &self.recorder);
        let name = job.publication.topic.event_type();
        match swarm.emit(socket, name, &message) {
            Some(id) => one.sent = Some(Sent { socket, id, at: Instant::now(), job }),
            None => one.jobs.push_front(job),
        }
    }
}

impl Member {
    fn answered(&mut self, answer: Answer, recorder: &Recorder) {
        let Some(sent) = self.sent.take() else { return };
        if let Some(job) = sent.job.answered(&self.tenant, answer, recorder) {
            self.jobs.push_front(job);
        }
    }
}

impl Observer for Clients {
    fn opened(&mut self, client: usize, opened: Opened<'_>) {
        let socket = &mut self.sockets[client];
        let (recipient, brought) = (socket.name.clone(), opened.brought.map(str::to_owned));
        let recovered = opened.recovered;
        let is_unknown = false;
        self.recorder.note(What::Opened { recipient, recovered, brought, is_unknown });
        if !recovered {
            // As applications do on `connect`.
            let orders = self.members[socket.member].person.orders.iter();
            socket.wishes = orders.map(|o| Wish { order: o.clone(), joins: true }).collect();
        }
    }

    fn event(&mut self, client: usize, event: &Event<'_>) {
        let socket = &mut self.sockets[client];
        let message = Message::of(event);
        let own = |text: Option<std::borrow::Cow<'_, str>>| text.map(std::borrow::Cow::into_owned);
        let id = own(message.payload.name.or(message.id));
        if event.name == "system:reconnection_required" {
            self.recorder.note(What::GapTold { recipient: socket.name.clone() });
        }
        socket.saw_fence |= id.as_ref().is_some_and(|id| self.fences.contains(id));
        self.recorder.note(What::Received(Receipt {
            recipient: socket.name.clone(),
            id,
            event_type: event.name.clone().into_owned(),
            tenant: own(message.tenant_id),
            origin: own(message.payload.origin),
            asks: event.ack_id.is_some(),
            cursor: event.cursor.as_deref().map(str::to_owned),
        }));
    }

    fn acknowledged(&mut self, client: usize, id: u64, answer: &str) {
        let socket = &mut self.sockets[client];
        if let Some(wish) = socket.asked.remove(&id) {
            let (recipient, order) = (socket.name.clone(), wish.order);
            // One that is to leave at once is not counted as in, nor one that is to join again as out.
            let mut later = socket.asked.values().chain(&socket.wishes);
            let stays = !later.any(|other| other.order == order && other.joins != wish.joins);
            if stays && matches!(Answer::read(answer), Answer::Acknowledged(_)) {
                self.recorder.note(if wish.joins {
                    What::Subscribed { recipient, order }
                } else {
                    What::Unsubscribed { recipient, order }
                });
            }
            return;
        }
        let member = &mut self.members[socket.member];
        if member.sent.as_ref().is_some_and(|sent| sent.socket == client && sent.id == id) {
            member.answered(Answer::read(answer), &self.recorder);
        }
    }

    fn torn(&mut self, client: usize) {
        let socket = &mut self.sockets[client];
        self.recorder.note(What::Torn { recipient: socket.name.clone() });
        socket.wishes.extend(std::mem::take(&mut socket.asked).into_values());
        let member = &mut self.members[socket.member];
        if member.sent.as_ref().is_some_and(|sent| sent.socket == client) {
            member.answered(Answer::Unknown, &self.recorder);
        }
    }

    fn turned_away(&mut self, client: usize, code: &str) {
        let (recipient, code) = (self.sockets[client].name.clone(), code.to_owned());
        self.recorder.note(What::TurnedAway { recipient, code });
    }

    fn dismissed(&mut self, client: usize) {
        let socket = &mut self.sockets[client];
        (socket.wishes, socket.asked) = (Vec::new(), HashMap::new());
        self.recorder.note(What::Ended { recipient: socket.name.clone() });
    }
}
