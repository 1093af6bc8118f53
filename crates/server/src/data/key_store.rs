//! Tenants' keys, unwrapped and in memory as long as they are used.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use foodtrack_contract::TenantId;
use foodtrack_keyring::{KeyId, MasterKey, TenantKey, TenantKeys, WrappedKey};
use foodtrack_shard::{PayloadKey, PayloadKeys};
use foodtrack_tenant_log::{KeySource, KeySourceError};

use super::key_files::{KeyFiles, KeysError};

/// Of how many tenants keys are in memory, about 2 KiB each. Beyond it all are read again.
const TENANTS_MAX: usize = 16_384;

/// The keys of a data directory; without one, keys that end with the process.
pub(crate) struct KeyStore {
    files: Option<KeyFiles>,
    master: MasterKey,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    tenants: HashMap<TenantId, Arc<TenantKeys>>,
    /// What the files said when these were read.
    changes: u64,
}

impl KeyStore {
    /// Opens the keys of a data directory, and makes what is not there.
    ///
    /// # Errors
    /// [`KeysError`]
    pub(crate) fn open(data_dir: &Path, master: MasterKey) -> Result<Self, KeysError> {
        let files = KeyFiles::open(data_dir, &master)?;
        let known = Known { changes: files.changes()?, ..Known::default() };
        Ok(Self { files: Some(files), master, known: Mutex::new(known) })
    }

    /// Keys that nothing keeps, for payloads on the wire alone.
    pub(crate) fn in_memory(master: MasterKey) -> Self {
        Self { files: None, master, known: Mutex::default() }
    }

    /// Whether keys are there again after a restart.
    pub(crate) fn is_kept(&self) -> bool {
        self.files.is_some()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(
        &self,
        tenant: &TenantId,
        wrapped: &[WrappedKey],
    ) -> Result<Arc<TenantKeys>, KeysError> {
        let keys = TenantKeys::unwrap(tenant.clone(), &self.master, wrapped)
            .map_err(|source| KeysError::Key { tenant: tenant.clone(), source })?;
        let keys = Arc::new(keys);
        let mut known = self.known();
        if known.tenants.len() >= TENANTS_MAX && self.is_kept() {
            known.tenants.clear();
        }
        known.tenants.insert(tenant.clone(), Arc::clone(&keys));
        Ok(keys)
    }

    fn made(&self, tenant: &TenantId) -> Result<Arc<TenantKeys>, KeysError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let wrapped = match &self.files {
            Some(files) => files.make(tenant, &self.master, now_ms, false)?,
            None => {
                let key = TenantKey::random(KeyId::FIRST, now_ms)
                    .and_then(|key| WrappedKey::wrap(&self.master, tenant, &key));
                vec![key.map_err(|source| KeysError::Key { tenant: tenant.clone(), source })?]
            }
        };
        self.keep(tenant, &wrapped)
    }

    fn found(&self, tenant: &TenantId) -> Result<Option<Arc<TenantKeys>>, KeysError> {
        let Some(files) = &self.files else { return Ok(None) };
        let wrapped = files.wrapped(tenant)?;
        wrapped.map(|wrapped| self.keep(tenant, &wrapped)).transpose()
    }
}

/// The keys of a data directory where there is a master key; where there is none, that there are no keys.
///
/// # Errors
/// [`KeysError`]
pub(crate) fn open_keys(
    data_dir: Option<&Path>,
    master: Option<&MasterKey>,
) -> Result<Option<Arc<KeyStore>>, KeysError> {
    Ok(match (master.cloned(), data_dir) {
        (Some(master), Some(data_dir)) => Some(Arc::new(KeyStore::open(data_dir, master)?)),
        (Some(master), None) => Some(Arc::new(KeyStore::in_memory(master))),
        (None, Some(data_dir)) => {
            KeyFiles::check_are_none(data_dir)?;
            None
        }
        (None, None) => None,
    })
}

impl KeySource for KeyStore {
    fn id(&self) -> &str {
        self.files.as_ref().map_or("", KeyFiles::id)
    }

