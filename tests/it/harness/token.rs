//! Who connects, and the token that says so.

use std::time::{SystemTime, UNIX_EPOCH};

use foodtrack_contract::{ApplicationSet, ApplicationType, PermissionSet, UserRole};
use foodtrack_server::{TokenClaims, TokenSigner};

pub(crate) const SECRET: &str = "a secret for tests, of at least 32 bytes";

/// A user of a tenant with an application.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) claims: TokenClaims,
    /// What the token is signed with.
    pub(crate) secret: &'static str,
}

impl Who {
    fn new(tenant: &str, user: &str, role: UserRole, applications: &[ApplicationType]) -> Self {
        let claims = TokenClaims {
            tenant_id: tenant.into(),
            user_id: user.into(),
            role,
            application_types: ApplicationSet::of(applications),
            permissions: None,
            device_id: None,
            issued_at_s: now_s(),
            expires_at_s: now_s() + 3_600,
            token_id: None,
            issuer: None,
            audience: None,
        };
        Self { claims, secret: SECRET }
    }

    pub(crate) fn customer(tenant: &str, user: &str) -> Self {
        Self::new(tenant, user, UserRole::Customer, &[ApplicationType::ClientApp])
    }

    pub(crate) fn manager(tenant: &str, user: &str) -> Self {
        Self::new(tenant, user, UserRole::RestaurantManager, &[ApplicationType::TenantDashboard])
    }

    pub(crate) fn owner(tenant: &str, user: &str) -> Self {
        Self::new(tenant, user, UserRole::RestaurantOwner, &[ApplicationType::TenantDashboard])
    }

    pub(crate) fn chef(tenant: &str, user: &str) -> Self {
        Self::new(tenant, user, UserRole::Chef, &[ApplicationType::KitchenApp])
    }

    pub(crate) fn courier(tenant: &str, user: &str) -> Self {
        Self::new(tenant, user, UserRole::DeliveryPersonnel, &[ApplicationType::DeliveryApp])
    }

    /// A back end's service token.
    pub(crate) fn service(tenant: &str) -> Self {
        Self::new(tenant, "gateway", UserRole::System, &[])
    }

    /// One of each application, all of one tenant.
    pub(crate) fn of_application(tenant: &str, user: &str, application: ApplicationType) -> Self {
        match application {
            ApplicationType::ClientApp => Self::customer(tenant, user),
            ApplicationType::TenantDashboard => Self::manager(tenant, user),
            ApplicationType::KitchenApp => Self::chef(tenant, user),
            ApplicationType::DeliveryApp => Self::courier(tenant, user),
        }
    }

    pub(crate) fn permissions(mut self, permissions: PermissionSet) -> Self {
        self.claims.permissions = Some(permissions);
        self
    }

    pub(crate) fn device(mut self, device: &str) -> Self {
        self.claims.device_id = Some(device.into());
        self
    }

    pub(crate) fn applications(mut self, applications: &[ApplicationType]) -> Self {
        self.claims.application_types = ApplicationSet::of(applications);
        self
    }

    /// The token's `exp`, in seconds since the Unix epoch; it was issued an hour before.
    pub(crate) fn expires_at_s(mut self, expires_at_s: u64) -> Self {
        self.claims.issued_at_s = expires_at_s - 3_600;
        self.claims.expires_at_s = expires_at_s;
        self
    }

    pub(crate) fn signed_with(mut self, secret: &'static str) -> Self {
        self.secret = secret;
        self
    }

    pub(crate) fn token(&self) -> String {
        TokenSigner::hs256(self.secret).sign(&self.claims).unwrap()
    }
}

/// Seconds since the Unix epoch.
pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
