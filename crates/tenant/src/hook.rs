//! What the business back end is asked before somebody comes in or joins a room. It is asked about what policy allows, so it can
//! only refuse.

use foodtrack_contract::{
    ApplicationType, DeviceId, PermissionSet, Principal, Refusal, TenantId, UserId, UserRole,
};
use foodtrack_tenant_log::LoggedRoom;

/// What somebody is about to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// To come in.
    Connect,
    /// To join this room.
    Join(LoggedRoom),
}

/// Whether somebody may do something. It holds all that the answer may depend on, so that an answer is good for whoever asks the
/// same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HookQuestion {
    /// What for.
    pub hook: Hook,
    /// The restaurant.
    pub tenant: TenantId,
    /// Who.
    pub user: UserId,
    /// In which role.
    pub role: UserRole,
    /// What the token allows.
    pub permissions: PermissionSet,
    /// With which application.
    pub application: Option<ApplicationType>,
    /// On which device, where it has a name.
    pub device: Option<DeviceId>,
}

/// Whether somebody may.
pub type Permit = Result<(), Refusal>;

/// Whose permits are to be asked for anew.
#[derive(Clone, Copy, Debug)]
pub enum PermitsOf<'a> {
    /// Everybody's of the tenant.
    Tenant,
    /// A user's.
    User(&'a str),
    /// A device's.
    Device(&'a str),
}

impl HookQuestion {
    /// What is asked about somebody. `None` for the back ends' own: nobody is asked about them.
    pub fn new(
        hook: Hook,
        principal: &Principal,
        application: Option<ApplicationType>,
        device: Option<&DeviceId>,
    ) -> Option<Self> {
        (principal.role() != UserRole::System).then(|| Self {
            hook,
            tenant: principal.tenant().clone(),
            user: principal.user().clone(),
            role: principal.role(),
            permissions: principal.permissions(),
            application,
            device: device.cloned(),
        })
    }

    /// Whether it is about somebody of these.
    pub fn is_about(&self, whose: PermitsOf<'_>) -> bool {
        match whose {
            PermitsOf::Tenant => true,
            PermitsOf::User(user) => self.user.as_str() == user,
            PermitsOf::Device(device) => {
                self.device.as_ref().is_some_and(|own| own.as_str() == device)
            }
        }
    }
}
