use super::ProtocolError;

/// One whole message, or one control frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Checked UTF-8.
    Text(&'a str),
    /// Bytes as they are.
    Binary(&'a [u8]),
    /// To be answered with a pong of these bytes.
    Ping(&'a [u8]),
    /// Answers a ping, or nothing.
    Pong(&'a [u8]),
    /// The client sends nothing more; `None` without a code.
    Close(Option<CloseFrame<'a>>),
}

/// Why the peer closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseFrame<'a> {
    /// A code that is allowed on the wire.
    pub code: u16,
    /// For people; at most 123 bytes.
    pub reason: &'a str,
}

impl<'a> CloseFrame<'a> {
    pub(super) fn parse(payload: &'a [u8]) -> Result<Option<Self>, ProtocolError> {
        match payload {
            [] => Ok(None),
            [_] => Err(ProtocolError::TruncatedCloseCode),
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                if !is_sendable(code) {
                    return Err(ProtocolError::InvalidCloseCode { code });
                }
                let reason = str::from_utf8(reason).map_err(|_| ProtocolError::InvalidUtf8)?;
                Ok(Some(Self { code, reason }))
            }
        }
    }
}

/// 1004 is reserved, 1005, 1006 and 1015 are never sent; 1012 to 1014 were registered later.
fn is_sendable(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
