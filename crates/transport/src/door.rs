//! Who was refused before anything was known of them: counted by code, and a line in the log each.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine_request::EngineError;
use crate::http::HttpError;

macro_rules! codes {
    ($( $(#[$doc:meta])* $name:ident $code:literal; )*) => {
        /// Why a connection or request of somebody unknown was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum DoorRefusal {
            $( $(#[$doc])* $name, )*
        }

        impl DoorRefusal {
            /// All of them.
            pub const ALL: &[Self] = &[$( Self::$name, )*];

            /// The code as metrics and logs name it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$name => $code, )*
                }
            }
        }
    };
}

codes! {
    /// No HTTP/1.1, or no request that Engine.IO knows.
    BadRequest "bad_request";
    /// A head over its limit of bytes or headers.
    HeadTooLarge "head_too_large";
    /// A body over its limit.
    BodyTooLarge "payload_too_large";
    /// A large body, or a request to the API, without a good token.
    Unauthorized "unauthorized";
    /// Nothing is there.
    PathUnknown "path_unknown";
    /// A session that is not, or not any more.
    SessionUnknown "session_unknown";
    /// A page of an origin that may not connect.
    OriginForbidden "origin_forbidden";
    /// Its address opens sessions too fast.
    HandshakeRateLimited "handshake_rate_limited";
    /// Too many sockets: of its address, or in all.
    TooManyConnections "too_many_connections";
    /// It was here longest of too many who have not joined, or who hold too much memory.
    Evicted "evicted";
    /// Too many requests wait for the API.
    Overloaded "overloaded";
    /// No TLS where TLS is spoken, such as plain HTTP.
    TlsExpected "tls_expected";
    /// TLS where none is spoken.
    TlsUnexpected "tls_unexpected";
    /// A trusted proxy that does not begin with a header of the PROXY protocol.
    ProxyHeaderMalformed "proxy_header_malformed";
    /// A TLS handshake that came to nothing.
    TlsFailed "tls_failed";
}

impl DoorRefusal {
    /// What is likely wrong, where it is likely that somebody does not know.
    fn hint(self) -> Option<&'static str> {
        match self {
            Self::TlsUnexpected => Some(
                "a TLS handshake on a port without TLS: set tls.certFile and tls.keyFile, or ask with http:// and ws://",
            ),
            Self::ProxyHeaderMalformed => Some(
                "security.proxyProtocol is on: each of security.trustedProxies is to send the header, such as haproxy's send-proxy-v2",
            ),
            Self::TlsExpected => {
                Some("no TLS on a port with tls.certFile: ask with https:// and wss://")
            }
            _ => None,
        }
    }
}

/// How often each code was the reason: a closed set, so it is bounded.
#[derive(Debug, Default)]
pub struct DoorRefusals([AtomicU64; DoorRefusal::ALL.len()]);

impl DoorRefusals {
    /// Counts one, and says so in the log, which counts what repeats.
    pub fn note(&self, address: IpAddr, code: DoorRefusal) {
        self.0[code as usize].fetch_add(1, Ordering::Relaxed);
        let hint = code.hint();
        tracing::info!(%address, code = code.as_str(), hint, "refused at the door");
    }

    /// Every code with its number.
    pub fn each(&self) -> impl Iterator<Item = (DoorRefusal, u64)> {
        DoorRefusal::ALL
            .iter()
            .copied()
            .zip(self.0.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

impl From<EngineError> for DoorRefusal {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::UnknownSid => Self::SessionUnknown,
            EngineError::Forbidden => Self::OriginForbidden,
            EngineError::UnknownTransport
            | EngineError::BadHandshakeMethod
            | EngineError::BadRequest
            | EngineError::WebSocketVersion
            | EngineError::UnsupportedVersion => Self::BadRequest,
        }
    }
}

impl From<&HttpError> for DoorRefusal {
    fn from(error: &HttpError) -> Self {
        match error.status {
            401 => Self::Unauthorized,
            413 => Self::BodyTooLarge,
            431 => Self::HeadTooLarge,
            _ => Self::BadRequest,
        }
    }
}
