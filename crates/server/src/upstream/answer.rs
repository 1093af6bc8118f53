//! What a back end's answer is to the client that asked.

use std::borrow::Cow;

use foodtrack_contract::{ErrorCode, PAYLOAD_DEPTH_MAX, Refusal};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The longest sentence of a back end's that is relayed, in characters.
const SENTENCE_CHARACTERS_MAX: usize = 1_000;

/// How many events an answer may publish.
const EVENTS_MAX: usize = 100;

/// `{ success, data?, error?, events? }`; more fields are not read.
#[derive(Deserialize)]
struct Body<'a> {
    success: bool,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    events: Vec<&'a RawValue>,
}

/// The name of a message: its `type`.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    event: Cow<'a, str>,
}

/// What a back end says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// The acknowledgement as JSON, or the refusal.
    pub(crate) answer: Result<Box<[u8]>, Refusal>,
    /// Messages to publish before the client is answered: each one's name, and all of it as JSON.
    pub(crate) events: Vec<(String, String)>,
}

/// The fields of an error that is an object.
#[derive(Deserialize)]
struct ErrorObject {
    message: String,
}

/// The answer is none that a back end may give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the answer is not a JSON object with success, true or false")]
    Shape,
    #[error("the answer's data is nested deeper than {PAYLOAD_DEPTH_MAX} levels")]
    Depth,
    #[error("one of the answer's events is no message with a type")]
    Event,
    #[error("the answer has more than {EVENTS_MAX} events")]
    Events,
}

/// Reads a body.
///
/// # Errors
/// [`Unreadable`]
pub(super) fn read(body: &[u8]) -> Result<Said, Unreadable> {
    let body: Body<'_> = serde_json::from_slice(body).map_err(|_| Unreadable::Shape)?;
    if body.events.len() > EVENTS_MAX {
        return Err(Unreadable::Events);
    }
    let event = |message: &&RawValue| {
        let head: Head<'_> = serde_json::from_str(message.get()).map_err(|_| Unreadable::Event)?;
        Ok((head.event.into_owned(), message.get().to_owned()))
    };
    let events = body.events.iter().map(event).collect::<Result<_, _>>()?;
    if !body.success {
        return Ok(Said { answer: Err(refusal(body.error)), events });
    }
    let data = body.data.map_or("null", RawValue::get);
    // Within `{"success":..,"data":..}`, and the packet around that.
    if depth(data) > PAYLOAD_DEPTH_MAX {
        return Err(Unreadable::Depth);
    }
    let answer = format!("{{\"success\":true,\"data\":{data}}}").into_bytes().into();
    Ok(Said { answer: Ok(answer), events })
}

fn refusal(error: Option<&RawValue>) -> Refusal {
    let text = error.map_or("null", RawValue::get);
    let sentence = serde_json::from_str::<String>(text)
        .or_else(|_| serde_json::from_str::<ErrorObject>(text).map(|error| error.message));
    let sentence = sentence.unwrap_or_else(|_| String::from("the back end did not say why"));
    let sentence: String = sentence.chars().take(SENTENCE_CHARACTERS_MAX).collect();
    Refusal::new(ErrorCode::UpstreamRefused, sentence)
}

/// How deep JSON is nested.
fn depth(json: &str) -> u32 {
    let (mut depth, mut deepest, mut in_text, mut is_escaped) = (0_u32, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(body: &str) -> Result<String, String> {
        match read(body.as_bytes()).unwrap().answer {
            Ok(answer) => Ok(String::from_utf8(answer.into()).unwrap()),
            Err(refusal) => Err(refusal.to_string()),
        }
    }

    #[test]
    fn data_is_relayed_as_it_is() {
        let body = r#" {"data" : {"orders":[1, {"a":"\"]}"}]}, "success":true, "took":3} "#;
        assert_eq!(told(body).unwrap(), r#"{"success":true,"data":{"orders":[1, {"a":"\"]}"}]}}"#);
        assert_eq!(told(r#"{"success":true}"#).unwrap(), r#"{"success":true,"data":null}"#);
    }

    #[test]
    fn an_error_is_relayed_in_its_own_words_whatever_its_shape() {
        for error in [r#""no such order""#, r#"{"message":"no such order","code":7}"#] {
            let body = format!(r#"{{"success":false,"error":{error}}}"#);
            assert_eq!(told(&body).unwrap_err(), "upstream_refused: no such order");
        }
        let unsaid = told(r#"{"success":false}"#).unwrap_err();
        assert_eq!(unsaid, "upstream_refused: the back end did not say why");
        let long = format!(r#"{{"success":false,"error":"{}"}}"#, "é".repeat(5_000));
        assert!(told(&long).unwrap_err().chars().count() < 1_100);
    }

    #[test]
    fn events_are_messages_and_not_too_many() {
        let body = |events: &str| format!(r#"{{"success":true,"events":{events}}}"#);
        let said = read(body(r#"[{"type":"order:updated","payload":{"orderId":"1"}}]"#).as_bytes());
        let message = r#"{"type":"order:updated","payload":{"orderId":"1"}}"#;
        assert_eq!(said.unwrap().events, [("order:updated".into(), message.into())]);
        assert_eq!(read(body("[7]").as_bytes()), Err(Unreadable::Event));
        assert_eq!(read(body(r#"[{"event":"order:updated"}]"#).as_bytes()), Err(Unreadable::Event));
        let many = vec![r#"{"type":"a:b"}"#; EVENTS_MAX + 1].join(",");
        assert_eq!(read(body(&format!("[{many}]")).as_bytes()), Err(Unreadable::Events));
    }

    #[test]
    fn what_is_no_answer_is_unreadable() {
        for body in ["", "[]", "7", "{}", r#"{"success":"yes"}"#, "<html>", "{\"success\":true"] {
            assert_eq!(read(body.as_bytes()), Err(Unreadable::Shape), "{body}");
        }
        let nested = |levels: u32| {
            let levels = levels as usize;
            format!(r#"{{"success":true,"data":{}{}}}"#, "[".repeat(levels), "]".repeat(levels))
        };
        assert!(read(nested(PAYLOAD_DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(read(nested(PAYLOAD_DEPTH_MAX + 1).as_bytes()), Err(Unreadable::Depth));
        assert_eq!(depth(r#"["[[[[", {"\"[[":[]}]"#), 3);
    }
}
