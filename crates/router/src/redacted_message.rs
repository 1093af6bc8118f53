//! A message without what is hidden from some of its recipients.

use serde_json::Value;

use crate::NotRedactable;

/// What stands where binary is, as the protocol has it.
const PLACEHOLDER: &str = "_placeholder";
/// Which of the attachments it stands for.
const PLACE: &str = "num";

/// A message without what is hidden from some of its recipients.
#[derive(Debug)]
pub struct RedactedMessage {
    message: Vec<u8>,
    /// What is left of the attachments, where the event has some.
    attachments: Option<Vec<Vec<u8>>>,
}

impl RedactedMessage {
    /// Of what is left of the message itself, and the attachments that it had.
    ///
    /// # Errors
    /// [`NotRedactable`]: the event is not for those from whom this is hidden.
    pub(crate) fn new(left: Vec<u8>, attachments: &[Vec<u8>]) -> Result<Self, NotRedactable> {
        if attachments.is_empty() {
            return Ok(Self { message: left, attachments: None });
        }
        // Binary that nothing stands for any more must not travel, and what is left is counted anew.
        let mut tree: Value = serde_json::from_slice(&left).map_err(|_| NotRedactable)?;
        let mut places = Vec::new();
        count_anew(&mut tree, &mut places);
        let kept = places.iter().map(|place| attachments.get(*place).cloned());
        let attachments = kept.collect::<Option<_>>().ok_or(NotRedactable)?;
        let message = serde_json::to_vec(&tree).map_err(|_| NotRedactable)?;
        Ok(Self { message, attachments: Some(attachments) })
    }

    /// The whole JSON of its envelope.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Its attachments, of those that the event has.
    pub fn attachments<'a>(&'a self, whole: &'a [Vec<u8>]) -> &'a [Vec<u8>] {
        self.attachments.as_deref().unwrap_or(whole)
    }
}

/// Gives the placeholders the numbers in which they come; `places` are those that they had. Nesting has a bound, as every payload's.
fn count_anew(value: &mut Value, places: &mut Vec<usize>) {
    match value {
        Value::Object(members) => {
            let is_placeholder = members.get(PLACEHOLDER) == Some(&Value::Bool(true));
            let place = members.get(PLACE).and_then(Value::as_u64).filter(|_| is_placeholder);
            if let Some(place) = place.and_then(|place| usize::try_from(place).ok()) {
                let anew = places.iter().position(|other| *other == place).unwrap_or_else(|| {
                    places.push(place);
                    places.len() - 1
                });
                members.insert(PLACE.into(), anew.into());
                return;
            }
            members.values_mut().for_each(|inner| count_anew(inner, places));
        }
        Value::Array(elements) => elements.iter_mut().for_each(|inner| count_anew(inner, places)),
        _ => {}
    }
}
