//! Clients that send again what they got no answer for, without saying so: the same device, event, order and payload
//! shortly after gets the first answer again.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};

use ahash::RandomState;
use foodtrack_contract::{
    ApplicationSet, DeliveryPolicy, EventGroup, EventName, EventType, Incoming, Offset, Source,
    TenantId,
};
use foodtrack_tenant_log::{HEAD_EMISSIONS_AGE_MS_MAX, HEAD_EMISSIONS_MAX, LastEmission};
use hashbrown::HashTable;
use siphasher::sip::SipHasher13;
use twox_hash::XxHash3_64;
use uuid::Uuid;

use super::Publisher;

/// How long after the first one an emission counts as its repeat.
const WINDOW_MS: u64 = 10_000;
/// How many orders' last emissions are remembered.
const ORDERS_MAX: usize = HEAD_EMISSIONS_MAX;

/// How long a secret the fast hash wants, with some to spare.
const CONTENT_SECRET_BYTES: usize = 192;

/// What fingerprints are made with: secret, so that nobody can make two emissions look alike.
///
/// Who sent it goes through a hash that withstands people, and what it says through one that is several times as fast:
/// who found two contents that look alike would be taken for repeating themselves, and never for somebody else.
pub struct EmissionKey {
    sender: SipHasher13,
    content: [u8; CONTENT_SECRET_BYTES],
    /// For each type, by its number.
    events: [u64; EventType::ALL.len()],
    /// For what is in memory alone.
    order: RandomState,
}

/// An emission that would say nothing new if it came twice in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Emission {
    /// The order it is about, hashed. Where two were alike, no more than a repeat would go unnoticed: the fingerprints
    /// differ.
    order: u64,
    /// Over who sent it, which event, and all of what it says.
    pub(crate) fingerprint: u64,
}

#[derive(Debug)]
struct Last {
    order: u64,
    fingerprint: u64,
    id: Uuid,
    /// `None` while the store has not said it.
    offset: Option<Offset>,
    at_ms: u64,
}

/// The last emission about each order.
///
/// Only the last one counts: a state that is left and entered again is no repeat.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    /// By the order, which is a hash already.
    last: HashTable<Last>,
    /// Where the one stood that was looked for last: that is where it is noted, and the next is most often about the same
    /// order. After changes it may be another's, or nobody's.
    looked_at: usize,
    /// Each of them once, with when it was looked at: about the oldest first.
    orders: VecDeque<(u64, u64)>,
    /// When the newest of all was noted; `None` where there never was one.
    noted_ms: Option<u64>,
}

