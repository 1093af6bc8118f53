//! What a sender handed in: the whole message, or its payload alone.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::surrogates::without_lone_surrogates;
use crate::violation::is_object;
use crate::{ApplicationSet, ApplicationType, ErrorCode, Priority, Refusal, Source};

/// What a sender handed in once the envelope is read. What it leaves out, the server fills in; what it may not decide
/// (tenant, source, system events) is for others to refuse.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming<'a> {
    /// The message's id, where the sender made one.
    pub id: Option<Uuid>,
    /// The tenant the sender says it speaks for, unchecked.
    pub tenant: Option<Cow<'a, str>>,
    /// The source the sender says it is, unchecked.
    pub source: Option<Source>,
    /// The applications it is for; `None` leaves it to the routing rules. Never empty.
    pub target: Option<ApplicationSet>,
    /// How urgent it is.
    pub priority: Priority,
    /// Whether the payload is a ciphertext.
    pub encrypted: bool,
    /// The payload as raw JSON text.
    pub payload: &'a str,
}

impl Incoming<'_> {
    /// The same, read from `whole`, with the payload that stands at its place in `argument`, which is as long.
    fn of_text<'a>(self, whole: &str, argument: &'a str) -> Incoming<'a> {
        let start = self.payload.as_ptr().addr() - whole.as_ptr().addr();
        Incoming {
            id: self.id,
            tenant: self.tenant.map(|tenant| Cow::Owned(tenant.into_owned())),
            source: self.source,
            target: self.target,
            priority: self.priority,
            encrypted: self.encrypted,
            payload: &argument[start..start + self.payload.len()],
        }
    }
}

/// Reads an event's first argument: the whole message (an object whose `type` is the event's name and which has a
/// `payload`), or the payload alone.
///
/// `argument` is raw, well-formed JSON. Null stands for absent, but for `payload`. Pointers of refusals are relative to
/// `argument`. A sender's `timestamp` and `retryCount` are checked for their type and not used.
///
/// # Errors
/// - [`ErrorCode::MessageMalformed`]: a field of the envelope is of the wrong type, unknown as a value, or there twice.
/// - [`ErrorCode::SourceForbidden`]: the source is none that exists.
pub fn read_envelope<'a>(event: &str, argument: &'a str) -> Result<Incoming<'a>, Refusal> {
    if !is_object(argument) || !may_have_payload(argument) {
        return Ok(payload_alone(argument));
    }
    match read_whole(event, argument) {
        Err(refusal) => match without_lone_surrogates(argument) {
            Some(whole) => Ok(read_whole(event, &whole)?.of_text(&whole, argument)),
            None => Err(refusal),
        },
        read => read,
    }
}

/// Reads text without halves of surrogate pairs but in values.
fn read_whole<'a>(event: &str, argument: &'a str) -> Result<Incoming<'a>, Refusal> {
    let envelope: Envelope<'a> = serde_json::from_str(argument).map_err(|error| {
        // A field that is there twice, which readers would read differently; or text that is no JSON.
        let words = error.to_string();
        let twice = words.strip_prefix("duplicate field `").and_then(|rest| rest.split_once('`'));
        match twice {
            Some((field, _)) => malformed(
                event,
                &format!("/{field}"),
                "duplicate",
                format!("the message has {field} twice"),
            ),
            None => malformed(event, "", "syntax", "the message does not read as JSON"),
        }
    })?;
    match (envelope.kind, envelope.payload) {
        (Some(kind), Some(payload)) if text(kind).is_some_and(|kind| kind == event) => {
            envelope.whole(payload.get()).map_err(|refusal| refusal.of_event(event))
        }
        _ => Ok(payload_alone(argument)),
    }
}

/// Whether there may be a `payload` among the fields: most payloads that come alone are told by one search. A name may be
/// spelled with escapes; whoever does that waits for the slower answer.
fn may_have_payload(argument: &str) -> bool {
    argument.contains("payload") || argument.contains("\\u")
}

fn payload_alone(argument: &str) -> Incoming<'_> {
    Incoming {
        id: None,
        tenant: None,
        source: None,
        target: None,
        priority: Priority::default(),
        encrypted: false,
        payload: argument.trim_matches([' ', '\t', '\n', '\r']),
    }
}

