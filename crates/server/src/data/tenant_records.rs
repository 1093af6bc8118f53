//! What the hub keeps of each tenant in one document: in memory, in a file of the data directory, or in the cluster's Redis, where other
//! nodes change it as well.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use foodtrack_contract::{ErrorCode, Refusal, TenantId};
use foodtrack_tenant_log::{
    DocumentError, DocumentKind, DocumentPlace, RedisOptions, TenantDocuments,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::data_dir::{DataDir, DataDirError};
use super::declarations_file::{DecodeError, version_of};
use super::folder::Folder;
use super::tenant_file::{file_name, tenant_of};

/// The format that is read and written.
const VERSION: u64 = 1;
/// How often a change is tried anew that other nodes came before.
const ATTEMPTS_MAX: usize = 16;

/// What is kept of a tenant.
pub(crate) trait TenantRecord: Clone + Default + Serialize + DeserializeOwned {
    /// Where it is in the data directory: a file a tenant.
    const FOLDER: &'static str;
    /// Which documents of the cluster it is in.
    const KIND: DocumentKind;

    /// Whether nothing is to be kept.
    fn is_empty(&self) -> bool;

    /// Adds what another one has. Redis forgot something, and nodes still know it.
    fn merge(&mut self, other: Self);
}

/// A tenant's file or document.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole<T> {
    version: u64,
    tenant: String,
    kept: T,
}

/// All tenants' records of one kind.
pub(crate) struct TenantRecords<T> {
    place: Place,
    kept: BTreeMap<TenantId, T>,
    /// What was changed since somebody asked, and what it was before.
    changed: Changed<T>,
}

/// Where they are kept.
enum Place {
    /// Nowhere: they end with the process.
    Memory,
    Disk(Disk),
    Cluster(Box<InCluster>),
}

struct Disk {
    path: PathBuf,
    /// `None` until something is kept.
    folder: Option<Folder>,
}

struct InCluster {
    documents: TenantDocuments,
    place: DocumentPlace,
    /// The number of the last change of each tenant that is known here.
    changes: BTreeMap<TenantId, u64>,
    /// What this node knows and Redis does not.
    unsaved: BTreeSet<TenantId>,
}

/// What becomes of the bytes on the disk that are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Replaced {
    Left,
    Overwritten,
}

/// Records that were changed: whose, and what they were before.
pub(crate) type Changed<T> = Vec<(TenantId, T)>;

/// A document was written by another version of the server, or is none.
fn decode<T: DeserializeOwned>(tenant: &TenantId, bytes: &[u8]) -> Result<T, DecodeError> {
    let version = version_of(bytes)?;
    if version != VERSION {
        return Err(DecodeError::Version(version));
    }
    let whole: Whole<T> = serde_json::from_slice(bytes)?;
    if whole.tenant != tenant.as_str() {
        return Err(DecodeError::Damaged(format!("it is of tenant {:?}", whole.tenant)));
    }
    Ok(whole.kept)
}

/// Nothing, where nothing is kept.
fn encode<T: TenantRecord>(tenant: &TenantId, kept: &T) -> serde_json::Result<Vec<u8>> {
    if kept.is_empty() {
        return Ok(Vec::new());
    }
    #[derive(Serialize)]
    struct Whole<'a, T> {
        version: u64,
        tenant: &'a str,
        kept: &'a T,
    }
    serde_json::to_vec(&Whole { version: VERSION, tenant: tenant.as_str(), kept })
}

impl<T: TenantRecord> TenantRecords<T> {
    /// Nothing yet, and kept nowhere.
    pub(crate) fn in_memory() -> Self {
        Self { place: Place::Memory, kept: BTreeMap::new(), changed: Vec::new() }
    }

    /// What the data directory has.
    ///
    /// # Errors
    /// [`DataDirError`]: a file cannot be read, or is none that a server wrote.
    pub(crate) fn on_disk(directory: &DataDir) -> Result<Self, DataDirError> {
        let path = directory.file(T::FOLDER);
        let mut kept = BTreeMap::new();
        let folder = if path.exists() {
            let unusable = |source| DataDirError::Unusable { path: path.clone(), source };
            let folder = Folder::open(&path).map_err(unusable)?;
            for name in folder.names().map_err(unusable)? {
                let file = folder.file(&name);
                let Some(tenant) = tenant_of(&name) else {
                    tracing::warn!(file = %file.display(), "is no tenant's: not looked at");
                    continue;
                };
                let unreadable = |source| DataDirError::Unreadable { file: file.clone(), source };
                let bytes = folder.read(&name).map_err(unreadable)?.unwrap_or_default();
                let of_tenant = decode(&tenant, &bytes).map_err(|error| match error {
                    DecodeError::Damaged(reason) => {
                        DataDirError::Damaged { file: file.clone(), reason }
                    }
                    DecodeError::Version(version) => {
                        DataDirError::Version { file: file.clone(), version, known: VERSION }
                    }
                })?;
                kept.insert(tenant, of_tenant);
            }
            Some(folder)
        } else {
            None
        };
        Ok(Self { place: Place::Disk(Disk { path, folder }), kept, changed: Vec::new() })
    }

