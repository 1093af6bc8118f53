//! What travels, in types: event types, applications, identities, rooms, messages, their validation, and the codes of
//! refusals. No I/O, no clock; depends on nothing else of the project.

mod application_type;
mod error_code;
mod event_type;
mod identity;
mod priority;
mod refusal;
mod room;

pub use application_type::{ApplicationSet, ApplicationType, Source};
pub use error_code::{ErrorCode, Reaction};
pub use event_type::{DeliveryClass, EventGroup, EventName, EventType};
pub use identity::{
    Authenticate, DeviceId, IDENTIFIER_CHARACTERS_MAX, IdentifierError, Permission, PermissionSet,
    Principal, TenantId, TokenId, UserId, UserRole, VerifiedClaims, is_identifier,
};
pub use priority::Priority;
pub use refusal::Refusal;
pub use room::{Room, RoomError, RoomName, RoomType};
