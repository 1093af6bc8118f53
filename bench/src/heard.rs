//! What clients that come back hear. By prefixes, without a JSON parser.

use memchr::memmem;

use crate::stamp;

/// What a server says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard<'a> {
    /// The Engine.IO session is open.
    Open,
    /// The session, new or resumed.
    Connected {
        pid: &'a str,
    },
    /// The connection is refused or ended.
    Ended,
    Answer {
        /// Of the emission.
        number: u32,
        is_good: bool,
    },
    Event(Event<'a>),
    /// Something was missed and cannot be had any more.
    Gap,
    Else,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    /// When it was sent, and its number where it has one.
    pub(crate) sent: Option<(u64, Option<u32>)>,
    /// Through where its receiver has everything.
    pub(crate) cursor: Option<&'a str>,
}

pub(crate) fn hear(payload: &[u8]) -> Heard<'_> {
    match payload {
        [b'0', b'{', ..] => Heard::Open,
        [b'4', b'0', ..] => Heard::Connected { pid: between(payload, b"\"pid\":\"").unwrap_or("") },
        [b'4', b'1' | b'4', ..] => Heard::Ended,
        [b'4', b'3', rest @ ..] => answer(rest).unwrap_or(Heard::Else),
        _ if payload.starts_with(b"42[\"system:reconnection_required\"") => Heard::Gap,
        [b'4', b'2', ..] => Heard::Event(Event { sent: sent(payload), cursor: cursor(payload) }),
        _ => Heard::Else,
    }
}

fn answer(rest: &[u8]) -> Option<Heard<'_>> {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
    let is_good = memmem::find(rest, b"\"success\":true").is_some();
    Some(Heard::Answer { number, is_good })
}

fn sent(payload: &[u8]) -> Option<(u64, Option<u32>)> {
    let sent_ns = stamp::read(payload)?;
    let digits = memchr::memchr(b'@', payload)? + 1 + 16;
    let number = payload.get(digits..digits + 8).and_then(|it| str::from_utf8(it).ok());
    let number = number.and_then(|it| u32::from_str_radix(it, 16).ok());
    Some((sent_ns, number))
}

/// The last argument, where it is a text.
fn cursor(payload: &[u8]) -> Option<&str> {
    let rest = payload.strip_suffix(b"\"]")?;
    let start = memchr::memrchr(b'"', rest)? + 1;
    str::from_utf8(&rest[start..]).ok()
}

fn between<'a>(payload: &'a [u8], mark: &[u8]) -> Option<&'a str> {
    let start = memmem::find(payload, mark)? + mark.len();
    let length = memchr::memchr(b'"', &payload[start..])?;
    str::from_utf8(&payload[start..start + length]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_sessions_are_told_apart() {
        let good = br#"43205[{"success":true,"data":{"id":"x"}}]"#;
        assert_eq!(hear(good), Heard::Answer { number: 205, is_good: true });
        let bad = br#"43205[{"success":false,"error":{}}]"#;
        assert_eq!(hear(bad), Heard::Answer { number: 205, is_good: false });
        assert_eq!(hear(br#"40{"sid":"a","pid":"b"}"#), Heard::Connected { pid: "b" });
        assert_eq!(hear(br#"44{"message":"no"}"#), Heard::Ended);
        assert_eq!(hear(b"0{}"), Heard::Open);
    }
}
