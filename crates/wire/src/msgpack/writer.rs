use super::msgpack_error::MsgpackError;
use crate::json::{DEPTH_MAX, Reader, unescape};
use crate::socket_io::{Packet, PacketType, placeholder};

/// Appends `packet` as one msgpack map: `type`, `data` and `nsp`, and `id` where there is one.
///
/// Binary types become their plain ones. The placeholders in the data of a packet with
/// `attachments` become the attachments themselves; without any, what looks like a placeholder is
/// an object like others.
///
/// # Errors
/// [`MsgpackError::InvalidJson`], [`MsgpackError::TooDeep`], [`MsgpackError::UnknownAttachment`],
/// [`MsgpackError::TooLong`]; `out` is then as it was.
pub fn write_packet(
    out: &mut Vec<u8>,
    packet: &Packet<'_>,
    attachments: &[&[u8]],
) -> Result<(), MsgpackError> {
    let start = out.len();
    let written = Writer { out, attachments }.packet(packet);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    attachments: &'a [&'a [u8]],
}

/// The first bytes of a kind of value, from its shortest head to its longest.
struct Heads {
    /// Holds lengths below `short_end` in the byte itself.
    short: Option<(u8, u8)>,
    length_8: Option<u8>,
    length_16: u8,
    length_32: u8,
}

const STR: Heads =
    Heads { short: Some((0xa0, 32)), length_8: Some(0xd9), length_16: 0xda, length_32: 0xdb };
const BIN: Heads = Heads { short: None, length_8: Some(0xc4), length_16: 0xc5, length_32: 0xc6 };
const ARRAY: Heads =
    Heads { short: Some((0x90, 16)), length_8: None, length_16: 0xdc, length_32: 0xdd };
const MAP: Heads =
    Heads { short: Some((0x80, 16)), length_8: None, length_16: 0xde, length_32: 0xdf };

