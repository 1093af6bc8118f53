//! What a client is told when something it asked for is refused.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde::ser::SerializeMap;

use crate::ErrorCode;

/// A refusal: a code from the one table, a sentence, and where it is about an event, what breaks where.
///
/// On the wire: `{ code, number, message, event?, pointer?, rule?, retryAfterMs? }`.
/// Never holds a payload or a token, so it may be logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal(Box<Facts>);

#[derive(Clone, PartialEq, Eq)]
struct Facts {
    code: ErrorCode,
    message: Cow<'static, str>,
    event: Option<String>,
    pointer: Option<String>,
    rule: Option<Cow<'static, str>>,
    retry_after_ms: Option<u64>,
}

impl Refusal {
    /// A refusal that says `message`.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        Self(Box::new(Facts {
            code,
            message,
            event: None,
            pointer: None,
            rule: None,
            retry_after_ms: None,
        }))
    }

    /// Names the event that was refused.
    #[must_use]
    pub fn of_event(mut self, event: impl Into<String>) -> Self {
        self.0.event = Some(event.into());
        self
    }

    /// Says which part of the message (a JSON pointer) breaks which rule.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>, rule: impl Into<Cow<'static, str>>) -> Self {
        self.0.pointer = Some(pointer.into());
        self.0.rule = Some(rule.into());
        self
    }

    /// Says when the same request may succeed, in milliseconds from now.
    #[must_use]
    pub fn retry_after_ms(mut self, retry_after_ms: u64) -> Self {
        self.0.retry_after_ms = Some(retry_after_ms);
        self
    }

    /// The code.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// The sentence.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The event that was refused.
    pub fn event(&self) -> Option<&str> {
        self.0.event.as_deref()
    }

    /// The JSON pointer of what breaks the rule.
    pub fn pointer(&self) -> Option<&str> {
        self.0.pointer.as_deref()
    }

    /// The rule that is broken, by its JSON Schema keyword.
    pub fn rule(&self) -> Option<&str> {
        self.0.rule.as_deref()
    }

    /// When to try again, in milliseconds from now.
    pub fn retry_after(&self) -> Option<u64> {
        self.0.retry_after_ms
    }

    /// The refusal as JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| String::from("{}"))
    }
}

impl Serialize for Refusal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let facts = &self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", facts.code.as_str())?;
        map.serialize_entry("number", &facts.code.number())?;
        map.serialize_entry("message", &facts.message)?;
        if let Some(event) = &facts.event {
            map.serialize_entry("event", event)?;
        }
        if let Some(pointer) = &facts.pointer {
            map.serialize_entry("pointer", pointer)?;
        }
        if let Some(rule) = &facts.rule {
            map.serialize_entry("rule", rule)?;
        }
        if let Some(retry_after_ms) = facts.retry_after_ms {
            map.serialize_entry("retryAfterMs", &retry_after_ms)?;
        }
        map.end()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.as_str(), self.0.message)
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

impl std::error::Error for Refusal {}
