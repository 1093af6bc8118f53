//! How deep a payload may nest: what is accepted can be sent to every recipient, in whatever form they read.

use crate::violation::{self, Violation};

/// How deep arrays and objects may nest in a payload, the outermost one included: 64 levels, which is what is written as
/// msgpack, without the two that go around a payload, a packet's arguments and the message.
pub const PAYLOAD_DEPTH_MAX: u32 = 62;

/// Checks that `payload`, well-formed JSON, nests no deeper than [`PAYLOAD_DEPTH_MAX`].
///
/// Cost: most payloads have fewer brackets than that, which is seen without looking for what is a string.
///
/// # Errors
/// The violation at the first value that is too deep.
pub(crate) fn check_depth(payload: &str) -> Result<(), Violation> {
    let brackets = payload.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
    if brackets <= PAYLOAD_DEPTH_MAX as usize {
        return Ok(());
    }
    match first_too_deep(payload) {
        None => Ok(()),
        Some(at) => Err(Violation::too_deep(pointer_to(payload, at))),
    }
}

/// Where the first container begins that is one too many.
fn first_too_deep(payload: &str) -> Option<usize> {
    let bytes = payload.as_bytes();
    let (mut at, mut depth) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at),
            b'[' | b'{' => {
                depth += 1;
                if depth > PAYLOAD_DEPTH_MAX {
                    return Some(at);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where the last quote of the string stands that begins at `start`.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => break,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

/// The place inside one open container.
enum Place<'a> {
    Item(usize),
    /// The raw literal of the last string in an object: before a value that is a container, its name.
    Member(&'a str),
}

#[cold]
fn pointer_to(payload: &str, end: usize) -> String {
    let bytes = payload.as_bytes();
    let mut open = Vec::new();
    let mut at = 0;
    while at < end {
        match bytes[at] {
            b'"' => {
                let string = string_end(bytes, at);
                if let Some(Place::Member(name)) = open.last_mut() {
                    *name = payload.get(at..=string).unwrap_or("\"\"");
                }
                at = string;
            }
            b'[' => open.push(Place::Item(0)),
            b'{' => open.push(Place::Member("\"\"")),
            b']' | b'}' => _ = open.pop(),
            b',' => {
                if let Some(Place::Item(index)) = open.last_mut() {
                    *index += 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    let mut pointer = String::new();
    for place in open {
        match place {
            Place::Item(index) => violation::push_segment(&mut pointer, &index.to_string()),
            Place::Member(literal) => {
                let name: Option<String> = serde_json::from_str(literal).ok();
                violation::push_segment(&mut pointer, name.as_deref().unwrap_or_default());
            }
        }
    }
    pointer
}
