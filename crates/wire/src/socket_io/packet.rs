/// Attachments of one packet, as the reference parser allows them.
pub const ATTACHMENTS_MAX: u8 = 10;

/// What a packet does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketType {
    /// Joins a namespace, or confirms that.
    Connect,
    /// Leaves a namespace.
    Disconnect,
    /// An event with arguments.
    Event,
    /// Answers an event that had an id.
    Ack,
    /// Refuses a namespace.
    ConnectError,
    /// An event whose arguments point to attachments.
    BinaryEvent,
    /// An answer whose arguments point to attachments.
    BinaryAck,
}

impl PacketType {
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Connect,
            1 => Self::Disconnect,
            2 => Self::Event,
            3 => Self::Ack,
            4 => Self::ConnectError,
            5 => Self::BinaryEvent,
            6 => Self::BinaryAck,
            _ => return None,
        })
    }

    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Connect => 0,
            Self::Disconnect => 1,
            Self::Event => 2,
            Self::Ack => 3,
            Self::ConnectError => 4,
            Self::BinaryEvent => 5,
            Self::BinaryAck => 6,
        }
    }

    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Self::BinaryEvent | Self::BinaryAck)
    }
}

/// One packet, borrowed from its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it does.
    pub kind: PacketType,
    /// So many binary messages follow; 0 unless `kind` is a binary one.
    pub attachments: u8,
    /// `/` when the text names none; without a query.
    pub namespace: &'a str,
    /// Asks for an acknowledgement, or names what is acknowledged.
    pub id: Option<u64>,
    /// The raw JSON text behind the header.
    pub data: Option<&'a str>,
}

/// Appends header and data, for example `2/custom,12["a"]`: without the Engine.IO `4`.
pub fn write_packet(out: &mut Vec<u8>, packet: &Packet<'_>) {
    let mut number = itoa::Buffer::new();
    out.push(b'0' + packet.kind.number());
    if packet.kind.is_binary() {
        out.extend_from_slice(number.format(packet.attachments).as_bytes());
        out.push(b'-');
    }
    if packet.namespace != "/" {
        out.extend_from_slice(packet.namespace.as_bytes());
        out.push(b',');
    }
    if let Some(id) = packet.id {
        out.extend_from_slice(number.format(id).as_bytes());
    }
    if let Some(data) = packet.data {
        out.extend_from_slice(data.as_bytes());
    }
}
