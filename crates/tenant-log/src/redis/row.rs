//! An entry as it stands in Redis: what scripts look at in arguments and fields of their own, the rest as in every store.

use foodtrack_contract::{Offset, TenantId};
use redis::Value;
use uuid::Uuid;

use super::values::{bytes, number, parsed};
use crate::batch_builder::BatchBuilder;
use crate::packing::Packer;
use crate::record_batch::UnpackedBatch;
use crate::{Durability, EntryRef, Fact, LogEntry, ReadError, SubscriberKey};

/// An entry on its way to Redis.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) is_durable: bool,
    pub(super) at_ms: u64,
    pub(super) bytes: u64,
    pub(super) heads: Box<[u8]>,
    pub(super) body: Box<[u8]>,
    pub(super) entity: Option<Box<str>>,
    pub(super) fingerprint: Option<u64>,
    /// Empty, `-`, or `=` and the customer, as the script has it; `+` and the customer where the order may not be another's.
    pub(super) owner: Box<str>,
    pub(super) assignee: Option<Box<str>>,
    /// What it tells of a device, without the node where that is this one.
    pub(super) fact: Option<(char, Option<Box<str>>, SubscriberKey)>,
}

impl Row {
    pub(super) fn new(entry: &EntryRef<'_>, packer: &mut Packer) -> Self {
        let mut builder = BatchBuilder::default();
        // Where it will stand is not known yet.
        builder.push(&EntryRef { offset: Offset::ZERO, ..*entry });
        let batch = builder.finish(packer);
        let [_, heads, body] = batch.columns();
        let owner = entry.creates_order.filter(|_| entry.entity.is_some());
        Self {
            id: entry.id,
            is_durable: entry.durability == Durability::Durable,
            at_ms: entry.at_ms,
            bytes: entry.bytes(),
            heads: heads.into(),
            body: body.into(),
            entity: entry.entity.map(Box::from),
            fingerprint: entry.fingerprint.filter(|_| entry.entity.is_some()),
            owner: match (owner.map(|it| it.customer.as_deref()), entry.fact) {
                (Some(Some(customer)), Some(Fact::NewOrder)) => format!("+{customer}").into(),
                (Some(customer), _) => owner_text(customer),
                (None, _) => Box::default(),
            },
            assignee: entry.assignment().map(|(_, assignment)| assignment.user),
            fact: entry.fact.and_then(|fact| match fact {
                Fact::Came(device) => Some(('c', None, device.clone())),
                Fact::Went { device, from } => Some(('w', from.map(Box::from), device.clone())),
                Fact::NewOrder => None,
            }),
        }
    }

    pub(super) fn id(&self) -> Uuid {
        self.id
    }

    pub(super) fn is_durable(&self) -> bool {
        self.is_durable
    }

    /// Whether it may wait on disk until Redis takes it: not where it is of use only while it is true.
    pub(super) fn may_be_spooled(&self) -> bool {
        self.is_durable && self.fact.is_none()
    }

    /// About what it takes while it waits.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.heads.len() + self.body.len() + size_of::<Self>()
    }

    /// As the script publishes it: an offset, the lengths of head and body, the id, head and body.
    pub(super) fn publish(&self, out: &mut Vec<u8>) {
        let length = |part: &[u8]| u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes();
        out.extend_from_slice(&Offset::ZERO.get().to_be_bytes());
        out.extend_from_slice(&length(&self.heads));
        out.extend_from_slice(&length(&self.body));
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(&self.heads);
        out.extend_from_slice(&self.body);
    }

    /// Its arguments for the script that appends.
    pub(super) fn add_to(&self, command: &mut redis::Cmd, node: &str) {
        let fact = self.fact.as_ref().map_or_else(String::new, |(what, from, device)| {
            format!("{what}{} {}", from.as_deref().unwrap_or(node), device.as_str())
        });
        command
            .arg(self.id.as_bytes())
            .arg(self.at_ms)
            .arg(self.bytes)
            .arg(&*self.heads)
            .arg(&*self.body)
            .arg(self.entity.as_deref().unwrap_or_default())
            .arg(self.fingerprint.map(|it| it.to_string()).unwrap_or_default())
            .arg(&*self.owner)
            .arg(self.assignee.as_deref().unwrap_or_default())
            .arg(fact);
    }
}

fn owner_text(customer: Option<&str>) -> Box<str> {
    customer.map_or_else(|| "-".into(), |customer| format!("={customer}").into())
}

/// An entry that was read: a stream's id and fields, or what was published of it.
pub(super) struct ReadRow<'v> {
    pub(super) offset: Offset,
    pub(super) bytes: u64,
    pub(super) id: &'v [u8],
    pub(super) heads: &'v [u8],
    pub(super) body: &'v [u8],
}

impl<'v> ReadRow<'v> {
    /// Reads an entry of a stream: its id, then fields and values in the order in which the script writes them. Where there are
    /// others, it is one that cannot be understood.
    pub(super) fn of_stream(entry: &'v Value) -> Option<Self> {
        let Value::Array(parts) = entry else { return None };
        let (id, fields) = parts.split_first()?;
        let offset = std::str::from_utf8(bytes(id)?).ok()?.split_once('-')?.0;
        let offset = offset.parse().ok().and_then(Offset::new)?;
        let strange = Self { offset, bytes: 0, id: &[], heads: &[], body: &[] };
        Some(fields.first().and_then(|fields| Self::of_fields(offset, fields)).unwrap_or(strange))
    }

    fn of_fields(offset: Offset, fields: &'v Value) -> Option<Self> {
        let Value::Array(fields) = fields else { return None };
        let [_, _at_ms, _, size, _, message_id, _, heads, _, body] = fields.as_slice() else {
            return None;
        };
        let (id, heads, body) = (bytes(message_id)?, bytes(heads)?, bytes(body)?);
        Some(Self { offset, bytes: number(size)?, id, heads, body })
    }

    pub(super) fn entry(&self, tenant: &TenantId) -> Result<LogEntry, ReadError> {
        let batch = UnpackedBatch::new(Offset::ZERO, self.id, self.heads, Some(self.body));
        let entry = batch.iter().next().map_or(Err("id"), |(_, it)| it);
        let entry = entry.and_then(|(head, body)| head.entry(self.offset, body));
        entry.map_err(|column| self.damaged(tenant, column))
    }

    /// The order that it is about.
    pub(super) fn entity(&self) -> Option<Box<str>> {
        let batch = UnpackedBatch::new(Offset::ZERO, self.id, self.heads, None);
        let (_, head) = batch.iter_heads().next()?;
        head.ok()?.entity().ok().flatten().map(Box::from)
    }

    fn damaged(&self, tenant: &TenantId, column: &'static str) -> ReadError {
        ReadError::Damaged { tenant: tenant.clone(), offset: self.offset, column }
    }
}

/// Whose an order is, as the script keeps it: where the entry is that said so, and `-` or `=` and the customer.
pub(super) fn parse_owner(text: &str) -> Option<(Offset, Option<Box<str>>)> {
    let end = text.find(|it: char| !it.is_ascii_digit())?;
    let (offset, owner) = text.split_at(end);
    let customer = match owner.strip_prefix('=') {
        Some(customer) => Some(customer.into()),
        None if owner == "-" => None,
        None => return None,
    };
    Some((parsed(offset)?, customer))
}