impl Writer<'_> {
    fn packet(&mut self, packet: &Packet<'_>) -> Result<(), MsgpackError> {
        let kind = match packet.kind {
            PacketType::BinaryEvent => PacketType::Event,
            PacketType::BinaryAck => PacketType::Ack,
            kind => kind,
        };
        let fields = 2 + usize::from(packet.data.is_some()) + usize::from(packet.id.is_some());
        self.head(&MAP, fields)?;
        self.string("type")?;
        self.unsigned(u64::from(kind.number()));
        if let Some(data) = packet.data {
            self.string("data")?;
            let mut reader = Reader::new(data);
            self.value(&mut reader, 0)?;
            reader.end()?;
        }
        self.string("nsp")?;
        self.string(packet.namespace)?;
        if let Some(id) = packet.id {
            self.string("id")?;
            self.unsigned(id);
        }
        Ok(())
    }

    fn value(&mut self, reader: &mut Reader<'_>, depth: u32) -> Result<(), MsgpackError> {
        match reader.peek() {
            Some(b'[') => self.array(reader, depth),
            Some(b'{') => self.object(reader, depth),
            _ => {
                match reader.scalar()? {
                    "null" => self.out.push(0xc0),
                    "false" => self.out.push(0xc2),
                    "true" => self.out.push(0xc3),
                    text if text.starts_with('"') => self.string(&unescape(text))?,
                    number => self.number(number),
                }
                Ok(())
            }
        }
    }

    fn array(&mut self, reader: &mut Reader<'_>, depth: u32) -> Result<(), MsgpackError> {
        reader.open(depth, DEPTH_MAX)?;
        let start = self.reserve_head();
        let mut length = 0;
        if !reader.take_if(b']') {
            loop {
                self.value(reader, depth + 1)?;
                length += 1;
                if !reader.take_if(b',') {
                    break;
                }
            }
            reader.take(b']')?;
        }
        self.patch_head(&ARRAY, length, start)
    }

    fn object(&mut self, reader: &mut Reader<'_>, depth: u32) -> Result<(), MsgpackError> {
        if !self.attachments.is_empty()
            && let Some(number) = self.take_placeholder(reader, depth)?
        {
            let bytes = self.attachments[number];
            self.head(&BIN, bytes.len())?;
            self.out.extend_from_slice(bytes);
            return Ok(());
        }
        reader.open(depth, DEPTH_MAX)?;
        let start = self.reserve_head();
        let mut length = 0;
        if !reader.take_if(b'}') {
            loop {
                self.string(&unescape(reader.key()?))?;
                self.value(reader, depth + 1)?;
                length += 1;
                if !reader.take_if(b',') {
                    break;
                }
            }
            reader.take(b'}')?;
        }
        self.patch_head(&MAP, length, start)
    }

    /// Takes the object in front if it is a placeholder, and nothing otherwise.
    fn take_placeholder(
        &self,
        reader: &mut Reader<'_>,
        depth: u32,
    ) -> Result<Option<usize>, MsgpackError> {
        let mut ahead = reader.clone();
        let number = placeholder(ahead.value(depth)?, self.attachments.len())?;
        if number.is_some() {
            *reader = ahead;
        }
        Ok(number)
    }

    /// The shortest integer where the text is one of 64 bits, else a double.
    fn number(&mut self, text: &str) {
        if let Ok(number) = text.parse::<u64>() {
            self.unsigned(number);
        } else if let Ok(number) = text.parse::<i64>() {
            self.negative(number);
        } else {
            // A JSON number always parses; too large a one is infinite, as in JavaScript.
            let number = text.parse::<f64>().unwrap_or(f64::NAN);
            self.out.push(0xcb);
            self.out.extend_from_slice(&number.to_be_bytes());
        }
    }

    fn unsigned(&mut self, number: u64) {
        if let Ok(number) = u8::try_from(number) {
            if number > 0x7f {
                self.out.push(0xcc);
            }
            self.out.push(number);
        } else if let Ok(number) = u16::try_from(number) {
            self.out.push(0xcd);
            self.out.extend_from_slice(&number.to_be_bytes());
        } else if let Ok(number) = u32::try_from(number) {
            self.out.push(0xce);
            self.out.extend_from_slice(&number.to_be_bytes());
        } else {
            self.out.push(0xcf);
            self.out.extend_from_slice(&number.to_be_bytes());
        }
    }

    fn negative(&mut self, number: i64) {
        if let Ok(number) = i8::try_from(number) {
            if number < -32 {
                self.out.push(0xd0);
            }
            self.out.extend_from_slice(&number.to_be_bytes());
        } else if let Ok(number) = i16::try_from(number) {
            self.out.push(0xd1);
            self.out.extend_from_slice(&number.to_be_bytes());
        } else if let Ok(number) = i32::try_from(number) {
            self.out.push(0xd2);
            self.out.extend_from_slice(&number.to_be_bytes());
        } else {
            self.out.push(0xd3);
            self.out.extend_from_slice(&number.to_be_bytes());
        }
    }

    fn string(&mut self, text: &str) -> Result<(), MsgpackError> {
        self.head(&STR, text.len())?;
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn head(&mut self, heads: &Heads, length: usize) -> Result<(), MsgpackError> {
        let (head, bytes) = heads.encode(length)?;
        self.out.extend_from_slice(&head[..bytes]);
        Ok(())
    }

    /// Leaves a byte for the head of a container, whose length is known only behind its contents.
    fn reserve_head(&mut self) -> usize {
        self.out.push(0);
        self.out.len() - 1
    }

    /// Most containers are short, and nothing moves; a long one moves its contents by 2 or 4 bytes.
    fn patch_head(&mut self, heads: &Heads, length: usize, at: usize) -> Result<(), MsgpackError> {
        let (head, bytes) = heads.encode(length)?;
        self.out.splice(at..=at, head.into_iter().take(bytes));
        Ok(())
    }
}

impl Heads {
    fn encode(&self, length: usize) -> Result<([u8; 5], usize), MsgpackError> {
        let length = u32::try_from(length).map_err(|_| MsgpackError::TooLong)?;
        let [a, b, c, d] = length.to_be_bytes();
        let short = self.short.filter(|&(_, short_end)| length < u32::from(short_end));
        Ok(match (short, self.length_8) {
            (Some((head, _)), _) => ([head | d, 0, 0, 0, 0], 1),
            (None, Some(head)) if length <= 0xff => ([head, d, 0, 0, 0], 2),
            _ if length <= 0xffff => ([self.length_16, c, d, 0, 0], 3),
            _ => ([self.length_32, a, b, c, d], 5),
        })
    }
}
