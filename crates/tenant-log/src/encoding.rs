//! Entries as bytes. Each is an id, a head, by which it is found, and a body, which is what is delivered: who looks for
//! entries reads the ids or heads of many without their bodies.
//!
//! A head is [`FIXED`] bytes, little-endian, then texts; a body is the message, then each binary part behind its length. A
//! message that begins with its id is left without that: the id is there already, and no packing makes it smaller.

mod encoded;
#[cfg(test)]
pub(crate) mod samples;

use bytes::Bytes;
use foodtrack_contract::{ApplicationSet, EventName, EventType, Offset, Priority, ReadPermission};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

pub(crate) use encoded::Encoded;

use crate::entry::bytes_of;
use crate::{Durability, LogEntry, LoggedAudience, LoggedRoom, OrderOwner, Outline};

pub(crate) const ID_BYTES: usize = 16;

const AT: usize = 0;
const EXPIRES: usize = 8;
const FINGERPRINT: usize = 16;
/// The lengths of the message, of all parts, and of the texts: event, read permission, entity, customer, rooms.
const LENGTHS: usize = FINGERPRINT + 8;
const LENGTHS_COUNT: usize = 7;
const PARTS: usize = LENGTHS + 4 * LENGTHS_COUNT;
const FLAGS: usize = PARTS + 4;
const PRIORITY: usize = FLAGS + 1;
const APPLICATIONS: usize = FLAGS + 2;
const ONLY: usize = FLAGS + 3;
const FIXED: usize = FLAGS + 4;

const IS_DURABLE: u8 = 1;
const COMPACTS: u8 = 2;
const CREATES_ORDER: u8 = 4;
const EXPIRES_EVER: u8 = 8;
const HAS_ENTITY: u8 = 16;
const HAS_CUSTOMER: u8 = 32;
const HAS_FINGERPRINT: u8 = 64;
const IS_WITHOUT_ID: u8 = 128;

/// How a message begins whose id stands in front.
const ID_IN_FRONT: &[u8] = b"{\"id\":\"";
/// What is left out of a message that [`IS_WITHOUT_ID`].
const ID_IN_FRONT_BYTES: usize = ID_IN_FRONT.len() + Hyphenated::LENGTH;

/// The rest of a message that begins with its id.
fn without_id(message: &[u8], id: Uuid) -> Option<&[u8]> {
    let (front, rest) = message.split_first_chunk::<ID_IN_FRONT_BYTES>()?;
    let mut expected = [0; ID_IN_FRONT_BYTES];
    expected[..ID_IN_FRONT.len()].copy_from_slice(ID_IN_FRONT);
    id.hyphenated().encode_lower(&mut expected[ID_IN_FRONT.len()..]);
    (*front == expected).then_some(rest)
}

/// The message again.
fn with_id(rest: &[u8], id: Uuid) -> Bytes {
    let mut message = Vec::with_capacity(ID_IN_FRONT_BYTES + rest.len());
    message.extend_from_slice(ID_IN_FRONT);
    let mut text = Uuid::encode_buffer();
    message.extend_from_slice(id.hyphenated().encode_lower(&mut text).as_bytes());
    message.extend_from_slice(rest);
    message.into()
}

/// What of an entry is damaged.
pub(crate) type Damage = &'static str;

/// One entry's head.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    id: &'a [u8; ID_BYTES],
    fixed: &'a [u8; FIXED],
    lengths: [usize; LENGTHS_COUNT],
    texts: &'a [u8],
}

impl<'a> Head<'a> {
    /// Takes the first head off `heads`.
    fn take(id: &'a [u8; ID_BYTES], heads: &mut &'a [u8]) -> Result<Self, Damage> {
        let (fixed, rest) = heads.split_first_chunk::<FIXED>().ok_or("head")?;
        let lengths = std::array::from_fn(|place| u32_at(fixed, LENGTHS + 4 * place) as usize);
        let texts_bytes = lengths[2..].iter().sum();
        let (texts, rest) = rest.split_at_checked(texts_bytes).ok_or("head")?;
        *heads = rest;
        Ok(Self { id, fixed, lengths, texts })
    }

