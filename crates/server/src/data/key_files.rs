//! Where tenants' keys are kept: the directory `keys` of the data directory. `keyring.json` says whose it is and which master key
//! opens it; `TENANT.key` has a tenant's keys, each wrapped.
//!
//! They are beside the log and not in it: a copy of the log opens nothing, and a key that is destroyed here is destroyed.

use std::fs::File;
use std::path::{Path, PathBuf};

use foodtrack_contract::TenantId;
use foodtrack_keyring::{KeyError, KeyId, MasterKey, MasterKeyId, TenantKey, WrappedKey};
use foodtrack_tenant_log::private_options;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::data_dir::DataDirError;
use super::folder::Folder;

/// Its name in the data directory.
const DIRECTORY: &str = "keys";
const RING: &str = "keyring.json";
const LOCK: &str = "lock";
const TENANT: &str = ".key";
/// The format of both kinds of files.
const VERSION: u64 = 1;
/// How many keys a tenant may have: each opens what it sealed, so none goes by itself.
const KEYS_PER_TENANT_MAX: usize = 1_000;

/// Why the keys cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file or the directory.
    #[error(transparent)]
    Directory(#[from] DataDirError),
    /// There are keys, and no master key.
    #[error(
        "{} has keys, and no master key is given; give the one that they are wrapped by, {master} (security.encryptionKey)",
        path.display()
    )]
    NoMasterKey {
        /// The directory.
        path: PathBuf,
        /// Which one it is.
        master: String,
    },
    /// It is another one.
    #[error(
        "the master key is {given}, and {} is wrapped by {master}; give that one, or go over to the new one with `foodtrack-websocket keys rotate-master`",
        path.display()
    )]
    OtherMasterKey {
        /// The file or directory.
        path: PathBuf,
        /// The one that was given.
        given: MasterKeyId,
        /// The one that opens it.
        master: String,
    },
    /// The change of the master key stopped on its way.
    #[error(
        "{}: the change of the master key from {master} to {next} is not finished; run `foodtrack-websocket keys rotate-master` with both once more",
        path.display()
    )]
    Rotating {
        /// The directory.
        path: PathBuf,
        /// The old one.
        master: String,
        /// The new one.
        next: String,
    },
    /// Tenants' keys without what says whose they are.
    #[error("{}: has tenants' keys and no {RING}; put that back from where it was copied to", path.display())]
    NoRing {
        /// The directory.
        path: PathBuf,
    },
    /// A tenant has no more room for keys.
    #[error("tenant {0} has {KEYS_PER_TENANT_MAX} keys, and can have no more")]
    TooMany(TenantId),
    /// A key cannot be wrapped or unwrapped.
    #[error("the keys of tenant {tenant}: {source}")]
    Key {
        /// Whose.
        tenant: TenantId,
        /// Why.
        source: KeyError,
    },
}

/// `keyring.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Ring {
    version: u64,
    /// Stands in the log as well.
    id: String,
    /// Which master key opens tenants' keys.
    master: String,
    /// The one that they are going over to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Counts changes, so that whoever has keys in memory sees that there are others.
    changes: u64,
}

/// `TENANT.key`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TenantFile {
    version: u64,
    tenant: String,
    keys: Vec<WrappedKey>,
}

/// The directory.
pub(crate) struct KeyFiles {
    folder: Folder,
    path: PathBuf,
    id: String,
}

impl KeyFiles {
    /// Opens the directory, which a master key opens; makes it where it is not there. Every file in it is looked at.
    ///
    /// # Errors
    /// [`KeysError`]
    pub(crate) fn open(data_dir: &Path, master: &MasterKey) -> Result<Self, KeysError> {
        let mut files = Self::at(data_dir)?;
        let _lock = files.lock()?;
        let ring = match files.ring()? {
            Some(ring) => ring,
            None if files.tenants()?.is_empty() => {
                let id = Uuid::new_v4().to_string();
                let master = master.id().to_string();
                let ring = Ring { version: VERSION, id, master, next: None, changes: 0 };
                files.write(RING, &ring)?;
                ring
            }
            None => return Err(KeysError::NoRing { path: files.path }),
        };
        if let Some(next) = ring.next {
            return Err(KeysError::Rotating { path: files.path, master: ring.master, next });
        }
        let given = master.id();
        if ring.master != given.to_string() {
            return Err(KeysError::OtherMasterKey { path: files.path, given, master: ring.master });
        }
        for tenant in files.tenants()? {
            let keys = files.wrapped(&tenant)?.unwrap_or_default();
            if let Some(key) = keys.into_iter().find(|key| key.master != ring.master) {
                let path = files.folder.file(&file_name(&tenant));
                return Err(KeysError::OtherMasterKey { path, given, master: key.master });
            }
        }
        files.id = ring.id;
        Ok(files)
    }