    fn to_seal(&self, tenant: &TenantId) -> Result<Arc<TenantKeys>, KeySourceError> {
        if let Some(keys) = self.known().tenants.get(tenant) {
            return Ok(Arc::clone(keys));
        }
        self.made(tenant).map_err(|error| KeySourceError(error.to_string()))
    }

    fn to_open(
        &self,
        tenant: &TenantId,
        id: KeyId,
    ) -> Result<Option<Arc<TenantKeys>>, KeySourceError> {
        let known = self.known().tenants.get(tenant).cloned();
        if let Some(keys) = known.filter(|keys| keys.get(id).is_some()) {
            return Ok(Some(keys));
        }
        self.found(tenant).map_err(|error| KeySourceError(error.to_string()))
    }

    fn destroy(&self, tenant: &TenantId) -> Result<(), KeySourceError> {
        let destroyed = self.files.as_ref().map_or(Ok(()), |files| files.destroy(tenant));
        self.known().tenants.remove(tenant);
        destroyed.map_err(|error| KeySourceError(error.to_string()))
    }

    fn refresh(&self) {
        let Some(files) = &self.files else { return };
        match files.changes() {
            Ok(changes) => {
                let mut known = self.known();
                if known.changes != changes {
                    *known = Known { changes, ..Known::default() };
                }
            }
            Err(error) => {
                tracing::error!(%error, "the keys cannot be looked at; those in memory are used");
            }
        }
    }
}

impl PayloadKeys for KeyStore {
    /// Of a tenant whose log is open the keys are in memory; else a small file is read. In a data directory no key is made
    /// here, which would wait for the disk: opening the log did.
    fn payload_key(&self, tenant: &TenantId, kid: Option<&str>) -> Option<PayloadKey> {
        let id = kid.map_or(Some(KeyId::FIRST), KeyId::from_the_wire)?;
        let keys = match self.is_kept() {
            true => self.to_open(tenant, id).ok()??,
            false => self.to_seal(tenant).ok()?,
        };
        let key = match kid {
            Some(_) => keys.get(id)?,
            None => keys.newest().ok()?,
        };
        let secret = key.payload_key().ok()?;
        let text = URL_SAFE_NO_PAD.encode(secret.reveal());
        Some(PayloadKey { kid: key.id().on_the_wire().into(), key: text.into() })
    }
}

#[cfg(test)]
mod tests {
    use foodtrack_keyring::{RowKind, SecretBytes};

    use super::*;

