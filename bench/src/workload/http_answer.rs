//! Answers of HTTP/1.1 servers to back ends that publish.

use std::io;

use memchr::memmem;

/// An answer of which something was refused.
const REFUSED: &[u8] = b"\"success\":false";

/// How long the answer is that `bytes` begins with; `None` while it is not all there.
///
/// # Errors
/// The server refuses, in its own words, or says no length.
pub(super) fn length(bytes: &[u8]) -> io::Result<Option<usize>> {
    let Some(head) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let length = head + 4 + content_length(&bytes[..head])?;
    let Some(answer) = bytes.get(..length) else { return Ok(None) };
    if answer.starts_with(b"HTTP/1.1 200 ") && memmem::find(answer, REFUSED).is_none() {
        return Ok(Some(length));
    }
    Err(io::Error::other(String::from_utf8_lossy(&answer[..length.min(500)]).into_owned()))
}

fn content_length(head: &[u8]) -> io::Result<usize> {
    const NAME: &str = "content-length:";
    let lines = head.split(|&byte| byte == b'\n').filter_map(|line| str::from_utf8(line).ok());
    let mut values = lines.filter_map(|line| {
        let (name, value) = line.split_at_checked(NAME.len())?;
        name.eq_ignore_ascii_case(NAME).then(|| value.trim().parse().ok())?
    });
    values.next().ok_or_else(|| io::Error::other("an answer without a length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_once_its_body_is_there() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\nX: y\r\n\r\n{\"success\":true}HTTP";
        for cut in 0..answer.len() - 4 {
            assert!(length(&answer[..cut]).is_ok_and(|it| it.is_none()), "cut at {cut}");
        }
        assert!(length(answer).is_ok_and(|it| it == Some(answer.len() - 4)));
    }

    #[test]
    fn what_was_refused_is_an_error_in_the_servers_words() {
        for answer in [
            &b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno"[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{\"success\":false}",
            b"HTTP/1.1 200 OK\r\n\r\n",
        ] {
            assert!(length(answer).is_err());
        }
    }
}
