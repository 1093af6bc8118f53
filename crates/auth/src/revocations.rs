//! Which tokens are refused before their end: looked up at every handshake, and replaced whole.

use std::collections::HashMap;
use std::sync::Arc;

use foodtrack_contract::{
    DeviceId, ErrorCode, Principal, Refusal, Revocation, RevocationTarget, TenantId,
};

/// Every tenant's revocations. Cheap to clone: tenants that did not change are shared.
#[derive(Clone, Debug, Default)]
pub struct RevocationIndex {
    tenants: HashMap<TenantId, Arc<TenantRevocations>>,
}

/// What a tenant's tokens are refused for.
#[derive(Debug, Default)]
struct TenantRevocations {
    tokens: HashMap<Box<str>, Term>,
    users: HashMap<Box<str>, Term>,
    devices: HashMap<Box<str>, Term>,
    sessions: HashMap<Box<str>, Term>,
    tenant: Option<Term>,
}

/// What is refused, and for how long.
#[derive(Clone, Copy, Debug)]
struct Term {
    issued_through_s: u64,
    expires_at_s: u64,
}

impl Term {
    fn is_in_force(self, now_s: u64) -> bool {
        now_s < self.expires_at_s
    }
}

impl RevocationIndex {
    /// Puts a tenant's revocations in the place of those that it had. With each goes the second since the Unix epoch at which it is
    /// forgotten.
    pub fn set<'r>(
        &mut self,
        tenant: &TenantId,
        revocations: impl Iterator<Item = (&'r Revocation, u64)>,
    ) {
        let mut all = TenantRevocations::default();
        let mut is_empty = true;
        for (Revocation { target, issued_through_s }, expires_at_s) in revocations {
            is_empty = false;
            let term = Term { issued_through_s: *issued_through_s, expires_at_s };
            let (map, id) = match target {
                RevocationTarget::Token(id) => (&mut all.tokens, id),
                RevocationTarget::User(id) => (&mut all.users, id),
                RevocationTarget::Device(id) => (&mut all.devices, id),
                RevocationTarget::Session(id) => (&mut all.sessions, id),
                RevocationTarget::Tenant => {
                    all.tenant = Some(term);
                    continue;
                }
            };
            map.insert(id.as_str().into(), term);
        }
        if is_empty {
            self.tenants.remove(tenant);
        } else {
            self.tenants.insert(tenant.clone(), Arc::new(all));
        }
    }

    /// Whether somebody may come in, as this device and in this session.
    ///
    /// # Errors
    /// `token_revoked`.
    pub(crate) fn check(
        &self,
        principal: &Principal,
        device: Option<&DeviceId>,
        session: Option<&str>,
        now_s: u64,
    ) -> Result<(), Refusal> {
        let Some(all) = self.tenants.get(principal.tenant()) else { return Ok(()) };
        let device = device.or(principal.device());
        let of = |map: &HashMap<Box<str>, Term>, id: Option<&str>| {
            id.and_then(|id| map.get(id)).copied().filter(|term| term.is_in_force(now_s))
        };
        let whole = |term: Option<Term>| term.is_some();
        let old = |term: Option<Term>| {
            term.is_some_and(|it| principal.issued_at_s() <= it.issued_through_s)
        };
        let is_revoked = whole(of(&all.tokens, principal.token_id().map(|it| it.as_str())))
            || whole(of(&all.sessions, session))
            || old(of(&all.users, Some(principal.user().as_str())))
            || old(of(&all.devices, device.map(DeviceId::as_str)))
            || old(all.tenant.filter(|term| term.is_in_force(now_s)));
        if !is_revoked {
            return Ok(());
        }
        let sentence =
            "the token was revoked: log in again, and connect with the token that this gives";
        Err(Refusal::new(ErrorCode::TokenRevoked, sentence))
    }
}
