//! Entries on their way into a batch.

use foodtrack_contract::ReadPermission;

use super::{
    APPLICATIONS, AT, COMPACTS, CREATES_ORDER, EXPIRES, EXPIRES_EVER, FINGERPRINT, FIXED, FLAGS,
    HAS_CUSTOMER, HAS_ENTITY, HAS_FINGERPRINT, ID_IN_FRONT_BYTES, IS_DURABLE, IS_WITHOUT_ID,
    LENGTHS, ONLY, PRIORITY, without_id,
};
use crate::{Durability, EntryRef};

/// Neighbours' ids, heads and bodies. Their offsets follow each other, and are not in them.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    pub(crate) ids: Vec<u8>,
    pub(crate) heads: Vec<u8>,
    pub(crate) bodies: Vec<u8>,
}

impl Encoded {
    /// Appends an entry.
    pub(crate) fn push(&mut self, entry: &EntryRef<'_>) {
        self.ids.extend_from_slice(entry.id.as_bytes());
        let is_without_id = push_body(entry, &mut self.bodies);
        push_head(entry, flags(entry, is_without_id), &mut self.heads);
    }

    /// Appends others.
    pub(crate) fn append(&mut self, others: &Self) {
        self.ids.extend_from_slice(&others.ids);
        self.heads.extend_from_slice(&others.heads);
        self.bodies.extend_from_slice(&others.bodies);
    }
}

/// The flags of an entry's head.
fn flags(entry: &EntryRef<'_>, is_without_id: bool) -> u8 {
    let owner = entry.creates_order;
    let flag = |is_set, flag| if is_set { flag } else { 0 };
    flag(entry.durability == Durability::Durable, IS_DURABLE)
        | flag(entry.compacts, COMPACTS)
        | flag(owner.is_some(), CREATES_ORDER)
        | flag(entry.expires_at_ms.is_some(), EXPIRES_EVER)
        | flag(entry.entity.is_some(), HAS_ENTITY)
        | flag(owner.is_some_and(|it| it.customer.is_some()), HAS_CUSTOMER)
        | flag(entry.fingerprint.is_some(), HAS_FINGERPRINT)
        | flag(is_without_id, IS_WITHOUT_ID)
}

/// Appends an entry's head.
fn push_head(entry: &EntryRef<'_>, flags: u8, heads: &mut Vec<u8>) {
    let audience = entry.audience;
    let start = heads.len();
    heads.extend_from_slice(&[0; FIXED]);
    let texts = [
        entry.event.as_str(),
        audience.read.map_or("", ReadPermission::as_str),
        entry.entity.unwrap_or_default(),
        entry.creates_order.and_then(|owner| owner.customer.as_deref()).unwrap_or_default(),
    ];
    texts.iter().for_each(|text| heads.extend_from_slice(text.as_bytes()));
    let rooms = heads.len();
    for room in &audience.rooms {
        let length = heads.len();
        heads.extend_from_slice(&[0; 4]);
        room.text().iter().for_each(|text| heads.extend_from_slice(text.as_bytes()));
        let bytes = length_of(heads.len() - length - 4);
        heads[length..length + 4].copy_from_slice(&bytes);
    }
    let rooms = heads.len() - rooms;
    let parts: usize = entry.attachments.iter().map(|part| 4 + part.len()).sum();
    let [event, read, entity, customer] = texts.map(str::len);
    let fixed = &mut heads[start..start + FIXED];
    fixed[AT..EXPIRES].copy_from_slice(&entry.at_ms.to_le_bytes());
    let expires_at_ms = entry.expires_at_ms.unwrap_or(0);
    fixed[EXPIRES..FINGERPRINT].copy_from_slice(&expires_at_ms.to_le_bytes());
    let fingerprint = entry.fingerprint.unwrap_or(0);
    fixed[FINGERPRINT..LENGTHS].copy_from_slice(&fingerprint.to_le_bytes());
    // Behind them is how many parts there are.
    let message = entry.message.len();
    let lengths = [message, parts, event, read, entity, customer, rooms, entry.attachments.len()];
    for (place, length) in lengths.into_iter().enumerate() {
        let at = LENGTHS + 4 * place;
        fixed[at..at + 4].copy_from_slice(&length_of(length));
    }
    fixed[FLAGS] = flags;
    fixed[PRIORITY] = entry.priority as u8;
    fixed[APPLICATIONS] = audience.applications.bits();
    fixed[ONLY] = audience.only.bits();
}

/// Appends an entry's body. Returns whether the message was left without its id.
fn push_body(entry: &EntryRef<'_>, bodies: &mut Vec<u8>) -> bool {
    let without_id = match entry.is_message_as_made {
        true => entry.message.get(ID_IN_FRONT_BYTES..),
        false => without_id(entry.message, entry.id),
    };
    debug_assert_eq!(without_id, self::without_id(entry.message, entry.id), "not as it was made");
    bodies.extend_from_slice(without_id.unwrap_or(entry.message));
    for part in entry.attachments {
        bodies.extend_from_slice(&length_of(part.len()));
        bodies.extend_from_slice(part);
    }
    without_id.is_some()
}

/// What is in a log is far below four GiB.
fn length_of(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}
