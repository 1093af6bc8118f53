//! The codes that clients see. Made from `errors.json` by `cargo xtask codegen`; do not edit.

/// What a client should do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// 1000 to 1999: nothing was done; the same request may succeed later (after retryAfterMs, where it is given).
    Retry,
    /// 2000 to 2999: connect again, with a fresh token where the code says so.
    Reconnect,
    /// 3000 to 3999: the same request will be refused again; change it first.
    Stop,
}

/// A code that clients see; its number's range says how to react.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum ErrorCode {
    /// The connection sends more than its limit allows.
    RateLimited = 1001,
    /// The tenant as a whole sends more than its limit allows.
    TenantRateLimited = 1002,
    /// The address opens connections faster than its limit allows.
    HandshakeRateLimited = 1003,
    /// The tenant, the user or the token has as many connections as it may have.
    TooManyConnections = 1004,
    /// The server has no room for more work at the moment.
    Overloaded = 1005,
    /// The server is about to stop; another one, or the same one restarted, will answer.
    Draining = 1006,
    /// A part that the request needs (the store, an upstream) is away.
    Degraded = 1007,
    /// The answer did not come in time.
    Timeout = 1008,
    /// The disk of the log is full: what must not be lost is not accepted until there is room.
    StorageFull = 1009,
    /// The disk of the log failed: what must not be lost is not accepted until the server is started anew.
    StorageFailed = 1010,
    /// The token is past its exp; get a fresh one and connect again.
    TokenExpired = 2001,
    /// The token's nbf lies in the future; check the clocks.
    TokenNotYetValid = 2002,
    /// The same device connected again; the newer connection has its events.
    DeviceReplaced = 2003,
    /// No token came in auth.token, the Authorization header or the cookie.
    TokenMissing = 3001,
    /// The token is no JWT, or too long.
    TokenMalformed = 3002,
    /// The token is signed with an algorithm that the configuration does not allow.
    TokenAlgorithm = 3003,
    /// The token's signature does not verify.
    TokenSignature = 3004,
    /// A claim is missing, malformed, or not the one that is expected.
    TokenClaims = 3005,
    /// The token, its user or its tenant was revoked.
    TokenRevoked = 3006,
    /// The fresh token speaks for somebody else than the connection's.
    TokenSubject = 3007,
    /// The token opens several applications and the handshake names none.
    ApplicationRequired = 3011,
    /// The handshake names an application that is none of the four.
    ApplicationUnknown = 3012,
    /// The token does not open the application that the handshake names.
    ApplicationForbidden = 3013,
    /// The server has no such namespace.
    NamespaceUnknown = 3014,
    /// The message is not of the envelope's shape.
    MessageMalformed = 3101,
    /// No such event type is built in, and the tenant declared none of that name.
    EventUnknown = 3102,
    /// Only the server sends events of this type.
    EventReserved = 3103,
    /// The payload breaks the schema of its event type.
    PayloadInvalid = 3104,
    /// The message is larger than the limit.
    PayloadTooLarge = 3105,
    /// The message names another tenant than the token's.
    TenantMismatch = 3106,
    /// The message names a source that the sender is not, or the event may not come from it.
    SourceForbidden = 3107,
    /// The token does not allow it.
    PermissionDenied = 3108,
    /// A customer may only touch orders of their own, and name nobody else as customer.
    OrderForbidden = 3109,
    /// The order is assigned to another courier already; a dashboard or a back end may assign it anew.
    OrderTaken = 3110,
    /// The argument names no room.
    RoomMalformed = 3111,
    /// The connection may not join this room.
    RoomForbidden = 3112,
    /// The room has as many members as it may have.
    RoomFull = 3113,
    /// The connection is in as many rooms as it may be in.
    RoomsTooMany = 3114,
    /// There is no such thing.
    NotFound = 3115,
    /// It stands against what is already there.
    Conflict = 3116,
    /// The declaration of an event type or a rule does not hold.
    DeclarationInvalid = 3117,
    /// The path does not take the method; the Allow header says which it takes.
    MethodNotAllowed = 3118,
    /// The Idempotency-Key was used with another body.
    IdempotencyConflict = 3119,
    /// The business back end refused the request; the message says why.
    UpstreamRefused = 3120,
}

