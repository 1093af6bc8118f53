//! The message as it travels.

use std::io::Write;

use schemars::JsonSchema;
use uuid::Uuid;

use crate::{ApplicationSet, Priority, Source, TenantId};

/// The message as it travels: the first argument of every event, and what history gives back.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(rename = "WebSocketMessage", rename_all = "camelCase")]
pub struct Message<'a> {
    /// Who publishes it twice publishes it once.
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub id: Uuid,
    /// The event's name.
    #[schemars(rename = "type")]
    pub event: &'a str,
    /// Whose it is.
    #[schemars(rename = "tenantId", with = "String", regex(pattern = "^[A-Za-z0-9_-]{1,64}$"))]
    pub tenant: &'a TenantId,
    /// When the server took it: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub timestamp: &'a str,
    /// Who sent it.
    pub source: Source,
    /// Narrows the audience to one application or a list of them; absent: the routing rules decide alone.
    #[schemars(with = "Option<ApplicationSet>")]
    pub target: Option<ApplicationSet>,
    /// What happened, as raw JSON text: written as it is.
    #[schemars(with = "serde_json::Value")]
    pub payload: &'a str,
    /// How urgent it is.
    pub priority: Priority,
    /// How often it was sent again.
    #[schemars(range(min = 0, max = 4_294_967_295_u32))]
    pub retry_count: u32,
    /// Whether the payload is a ciphertext.
    pub encrypted: bool,
}

impl Message<'_> {
    /// The message as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_json(&mut out);
        out
    }

    /// Appends the message as JSON.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        // Around 220 bytes go around a payload.
        out.reserve(self.payload.len() + 256);
        out.extend_from_slice(b"{\"id\":\"");
        let mut id = Uuid::encode_buffer();
        out.extend_from_slice(self.id.hyphenated().encode_lower(&mut id).as_bytes());
        out.extend_from_slice(b"\",\"type\":");
        write_string(out, self.event);
        out.extend_from_slice(b",\"tenantId\":");
        write_plain(out, self.tenant.as_str());
        out.extend_from_slice(b",\"timestamp\":");
        write_string(out, self.timestamp);
        out.extend_from_slice(b",\"source\":");
        write_plain(out, self.source.as_str());
        if let Some(target) = self.target {
            out.extend_from_slice(b",\"target\":");
            write_target(out, target);
        }
        out.extend_from_slice(b",\"payload\":");
        out.extend_from_slice(self.payload.as_bytes());
        out.extend_from_slice(b",\"priority\":");
        write_plain(out, self.priority.as_str());
        out.extend_from_slice(b",\"retryCount\":");
        if self.retry_count == 0 {
            out.push(b'0');
        } else {
            // Writing to memory does not fail.
            let _ = write!(out, "{}", self.retry_count);
        }
        out.extend_from_slice(b",\"encrypted\":");
        out.extend_from_slice(if self.encrypted { b"true" } else { b"false" });
        out.push(b'}');
    }
}

/// Appends a message as it is sent once more, after it was sent so many times. `first` is it as [`Message::write_json`] made it
/// for the first time.
pub fn write_message_again(out: &mut Vec<u8>, first: &[u8], retries: u32) {
    const FIRST_TIME: [&[u8]; 2] = [b"0,\"encrypted\":false}", b"0,\"encrypted\":true}"];
    let end = FIRST_TIME.into_iter().find_map(|end| Some((first.strip_suffix(end)?, end)));
    match end {
        Some((before, end)) => {
            out.extend_from_slice(before);
            // Writing to memory does not fail.
            let _ = write!(out, "{retries}");
            out.extend_from_slice(&end[1..]);
        }
        // Made by somebody else.
        None => out.extend_from_slice(first),
    }
}

fn write_target(out: &mut Vec<u8>, target: ApplicationSet) {
    let several = target.len() != 1;
    if several {
        out.push(b'[');
    }
    for (i, application) in target.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_plain(out, application.as_str());
    }
    if several {
        out.push(b']');
    }
}

/// A string that is known to need no escapes.
fn write_plain(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    // Without an early end, so that the compiler looks at many bytes at once.
    let special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    if !text.bytes().fold(false, |found, byte| found | special(byte)) {
        write_plain(out, text);
    } else {
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(out, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Priority, Source, TenantId};

    #[test]
    fn a_message_that_is_sent_again_says_how_often_it_was() {
        let tenant = TenantId::parse("t").unwrap();
        let message = Message {
            id: Uuid::nil(),
            event: "order:created",
            tenant: &tenant,
            timestamp: "2026-11-23T12:00:00.000Z",
            source: Source::System,
            target: None,
            payload: r#"{"orderId":"\"retryCount\":0,\"encrypted\":false}"}"#,
            priority: Priority::High,
            retry_count: 0,
            encrypted: false,
        };
        for encrypted in [false, true] {
            let (message, mut again) = (Message { encrypted, ..message.clone() }, Vec::new());
            write_message_again(&mut again, &message.to_json(), 12);
            assert_eq!(again, Message { retry_count: 12, ..message }.to_json());
        }
    }
}
