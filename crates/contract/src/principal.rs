//! Who a verified token speaks for, and what verifies tokens.

use crate::{ApplicationSet, DeviceId, PermissionSet, TenantId, TokenId, UserId, UserRole};

/// Who a connection or a request belongs to, as its verified token says.
///
/// Every tenant in the core comes from here (or from the log), so isolation is a property of signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    tenant: TenantId,
    user: UserId,
    role: UserRole,
    applications: ApplicationSet,
    permissions: PermissionSet,
    device: Option<DeviceId>,
    token_id: Option<TokenId>,
    expires_at_s: u64,
    /// It takes no room of its own: it fills what the fields above leave.
    issued_at_s: u32,
}

/// The claims a [`Principal`] is made of, already parsed.
#[derive(Clone, Debug)]
pub struct VerifiedClaims {
    /// `tenantId`
    pub tenant: TenantId,
    /// `userId` or `sub`
    pub user: UserId,
    /// `role`
    pub role: UserRole,
    /// `applicationTypes`
    pub applications: ApplicationSet,
    /// `permissions`, or the role's default set.
    pub permissions: PermissionSet,
    /// `deviceId`, where the token names one.
    pub device: Option<DeviceId>,
    /// `jti`
    pub token_id: Option<TokenId>,
    /// `iat`, in seconds since the Unix epoch; 0 where the token does not say.
    pub issued_at_s: u64,
    /// `exp`, in seconds since the Unix epoch.
    pub expires_at_s: u64,
}

impl Principal {
    /// The only way to a `Principal`: the caller vouches that the claims come from a verified token.
    /// Only the `auth` crate and tests may call it; `xtask tidy` checks that.
    pub fn from_verified_token(claims: VerifiedClaims) -> Self {
        let VerifiedClaims {
            tenant,
            user,
            role,
            applications,
            permissions,
            device,
            token_id,
            issued_at_s,
            expires_at_s,
        } = claims;
        // A token that says to be from the year 2106 or later counts as from then.
        let issued_at_s = u32::try_from(issued_at_s).unwrap_or(u32::MAX);
        Self {
            tenant,
            user,
            role,
            applications,
            permissions,
            device,
            token_id,
            expires_at_s,
            issued_at_s,
        }
    }

    /// The back end that publishes for a tenant through the Redis that the operator named, which is believed about whom it speaks for.
    /// Only `server/src/emitters` may call it; `xtask tidy` checks that.
    pub fn of_emitter(tenant: TenantId) -> Self {
        let role = UserRole::System;
        let user = UserId::parse("emitter");
        Self {
            tenant,
            user: user.unwrap_or_else(|_| unreachable!("it is a good name")),
            role,
            applications: ApplicationSet::EMPTY,
            permissions: role.default_permissions(),
            device: None,
            token_id: None,
            expires_at_s: u64::MAX,
            issued_at_s: 0,
        }
    }

    /// The back end that answers this principal: the same tenant's, with what back ends may do. Only `server/src/upstream` may call it,
    /// for what the configured back end answered; `xtask tidy` checks that.
    #[must_use]
    pub fn as_back_end(&self) -> Self {
        let role = UserRole::System;
        Self {
            role,
            applications: ApplicationSet::EMPTY,
            permissions: role.default_permissions(),
            device: None,
            token_id: None,
            ..self.clone()
        }
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The user.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// The role.
    pub fn role(&self) -> UserRole {
        self.role
    }

    /// The applications that the token opens.
    pub fn applications(&self) -> ApplicationSet {
        self.applications
    }

    /// What the token allows.
    pub fn permissions(&self) -> PermissionSet {
        self.permissions
    }

    /// The device that the token was made for, if it names one.
    pub fn device(&self) -> Option<&DeviceId> {
        self.device.as_ref()
    }

    /// The token's `jti`, by which it can be revoked.
    pub fn token_id(&self) -> Option<&TokenId> {
        self.token_id.as_ref()
    }

    /// When the token was made, in seconds since the Unix epoch; 0 where it does not say.
    pub fn issued_at_s(&self) -> u64 {
        self.issued_at_s.into()
    }

    /// When the token ends, in seconds since the Unix epoch.
    pub fn expires_at_s(&self) -> u64 {
        self.expires_at_s
    }

    /// Whether both speak for the same user of the same tenant: what renewing a token requires.
    pub fn same_subject(&self, other: &Self) -> bool {
        self.tenant == other.tenant && self.user == other.user && self.role == other.role
    }
}

/// Turns a token into a [`Principal`]. Implemented by the `auth` crate; a trait so that the core needs no cryptography.
pub trait Authenticate: Send + Sync {
    /// Verifies `token` at the time `now_s` (seconds since the Unix epoch).
    ///
    /// # Errors
    /// A [`crate::Refusal`] with the code and the sentence that the client is told.
    fn principal(&self, token: &str, now_s: u64) -> Result<Principal, crate::Refusal>;

    /// Whether somebody whose token was verified may come in as `device`, and come back to `session`, by its public id. Asked as late as
    /// possible: what is revoked between the two is refused.
    ///
    /// # Errors
    /// `token_revoked`.
    fn check_standing(
        &self,
        _principal: &Principal,
        _device: Option<&DeviceId>,
        _session: Option<&str>,
        _now_s: u64,
    ) -> Result<(), crate::Refusal> {
        Ok(())
    }
}
