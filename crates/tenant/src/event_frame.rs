//! One event as it goes out: the packet, and what its recipients' queues must know of it.

use foodtrack_contract::{EventName, PAYLOAD_DEPTH_MAX, write_message_again};
use foodtrack_router::RedactedMessage;
use foodtrack_tenant_log::LogEntry;
use foodtrack_wire::{FrameMeta, socket_io};

use crate::cursor_suffix::CursorSuffix;

/// An event's arguments and its message go around the payload.
const ENVELOPE_DEPTH: u32 = 2;
// Or else readers of msgpack would not get what was accepted.
const _: () = assert!(PAYLOAD_DEPTH_MAX + ENVELOPE_DEPTH <= foodtrack_wire::DEPTH_MAX);

/// One event as it goes out, to one client or to everyone it is for.
pub struct EventFrame<'a> {
    pub(crate) event: &'a EventName,
    /// The message as JSON, as it was made for its first recipients.
    pub(crate) message: &'a [u8],
    /// How often it was sent before.
    pub(crate) retries: u32,
    pub(crate) attachments: &'a [Vec<u8>],
    pub(crate) meta: FrameMeta,
    pub(crate) suffix: &'a CursorSuffix,
    /// Asks for an acknowledgement by this number.
    pub(crate) ack_id: Option<u64>,
    /// Its name and message in another dialect.
    pub(crate) words: Option<&'a [u8]>,
}

impl<'a> EventFrame<'a> {
    /// An entry of the log, sent for the first time without asking for an acknowledgement.
    pub(crate) fn of(entry: &'a LogEntry, meta: FrameMeta, suffix: &'a CursorSuffix) -> Self {
        Self {
            event: &entry.event,
            message: &entry.message,
            retries: 0,
            attachments: &entry.attachments,
            meta,
            suffix,
            ack_id: None,
            words: None,
        }
    }

    /// The same in other words, which have no attachments.
    pub(crate) fn translated<'b>(&self, words: &'b [u8]) -> EventFrame<'b>
    where
        'a: 'b,
    {
        EventFrame { words: Some(words), attachments: &[], ..*self }
    }

    /// The same without what is hidden from some.
    pub(crate) fn redacted<'b>(&self, left: &'b RedactedMessage) -> EventFrame<'b>
    where
        'a: 'b,
    {
        let attachments = left.attachments(self.attachments);
        EventFrame { message: left.message(), attachments, ..*self }
    }

    /// An entry of the log that asks for an acknowledgement, after it was sent so many times. A client takes no cursor from
    /// it: its last argument is the callback.
    pub(crate) fn asking(entry: &'a LogEntry, meta: FrameMeta, retries: u32) -> Self {
        let ack_id = Some(entry.offset.get());
        Self { retries, ack_id, ..Self::of(entry, meta, &CursorSuffix::None) }
    }

    /// What a queue must know of it.
    pub fn meta(&self) -> FrameMeta {
        self.meta
    }

    /// The binary that its text's placeholders stand for.
    pub fn attachments(&self) -> &'a [Vec<u8>] {
        self.attachments
    }

    /// The cursor that ends it.
    pub fn suffix(&self) -> &'a CursorSuffix {
        self.suffix
    }

    /// The number of the acknowledgement that it asks for.
    pub fn ack_id(&self) -> Option<u64> {
        self.ack_id
    }

    /// Appends its arguments, all but the cursor that all recipients share.
    pub fn write_arguments(&self, out: &mut Vec<u8>) {
        if let Some(words) = self.words {
            out.extend_from_slice(words);
            return self.suffix.write_own(out);
        }
        out.reserve(self.message.len() + 96);
        match self.event {
            // Made of letters, ':' and '_'.
            EventName::Builtin(event) => {
                out.push(b'"');
                out.extend_from_slice(event.as_str().as_bytes());
                out.push(b'"');
            }
            EventName::Declared(name) => socket_io::write_json_string(out, name),
        }
        out.push(b',');
        match self.retries {
            0 => out.extend_from_slice(self.message),
            retries => write_message_again(out, self.message, retries),
        }
        self.suffix.write_own(out);
    }
}