/// The envelope's fields as they stand: only when `type` and `payload` say that this is a whole message do the others
/// mean something.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    tenant_id: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow)]
    target: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    priority: Option<&'a RawValue>,
    #[serde(borrow)]
    retry_count: Option<&'a RawValue>,
    #[serde(borrow)]
    encrypted: Option<&'a RawValue>,
}

/// A payload of null is a payload, for its schema to refuse.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Envelope<'a> {
    fn whole(&self, payload: &'a str) -> Result<Incoming<'a>, Refusal> {
        self.check_unused()?;
        Ok(Incoming {
            id: self.id.map(id).transpose()?,
            tenant: self.tenant_id.map(|raw| string(raw, "/tenantId")).transpose()?,
            source: self.source.map(source).transpose()?,
            target: self.target.map(target).transpose()?,
            priority: self.priority.map_or(Ok(Priority::default()), priority)?,
            encrypted: self.encrypted.map_or(Ok(false), encrypted)?,
            payload,
        })
    }

    fn check_unused(&self) -> Result<(), Refusal> {
        if let Some(timestamp) = self.timestamp {
            string(timestamp, "/timestamp")?;
        }
        match self.retry_count.map(|raw| serde_json::from_str::<u32>(raw.get())) {
            Some(Err(_)) => {
                Err(wrong("/retryCount", "type", "retryCount must be a whole number from 0 on"))
            }
            _ => Ok(()),
        }
    }
}

fn id(raw: &RawValue) -> Result<Uuid, Refusal> {
    let id = string(raw, "/id")?;
    // The hyphenated form alone: one id has one spelling.
    let uuid = if id.len() == 36 { Uuid::try_parse(&id).ok() } else { None };
    uuid.ok_or_else(|| wrong("/id", "format", "id must be a UUID in its hyphenated form"))
}

fn source(raw: &RawValue) -> Result<Source, Refusal> {
    let name = string(raw, "/source")?;
    Source::from_wire(&name).ok_or_else(|| {
        let message = "source must be one of the four applications, or system";
        Refusal::new(ErrorCode::SourceForbidden, message).at("/source", "enum")
    })
}

fn target(raw: &RawValue) -> Result<ApplicationSet, Refusal> {
    const UNKNOWN: &str = "target must name applications of the four";
    if let Some(name) = text(raw) {
        let application = ApplicationType::from_wire(&name);
        return application
            .map(|application| ApplicationSet::of(&[application]))
            .ok_or_else(|| wrong("/target", "enum", UNKNOWN));
    }
    let list: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| {
        wrong("/target", "type", "target must be an application or a list of applications")
    })?;
    if list.is_empty() {
        return Err(wrong("/target", "minItems", "target must name an application, or be absent"));
    }
    let application = |(i, raw): (usize, &&RawValue)| {
        let pointer = || format!("/target/{i}");
        let name = text(raw).ok_or_else(|| wrong(pointer(), "type", UNKNOWN))?;
        ApplicationType::from_wire(&name).ok_or_else(|| wrong(pointer(), "enum", UNKNOWN))
    };
    list.iter().enumerate().map(application).collect()
}

fn priority(raw: &RawValue) -> Result<Priority, Refusal> {
    let name = string(raw, "/priority")?;
    Priority::ALL
        .into_iter()
        .find(|priority| priority.as_str() == name)
        .ok_or_else(|| wrong("/priority", "enum", "priority must be low, medium, high or urgent"))
}

fn encrypted(raw: &RawValue) -> Result<bool, Refusal> {
    match raw.get() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(wrong("/encrypted", "type", "encrypted must be true or false")),
    }
}

fn string<'a>(raw: &'a RawValue, pointer: &'static str) -> Result<Cow<'a, str>, Refusal> {
    text(raw).ok_or_else(|| {
        wrong(pointer, "type", format!("{} must be a string", pointer.trim_start_matches('/')))
    })
}

/// The text of a JSON string; `None` for JSON of another type.
fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(raw.get()).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

fn malformed(
    event: &str,
    pointer: &str,
    rule: &'static str,
    message: impl Into<Cow<'static, str>>,
) -> Refusal {
    wrong(pointer, rule, message).of_event(event)
}

fn wrong(
    pointer: impl Into<String>,
    rule: &'static str,
    message: impl Into<Cow<'static, str>>,
) -> Refusal {
    Refusal::new(ErrorCode::MessageMalformed, message).at(pointer, rule)
}
