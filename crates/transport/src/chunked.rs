//! A chunked body (RFC 9112, section 7.1), decoded as it comes: each byte is looked at once, and the framing is bounded.

use crate::http::{HttpError, error};

/// A chunk's size with its extensions, or one line of the trailer.
const LINE_BYTES_MAX: usize = 1_024;
/// Framing that any body may have; beyond it, no more than a byte for each byte of the body.
const OVERHEAD_BYTES: usize = 16 * 1024;
/// The whole trailer.
const TRAILER_BYTES_MAX: usize = 4 * 1024;

/// How far a body was decoded. It is given the whole input from the body's start each time, and goes on where it was.
#[derive(Default)]
pub(crate) struct ChunkedDecoder {
    body: Vec<u8>,
    /// Bytes of the input that were used.
    at: usize,
    part: Part,
    trailer_bytes: usize,
}

#[derive(Clone, Copy, Default)]
enum Part {
    #[default]
    Size,
    /// So many bytes of a chunk are still to come.
    Data(usize),
    DataEnd,
    Trailer,
}

impl ChunkedDecoder {
    /// Goes on with `input`, which begins where the body does. Returns how many bytes the whole body took, once it is here.
    ///
    /// # Errors
    /// 400 for what is no chunked body or has too much framing, 413 over `bytes_max`, 431 for a long line or trailer.
    pub(crate) fn decode(
        &mut self,
        input: &[u8],
        bytes_max: usize,
    ) -> Result<Option<usize>, HttpError> {
        loop {
            let rest = input.get(self.at..).unwrap_or_default();
            match self.part {
                Part::Size => {
                    let Some(line) = line(rest)? else { return Ok(None) };
                    let size = chunk_size(line)?;
                    if size > bytes_max.saturating_sub(self.body.len()) {
                        return Err(error(413, "body too large"));
                    }
                    self.at += line.len() + 2;
                    self.part = if size == 0 { Part::Trailer } else { Part::Data(size) };
                }
                Part::Data(left) => {
                    let here = left.min(rest.len());
                    self.body.extend_from_slice(&rest[..here]);
                    self.at += here;
                    if here < left {
                        self.part = Part::Data(left - here);
                        return Ok(None);
                    }
                    self.part = Part::DataEnd;
                }
                Part::DataEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        self.at += 2;
                        self.part = Part::Size;
                    }
                    [] | [b'\r'] => return Ok(None),
                    _ => return Err(error(400, "malformed chunk")),
                },
                Part::Trailer => {
                    let Some(line) = line(rest)? else { return Ok(None) };
                    self.at += line.len() + 2;
                    self.trailer_bytes += line.len() + 2;
                    if self.trailer_bytes > TRAILER_BYTES_MAX {
                        return Err(error(431, "trailer too large"));
                    }
                    if line.is_empty() {
                        return Ok(Some(self.at));
                    }
                }
            }
            if self.at - self.body.len() > OVERHEAD_BYTES + self.body.len() {
                return Err(error(400, "too much chunk framing"));
            }
        }
    }

    /// Bytes of memory that it holds.
    pub(crate) fn capacity(&self) -> usize {
        self.body.capacity()
    }

    /// The body.
    pub(crate) fn into_body(self) -> Vec<u8> {
        self.body
    }
}

/// The line that `rest` begins with. A line feed or a carriage return alone ends none: others might think that it does.
fn line(rest: &[u8]) -> Result<Option<&[u8]>, HttpError> {
    let Some(end) = rest.iter().take(LINE_BYTES_MAX).position(|byte| matches!(byte, b'\r' | b'\n'))
    else {
        return match rest.len() < LINE_BYTES_MAX {
            true => Ok(None),
            false => Err(error(431, "chunk line too long")),
        };
    };
    match (rest[end], rest.get(end + 1)) {
        (b'\r', Some(b'\n')) => Ok(Some(&rest[..end])),
        (b'\r', None) => Ok(None),
        _ => Err(error(400, "malformed chunk")),
    }
}

fn chunk_size(line: &[u8]) -> Result<usize, HttpError> {
    let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (size, extensions) = line.split_at(digits);
    let starts_well = matches!(extensions, [] | [b';' | b' ' | b'\t', ..]);
    let is_text = extensions.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 127));
    std::str::from_utf8(size)
        .ok()
        .filter(|size| (1..=8).contains(&size.len()) && starts_well && is_text)
        .and_then(|size| usize::from_str_radix(size, 16).ok())
        .ok_or(error(400, "malformed chunk"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8], bytes_max: usize) -> Result<Option<(Vec<u8>, usize)>, HttpError> {
        let mut decoder = ChunkedDecoder::default();
        let taken = decoder.decode(input, bytes_max)?;
        Ok(taken.map(|taken| (decoder.into_body(), taken)))
    }

    #[test]
    fn a_chunked_body_is_joined_at_any_split() {
        let text = b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nt: v\r\n\r\nrest";
        let whole = text.len() - 4;
        assert_eq!(read(text, 100), Ok(Some((b"abcdefg".to_vec(), whole))));
        assert_eq!(read(text, 6).unwrap_err().status, 413);
        let mut decoder = ChunkedDecoder::default();
        for end in 0..whole {
            assert_eq!(decoder.decode(&text[..end], 100), Ok(None), "{end}");
        }
        assert_eq!(decoder.decode(text, 100), Ok(Some(whole)));
        assert_eq!(decoder.into_body(), b"abcdefg");
    }

    #[test]
    fn tiny_chunks_end_when_their_framing_outweighs_the_body() {
        let tiny = b"1\r\nx\r\n".repeat(100_000);
        assert_eq!(read(&tiny, 1_000_000).unwrap_err().status, 400);
        // As many bytes in larger pieces are fine.
        let mut fair = b"8\r\nxxxxxxxx\r\n".repeat(10_000);
        fair.extend_from_slice(b"0\r\n\r\n");
        assert_eq!(read(&fair, 1_000_000).unwrap().unwrap().0.len(), 80_000);
    }

    #[test]
    fn an_endless_extension_or_trailer_is_refused() {
        let extension = [&b"1;"[..], &b"x".repeat(2_000)].concat();
        assert_eq!(read(&extension, 100).unwrap_err().status, 431);
        let trailer = [&b"0\r\n"[..], &b"a: b\r\n".repeat(2_000)].concat();
        assert_eq!(read(&trailer, 100).unwrap_err().status, 431);
    }

    #[test]
    fn what_others_read_differently_is_refused() {
        for text in [
            "3;x\ny\r\nabc",
            "3;x\ry\r\nabc",
            "3;x\r\r\nabc",
            "3\nabc",
            "3;\0\r\nabc",
            "\r\n",
            "+3\r\nabc",
            "3x\r\nabc",
        ] {
            assert_eq!(read(text.as_bytes(), 100).unwrap_err().status, 400, "{text:?}");
        }
    }
}