    /// The directory where it is there, whatever the master key is.
    ///
    /// # Errors
    /// [`KeysError`]
    pub(crate) fn existing(data_dir: &Path) -> Result<Option<Self>, KeysError> {
        if !data_dir.join(DIRECTORY).exists() {
            return Ok(None);
        }
        let mut files = Self::at(data_dir)?;
        let Some(ring) = files.ring()? else { return Ok(None) };
        files.id = ring.id;
        Ok(Some(files))
    }

    /// Refuses to go on without a master key where there are keys.
    ///
    /// # Errors
    /// [`KeysError`]
    pub(crate) fn check_are_none(data_dir: &Path) -> Result<(), KeysError> {
        let Some(files) = Self::existing(data_dir)? else { return Ok(()) };
        match files.ring()? {
            Some(Ring { master, .. }) => Err(KeysError::NoMasterKey { path: files.path, master }),
            None => Ok(()),
        }
    }

    fn at(data_dir: &Path) -> Result<Self, KeysError> {
        let path = data_dir.join(DIRECTORY);
        let folder = Folder::open(&path)
            .map_err(|source| DataDirError::Unusable { path: path.clone(), source })?;
        Ok(Self { folder, path, id: String::new() })
    }

    /// Which keys these are.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Which master key opens them.
    ///
    /// # Errors
    /// [`KeysError`]
    pub(crate) fn master(&self) -> Result<String, KeysError> {
        Ok(self.ring()?.map_or_else(String::new, |ring| ring.master))
    }

    /// How often keys were changed.
    ///
    /// # Errors
    /// [`KeysError`]
    pub(crate) fn changes(&self) -> Result<u64, KeysError> {
        Ok(self.ring()?.map_or(0, |ring| ring.changes))
    }

    /// Who has keys, by name.
    ///
    /// # Errors
    /// [`KeysError`]
    pub(crate) fn tenants(&self) -> Result<Vec<TenantId>, KeysError> {
        let unreadable = |source| DataDirError::Unreadable { file: self.path.clone(), source };
        let names = self.folder.names().map_err(unreadable)?;
        let tenant = |name: &String| TenantId::parse(name.strip_suffix(TENANT)?).ok();
        Ok(names.iter().filter_map(tenant).collect())
    }

    /// A tenant's keys as they are kept, the newest last; `None` where it has none.
    ///
    /// # Errors
    /// [`KeysError`]
    pub(crate) fn wrapped(&self, tenant: &TenantId) -> Result<Option<Vec<WrappedKey>>, KeysError> {
        let name = file_name(tenant);
        let Some(file) = self.read::<TenantFile>(&name)? else { return Ok(None) };
        if file.tenant != tenant.as_str() {
            let reason = format!("it is of tenant {:?}", file.tenant);
            return Err(DataDirError::Damaged { file: self.folder.file(&name), reason }.into());
        }
        Ok(Some(file.keys))
    }

    /// Makes a tenant's first key, or where it has some and `is_newer`, a newer one; else the keys stay. Returns all of them.
    /// They are on the disk then.
    ///
    /// # Errors
    /// [`KeysError`]
    pub(crate) fn make(
        &self,
        tenant: &TenantId,
        master: &MasterKey,
        now_ms: u64,
        is_newer: bool,
    ) -> Result<Vec<WrappedKey>, KeysError> {
        let _lock = self.lock()?;
        let mut keys = self.wrapped(tenant)?.unwrap_or_default();
        if !keys.is_empty() && !is_newer {
            return Ok(keys);
        }
        let id = match keys.last() {
            None => Some(KeyId::FIRST),
            Some(last) => last.kid.next().filter(|_| keys.len() < KEYS_PER_TENANT_MAX),
        };
        let id = id.ok_or_else(|| KeysError::TooMany(tenant.clone()))?;
        let key = TenantKey::random(id, now_ms)
            .and_then(|key| WrappedKey::wrap(master, tenant, &key))
            .map_err(|source| KeysError::Key { tenant: tenant.clone(), source })?;
        keys.push(key);
        self.write_keys(tenant, keys.clone())?;
        if is_newer {
            self.note_change()?;
        }
        Ok(keys)
    }