    pub(crate) fn id(&self) -> Uuid {
        Uuid::from_bytes(*self.id)
    }

    pub(crate) fn at_ms(&self) -> u64 {
        u64_at(self.fixed, AT)
    }

    /// As [`LogEntry::bytes`].
    pub(crate) fn bytes(&self) -> u64 {
        let parts = u32_at(self.fixed, PARTS) as usize;
        bytes_of(self.lengths[0] + self.lengths[1].saturating_sub(4 * parts))
    }

    fn body_bytes(&self) -> usize {
        self.message_bytes() + self.lengths[1]
    }

    /// So many of the body are the message.
    fn message_bytes(&self) -> usize {
        let left_out = if self.flag(IS_WITHOUT_ID) { ID_IN_FRONT_BYTES } else { 0 };
        self.lengths[0].saturating_sub(left_out)
    }

    fn flag(&self, flag: u8) -> bool {
        self.fixed[FLAGS] & flag != 0
    }

    /// Of event, read permission, entity and customer.
    fn text(&self, place: usize, damage: Damage) -> Result<&'a str, Damage> {
        let start: usize = self.lengths[2..2 + place].iter().sum();
        let text = &self.texts[start..start + self.lengths[2 + place]];
        std::str::from_utf8(text).map_err(|_| damage)
    }

    fn event(&self) -> Result<EventName, Damage> {
        let text = self.text(0, "event")?;
        let declared = || EventName::Declared(text.into());
        Ok(EventType::from_wire(text).map_or_else(declared, EventName::Builtin))
    }

    /// Whether its event is one that assigns an order.
    pub(crate) fn assigns_order(&self) -> bool {
        matches!(self.event(), Ok(EventName::Builtin(event)) if event.assigns_order())
    }

    fn priority(&self) -> Result<Priority, Damage> {
        Priority::ALL.get(usize::from(self.fixed[PRIORITY])).copied().ok_or("priority")
    }

    /// The order it is about.
    pub(crate) fn entity(&self) -> Result<Option<&'a str>, Damage> {
        self.flag(HAS_ENTITY).then(|| self.text(2, "entity")).transpose()
    }

    fn expires_at_ms(&self) -> Option<u64> {
        self.flag(EXPIRES_EVER).then(|| u64_at(self.fixed, EXPIRES))
    }

    /// As [`LogEntry::fingerprint`].
    pub(crate) fn fingerprint(&self) -> Option<u64> {
        self.flag(HAS_FINGERPRINT).then(|| u64_at(self.fixed, FINGERPRINT))
    }

    /// As [`LogEntry::creates_order`].
    pub(crate) fn creates_order(&self) -> Result<Option<OrderOwner>, Damage> {
        let customer = self.flag(HAS_CUSTOMER).then(|| self.text(3, "customer")).transpose()?;
        let owner = OrderOwner { customer: customer.map(Box::from) };
        Ok(self.flag(CREATES_ORDER).then_some(owner))
    }

    fn audience(&self) -> Result<LoggedAudience, Damage> {
        let read = match self.text(1, "read permission")? {
            "" => None,
            name => Some(ReadPermission::parse(name).ok_or("read permission")?),
        };
        let mut rooms = Vec::new();
        let mut rest = &self.texts[self.texts.len() - self.lengths[6]..];
        while !rest.is_empty() {
            let text = take_counted(&mut rest).and_then(|text| std::str::from_utf8(text).ok());
            rooms.push(text.and_then(LoggedRoom::parse).ok_or("rooms")?);
        }
        Ok(LoggedAudience {
            applications: ApplicationSet::from_bits(self.fixed[APPLICATIONS]),
            rooms,
            only: ApplicationSet::from_bits(self.fixed[ONLY]),
            read,
        })
    }

    pub(crate) fn outline(&self, offset: Offset) -> Result<Outline, Damage> {
        Ok(Outline {
            offset,
            id: self.id(),
            at_ms: self.at_ms(),
            event: self.event()?,
            priority: self.priority()?,
            entity: self.entity()?.map(Box::from),
            compacts: self.flag(COMPACTS),
            expires_at_ms: self.expires_at_ms(),
            audience: self.audience()?,
        })
    }

    /// The entry with its body.
    pub(crate) fn entry(&self, offset: Offset, body: &[u8]) -> Result<LogEntry, Damage> {
        let (message, mut rest) = body.split_at_checked(self.message_bytes()).ok_or("body")?;
        let mut attachments = Vec::new();
        while !rest.is_empty() {
            let part = take_counted(&mut rest).ok_or("attachments")?;
            attachments.push(part.to_vec());
        }
        if attachments.len() != u32_at(self.fixed, PARTS) as usize {
            return Err("attachments");
        }
        Ok(LogEntry {
            offset,
            id: self.id(),
            event: self.event()?,
            durability: match self.flag(IS_DURABLE) {
                true => Durability::Durable,
                false => Durability::Recoverable,
            },
            priority: self.priority()?,
            at_ms: self.at_ms(),
            expires_at_ms: self.expires_at_ms(),
            audience: self.audience()?,
            entity: self.entity()?.map(Box::from),
            compacts: self.flag(COMPACTS),
            creates_order: self.creates_order()?,
            fingerprint: self.fingerprint(),
            message: match self.flag(IS_WITHOUT_ID) {
                true => with_id(message, self.id()),
                false => Bytes::copy_from_slice(message),
            },
            attachments,
        })
    }
}

