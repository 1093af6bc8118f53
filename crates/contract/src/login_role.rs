//! What a role of a login means here, where its token says no more.

use crate::{ApplicationSet, PermissionSet, UserRole};

/// What a role of a login means here, where its token lists neither applications nor permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginRole {
    /// The role of the contract.
    pub role: UserRole,
    /// What it opens.
    pub applications: ApplicationSet,
    /// What it allows.
    pub permissions: PermissionSet,
}

impl LoginRole {
    /// A role of the contract, with its own applications and permissions.
    pub fn of(role: UserRole) -> Self {
        let (applications, permissions) = (role.default_applications(), role.default_permissions());
        Self { role, applications, permissions }
    }
}
