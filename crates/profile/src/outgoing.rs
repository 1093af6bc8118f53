//! An event of the contract as an application listens to it.

use std::borrow::Cow;

use foodtrack_contract::{ApplicationType, EventName, PAYLOAD_DEPTH_MAX, without_lone_surrogates};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::field_rule::{Beside, FieldRule};
use crate::fields::Fields;
use crate::kind::Dictionary;
use crate::profile::{Form, Profile};

/// What is nested deeper than this is left out where it would come to lie one level deeper: not every parser says it.
const NESTED_DEPTH_MAX: u32 = PAYLOAD_DEPTH_MAX - 2;

/// What stands where binary was.
const PLACEHOLDER: &str = "_placeholder";

/// Why an event is not sent to an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// The application has no name for it.
    NoName,
    /// A field that its page needs is not there, or cannot be made what it must be.
    FieldMissing,
    /// Its payload is a ciphertext.
    Encrypted,
    /// It is no message of the contract.
    Unreadable,
}

impl NotSent {
    /// The reason as it is counted.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoName => "no_name",
            Self::FieldMissing => "field_missing",
            Self::Encrypted => "encrypted",
            Self::Unreadable => "unreadable",
        }
    }
}

/// How an application is sent one event type.
#[derive(Clone, Debug)]
pub(crate) struct OutgoingRule {
    pub(crate) name: Box<str>,
    /// The payload's fields go into this one.
    pub(crate) nest: Option<Box<str>>,
    /// But not these.
    pub(crate) beside: Vec<Box<str>>,
    pub(crate) fields: Vec<FieldRule>,
    pub(crate) leave_out: Vec<Box<str>>,
}

/// A message of the contract, as far as it goes on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    tenant_id: &'a RawValue,
    #[serde(borrow)]
    timestamp: &'a RawValue,
    #[serde(borrow)]
    payload: &'a RawValue,
    #[serde(default)]
    encrypted: bool,
}

impl Profile {
    /// Appends an event as an application listens to it: its name and its argument, between them a comma. `message` is the
    /// message as the contract has it, and where it `has_attachments`, what holds their placeholders is left out.
    ///
    /// # Errors
    /// [`NotSent`] says why it is not sent; then nothing is appended.
    pub fn outgoing(
        &self,
        application: ApplicationType,
        event: &EventName,
        message: &[u8],
        has_attachments: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), NotSent> {
        let EventName::Builtin(event) = event else { return Err(NotSent::NoName) };
        let table = self.of(application);
        let rule = table.outgoing.get(event).ok_or(NotSent::NoName)?;
        let message: Message<'_> =
            serde_json::from_slice(message).map_err(|_| NotSent::Unreadable)?;
        if message.encrypted {
            return Err(NotSent::Encrypted);
        }
        let said = message.payload.get();
        let whole = Fields::read(said).is_none().then(|| without_lone_surrogates(said)).flatten();
        let payload = whole.as_deref().unwrap_or(said);
        let mut fields = Fields::read(payload).ok_or(NotSent::Unreadable)?;
        if has_attachments {
            fields.retain(|_, raw| !raw.contains(PLACEHOLDER));
        }
        let beside = Beside { user: "", timestamp: message.timestamp.get(), payload };
        let dictionary = Dictionary { statuses: &self.statuses, words: Some(&table.words) };
        let mut fields = rule.shaped(fields, beside, dictionary)?;
        let name = &*rule.name;
        match table.form {
            Form::Flat => {
                fields.set("tenantId", message.tenant_id.get());
                write_name(name, out);
                fields.write(out);
            }
            Form::Enveloped => {
                write_name(name, out);
                out.extend_from_slice(b"{\"id\":");
                out.extend_from_slice(message.id.get().as_bytes());
                out.extend_from_slice(b",\"type\":");
                let _ = serde_json::to_writer(&mut *out, name);
                for (key, raw) in
                    [("timestamp", message.timestamp), ("tenantId", message.tenant_id)]
                {
                    out.extend_from_slice(b",\"");
                    out.extend_from_slice(key.as_bytes());
                    out.extend_from_slice(b"\":");
                    out.extend_from_slice(raw.get().as_bytes());
                }
                out.extend_from_slice(b",\"payload\":");
                fields.write(out);
                out.push(b'}');
            }
        }
        Ok(())
    }
}

fn write_name(name: &str, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(&mut *out, name);
    out.push(b',');
}

impl OutgoingRule {
    /// The payload as the application reads it.
    fn shaped<'a>(
        &self,
        mut payload: Fields<'a>,
        beside: Beside<'_>,
        dictionary: Dictionary<'_>,
    ) -> Result<Fields<'a>, NotSent> {
        let is_beside = |name: &str| self.beside.iter().any(|other| **other == *name);
        let Some(nest) = &self.nest else {
            self.make_right(&mut payload, |_| true, beside, dictionary)?;
            return Ok(payload);
        };
        let mut nested = match payload.take(nest) {
            Some(Cow::Borrowed(inner)) => Fields::read(inner).unwrap_or_default(),
            _ => Fields::default(),
        };
        let mut moved = payload.split_off(|name| !is_beside(name));
        moved.retain(|_, raw| depth(raw) <= NESTED_DEPTH_MAX);
        nested.add_missing(moved);
        self.make_right(&mut nested, |name| !is_beside(name), beside, dictionary)?;
        self.make_right(&mut payload, is_beside, beside, dictionary)?;
        payload.set(nest, nested.to_json());
        Ok(payload)
    }

    fn make_right(
        &self,
        fields: &mut Fields<'_>,
        is_here: impl Fn(&str) -> bool,
        beside: Beside<'_>,
        dictionary: Dictionary<'_>,
    ) -> Result<(), NotSent> {
        for rule in self.fields.iter().filter(|rule| is_here(&rule.to)) {
            if !rule.apply(fields, beside, dictionary) {
                return Err(NotSent::FieldMissing);
            }
        }
        fields.retain(|name, _| !self.leave_out.iter().any(|other| **other == *name));
        Ok(())
    }
}

/// How deep a JSON value is nested.
fn depth(raw: &str) -> u32 {
    let (mut depth, mut deepest, mut is_text, mut is_escaped) = (0_u32, 0, false, false);
    for byte in raw.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            _ if is_text => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