impl ErrorCode {
    /// Every code, in the order of the numbers.
    pub const ALL: &'static [Self] = &[
        Self::RateLimited,
        Self::TenantRateLimited,
        Self::HandshakeRateLimited,
        Self::TooManyConnections,
        Self::Overloaded,
        Self::Draining,
        Self::Degraded,
        Self::Timeout,
        Self::StorageFull,
        Self::StorageFailed,
        Self::TokenExpired,
        Self::TokenNotYetValid,
        Self::DeviceReplaced,
        Self::TokenMissing,
        Self::TokenMalformed,
        Self::TokenAlgorithm,
        Self::TokenSignature,
        Self::TokenClaims,
        Self::TokenRevoked,
        Self::TokenSubject,
        Self::ApplicationRequired,
        Self::ApplicationUnknown,
        Self::ApplicationForbidden,
        Self::NamespaceUnknown,
        Self::MessageMalformed,
        Self::EventUnknown,
        Self::EventReserved,
        Self::PayloadInvalid,
        Self::PayloadTooLarge,
        Self::TenantMismatch,
        Self::SourceForbidden,
        Self::PermissionDenied,
        Self::OrderForbidden,
        Self::OrderTaken,
        Self::RoomMalformed,
        Self::RoomForbidden,
        Self::RoomFull,
        Self::RoomsTooMany,
        Self::NotFound,
        Self::Conflict,
        Self::DeclarationInvalid,
        Self::MethodNotAllowed,
        Self::IdempotencyConflict,
        Self::UpstreamRefused,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::TenantRateLimited => "tenant_rate_limited",
            Self::HandshakeRateLimited => "handshake_rate_limited",
            Self::TooManyConnections => "too_many_connections",
            Self::Overloaded => "overloaded",
            Self::Draining => "draining",
            Self::Degraded => "degraded",
            Self::Timeout => "timeout",
            Self::StorageFull => "storage_full",
            Self::StorageFailed => "storage_failed",
            Self::TokenExpired => "token_expired",
            Self::TokenNotYetValid => "token_not_yet_valid",
            Self::DeviceReplaced => "device_replaced",
            Self::TokenMissing => "token_missing",
            Self::TokenMalformed => "token_malformed",
            Self::TokenAlgorithm => "token_algorithm",
            Self::TokenSignature => "token_signature",
            Self::TokenClaims => "token_claims",
            Self::TokenRevoked => "token_revoked",
            Self::TokenSubject => "token_subject",
            Self::ApplicationRequired => "application_required",
            Self::ApplicationUnknown => "application_unknown",
            Self::ApplicationForbidden => "application_forbidden",
            Self::NamespaceUnknown => "namespace_unknown",
            Self::MessageMalformed => "message_malformed",
            Self::EventUnknown => "event_unknown",
            Self::EventReserved => "event_reserved",
            Self::PayloadInvalid => "payload_invalid",
            Self::PayloadTooLarge => "payload_too_large",
            Self::TenantMismatch => "tenant_mismatch",
            Self::SourceForbidden => "source_forbidden",
            Self::PermissionDenied => "permission_denied",
            Self::OrderForbidden => "order_forbidden",
            Self::OrderTaken => "order_taken",
            Self::RoomMalformed => "room_malformed",
            Self::RoomForbidden => "room_forbidden",
            Self::RoomFull => "room_full",
            Self::RoomsTooMany => "rooms_too_many",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::DeclarationInvalid => "declaration_invalid",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::UpstreamRefused => "upstream_refused",
        }
    }

    /// What the code is about, in a sentence.
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub const fn about(self) -> &'static str {
        match self {
            Self::RateLimited => "The connection sends more than its limit allows.",
            Self::TenantRateLimited => "The tenant as a whole sends more than its limit allows.",
            Self::HandshakeRateLimited => {
                "The address opens connections faster than its limit allows."
            }
            Self::TooManyConnections => {
                "The tenant, the user or the token has as many connections as it may have."
            }
            Self::Overloaded => "The server has no room for more work at the moment.",
            Self::Draining => {
                "The server is about to stop; another one, or the same one restarted, will answer."
            }
            Self::Degraded => "A part that the request needs (the store, an upstream) is away.",
            Self::Timeout => "The answer did not come in time.",
            Self::StorageFull => {
                "The disk of the log is full: what must not be lost is not accepted until there is room."
            }
            Self::StorageFailed => {
                "The disk of the log failed: what must not be lost is not accepted until the server is started anew."
            }
            Self::TokenExpired => "The token is past its exp; get a fresh one and connect again.",
            Self::TokenNotYetValid => "The token's nbf lies in the future; check the clocks.",
            Self::DeviceReplaced => {
                "The same device connected again; the newer connection has its events."
            }
            Self::TokenMissing => {
                "No token came in auth.token, the Authorization header or the cookie."
            }
            Self::TokenMalformed => "The token is no JWT, or too long.",
            Self::TokenAlgorithm => {
                "The token is signed with an algorithm that the configuration does not allow."
            }
            Self::TokenSignature => "The token's signature does not verify.",
            Self::TokenClaims => "A claim is missing, malformed, or not the one that is expected.",
            Self::TokenRevoked => "The token, its user or its tenant was revoked.",
            Self::TokenSubject => "The fresh token speaks for somebody else than the connection's.",
            Self::ApplicationRequired => {
                "The token opens several applications and the handshake names none."
            }
            Self::ApplicationUnknown => {
                "The handshake names an application that is none of the four."
            }
            Self::ApplicationForbidden => {
                "The token does not open the application that the handshake names."
            }
            Self::NamespaceUnknown => "The server has no such namespace.",
            Self::MessageMalformed => "The message is not of the envelope's shape.",
            Self::EventUnknown => {
                "No such event type is built in, and the tenant declared none of that name."
            }
            Self::EventReserved => "Only the server sends events of this type.",
            Self::PayloadInvalid => "The payload breaks the schema of its event type.",
            Self::PayloadTooLarge => "The message is larger than the limit.",
            Self::TenantMismatch => "The message names another tenant than the token's.",
            Self::SourceForbidden => {
                "The message names a source that the sender is not, or the event may not come from it."
            }
            Self::PermissionDenied => "The token does not allow it.",
            Self::OrderForbidden => {
                "A customer may only touch orders of their own, and name nobody else as customer."
            }
            Self::OrderTaken => {
                "The order is assigned to another courier already; a dashboard or a back end may assign it anew."
            }
            Self::RoomMalformed => "The argument names no room.",
            Self::RoomForbidden => "The connection may not join this room.",
            Self::RoomFull => "The room has as many members as it may have.",
            Self::RoomsTooMany => "The connection is in as many rooms as it may be in.",
            Self::NotFound => "There is no such thing.",
            Self::Conflict => "It stands against what is already there.",
            Self::DeclarationInvalid => "The declaration of an event type or a rule does not hold.",
            Self::MethodNotAllowed => {
                "The path does not take the method; the Allow header says which it takes."
            }
            Self::IdempotencyConflict => "The Idempotency-Key was used with another body.",
            Self::UpstreamRefused => {
                "The business back end refused the request; the message says why."
            }
        }
    }

    /// The number on the wire.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// What a client should do.
    pub const fn reaction(self) -> Reaction {
        match self.number() {
            ..2000 => Reaction::Retry,
            2000..3000 => Reaction::Reconnect,
            _ => Reaction::Stop,
        }
    }
}
