//! What is published on a tenant's channel.

use std::sync::Arc;

use foodtrack_contract::{Epoch, Offset, TenantId};

use super::notes::parse_note;
use super::row::{ReadRow, Row};
use crate::{LogEntry, Note, NoteKind};

/// Something that happened to a tenant's log.
#[derive(Debug)]
pub(super) enum News {
    /// It goes on to `last`. The entries are some of the newest ones, without a gap between them, or none.
    Grown { node: [u8; 8], epoch: Epoch, last: Offset, entries: Vec<Arc<LogEntry>> },
    /// An event that is in no log.
    PassedOn { node: [u8; 8], entry: Box<LogEntry> },
    /// Something was noted beside it.
    Noted { node: [u8; 8], note: Note },
}

impl News {
    /// Reads what scripts publish; `None` where it is something else.
    pub(super) fn parse(tenant: &TenantId, published: &[u8]) -> Option<Self> {
        let (kind, rest) = published.split_first()?;
        let (node, rest) = rest.split_first_chunk::<8>()?;
        match kind {
            b'L' => Self::parse_grown(tenant, *node, rest),
            b'V' => Self::parse_passed_on(tenant, *node, rest),
            b'N' => Self::parse_noted(*node, rest),
            _ => None,
        }
    }

    fn parse_grown(tenant: &TenantId, node: [u8; 8], rest: &[u8]) -> Option<Self> {
        let (last, rest) = rest.split_first_chunk::<8>()?;
        let last = Offset::new(u64::from_be_bytes(*last))?;
        let end = rest.iter().position(|byte| *byte == b' ')?;
        let epoch = Epoch::parse(std::str::from_utf8(rest.get(..end)?).ok()?)?;
        let mut rest = rest.get(end + 1..)?;
        let mut entries = Vec::new();
        while let Some(row) = take_row(&mut rest) {
            entries.push(Arc::new(row.entry(tenant).ok()?));
        }
        // What is cut off, or not in a row, is read from the log.
        let is_whole = rest.is_empty()
            && entries.windows(2).all(|it| it[0].offset.next() == it[1].offset)
            && entries.last().is_none_or(|newest| newest.offset == last);
        if !is_whole {
            entries.clear();
        }
        Some(Self::Grown { node, epoch, last, entries })
    }

    fn parse_passed_on(tenant: &TenantId, node: [u8; 8], mut rest: &[u8]) -> Option<Self> {
        let row = take_row(&mut rest)?;
        let entry = Box::new(row.entry(tenant).ok()?);
        Some(Self::PassedOn { node, entry })
    }

    fn parse_noted(node: [u8; 8], rest: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(rest).ok()?.splitn(3, ' ');
        let kind = NoteKind::from_text(parts.next()?)?;
        let length = parts.next()?.parse().ok()?;
        let (key, kept) = parts.next()?.split_at_checked(length)?;
        Some(Self::Noted { node, note: parse_note(kind, key, kept)? })
    }
}

/// What followers are told of an event that is in no log.
pub(super) fn published_entry(node: [u8; 8], entry: &Row) -> Vec<u8> {
    let mut news = vec![b'V'];
    news.extend_from_slice(&node);
    entry.publish(&mut news);
    news
}

/// An offset, the lengths of head and body, the id, head and body.
fn take_row<'n>(rest: &mut &'n [u8]) -> Option<ReadRow<'n>> {
    let (offset, left) = rest.split_first_chunk::<8>()?;
    let (heads, left) = left.split_first_chunk::<4>()?;
    let (body, left) = left.split_first_chunk::<4>()?;
    let length = |bytes: &[u8; 4]| usize::try_from(u32::from_be_bytes(*bytes)).ok();
    let (id, left) = left.split_at_checked(16)?;
    let (heads, left) = left.split_at_checked(length(heads)?)?;
    let (body, left) = left.split_at_checked(length(body)?)?;
    *rest = left;
    let offset = Offset::new(u64::from_be_bytes(*offset))?;
    Some(ReadRow { offset, bytes: 0, id, heads, body })
}
