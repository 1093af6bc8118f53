//! What travels, in types: event types, applications, identities, rooms, messages, their validation, and the codes of
//! refusals. No I/O, no clock; depends on nothing else of the project.

mod application_type;
mod cursor;
mod declaration;
mod delivery_policy;
mod envelope;
mod error_code;
mod event_hint;
mod event_type;
mod hub_event;
mod identity;
mod login_role;
mod message;
mod nearest;
mod payload;
mod principal;
mod priority;
mod read_permission;
mod refusal;
mod revocation;
mod room;
mod schema_cost;
mod schemas;
mod surrogates;
mod violation;

pub use application_type::{ApplicationSet, ApplicationType, Source};
pub use cursor::{CURSOR_BEYOND_MAX, Cursor, Epoch, EpochDigits, Offset};
pub use declaration::{
    CHECK_NS_MAX, DECLARED_PAYLOAD_BYTES_MIN, EVENT_NAME_BYTES_MAX, EventDeclaration,
    SCHEMA_BYTES_MAX,
};
pub use delivery_policy::{DeliveryPolicies, DeliveryPolicy, Watch};
pub use envelope::{Incoming, read_envelope};
pub use error_code::{ErrorCode, Reaction};
pub use event_hint::CONTROL_EVENTS;
pub use event_type::{DeliveryClass, EventGroup, EventName, EventType};
pub use hub_event::HubEvent;
pub use identity::{
    DeviceId, IDENTIFIER_CHARACTERS_MAX, IdentifierError, Permission, PermissionSet, TenantId,
    TokenId, UserId, UserRole, is_identifier,
};
pub use login_role::LoginRole;
pub use message::{Message, write_message_again};
pub use nearest::nearest;
pub use payload::{
    ENCRYPTED_FIELDS_MAX, Entities, PAYLOAD_ALGORITHM, PAYLOAD_DEPTH_MAX, PAYLOAD_KEY_ID_BYTES_MAX,
    builtin_schemas, encrypted_entities,
};
pub use principal::{Authenticate, Principal, VerifiedClaims};
pub use priority::Priority;
pub use read_permission::ReadPermission;
pub use refusal::Refusal;
pub use revocation::{Revocation, RevocationTarget};
pub use room::{Room, RoomError, RoomName, RoomType};
pub use schema_cost::{PATTERN_BYTES_MAX, SCHEMA_DEPTH_MAX, SCHEMA_PARTS_MAX, SCHEMA_PATTERNS_MAX};
pub use schemas::{
    DECLARATIONS_MAX, DECLARED_PATTERNS_MAX, DECLARED_PAYLOAD_BYTES_MAX,
    DECLARED_SCHEMAS_BYTES_MAX, Schemas,
};
pub use surrogates::without_lone_surrogates;
