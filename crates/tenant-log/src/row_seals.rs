//! What seals rows on their way to a store, and opens them on their way back.
//!
//! Bodies of a batch are sealed as they would stand in its row, packed and with their checksum: [`SEALED`] in the place of a size, then
//! what the keyring made of them. They are bound to the tenant, the first offset, and the ids and heads beside them. A note's value is text: [`SEALED_NOTE`], then base64.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use foodtrack_contract::{Offset, TenantId};
use foodtrack_keyring::{KeyError, RowKind, TenantKeys, sealed_with};

use crate::encoding::Damage;
use crate::packing::SIZE_BYTES;
use crate::{KeySource, KeySourceError, NoteKind};

/// What stands where packing has a size, in a column that is sealed. No size is that large.
const SEALED: [u8; SIZE_BYTES] = [0, 0, 0, 0x20];
/// What the value of a sealed note begins with. No note of this server's does otherwise.
const SEALED_NOTE: &str = "~sealed:";

/// Where the bodies of a batch stand, and what stands beside them.
#[derive(Clone, Copy)]
pub(crate) struct BatchPlace<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) first: Offset,
    pub(crate) ids: &'a [u8],
    pub(crate) heads: &'a [u8],
}

impl BatchPlace<'_> {
    fn with<T>(&self, run: impl FnOnce(&[&[u8]]) -> T) -> T {
        run(&[&self.first.get().to_le_bytes(), self.ids, self.heads])
    }
}

/// Whether bodies are sealed, by how they begin.
pub(crate) fn is_sealed(bodies: &[u8]) -> bool {
    bodies.starts_with(&SEALED)
}

/// Why a row was not sealed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    #[error(transparent)]
    Keys(#[from] KeySourceError),
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Seals and opens rows where there are keys, and leaves them as they are where there are none.
#[derive(Clone, Default)]
pub(crate) struct RowSeals(Option<Arc<dyn KeySource>>);

impl RowSeals {
    pub(crate) fn new(keys: Option<Arc<dyn KeySource>>) -> Self {
        Self(keys)
    }

    pub(crate) fn keys(&self) -> Option<&dyn KeySource> {
        self.0.as_deref()
    }

    /// The bodies of a batch as they are to stand in its row.
    pub(crate) fn seal_bodies<'b>(
        &self,
        place: BatchPlace<'_>,
        bodies: &'b [u8],
    ) -> Result<Cow<'b, [u8]>, SealError> {
        let Some(keys) = &self.0 else { return Ok(bodies.into()) };
        let keys = keys.to_seal(place.tenant)?;
        let mut sealed = SEALED.to_vec();
        place.with(|beside| keys.seal(RowKind::Bodies, beside, bodies, &mut sealed))?;
        Ok(sealed.into())
    }

    /// The bodies of a batch as they were before they were sealed; as they are where they were not.
    pub(crate) fn open_bodies<'b>(
        &self,
        place: BatchPlace<'_>,
        bodies: &'b [u8],
    ) -> Result<Cow<'b, [u8]>, Damage> {
        if !is_sealed(bodies) {
            return Ok(bodies.into());
        }
        let sealed = &bodies[SIZE_BYTES..];
        let keys = self.keys_of(place.tenant, sealed)?;
        let opened = place.with(|beside| keys.open(RowKind::Bodies, beside, sealed));
        opened.map(Cow::Owned).map_err(damage)
    }

    /// The value of a note as it is to be kept.
    pub(crate) fn seal_note<'v>(
        &self,
        tenant: &TenantId,
        (kind, key): (NoteKind, &str),
        value: &'v str,
    ) -> Result<Cow<'v, str>, SealError> {
        let Some(keys) = &self.0 else { return Ok(value.into()) };
        let (beside, mut sealed) = ([kind.as_str().as_bytes(), key.as_bytes()], Vec::new());
        keys.to_seal(tenant)?.seal(RowKind::Note, &beside, value.as_bytes(), &mut sealed)?;
        Ok(format!("{SEALED_NOTE}{}", STANDARD_NO_PAD.encode(sealed)).into())
    }

    /// The value of a note before it was sealed; as it is where it was not.
    pub(crate) fn open_note(
        &self,
        tenant: &TenantId,
        (kind, key): (NoteKind, &str),
        value: Box<str>,
    ) -> Result<Box<str>, Damage> {
        let Some(text) = value.strip_prefix(SEALED_NOTE) else { return Ok(value) };
        let sealed = STANDARD_NO_PAD.decode(text).map_err(|_| damage(KeyError::Malformed))?;
        let keys = self.keys_of(tenant, &sealed)?;
        let beside = [kind.as_str().as_bytes(), key.as_bytes()];
        let opened = keys.open(RowKind::Note, &beside, &sealed).map_err(damage)?;
        String::from_utf8(opened).map(Box::from).map_err(|_| damage(KeyError::Malformed))
    }

    fn keys_of(&self, tenant: &TenantId, sealed: &[u8]) -> Result<Arc<TenantKeys>, Damage> {
        let keys = self.0.as_ref().ok_or("body (sealed, and no key is given)")?;
        let id = sealed_with(sealed).map_err(damage)?;
        let found = keys.to_open(tenant, id).map_err(|error| {
            tracing::error!(%tenant, %error, "the keys of a tenant cannot be read");
            "body (sealed, and its key cannot be read)"
        })?;
        found.ok_or_else(|| damage(KeyError::NoKey))
    }
}

