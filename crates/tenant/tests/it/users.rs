//! Who there is in a tenant that is driven by operations, and what their tokens say.

use foodtrack_contract::{
    ApplicationSet, ApplicationType, Authenticate, ErrorCode, PermissionSet, Principal, Refusal,
    TenantId, UserId, UserRole, VerifiedClaims,
};

/// Who there is. The last two use a device.
pub(crate) const USERS: [(&str, ApplicationType, UserRole); 6] = [
    ("ada", ApplicationType::ClientApp, UserRole::Customer),
    ("bob", ApplicationType::ClientApp, UserRole::Customer),
    ("olga", ApplicationType::TenantDashboard, UserRole::Admin),
    ("chef", ApplicationType::KitchenApp, UserRole::Admin),
    ("dora", ApplicationType::DeliveryApp, UserRole::Admin),
    ("eve", ApplicationType::TenantDashboard, UserRole::Admin),
];
/// Only listens. It has no private id: the cursor that it brings is its word alone.
pub(crate) const LISTENER: usize = 5;

/// Knows one good token for each user, which begins with their name.
pub(crate) struct Tokens;

impl Authenticate for Tokens {
    fn principal(&self, token: &str, now_s: u64) -> Result<Principal, Refusal> {
        match token {
            "good" => Ok(principal(0, now_s + 60)),
            _ => Err(Refusal::new(ErrorCode::TokenMissing, "not one of them")),
        }
    }
}

pub(crate) fn principal(user: usize, expires_at_s: u64) -> Principal {
    let (name, application, role) = USERS[user];
    Principal::from_verified_token(VerifiedClaims {
        tenant: TenantId::parse("t1").unwrap(),
        user: UserId::parse(name).unwrap(),
        role,
        applications: ApplicationSet::of(&[application]),
        permissions: match role {
            UserRole::Customer => role.default_permissions(),
            _ => PermissionSet::ALL,
        },
        device: None,
        token_id: None,
        issued_at_s: 0,
        expires_at_s,
    })
}