/// The heads of neighbours.
pub(crate) struct Heads<'a> {
    offset: Offset,
    ids: &'a [u8],
    heads: &'a [u8],
}

impl<'a> Heads<'a> {
    /// Those of entries from `first` on.
    pub(crate) fn new(first: Offset, ids: &'a [u8], heads: &'a [u8]) -> Self {
        Self { offset: first, ids, heads }
    }
}

impl<'a> Iterator for Heads<'a> {
    type Item = (Offset, Result<Head<'a>, Damage>);

    fn next(&mut self) -> Option<Self::Item> {
        let (id, rest) = self.ids.split_first_chunk::<ID_BYTES>()?;
        let offset = self.offset;
        (self.offset, self.ids) = (offset.next(), rest);
        let head = Head::take(id, &mut self.heads);
        if head.is_err() {
            // Where the next one begins is not known.
            self.heads = &[];
        }
        Some((offset, head))
    }
}

/// The heads of neighbours with their bodies.
pub(crate) struct Entries<'a> {
    heads: Heads<'a>,
    bodies: &'a [u8],
    /// What is said of a body that is not there.
    missing: Damage,
}

impl<'a> Entries<'a> {
    /// Those of these heads; `missing` is said of a body that is not there.
    pub(crate) fn new(heads: Heads<'a>, bodies: &'a [u8], missing: Damage) -> Self {
        Self { heads, bodies, missing }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Offset, Result<(Head<'a>, &'a [u8]), Damage>);

    fn next(&mut self) -> Option<Self::Item> {
        let (offset, head) = self.heads.next()?;
        let with_body = head.and_then(|head| {
            let (body, rest) =
                self.bodies.split_at_checked(head.body_bytes()).ok_or(self.missing)?;
            self.bodies = rest;
            Ok((head, body))
        });
        Some((offset, with_body))
    }
}

/// The ids of neighbours from `first` on.
pub(crate) fn ids(first: Offset, ids: &[u8]) -> impl DoubleEndedIterator<Item = (Uuid, Offset)> {
    let (ids, _) = ids.as_chunks::<ID_BYTES>();
    ids.iter().enumerate().map(move |(n, id)| (Uuid::from_bytes(*id), first.plus(n as u64)))
}

/// Takes off what stands behind its length.
fn take_counted<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (taken, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn u32_at(fixed: &[u8; FIXED], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&fixed[at..at + 4]);
    u32::from_le_bytes(bytes)
}

