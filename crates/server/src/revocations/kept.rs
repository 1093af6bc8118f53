//! What a tenant has revoked, as it is kept.

use foodtrack_auth::RevocationIndex;
use foodtrack_contract::{ErrorCode, Refusal, Revocation, RevocationTarget, TenantId};
use foodtrack_tenant_log::DocumentKind;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::data::TenantRecord;

/// Revocations of one tenant that are in force at once.
const REVOCATIONS_MAX: usize = 2_000;
/// The longest that one is kept, in seconds: as long as a token's life may be limited to at most.
pub(crate) const KEPT_S_MAX: u64 = 366 * 24 * 60 * 60;
/// Issuers' clocks may be ahead by so much.
const CLOCKS_DIFFER_S: u64 = 60;

/// A revocation, and who made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeptRevocation {
    pub(crate) id: Uuid,
    #[serde(flatten)]
    pub(crate) revocation: Revocation,
    /// When it is forgotten, because all tokens that it is about have ended; seconds since the Unix epoch.
    pub(crate) expires_at_s: u64,
    pub(crate) created_at_s: u64,
    /// The user of the token that asked for it.
    pub(crate) created_by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// What one tenant has revoked, in the order in which it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct KeptRevocations(Vec<KeptRevocation>);

impl KeptRevocations {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &KeptRevocation> {
        self.0.iter()
    }

    /// Adds one. One of the same target is replaced, and never made milder: what was refused stays refused, and for as long.
    ///
    /// # Errors
    /// `conflict`: there are too many.
    pub(super) fn add(&mut self, mut new: KeptRevocation) -> Result<KeptRevocation, Refusal> {
        self.forget_expired(new.created_at_s);
        if let Some(known) = self.of(&new.revocation.target) {
            new.id = known.id;
            new.widen(known);
            *known = new.clone();
            return Ok(new);
        }
        if self.0.len() >= REVOCATIONS_MAX {
            let sentence = format!(
                "the tenant has {REVOCATIONS_MAX} revocations in force; revoke a user, a device or the tenant instead of single tokens"
            );
            return Err(Refusal::new(ErrorCode::Conflict, sentence));
        }
        self.0.push(new.clone());
        Ok(new)
    }

    /// Takes one away.
    ///
    /// # Errors
    /// `not_found`.
    pub(super) fn remove(&mut self, id: Uuid) -> Result<(), Refusal> {
        let count = self.0.len();
        self.0.retain(|it| it.id != id);
        if self.0.len() == count {
            let sentence = "the tenant has no revocation of this id; it may have ended";
            return Err(Refusal::new(ErrorCode::NotFound, sentence));
        }
        Ok(())
    }

    /// What is left of them when the tenant is erased: none of its tokens is good any more, and nobody is named. It ends by itself.
    pub(crate) fn of_erased_tenant(&self, now_s: u64) -> Self {
        let mut left = KeptRevocation {
            id: Uuid::now_v7(),
            revocation: Revocation {
                target: RevocationTarget::Tenant,
                issued_through_s: now_s + CLOCKS_DIFFER_S,
            },
            expires_at_s: now_s + KEPT_S_MAX,
            created_at_s: now_s,
            created_by: String::from("tenant erase"),
            reason: Some(String::from("the tenant was erased")),
        };
        let in_force = self.iter().filter(|it| it.expires_at_s > now_s);
        // Who waits for a time to come does so still, where that was said of everybody.
        in_force
            .filter(|it| it.revocation.target == RevocationTarget::Tenant)
            .for_each(|it| left.widen(it));
        Self(vec![left])
    }

    /// Whether one is there that has ended.
    pub(super) fn has_expired(&self, now_s: u64) -> bool {
        self.0.iter().any(|it| it.expires_at_s <= now_s)
    }

    pub(super) fn forget_expired(&mut self, now_s: u64) {
        self.0.retain(|it| it.expires_at_s > now_s);
    }

    /// Puts them in force.
    pub(super) fn put_in(&self, index: &mut RevocationIndex, tenant: &TenantId) {
        index.set(tenant, self.0.iter().map(|it| (&it.revocation, it.expires_at_s)));
    }

    /// Those that another one has not, or that refuse more than there.
    pub(super) fn beyond(&self, before: &Self) -> Vec<Revocation> {
        let known = |it: &&KeptRevocation| {
            before.0.iter().any(|known| {
                known.revocation.target == it.revocation.target
                    && known.revocation.issued_through_s >= it.revocation.issued_through_s
            })
        };
        self.0.iter().filter(|it| !known(it)).map(|it| it.revocation.clone()).collect()
    }

    fn of(&mut self, target: &RevocationTarget) -> Option<&mut KeptRevocation> {
        self.0.iter_mut().find(|it| it.revocation.target == *target)
    }
}

impl KeptRevocation {
    /// Refuses what another one refuses, too.
    fn widen(&mut self, other: &Self) {
        let through = &mut self.revocation.issued_through_s;
        *through = (*through).max(other.revocation.issued_through_s);
        self.expires_at_s = self.expires_at_s.max(other.expires_at_s);
    }
}

impl TenantRecord for KeptRevocations {
    const FOLDER: &'static str = "revocations";
    const KIND: DocumentKind = DocumentKind::Revocations;

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn merge(&mut self, other: Self) {
        for one in other.0 {
            match self.of(&one.revocation.target) {
                Some(known) => known.widen(&one),
                None => self.0.push(one),
            }
        }
    }
}
