/// How a client broke RFC 6455 or a limit. The connection is over: answer with
/// [`close_code`](Self::close_code) and close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// No extension was agreed on, so the three reserved bits must be 0.
    #[error("a reserved bit is set")]
    ReservedBits,
    /// Opcodes 3 to 7 and 11 to 15 mean nothing yet.
    #[error("opcode {opcode} is reserved")]
    ReservedOpcode {
        /// The opcode on the wire.
        opcode: u8,
    },
    /// Every frame of a client is masked.
    #[error("a client frame is not masked")]
    Unmasked,
    /// Close, ping and pong come in one frame.
    #[error("a control frame is fragmented")]
    FragmentedControl,
    /// Close, ping and pong carry at most 125 bytes.
    #[error("a control frame is longer than 125 bytes")]
    ControlTooLong,
    /// A length of 2^63 bytes or more.
    #[error("a frame's length has its highest bit set")]
    LengthOverflow,
    /// A continuation without a message to continue.
    #[error("a continuation of no message")]
    UnexpectedContinuation,
    /// A new message before the last one's final fragment.
    #[error("a message begins inside another")]
    InterruptedMessage,
    /// The message is, or is announced to be, longer than allowed.
    #[error("a message is longer than {message_bytes_max} bytes")]
    MessageTooBig {
        /// The limit that was in force.
        message_bytes_max: usize,
    },
    /// The message came in more frames than allowed.
    #[error("a message has more than {fragments_max} fragments")]
    TooManyFragments {
        /// The limit that was in force.
        fragments_max: u32,
    },
    /// A text message or a close reason is not UTF-8.
    #[error("text is not UTF-8")]
    InvalidUtf8,
    /// A close payload is empty or begins with a two-byte code.
    #[error("a close frame has a payload of one byte")]
    TruncatedCloseCode,
    /// The code may not be sent in a close frame.
    #[error("close code {code} is not allowed on the wire")]
    InvalidCloseCode {
        /// The code on the wire.
        code: u16,
    },
}

impl ProtocolError {
    /// The code to close the connection with: 1002, 1007, 1008 or 1009.
    pub fn close_code(&self) -> u16 {
        match self {
            Self::InvalidUtf8 => 1007,
            Self::TooManyFragments { .. } => 1008,
            Self::MessageTooBig { .. } => 1009,
            Self::ReservedBits
            | Self::ReservedOpcode { .. }
            | Self::Unmasked
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::LengthOverflow
            | Self::UnexpectedContinuation
            | Self::InterruptedMessage
            | Self::TruncatedCloseCode
            | Self::InvalidCloseCode { .. } => 1002,
        }
    }
}
