use super::msgpack_error::MsgpackError;
use super::reader::{Reader, Token};
use super::to_json::{ToJson, skip};
use crate::socket_io::{PacketType, check_placeholders, without_query};

/// A packet in the JSON form, out of one binary message.
#[derive(Clone, PartialEq, Eq)]
pub struct MsgpackPacket {
    /// Never a binary one: that shows in `attachments`.
    pub kind: PacketType,
    /// Begins with `/`; without a query.
    pub namespace: String,
    /// Asks for an acknowledgement, or names what is acknowledged.
    pub id: Option<u64>,
    /// JSON text in which a binary value is `{"_placeholder":true,"num":n}`.
    pub data: Option<String>,
    /// The binary values, by `num`; at most [`ATTACHMENTS_MAX`](crate::socket_io::ATTACHMENTS_MAX).
    pub attachments: Vec<Vec<u8>>,
}

/// Reads one binary message: a map with `type`, `nsp` and, where the type has them, `data` and `id`.
///
/// Unknown keys and repeats of a key are ignored. Dates become ISO 8601 strings in UTC; undefined
/// and the floats that JSON cannot say become null; array buffers and byte strings become
/// attachments; integer keys of maps become strings; what nests deeper than 128 levels becomes null.
///
/// JSON may be several times as long as the same in msgpack. The data's JSON text and its attachments together may take
/// `bytes_max` bytes, and nothing is converted beyond that.
///
/// # Errors
/// See [`MsgpackError`]. The reference server closes the connection of the sender.
pub fn decode(bytes: &[u8], bytes_max: usize) -> Result<MsgpackPacket, MsgpackError> {
    let mut reader = Reader::new(bytes);
    let Token::Map(length) = reader.token()? else { return Err(MsgpackError::InvalidPacket) };
    let mut fields = Fields::default();
    for _ in 0..length {
        fields.read(&mut reader, bytes_max)?;
    }
    if !reader.is_at_end() {
        return Err(MsgpackError::TrailingBytes);
    }
    fields.packet()
}

/// The packet's fields, in whatever order they come.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<Token<'a>>,
    namespace: Option<Token<'a>>,
    id: Option<Token<'a>>,
    data: Option<ToJson>,
}

impl<'a> Fields<'a> {
    fn read(&mut self, reader: &mut Reader<'a>, bytes_max: usize) -> Result<(), MsgpackError> {
        let key = reader.token()?;
        skip(reader, key)?;
        let token = reader.token()?;
        match key {
            Token::Str(b"type") if self.kind.is_none() => self.kind = Some(token),
            Token::Str(b"nsp") if self.namespace.is_none() => self.namespace = Some(token),
            Token::Str(b"id") if self.id.is_none() => self.id = Some(token),
            Token::Str(b"data") if self.data.is_none() => {
                let mut data = ToJson::new(bytes_max);
                data.value(reader, token, 0)?;
                data.check_room(0)?;
                self.data = Some(data);
                return Ok(());
            }
            _ => {}
        }
        skip(reader, token)
    }

    fn packet(self) -> Result<MsgpackPacket, MsgpackError> {
        let kind = match self.kind {
            Some(Token::Unsigned(number @ 0..=4)) => {
                u8::try_from(number).ok().and_then(PacketType::from_number)
            }
            _ => None,
        };
        let kind = kind.ok_or(MsgpackError::InvalidPacket)?;
        let id = match self.id {
            None | Some(Token::Nil) => None,
            Some(Token::Unsigned(id)) => Some(id),
            Some(_) => return Err(MsgpackError::InvalidPacket),
        };
        let namespace = read_namespace(self.namespace)?;
        let (json, attachments) =
            self.data.map_or_else(Default::default, |data| (data.json, data.attachments));
        let json = String::from_utf8(json).map_err(|_| MsgpackError::InvalidUtf8)?;
        // Nil stands for a field that is not there: Python writes it so.
        let data = (!matches!(json.as_str(), "" | "null")).then_some(json);
        let packet = MsgpackPacket { kind, namespace, id, data, attachments };
        packet.check()?;
        Ok(packet)
    }
}

/// A comma would end the namespace of the packet's text form early.
fn read_namespace(token: Option<Token<'_>>) -> Result<String, MsgpackError> {
    let Some(Token::Str(bytes)) = token else { return Err(MsgpackError::InvalidPacket) };
    let namespace = without_query(str::from_utf8(bytes).map_err(|_| MsgpackError::InvalidUtf8)?);
    if !namespace.starts_with('/') || namespace.contains(',') {
        return Err(MsgpackError::InvalidPacket);
    }
    Ok(namespace.to_owned())
}

impl MsgpackPacket {
    fn check(&self) -> Result<(), MsgpackError> {
        let first = self.data.as_ref().and_then(|data| data.bytes().next());
        let has_id = self.id.is_some();
        let has_attachments = !self.attachments.is_empty();
        let is_valid = match self.kind {
            PacketType::Connect => matches!(first, None | Some(b'{')) && !has_id,
            PacketType::Disconnect => first.is_none() && !has_id,
            PacketType::ConnectError => matches!(first, Some(b'{' | b'"')) && !has_id,
            PacketType::Event => first == Some(b'['),
            PacketType::Ack => first == Some(b'[') && has_id,
            PacketType::BinaryEvent | PacketType::BinaryAck => false,
        };
        let may_have_attachments = matches!(self.kind, PacketType::Event | PacketType::Ack);
        if !is_valid || (has_attachments && !may_have_attachments) {
            return Err(MsgpackError::InvalidPacket);
        }
        // A map of the sender's own that looks like a placeholder must not point astray.
        match &self.data {
            Some(data) if has_attachments => Ok(check_placeholders(data, self.attachments.len())?),
            _ => Ok(()),
        }
    }
}