    /// Destroys a tenant's keys: what they sealed is closed for good, here and in every copy.
    ///
    /// # Errors
    /// [`KeysError`]
    pub(crate) fn destroy(&self, tenant: &TenantId) -> Result<(), KeysError> {
        let _lock = self.lock()?;
        let name = file_name(tenant);
        let unusable = |source| DataDirError::Unusable { path: self.folder.file(&name), source };
        self.folder.destroy(&name).map_err(unusable)?;
        self.note_change()
    }

    /// Wraps every key with another master key. What was begun and not finished goes on. No server may be running.
    ///
    /// # Errors
    /// [`KeysError`]: the keys can be used with the old master key, or it says that this is to be run again.
    pub(crate) fn rotate_master(
        &self,
        old: &MasterKey,
        new: &MasterKey,
    ) -> Result<usize, KeysError> {
        let _lock = self.lock()?;
        let Some(mut ring) = self.ring()? else {
            return Err(KeysError::NoRing { path: self.path.clone() });
        };
        let (old_id, new_id) = (old.id().to_string(), new.id().to_string());
        if ring.master != old_id {
            let (path, master) = (self.path.clone(), ring.master);
            return Err(KeysError::OtherMasterKey { path, given: old.id(), master });
        }
        if let Some(next) = ring.next.filter(|next| *next != new_id) {
            let (path, master) = (self.path.clone(), ring.master);
            return Err(KeysError::Rotating { path, master, next });
        }
        ring.next = Some(new_id.clone());
        self.write(RING, &ring)?;
        let tenants = self.tenants()?;
        for tenant in &tenants {
            self.rewrap(tenant, old, new)?;
        }
        (ring.master, ring.next, ring.changes) = (new_id, None, ring.changes + 1);
        self.write(RING, &ring)?;
        Ok(tenants.len())
    }

    fn rewrap(&self, tenant: &TenantId, old: &MasterKey, new: &MasterKey) -> Result<(), KeysError> {
        let failed = |source| KeysError::Key { tenant: tenant.clone(), source };
        let mut keys = self.wrapped(tenant)?.unwrap_or_default();
        for key in keys.iter_mut().filter(|key| key.master() != Some(new.id())) {
            let unwrapped = key.unwrap(old, tenant).map_err(failed)?;
            *key = WrappedKey::wrap(new, tenant, &unwrapped).map_err(failed)?;
        }
        self.write_keys(tenant, keys)
    }

    /// Only one process changes the keys at a time. Waits for the other.
    fn lock(&self) -> Result<File, KeysError> {
        let path = self.folder.file(LOCK);
        let file = private_options().create(true).truncate(false).write(true).open(&path);
        let locked = file.and_then(|file| file.lock().map(|()| file));
        Ok(locked.map_err(|source| DataDirError::Unusable { path, source })?)
    }

    fn note_change(&self) -> Result<(), KeysError> {
        let Some(ring) = self.ring()? else { return Ok(()) };
        self.write(RING, &Ring { changes: ring.changes + 1, ..ring })
    }

    fn ring(&self) -> Result<Option<Ring>, KeysError> {
        self.read(RING)
    }

    fn write_keys(&self, tenant: &TenantId, keys: Vec<WrappedKey>) -> Result<(), KeysError> {
        let file = TenantFile { version: VERSION, tenant: tenant.to_string(), keys };
        self.write(&file_name(tenant), &file)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, KeysError> {
        #[derive(Deserialize)]
        struct Any {
            version: u64,
        }
        let file = self.folder.file(name);
        let read = self.folder.read(name);
        let bytes =
            read.map_err(|source| DataDirError::Unreadable { file: file.clone(), source })?;
        let Some(bytes) = bytes else { return Ok(None) };
        let damaged = |error: serde_json::Error| {
            // Not the text itself.
            let reason = format!("no JSON of its form at line {}", error.line());
            DataDirError::Damaged { file: file.clone(), reason }
        };
        let Any { version } = serde_json::from_slice(&bytes).map_err(damaged)?;
        if version != VERSION {
            return Err(DataDirError::Version { file, version, known: VERSION }.into());
        }
        Ok(Some(serde_json::from_slice(&bytes).map_err(damaged)?))
    }

    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), KeysError> {
        let unusable = |source| DataDirError::Unusable { path: self.folder.file(name), source };
        let bytes = serde_json::to_vec_pretty(value).map_err(std::io::Error::from);
        Ok(bytes.and_then(|bytes| self.folder.replace(name, &bytes)).map_err(unusable)?)
    }
}

fn file_name(tenant: &TenantId) -> String {
    format!("{tenant}{TENANT}")
}