impl EmissionKey {
    pub(crate) fn new(key: &[u8; 16]) -> Self {
        let sender = SipHasher13::new_with_key(key);
        let secret = |kind: &[u8], of: &[u8]| {
            let mut hasher = sender;
            hasher.write(kind);
            hasher.write(of);
            hasher.finish()
        };
        let mut content = [0; CONTENT_SECRET_BYTES];
        for (n, bytes) in content.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            *bytes = secret(b"content", &(n as u64).to_le_bytes()).to_le_bytes();
        }
        let mut events = [0; EventType::ALL.len()];
        for event in EventType::ALL {
            events[*event as usize] = secret(b"event", event.as_str().as_bytes());
        }
        Self { sender, content, events, order: RandomState::new() }
    }

    /// Over who sends: a connection's is the same for all that it sends.
    pub(crate) fn sender(&self, user: &str, device: Option<&str>, source: Source) -> u64 {
        let mut hasher = self.sender;
        let parts = [user.as_bytes(), device.unwrap_or_default().as_bytes()];
        for part in parts {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part);
        }
        hasher.write_u8(device.is_some().into());
        hasher.write(source.as_str().as_bytes());
        hasher.finish()
    }

    /// The id of a message of the hub's own that says this of a tenant: the same on every node, and nobody else can know it.
    pub(crate) fn fact_id(&self, tenant: &TenantId, said: &[&str]) -> Uuid {
        let hash = |half: u64| {
            let mut hasher = self.sender;
            hasher.write(b"fact");
            hasher.write_u64(half);
            for part in std::iter::once(tenant.as_str()).chain(said.iter().copied()) {
                hasher.write(&(part.len() as u64).to_le_bytes());
                hasher.write(part.as_bytes());
            }
            hasher.finish().to_le_bytes()
        };
        let mut bytes = [0; 16];
        bytes.copy_from_slice([hash(1), hash(2)].as_flattened());
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }

    /// Over what is said: the payload, each attachment, and around them the event's type and how it is to be sent.
    fn content(
        &self,
        payload: &str,
        attachments: &[Vec<u8>],
        sent: [u8; 3],
        event: EventType,
    ) -> u64 {
        // Where it is, however long: to put all of it together would take longer than to hash it.
        let mut said = self.hash(payload.as_bytes());
        for part in attachments {
            said = self.hash([said, self.hash(part)].map(u64::to_le_bytes).as_flattened());
        }
        // Whoever says another thing, in another event or in another way, changes the one, the other or the last of these:
        // nobody knows how to change two of them so that they make up for each other.
        let [a, b, c] = sent;
        said ^ self.events[event as usize] ^ u64::from(u32::from_le_bytes([a, b, c, 0]))
    }

    fn hash(&self, bytes: &[u8]) -> u64 {
        // The secret is long enough.
        XxHash3_64::oneshot_with_secret(&self.content, bytes).unwrap_or_default()
    }

    /// What tells one order from another in memory; 0 where there is none. Frames of two that were alike would keep an order
    /// which they need not keep.
    pub(crate) fn order(&self, order: Option<&str>) -> u64 {
        let Some(order) = order else { return 0 };
        let mut hasher = self.order.build_hasher();
        hasher.write(order.as_bytes());
        hasher.finish().max(1)
    }
}

impl Emission {
    /// What the event is as an emission, about an order as [`EmissionKey::order`] says it; `None` where the same twice may
    /// mean two things, as with ingredients used, or where nothing is remembered.
    pub(crate) fn of(
        key: &EmissionKey,
        publisher: &Publisher<'_>,
        event: &EventName,
        policy: &DeliveryPolicy,
        incoming: &Incoming<'_>,
        order: u64,
        attachments: &[Vec<u8>],
    ) -> Option<Self> {
        let EventName::Builtin(event_type) = event else { return None };
        let is_state = matches!(
            event_type.group(),
            EventGroup::Order | EventGroup::Kitchen | EventGroup::Delivery | EventGroup::Quality
        );
        if !policy.is_logged() || !is_state || order == 0 {
            return None;
        }
        let fingerprint = match &incoming.id {
            // Whoever names it repeats it by its name; but a state that it changes is left.
            Some(id) => key.hash(id.as_bytes()),
            None => {
                let target = incoming.target;
                let sent = [
                    target.is_some().into(),
                    target.map_or(0, ApplicationSet::bits),
                    incoming.priority as u8,
                ];
                publisher.sender ^ key.content(incoming.payload, attachments, sent, *event_type)
            }
        };
        Some(Self { order, fingerprint })
    }
}

impl Repeats {
    /// What a log had when it was opened, as though it had been taken now: time in which nobody could send does not count.
    pub(crate) fn restore(&mut self, key: &EmissionKey, emissions: Vec<LastEmission>, now_ms: u64) {
        for LastEmission { order, fingerprint, id, offset } in emissions {
            let order = key.order(Some(&order));
            let emission = Emission { order, fingerprint };
            self.note(emission, id, Some(offset), now_ms);
        }
    }

    /// The one that an emission repeats, if it repeats the last one about its order.
    pub(crate) fn repeated(
        &mut self,
        emission: Emission,
        now_ms: u64,
    ) -> Option<(Uuid, Option<Offset>)> {
        let last = self.find(emission.order)?;
        let is_repeat = last.fingerprint == emission.fingerprint
            && now_ms.saturating_sub(last.at_ms) <= WINDOW_MS;
        is_repeat.then_some((last.id, last.offset))
    }