    fn master(n: u8) -> MasterKey {
        MasterKey::new(&SecretBytes::new([n; 32])).unwrap()
    }

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).unwrap()
    }

    fn opened(directory: &Path, n: u8) -> Result<KeyStore, KeysError> {
        KeyStore::open(directory, master(n))
    }

    fn sealed(store: &KeyStore, name: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let keys = store.to_seal(&tenant(name)).unwrap();
        keys.seal(RowKind::Note, &[], b"ring twice", &mut out).unwrap();
        out
    }

    fn opens(store: &KeyStore, name: &str, sealed: &[u8]) -> bool {
        let keys = store.to_open(&tenant(name), KeyId::FIRST).unwrap();
        keys.is_some_and(|keys| keys.open(RowKind::Note, &[], sealed).is_ok())
    }

    #[test]
    fn keys_are_there_again_after_a_restart_and_open_for_their_tenant_alone() {
        let directory = tempfile::tempdir().unwrap();
        let store = opened(directory.path(), 1).unwrap();
        assert!(store.to_open(&tenant("t"), KeyId::FIRST).unwrap().is_none(), "nothing is made");
        let (of_t, of_u) = (sealed(&store, "t"), sealed(&store, "u"));
        let id = store.id().to_owned();
        drop(store);
        let store = opened(directory.path(), 1).unwrap();
        assert_eq!(store.id(), id);
        assert!(opens(&store, "t", &of_t) && opens(&store, "u", &of_u));
        assert!(!opens(&store, "t", &of_u) && !opens(&store, "u", &of_t));
    }

    #[test]
    fn another_master_key_none_and_swapped_or_damaged_files_are_refused_and_left_as_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let store = opened(directory.path(), 1).unwrap();
        sealed(&store, "t");
        sealed(&store, "u");
        drop(store);
        let keys = directory.path().join("keys");
        let refused = || opened(directory.path(), 1).err().unwrap().to_string();
        assert!(matches!(opened(directory.path(), 2), Err(KeysError::OtherMasterKey { .. })));
        let none = KeyFiles::check_are_none(directory.path());
        assert!(matches!(none, Err(KeysError::NoMasterKey { .. })));
        let good = std::fs::read(keys.join("t.key")).unwrap();
        std::fs::copy(keys.join("u.key"), keys.join("t.key")).unwrap();
        assert!(refused().contains("it is of tenant \"u\""));
        for end in 0..good.len() - 1 {
            std::fs::write(keys.join("t.key"), &good[..end]).unwrap();
            assert!(refused().contains("damaged"));
        }
        std::fs::write(keys.join("t.key"), &good).unwrap();
        let ring = std::fs::read(keys.join("keyring.json")).unwrap();
        std::fs::remove_file(keys.join("keyring.json")).unwrap();
        assert!(refused().contains("keyring.json"));
        std::fs::write(keys.join("keyring.json"), ring).unwrap();
        opened(directory.path(), 1).unwrap();
    }

    #[test]
    fn a_newer_key_is_found_while_the_store_is_open_and_the_old_one_opens_still() {
        let directory = tempfile::tempdir().unwrap();
        let store = opened(directory.path(), 1).unwrap();
        let before = sealed(&store, "t");
        let beside = KeyFiles::existing(directory.path()).unwrap().unwrap();
        assert_eq!(beside.make(&tenant("t"), &master(1), 7, true).unwrap().len(), 2);
        store.refresh();
        let after = sealed(&store, "t");
        let id = |sealed: &[u8]| foodtrack_keyring::sealed_with(sealed).unwrap().get();
        assert_eq!((id(&before), id(&after)), (1, 2));
        assert!(opens(&store, "t", &before) && opens(&store, "t", &after));
        // Who only reads finds it by its id.
        let reader = opened(directory.path(), 1).unwrap();
        assert!(opens(&reader, "t", &before));
        beside.make(&tenant("t"), &master(1), 8, true).unwrap();
        assert!(
            reader
                .to_open(&tenant("t"), KeyId::new(3))
                .unwrap()
                .unwrap()
                .get(KeyId::new(3))
                .is_some()
        );
    }

    #[test]
    fn a_change_of_the_master_key_that_stops_anywhere_is_refused_at_the_start_and_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let store = opened(directory.path(), 1).unwrap();
        let rows: Vec<_> = ["t", "u", "v"].map(|name| (name, sealed(&store, name))).into();
        drop(store);
        let keys = directory.path().join("keys");
        let before = std::fs::read(keys.join("u.key")).unwrap();
        let files = KeyFiles::existing(directory.path()).unwrap().unwrap();
        let wrong = files.rotate_master(&master(3), &master(2));
        assert!(matches!(wrong, Err(KeysError::OtherMasterKey { .. })));
        // It stops at the second file.
        std::fs::write(keys.join("u.key"), "{").unwrap();
        files.rotate_master(&master(1), &master(2)).unwrap_err();
        std::fs::write(keys.join("u.key"), before).unwrap();
        for n in [1, 2] {
            assert!(matches!(opened(directory.path(), n), Err(KeysError::Rotating { .. })));
        }
        let other = files.rotate_master(&master(1), &master(3));
        assert!(matches!(other, Err(KeysError::Rotating { .. })));
        assert_eq!(files.rotate_master(&master(1), &master(2)).unwrap(), 3);
        assert!(matches!(opened(directory.path(), 1), Err(KeysError::OtherMasterKey { .. })));
        let store = opened(directory.path(), 2).unwrap();
        assert!(rows.iter().all(|(name, row)| opens(&store, name, row)));
    }
}