fn damage(error: KeyError) -> Damage {
    match error {
        KeyError::UnknownKey(_) | KeyError::NoKey => "body (sealed with a key that is not there)",
        _ => "body (changed since it was sealed, or sealed for another place)",
    }
}

#[cfg(test)]
mod tests {
    use foodtrack_keyring::{KeyId, SecretBytes, TenantKey};

    use super::*;

    /// The same secret for everybody: what keeps tenants apart is what else is bound.
    struct OneSecret;

    impl KeySource for OneSecret {
        fn id(&self) -> &str {
            "one"
        }

        fn to_seal(&self, tenant: &TenantId) -> Result<Arc<TenantKeys>, KeySourceError> {
            let key = TenantKey::new(KeyId::FIRST, 0, SecretBytes::new([7; 32]));
            Ok(Arc::new(TenantKeys::new(tenant.clone(), vec![key]).unwrap()))
        }

        fn to_open(
            &self,
            tenant: &TenantId,
            _: KeyId,
        ) -> Result<Option<Arc<TenantKeys>>, KeySourceError> {
            self.to_seal(tenant).map(Some)
        }
    }

    fn seals() -> RowSeals {
        RowSeals::new(Some(Arc::new(OneSecret)))
    }

    #[test]
    fn bodies_are_opened_where_they_were_sealed_and_nowhere_else() {
        let [t, u] = ["t", "u"].map(|name| TenantId::parse(name).unwrap());
        let offset = |n| Offset::new(n).unwrap();
        let place = BatchPlace { tenant: &t, first: offset(7), ids: b"ids", heads: b"heads" };
        let bodies = [0, 0, 0, 0x40, b'b', 1, 2, 3, 4];
        let sealed = seals().seal_bodies(place, &bodies).unwrap().into_owned();
        assert!(is_sealed(&sealed) && !is_sealed(&bodies));
        assert_eq!(seals().open_bodies(place, &sealed).unwrap(), bodies.as_slice());
        assert_eq!(seals().open_bodies(place, &bodies).unwrap(), bodies.as_slice());
        for elsewhere in [
            BatchPlace { tenant: &u, ..place },
            BatchPlace { first: offset(8), ..place },
            BatchPlace { ids: b"idz", ..place },
            BatchPlace { heads: b"headz", ..place },
        ] {
            assert!(seals().open_bodies(elsewhere, &sealed).unwrap_err().contains("changed"));
        }
        let without = RowSeals::default();
        assert!(without.open_bodies(place, &sealed).unwrap_err().contains("no key"));
        assert_eq!(without.seal_bodies(place, &bodies).unwrap(), bodies.as_slice());
    }

    #[test]
    fn a_notes_value_is_opened_under_its_own_key_alone() {
        let t = TenantId::parse("t").unwrap();
        let (session, other) = ((NoteKind::Session, "a"), (NoteKind::Session, "b"));
        let sealed: Box<str> = seals().seal_note(&t, session, "ada").unwrap().into();
        assert!(!sealed.contains("ada"));
        assert_eq!(&*seals().open_note(&t, session, sealed.clone()).unwrap(), "ada");
        assert_eq!(&*seals().open_note(&t, session, "plain".into()).unwrap(), "plain");
        assert!(seals().open_note(&t, other, sealed.clone()).is_err());
        assert!(seals().open_note(&t, session, "~sealed:%".into()).is_err());
        assert!(RowSeals::default().open_note(&t, session, sealed).is_err());
    }
}
