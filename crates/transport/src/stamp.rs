//! The cursor at the end of a frame's text: `..,"EPOCH-OFFSET"]`, the same for all recipients, or one recipient's own.

use foodtrack_wire::rfc6455::{self, Opcode};

use crate::frame::split_server_frame;

/// What ends a stamped text behind its offset.
const END: &[u8] = b"\"]";

/// Splits a text that ends with the stamp of `offset`: what comes before the digits. `None` where it does not.
pub(crate) fn before_offset(text: &[u8], offset: u64) -> Option<&[u8]> {
    let mut digits = itoa::Buffer::new();
    let rest = text.strip_suffix(END)?.strip_suffix(digits.format(offset).as_bytes())?;
    rest.ends_with(b"-").then_some(rest)
}

/// Writes frames anew with a recipient's own cursor in the stamp: `THROUGH+A,B` in place of `offset`. Attachments follow
/// as they are. `None` where the text does not end with the stamp of `offset`.
pub(crate) fn restamp(
    frames: &[u8],
    offset: u64,
    through: u64,
    beyond: &[u64],
) -> Option<Box<[u8]>> {
    let (is_text, payload, attachments) = split_server_frame(frames)?;
    let unstamped = before_offset(payload, offset).filter(|_| is_text)?;
    let mut text = Vec::with_capacity(payload.len() + 20 * (1 + beyond.len()));
    text.extend_from_slice(unstamped);
    let mut digits = itoa::Buffer::new();
    text.extend_from_slice(digits.format(through).as_bytes());
    for (nth, offset) in beyond.iter().enumerate() {
        text.push(if nth == 0 { b'+' } else { b',' });
        text.extend_from_slice(digits.format(*offset).as_bytes());
    }
    text.extend_from_slice(END);
    let bytes = rfc6455::HEADER_BYTES_MAX + text.len() + attachments.len();
    let mut frames = Vec::with_capacity(bytes);
    rfc6455::write_frame(&mut frames, Opcode::Text, &text);
    frames.extend_from_slice(attachments);
    Some(frames.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::each_server_frame;

    fn frames(text: &str, attachments: &[&[u8]]) -> Vec<u8> {
        let mut frames = Vec::new();
        rfc6455::write_frame(&mut frames, Opcode::Text, text.as_bytes());
        for attachment in attachments {
            rfc6455::write_frame(&mut frames, Opcode::Binary, attachment);
        }
        frames
    }

    fn check(text: &str, offset: u64, through: u64, beyond: &[u64], expected: &str) {
        let attachments: &[&[u8]] = &[b"one", &[7; 70_000]];
        let stamped = restamp(&frames(text, attachments), offset, through, beyond).unwrap();
        assert_eq!(*stamped, *frames(expected, attachments), "{text}");
        let mut parts = 0;
        each_server_frame(&stamped, |_, _| parts += 1);
        assert_eq!(parts, 3);
    }

    #[test]
    fn the_cursor_takes_the_place_of_the_offset_and_nothing_else_changes() {
        check(r#"42["x",{"a":"k-9"},"k-9"]"#, 9, 4, &[9], r#"42["x",{"a":"k-9"},"k-4+9"]"#);
        check(r#"42["x","k3-12"]"#, 12, 0, &[7, 12], r#"42["x","k3-0+7,12"]"#);
        check(r#"452-["x","k-10"]"#, 10, 123, &[], r#"452-["x","k-123"]"#);
    }

    #[test]
    fn the_header_fits_whatever_length_the_text_has_now() {
        for filler in [80, 100, 110, 120, 65_500, 65_520] {
            let filler = "x".repeat(filler);
            let beyond: Vec<_> = (1..=64).map(|n| u64::from(u32::MAX) + n).collect();
            let list = beyond.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
            let text = format!(r#"42["x","{filler}","k-4294967300"]"#);
            check(&text, 4_294_967_300, 3, &beyond, &format!(r#"42["x","{filler}","k-3+{list}"]"#));
        }
    }

    #[test]
    fn what_bears_no_stamp_of_the_offset_is_not_touched() {
        for text in [r#"42["x"]"#, r#"42["x","k-19"]"#, r#"42["x","9"]"#, r#"42["x","k-9",{}]"#, ""]
        {
            assert_eq!(restamp(&frames(text, &[]), 9, 4, &[]), None, "{text}");
        }
        assert_eq!(restamp(&[], 9, 4, &[]), None);
    }
}
