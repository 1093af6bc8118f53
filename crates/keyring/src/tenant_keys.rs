//! All keys of a tenant.

use std::fmt;

use foodtrack_contract::TenantId;

use crate::row_key::sealed_with;
use crate::{Context, KeyError, KeyId, MasterKey, RowKey, RowKind, TenantKey, WrappedKey};

/// All keys of a tenant that there are, the newest last: it seals, and each of them opens.
pub struct TenantKeys {
    tenant: TenantId,
    keys: Vec<(TenantKey, RowKey)>,
}

impl fmt::Debug for TenantKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.ids().collect();
        f.debug_struct("TenantKeys").field("tenant", &self.tenant).field("ids", &ids).finish()
    }
}

impl TenantKeys {
    /// Of these keys, whatever their order.
    ///
    /// # Errors
    /// [`KeyError::NoKey`] where there is none, [`KeyError::Malformed`] where two have the same id.
    pub fn new(tenant: TenantId, mut keys: Vec<TenantKey>) -> Result<Self, KeyError> {
        keys.sort_unstable_by_key(TenantKey::id);
        if keys.is_empty() {
            return Err(KeyError::NoKey);
        }
        if keys.windows(2).any(|pair| pair[0].id() == pair[1].id()) {
            return Err(KeyError::Malformed);
        }
        let with_row_key = |key: TenantKey| key.row_key().map(|row| (key, row));
        let keys = keys.into_iter().map(with_row_key).collect::<Result<_, _>>()?;
        Ok(Self { tenant, keys })
    }

    /// Of keys as they are kept.
    ///
    /// # Errors
    /// Those of [`WrappedKey::unwrap`] and [`TenantKeys::new`].
    pub fn unwrap(
        tenant: TenantId,
        master: &MasterKey,
        wrapped: &[WrappedKey],
    ) -> Result<Self, KeyError> {
        let keys = wrapped.iter().map(|it| it.unwrap(master, &tenant)).collect::<Result<_, _>>()?;
        Self::new(tenant, keys)
    }

    /// The ids, ascending.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.keys.iter().map(|(key, _)| key.id())
    }

    /// The key that seals.
    ///
    /// # Errors
    /// [`KeyError::NoKey`], which does not happen: there is one.
    pub fn newest(&self) -> Result<&TenantKey, KeyError> {
        self.keys.last().map(|(key, _)| key).ok_or(KeyError::NoKey)
    }

    /// One of them.
    pub fn get(&self, id: KeyId) -> Option<&TenantKey> {
        self.keys.iter().map(|(key, _)| key).find(|key| key.id() == id)
    }

    /// Appends what `plain` becomes at a place of this tenant, with the newest key. As [`RowKey::seal`].
    ///
    /// # Errors
    /// As there.
    pub fn seal(
        &self,
        kind: RowKind,
        beside: &[&[u8]],
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), KeyError> {
        let (_, key) = self.keys.last().ok_or(KeyError::NoKey)?;
        key.seal(&Context { tenant: &self.tenant, kind, beside }, plain, out)
    }

    /// What a value was that stands at a place of this tenant. As [`RowKey::open`].
    ///
    /// # Errors
    /// As there, and [`KeyError::UnknownKey`].
    pub fn open(
        &self,
        kind: RowKind,
        beside: &[&[u8]],
        sealed: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        let id = sealed_with(sealed)?;
        let key = self.keys.iter().map(|(_, key)| key).find(|key| key.id() == id);
        let key = key.ok_or(KeyError::UnknownKey(id))?;
        key.open(&Context { tenant: &self.tenant, kind, beside }, sealed)
    }

    /// Whether the newest key sealed a value.
    pub fn is_of_newest(&self, sealed: &[u8]) -> bool {
        sealed_with(sealed).ok() == self.keys.last().map(|(key, _)| key.id())
    }
}