    /// Remembers an emission that a log which others write to as well has at an offset. An own one comes after it that is further
    /// on, or of which the store has not said where it is.
    pub(crate) fn note_logged(
        &mut self,
        key: &EmissionKey,
        LastEmission { order, fingerprint, id, offset }: LastEmission,
        now_ms: u64,
    ) {
        let order = key.order(Some(&order));
        let is_later = |last: &Last| last.offset.is_none_or(|it| it > offset);
        if self.of(order).is_some_and(|last| last.id != id && is_later(last)) {
            return;
        }
        self.note(Emission { order, fingerprint }, id, Some(offset), now_ms);
    }

    /// The store has said where an own emission is. It may be a while before it is delivered, and then noted as any other.
    pub(crate) fn placed(&mut self, order: u64, id: Uuid, offset: Offset) {
        if let Some(last) = self.find(order).filter(|last| last.id == id) {
            last.offset = Some(offset);
        }
    }

    /// Remembers an emission that was taken, with its offset where that is known.
    pub(crate) fn note(
        &mut self,
        emission: Emission,
        id: Uuid,
        offset: Option<Offset>,
        now_ms: u64,
    ) {
        self.noted_ms = Some(now_ms);
        let Emission { order, fingerprint } = emission;
        let new = Last { order, fingerprint, id, offset, at_ms: now_ms };
        match self.find(order) {
            Some(last) => *last = new,
            None => {
                let place = self.last.insert_unique(order, new, |last| last.order);
                self.looked_at = place.bucket_index();
                self.orders.push_back((now_ms, order));
            }
        }
        self.let_go(now_ms);
    }

    /// Lets go of those that nothing can repeat any more, and of the memory that they took.
    pub(crate) fn expire(&mut self, now_ms: u64) {
        self.let_go(now_ms);
        if self.orders.len() <= self.orders.capacity() / 2 {
            self.last.shrink_to_fit(|last| last.order);
            self.orders.shrink_to_fit();
        }
    }

    /// Whether nothing can be repeated, now or were the log opened now, which brings along what is older.
    pub(crate) fn is_at_rest(&self, now_ms: u64) -> bool {
        self.noted_ms.is_none_or(|it| now_ms.saturating_sub(it) > HEAD_EMISSIONS_AGE_MS_MAX)
    }

    /// What it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.last.allocation_size() + self.orders.capacity() * size_of::<(u64, u64)>()
    }

    fn let_go(&mut self, now_ms: u64) {
        let is_old = |at_ms: u64| now_ms.saturating_sub(at_ms) > WINDOW_MS;
        while let Some((at_ms, order)) = self.orders.front().copied()
            && (self.orders.len() > ORDERS_MAX || is_old(at_ms))
        {
            self.orders.pop_front();
            match self.of(order) {
                // There was another one since.
                Some(last) if last.at_ms > at_ms && !is_old(last.at_ms) => {
                    self.orders.push_back((last.at_ms, order));
                }
                _ => self.remove(order),
            }
        }
    }

    /// The order's last one.
    fn find(&mut self, order: u64) -> Option<&mut Last> {
        let is_it = |last: &Last| last.order == order;
        if !self.last.get_bucket(self.looked_at).is_some_and(is_it) {
            self.looked_at = self.last.find_bucket_index(order, is_it)?;
        }
        self.last.get_bucket_mut(self.looked_at)
    }

    /// What was taken at this offset was not kept after all: its repeat is a new one.
    pub(crate) fn forget(&mut self, offset: Offset) {
        self.retain(|last| last.offset != Some(offset));
    }

    /// What was taken with this id was not kept after all, or is not where it could have been.
    pub(crate) fn forget_submitted(&mut self, id: Uuid) {
        self.retain(|last| last.offset.is_some() || last.id != id);
    }

    fn retain(&mut self, is_kept: impl Fn(&Last) -> bool) {
        self.last.retain(|last| is_kept(last));
        let last = &self.last;
        self.orders.retain(|(_, order)| last.find(*order, |last| last.order == *order).is_some());
    }

    fn of(&self, order: u64) -> Option<&Last> {
        self.last.find(order, |last| last.order == order)
    }

    fn remove(&mut self, order: u64) {
        if let Ok(last) = self.last.find_entry(order, |last| last.order == order) {
            last.remove();
        }
    }
}