fn u64_at(fixed: &[u8; FIXED], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&fixed[at..at + 8]);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use foodtrack_contract::{Message, Source, TenantId};

    use super::samples::{encoded, offset, plain, several};
    use super::*;
    use crate::EntryRef;

    fn decoded(ids: &[u8], heads: &[u8], bodies: &[u8]) -> Vec<Result<LogEntry, Damage>> {
        Entries::new(Heads::new(offset(7), ids, heads), bodies, "body")
            .map(|(offset, it)| it.and_then(|(head, body)| head.entry(offset, body)))
            .collect()
    }

    #[test]
    fn entries_come_back_as_they_were() {
        let entries = several();
        let Encoded { ids: all_ids, heads, bodies } = encoded(&entries);
        let back: Result<Vec<_>, _> = decoded(&all_ids, &heads, &bodies).into_iter().collect();
        assert_eq!(back.unwrap(), entries);
        let all = || Heads::new(offset(7), &all_ids, &heads).map(|(at, head)| (at, head.unwrap()));
        let outlines = all().map(|(offset, head)| head.outline(offset).unwrap());
        assert!(outlines.eq(entries.iter().map(Outline::from)));
        assert!(all().map(|(_, head)| head.bytes()).eq(entries.iter().map(LogEntry::bytes)));
        let expected = entries.iter().map(|entry| (entry.id, entry.offset));
        assert!(ids(offset(7), &all_ids).eq(expected));
    }

    #[test]
    fn what_is_cut_off_anywhere_is_damage_and_never_something_else() {
        let entries = several();
        let Encoded { ids, heads, bodies } = encoded(&entries);
        let heads_cut = (0..heads.len()).map(|end| decoded(&ids, &heads[..end], &bodies));
        let bodies_cut = (0..bodies.len()).map(|end| decoded(&ids, &heads, &bodies[..end]));
        for read in heads_cut.chain(bodies_cut) {
            assert!(read.iter().any(Result::is_err));
            let whole = read.iter().map_while(|it| it.as_ref().ok());
            assert!(whole.zip(&entries).all(|(it, entry)| it == entry));
        }
    }

    #[test]
    fn a_message_is_made_with_its_id_in_front() {
        let (id, tenant) = (Uuid::from_u128(7), TenantId::parse("t").unwrap());
        let message = Message {
            id,
            event: "order:updated",
            tenant: &tenant,
            timestamp: "2026-01-01T00:00:00.000Z",
            source: Source::System,
            target: None,
            payload: "{}",
            priority: Priority::Low,
            retry_count: 0,
            encrypted: false,
        };
        let json = message.to_json();
        assert_eq!(without_id(&json, id), Some(&json[ID_IN_FRONT_BYTES..]));
        let made = LogEntry { id, message: json.into(), ..plain(7) };
        let mut encoded = Encoded::default();
        encoded.push(&EntryRef { is_message_as_made: true, ..made.by_ref() });
        let Encoded { ids, heads, bodies } = encoded;
        assert_eq!(decoded(&ids, &heads, &bodies), [Ok(made)]);
    }

    #[test]
    fn a_message_is_left_without_its_own_id_alone() {
        let id = Uuid::from_u128(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210);
        let message = format!("{{\"id\":\"{id}\",\"payload\":{{}}}}").into_bytes();
        assert_eq!(without_id(&message, id), Some(&message[ID_IN_FRONT_BYTES..]));
        assert_eq!(with_id(&message[ID_IN_FRONT_BYTES..], id), message);
        for place in 0..ID_IN_FRONT_BYTES {
            let mut other = message.clone();
            other[place] ^= 1;
            assert_eq!(without_id(&other, id), None);
            assert_eq!(without_id(&message[..place], id), None);
        }
        let upper = message.to_ascii_uppercase();
        assert_eq!(without_id(&upper, id), None);
    }

    #[test]
    fn a_changed_byte_never_panics() {
        let Encoded { ids, heads, bodies } = encoded(&several());
        for at in 0..heads.len() {
            for bit in 0..8 {
                let mut changed = heads.clone();
                changed[at] ^= 1 << bit;
                decoded(&ids, &changed, &bodies);
            }
        }
    }
}