    /// What the cluster's nodes keep in Redis. Waits for it.
    ///
    /// # Errors
    /// [`DocumentError`]
    pub(crate) fn in_cluster(options: &RedisOptions) -> Result<Self, DocumentError> {
        let documents = TenantDocuments::new(options, T::KIND)
            .map_err(|error| DocumentError::Away(error.to_string()))?;
        let place = DocumentPlace::default();
        let shared =
            InCluster { documents, place, changes: BTreeMap::new(), unsaved: BTreeSet::new() };
        let place = Place::Cluster(Box::new(shared));
        let mut records = Self { place, kept: BTreeMap::new(), changed: Vec::new() };
        records.take_over()?;
        Ok(records)
    }

    /// What is kept of a tenant.
    pub(crate) fn of(&self, tenant: &TenantId) -> Option<&T> {
        self.kept.get(tenant)
    }

    /// What is kept, by tenant.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&TenantId, &T)> {
        self.kept.iter()
    }

    /// What was changed since this was asked last, here or by other nodes, whatever became of what was tried beside it.
    pub(crate) fn take_changed(&mut self) -> Changed<T> {
        std::mem::take(&mut self.changed)
    }

    /// Takes over what other nodes changed, where there are any. What cannot be read here, because a later version wrote it, stays as it
    /// was. What Redis forgot stays in force, and is written there again. Waits for Redis.
    ///
    /// # Errors
    /// [`DocumentError::Away`]
    pub(crate) fn take_over(&mut self) -> Result<(), DocumentError> {
        let Place::Cluster(shared) = &mut self.place else { return Ok(()) };
        let news = shared.documents.changed_since(&shared.place)?;
        if news.is_reset {
            tracing::warn!(
                kept = T::FOLDER,
                "Redis forgot what tenants have: it is written there again"
            );
            shared.changes.clear();
            shared.unsaved = self.kept.keys().cloned().collect();
        }
        shared.place = news.through;
        for document in news.documents {
            let tenant = document.tenant;
            if shared.changes.get(&tenant).is_some_and(|known| *known >= document.change) {
                continue;
            }
            let read = match document.bytes.as_slice() {
                [] => Ok(T::default()),
                bytes => decode::<T>(&tenant, bytes),
            };
            let mut next = match read {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(%tenant, kept = T::FOLDER, ?error, "what the tenant has cannot be read here");
                    continue;
                }
            };
            shared.changes.insert(tenant.clone(), document.change);
            let before = self.kept.remove(&tenant).unwrap_or_default();
            if shared.unsaved.contains(&tenant) {
                next.merge(before.clone());
            }
            if !next.is_empty() {
                self.kept.insert(tenant.clone(), next);
            }
            self.changed.push((tenant, before));
        }
        self.save_again();
        Ok(())
    }

    /// Writes what Redis forgot. What is not taken is tried again with the next look.
    fn save_again(&mut self) {
        let Place::Cluster(shared) = &mut self.place else { return };
        for tenant in std::mem::take(&mut shared.unsaved) {
            let Some(kept) = self.kept.get(&tenant) else { continue };
            let known = shared.changes.get(&tenant).copied().unwrap_or_default();
            let Ok(document) = encode(&tenant, kept) else { continue };
            match shared.documents.put(&tenant, known, &document) {
                Ok(change) => drop(shared.changes.insert(tenant, change)),
                Err(_) => drop(shared.unsaved.insert(tenant)),
            }
        }
    }

    /// Changes what is kept of a tenant, of what other nodes left. It is kept when this returns: on the disk, or in Redis. Blocks for it.
    ///
    /// # Errors
    /// `change`'s; `degraded` where it cannot be kept; `timeout` where nobody knows. Nothing changed but for the last.
    pub(crate) fn change<R>(
        &mut self,
        tenant: &TenantId,
        change: impl Fn(&mut T) -> Result<R, Refusal>,
    ) -> Result<R, Refusal> {
        self.replace(tenant, Replaced::Left, change)
    }

    fn replace<R>(
        &mut self,
        tenant: &TenantId,
        replaced: Replaced,
        change: impl Fn(&mut T) -> Result<R, Refusal>,
    ) -> Result<R, Refusal> {
        for _ in 0..ATTEMPTS_MAX {
            self.take_over().map_err(|error| not_kept::<T>(tenant, &error))?;
            let before = self.kept.get(tenant).cloned().unwrap_or_default();
            let mut next = before.clone();
            let result = change(&mut next)?;
            match self.save(tenant, &next, replaced) {
                Err(DocumentError::Outdated) => continue,
                Err(DocumentError::Unknown(error)) => {
                    tracing::error!(%tenant, kept = T::FOLDER, %error, "whether it is kept, nobody knows");
                    let sentence = "whether this is kept, nobody knows; ask what there is";
                    return Err(Refusal::new(ErrorCode::Timeout, sentence));
                }
                Err(error) => return Err(not_kept::<T>(tenant, &error)),
                Ok(()) => {}
            }
            if next.is_empty() {
                self.kept.remove(tenant);
            } else {
                self.kept.insert(tenant.clone(), next);
            }
            self.changed.push((tenant.clone(), before));
            return Ok(result);
        }
        let sentence = "other nodes change the same at the same time, or in a way that this version does not know; try again";
        Err(Refusal::new(ErrorCode::Conflict, sentence))
    }

    /// Forgets all that is kept of a tenant. Blocks for it.
    ///
    /// # Errors
    /// As [`TenantRecords::change`].
    pub(crate) fn forget(&mut self, tenant: &TenantId) -> Result<(), Refusal> {
        self.change(tenant, |kept| {
            *kept = T::default();
            Ok(())
        })
    }

    /// Leaves of what is kept of a tenant what `leave` makes of it, and has the rest overwritten. Blocks for it.
    ///
    /// # Errors
    /// As [`TenantRecords::change`].
    pub(crate) fn erase(
        &mut self,
        tenant: &TenantId,
        leave: impl Fn(&T) -> T,
    ) -> Result<(), Refusal> {
        self.replace(tenant, Replaced::Overwritten, |kept| {
            *kept = leave(kept);
            Ok(())
        })
    }

    /// The same in a data directory that no server uses. A file that cannot be read is taken for one that has nothing.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn erase_on_disk(
        data_dir: &Path,
        tenant: &TenantId,
        leave: impl Fn(&T) -> T,
    ) -> io::Result<()> {
        let mut disk = Disk { path: data_dir.join(T::FOLDER), folder: None };
        let bytes = disk.folder()?.read(&file_name(tenant))?.unwrap_or_default();
        let kept = decode(tenant, &bytes).unwrap_or_default();
        disk.save(tenant, &leave(&kept), Replaced::Overwritten)
    }

    fn save(
        &mut self,
        tenant: &TenantId,
        next: &T,
        replaced: Replaced,
    ) -> Result<(), DocumentError> {
        let away = |error: &dyn std::fmt::Display| DocumentError::Away(error.to_string());
        match &mut self.place {
            Place::Memory => Ok(()),
            Place::Disk(disk) => disk.save(tenant, next, replaced).map_err(|error| away(&error)),
            Place::Cluster(shared) => {
                let document = encode(tenant, next).map_err(|error| away(&error))?;
                let known = shared.changes.get(tenant).copied().unwrap_or_default();
                let change = shared.documents.put(tenant, known, &document)?;
                shared.changes.insert(tenant.clone(), change);
                Ok(())
            }
        }
    }
}

impl Disk {
    fn save<T: TenantRecord>(
        &mut self,
        tenant: &TenantId,
        next: &T,
        replaced: Replaced,
    ) -> io::Result<()> {
        let (name, document) = (file_name(tenant), encode(tenant, next)?);
        let folder = self.folder()?;
        if document.is_empty() {
            return folder.destroy(&name);
        }
        match replaced {
            Replaced::Left => folder.replace(&name, &document),
            Replaced::Overwritten => folder.replace_and_overwrite(&name, &document),
        }
    }

    fn folder(&mut self) -> io::Result<&Folder> {
        let folder = match self.folder.take() {
            Some(folder) => folder,
            None => Folder::open(&self.path)?,
        };
        Ok(self.folder.insert(folder))
    }
}

fn not_kept<T: TenantRecord>(tenant: &TenantId, error: &dyn std::fmt::Display) -> Refusal {
    tracing::error!(%tenant, kept = T::FOLDER, %error, "a change cannot be kept");
    Refusal::new(ErrorCode::Degraded, "this cannot be kept at the moment; nothing changed")
}
