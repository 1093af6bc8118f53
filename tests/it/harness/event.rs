//! What a client gets.

use serde_json::Value;

/// An event that came.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    /// The first argument.
    pub(crate) argument: Value,
    pub(crate) attachments: Vec<Vec<u8>>,
    /// The trailing string: where the recipient stands with this event.
    pub(crate) cursor: Option<String>,
    /// Set where the server asks for an acknowledgement.
    pub(crate) ack_id: Option<u64>,
    /// How many arguments there are, the cursor among them.
    pub(crate) arguments: usize,
}

impl Event {
    /// The message's id.
    pub(crate) fn id(&self) -> &str {
        self.argument["id"].as_str().unwrap()
    }

    /// A field of the message's payload.
    pub(crate) fn payload(&self, field: &str) -> &Value {
        &self.argument["payload"][field]
    }
}
