//! What tenants declared over HTTP, event types, rules and redactions: in memory, and on disk where there is a data directory.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod in_cluster;
mod in_force;

use foodtrack_contract::{DECLARATIONS_MAX, ErrorCode, EventDeclaration, Refusal, TenantId};
use foodtrack_router::{Redaction, Rule};
use foodtrack_shard::Policies;
use foodtrack_tenant_log::{ChangedDocuments, DocumentError, TenantDocuments};

use in_cluster::InCluster;
use in_force::put_in_force;

use super::data_dir::{DataDir, DataDirError};
use super::declarations_file::{self, DeclarationsFile, DecodeError};
use super::folder::Folder;
use super::tenant_file::{self, KeptDeclaration, KeptTenant, file_name, tenant_of};

/// All tenants' declarations of earlier versions, or the mark that they are in [`FOLDER`].
const MARK: &str = "declarations.json";
/// A file a tenant.
const FOLDER: &str = "declarations";

/// What is in the data directory or in the cluster's Redis, and in memory the same.
pub(crate) struct DeclarationStore {
    place: Place,
    kept: BTreeMap<TenantId, KeptTenant>,
    /// What the configuration says, to which a restart adds what is kept.
    configured: Arc<Policies>,
}

/// Where it is kept.
enum Place {
    /// Nowhere: it ends with the process.
    Memory,
    Disk(Disk),
    Cluster(Box<InCluster>),
}

/// Why a change was not made.
#[derive(Debug)]
pub(crate) enum KeepError {
    /// It is refused; nothing changed.
    Refused(Refusal),
    /// Another node changed what the tenant declares: that must be taken over first.
    Outdated,
}

impl From<Refusal> for KeepError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

struct Disk {
    directory: DataDir,
    /// `None` until each tenant has its file.
    folder: Option<Folder>,
}

impl DeclarationStore {
    /// One that keeps nothing beyond the process.
    pub(crate) fn in_memory(configured: Arc<Policies>) -> Self {
        Self { place: Place::Memory, kept: BTreeMap::new(), configured }
    }

    /// Reads what the cluster's nodes keep in Redis. The policies are those to start with. Waits for Redis.
    ///
    /// # Errors
    /// [`DocumentError`]
    pub(crate) fn in_cluster(
        documents: TenantDocuments,
        directory: Option<DataDir>,
        configured: Arc<Policies>,
    ) -> Result<(Self, Arc<Policies>), DocumentError> {
        let place = Place::Cluster(Box::new(InCluster::new(documents, directory)));
        let mut policies = Policies::clone(&configured);
        let mut store = Self { place, kept: BTreeMap::new(), configured };
        if let Some(news) = store.news()? {
            store.take_over(&mut policies, news);
        }
        Ok((store, Arc::new(policies)))
    }

    /// Whether other nodes change it as well.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.place, Place::Cluster(_))
    }

    /// What other nodes changed, where there are any. Waits for Redis.
    ///
    /// # Errors
    /// [`DocumentError::Away`]
    pub(crate) fn news(&self) -> Result<Option<ChangedDocuments>, DocumentError> {
        let Place::Cluster(cluster) = &self.place else { return Ok(None) };
        let news = cluster.news()?;
        Ok(Some(news))
    }

    /// Puts in force what other nodes changed. What cannot be read here, because a later version wrote it, stays as it was, and cannot be
    /// changed here.
    pub(crate) fn take_over(&mut self, policies: &mut Policies, news: ChangedDocuments) {
        let Place::Cluster(cluster) = &mut self.place else { return };
        let mut gone: Vec<TenantId> = Vec::new();
        if news.is_reset {
            tracing::warn!(
                "Redis went back behind what tenants declared: what it has is in force, and nothing else"
            );
            cluster.forget();
            gone = self.kept.keys().cloned().collect();
            gone.retain(|tenant| !news.documents.iter().any(|it| it.tenant == *tenant));
        }
        cluster.looked_through(news.through);
        gone.into_iter().for_each(|it| self.put_in_place(policies, it, KeptTenant::default()));
        for document in news.documents {
            let Place::Cluster(cluster) = &mut self.place else { return };
            if !cluster.is_new(&document.tenant, document.change) {
                continue;
            }
            let next = match document.bytes.as_slice() {
                [] => Ok(KeptTenant::default()),
                bytes => tenant_file::decode(&document.tenant, bytes),
            };
            match next {
                Ok(next) => {
                    cluster.has(document.tenant.clone(), document.change);
                    self.put_in_place(policies, document.tenant, next);
                }
                Err(error) => {
                    let tenant = document.tenant.as_str();
                    tracing::error!(tenant, ?error, "what the tenant declares cannot be read here");
                }
            }
        }
    }

    /// Puts what a tenant declares in the place of what it declared, over the configuration.
    fn put_in_place(&mut self, policies: &mut Policies, tenant: TenantId, next: KeptTenant) {
        let before = self.kept.remove(&tenant).unwrap_or_default();
        for name in before.declarations.keys() {
            policies.schemas.withdraw(&tenant, name);
            self.restore_configured(policies, &tenant, name);
        }
        for id in before.rules.keys() {
            policies.router.remove(Some(&tenant), id);
        }
        for id in before.redactions.keys() {
            Arc::make_mut(&mut policies.redactions).remove(&tenant, id);
        }
        if let Err(error) = put_in_force(policies, &tenant, &next, Path::new("redis")) {
            tracing::error!(%error, "not all that the tenant declares is in force here");
        }
        if !next.is_empty() {
            self.kept.insert(tenant, next);
        }
    }

    /// Has another configuration lie below what tenants declared.
    ///
    /// # Errors
    /// [`DataDirError`]: a tenant declared what does not hold beside it; `policies` is to be thrown away.
    pub(crate) fn reconfigure(
        &mut self,
        policies: &mut Policies,
        configured: &Policies,
    ) -> Result<(), DataDirError> {
        let with = |others: &Policies| Policies {
            router: configured.router.clone(),
            redactions: Arc::clone(&configured.redactions),
            schemas: configured.schemas.clone(),
            delivery: configured.delivery.clone(),
            hub_events: configured.hub_events.clone(),
            ..others.clone()
        };
        let mut next = with(policies);
        for (tenant, kept) in &self.kept {
            put_in_force(&mut next, tenant, kept, Path::new("over HTTP"))?;
        }
        *policies = next;
        self.configured = Arc::new(with(&self.configured));
        Ok(())
    }

    /// What the configuration says of an event type is in force again.
    fn restore_configured(&self, policies: &mut Policies, tenant: &TenantId, name: &str) {
        let configured = self.configured.schemas.declared(tenant).find(|it| it.name == name);
        if let Some(configured) = configured
            && let Err(refusal) = policies.schemas.declare(tenant, configured.clone())
        {
            tracing::error!(code = refusal.code().as_str(), "what is configured is not in force");
        }
    }

    /// Reads what the directory keeps, and gives each tenant its file where an earlier version kept all in one. The policies are
    /// those to start with: what the configuration says, and over it what tenants declared.
    ///
    /// # Errors
    /// [`DataDirError`]; what the directory keeps is as it was.
    pub(crate) fn open(
        directory: DataDir,
        configured: Arc<Policies>,
    ) -> Result<(Self, Arc<Policies>), DataDirError> {
        let mark = directory.file(MARK);
        let said = directory
            .read(MARK)?
            .map(|bytes| declarations_file::decode(&bytes).map_err(|error| refused(&mark, error)))
            .transpose()?;
        let path = directory.file(FOLDER);
        let mut policies = Policies::clone(&configured);
        let (kept, folder, is_old) = match said {
            Some(DeclarationsFile::Whole(kept)) => {
                for (tenant, of_tenant) in &kept {
                    put_in_force(&mut policies, tenant, of_tenant, &mark)?;
                }
                (kept, None, true)
            }
            // Without the mark too: whoever took it away did not take their files away.
            Some(DeclarationsFile::PerTenant) | None if path.exists() => {
                let folder = Folder::open(&path)
                    .map_err(|source| DataDirError::Unusable { path, source })?;
                (read_all(&folder, &mut policies)?, Some(folder), false)
            }
            Some(DeclarationsFile::PerTenant) | None => (BTreeMap::new(), None, false),
        };
        let place = Place::Disk(Disk { directory, folder });
        let mut store = Self { place, kept, configured };
        if is_old {
            match store.give_each_its_file() {
                Ok(()) => tracing::info!(
                    tenants = store.kept.len(),
                    "declarations: each tenant has a file of its own now; earlier versions of the server refuse this data directory"
                ),
                // A full disk is no reason not to start; the next change tries again.
                Err(error) => {
                    tracing::error!(%error, "declarations: tenants cannot be given files of their own; the old file stays");
                }
            }
        }
        Ok((store, Arc::new(policies)))
    }

    /// Declares in `policies` what a restart will read back, and keeps it. Blocks until it is on the disk.
    ///
    /// # Errors
    /// - [`ErrorCode::DeclarationInvalid`]: it breaks a rule of declarations, now or after a restart.
    /// - [`ErrorCode::Degraded`]: the disk did not take it.
    ///
    /// Nothing is kept then; `policies` is to be thrown away.
    pub(crate) fn declare(
        &mut self,
        policies: &mut Policies,
        tenant: &TenantId,
        declaration: &EventDeclaration,
    ) -> Result<EventDeclaration, KeepError> {
        let (kept, read_back) = self.check(policies, tenant, declaration)?;
        self.change(tenant, |of_tenant| {
            of_tenant.declarations.insert(declaration.name.clone(), kept);
        })?;
        Ok(read_back)
    }

    /// What [`DeclarationStore::declare`] would keep, and what a restart would read back of it.
    ///
    /// # Errors
    /// [`ErrorCode::DeclarationInvalid`]: it breaks a rule of declarations, now or after a restart.
    pub(super) fn check(
        &self,
        policies: &mut Policies,
        tenant: &TenantId,
        declaration: &EventDeclaration,
    ) -> Result<(KeptDeclaration, EventDeclaration), Refusal> {
        let invalid = |message: &'static str| {
            Refusal::new(ErrorCode::DeclarationInvalid, message).of_event(&*declaration.name)
        };
        let unreadable = |_| invalid("the schema cannot be written as JSON and read back");
        let kept = KeptDeclaration::new(declaration).map_err(unreadable)?;
        let read_back = kept.declaration().map_err(unreadable)?;
        policies.schemas.declare(tenant, read_back.clone())?;
        if !self.has_room(tenant, &declaration.name) {
            return Err(invalid(
                "with those in configuration, which come back with a restart, the tenant would have over 256 event types",
            ));
        }
        Ok((kept, read_back))
    }

    /// Forgets a declaration, where it is kept. Blocks until it is off the disk.
    ///
    /// # Errors
    /// - [`ErrorCode::Degraded`]: the disk did not take it; the declaration stays.
    /// - [`ErrorCode::Conflict`]: it stands in the configuration of a cluster's nodes.
    pub(crate) fn withdraw(
        &mut self,
        policies: &mut Policies,
        tenant: &TenantId,
        name: &str,
    ) -> Result<(), KeepError> {
        let kept = self.kept.get(tenant);
        if kept.is_none_or(|kept| !kept.declarations.contains_key(name)) {
            if self.is_shared() {
                let sentence =
                    "the configuration of the cluster's nodes declares it; take it out there";
                return Err(Refusal::new(ErrorCode::Conflict, sentence).into());
            }
            return Ok(());
        }
        self.change(tenant, |of_tenant| drop(of_tenant.declarations.remove(name)))?;
        if self.is_shared() {
            self.restore_configured(policies, tenant, name);
        }
        Ok(())
    }

    /// Whether this rule of the tenant is one of those that are kept, and not the configuration's.
    pub(crate) fn keeps_rule(&self, tenant: &TenantId, id: &str) -> bool {
        self.kept.get(tenant).is_some_and(|kept| kept.rules.contains_key(id))
    }

    /// Keeps a rule of a tenant, in the place of the kept one of its id. Blocks until it is on the disk.
    ///
    /// # Errors
    /// [`ErrorCode::Degraded`]: the disk did not take it; nothing changed.
    pub(crate) fn keep_rule(&mut self, tenant: &TenantId, rule: Rule) -> Result<(), KeepError> {
        self.change(tenant, |of_tenant| drop(of_tenant.rules.insert(rule.id.clone(), rule)))
    }

    /// Forgets a rule. Blocks until it is off the disk.
    ///
    /// # Errors
    /// [`ErrorCode::Degraded`]: the disk did not take it; the rule stays.
    pub(crate) fn forget_rule(&mut self, tenant: &TenantId, id: &str) -> Result<(), KeepError> {
        self.change(tenant, |of_tenant| drop(of_tenant.rules.remove(id)))
    }

    /// Whether this redaction of the tenant is one of those that are kept, and not the configuration's.
    pub(crate) fn keeps_redaction(&self, tenant: &TenantId, id: &str) -> bool {
        self.kept.get(tenant).is_some_and(|kept| kept.redactions.contains_key(id))
    }

    /// Keeps a redaction of a tenant, in the place of the kept one of its id. Blocks until it is on the disk.
    ///
    /// # Errors
    /// [`ErrorCode::Degraded`]: the disk did not take it; nothing changed.
    pub(crate) fn keep_redaction(
        &mut self,
        tenant: &TenantId,
        redaction: Redaction,
    ) -> Result<(), KeepError> {
        let id = redaction.id.clone();
        self.change(tenant, |of_tenant| drop(of_tenant.redactions.insert(id, redaction)))
    }

    /// Forgets a redaction. Blocks until it is off the disk.
    ///
    /// # Errors
    /// [`ErrorCode::Degraded`]: the disk did not take it; the redaction stays.
    pub(crate) fn forget_redaction(
        &mut self,
        tenant: &TenantId,
        id: &str,
    ) -> Result<(), KeepError> {
        self.change(tenant, |of_tenant| drop(of_tenant.redactions.remove(id)))
    }

    /// Forgets all that a tenant declared. Blocks until it is off the disk.
    ///
    /// # Errors
    /// [`ErrorCode::Degraded`]: the disk did not take it; all stays.
    pub(crate) fn forget(
        &mut self,
        policies: &mut Policies,
        tenant: &TenantId,
    ) -> Result<(), KeepError> {
        let before = self.kept.get(tenant).cloned().unwrap_or_default();
        self.change(tenant, |of_tenant| *of_tenant = KeptTenant::default())?;
        self.kept.insert(tenant.clone(), before);
        self.put_in_place(policies, tenant.clone(), KeptTenant::default());
        Ok(())
    }

    /// Whether a restart could declare `name` beside everything else that is the tenant's then.
    fn has_room(&self, tenant: &TenantId, name: &str) -> bool {
        let kept = self.kept.get(tenant);
        let is_kept = |name: &str| kept.is_some_and(|kept| kept.declarations.contains_key(name));
        if matches!(self.place, Place::Memory) || is_kept(name) {
            return true;
        }
        let mut only_configured = 0;
        for configured in self.configured.schemas.declared(tenant) {
            if configured.name == name {
                return true;
            }
            only_configured += usize::from(!is_kept(&configured.name));
        }
        only_configured + kept.map_or(0, |kept| kept.declarations.len()) < DECLARATIONS_MAX
    }

    /// Changes what is kept of one tenant, on the disk first. Where that fails, it is as before.
    fn change(
        &mut self,
        tenant: &TenantId,
        change: impl FnOnce(&mut KeptTenant),
    ) -> Result<(), KeepError> {
        let mut next = self.kept.get(tenant).cloned().unwrap_or_default();
        change(&mut next);
        let failed = |error: &dyn std::fmt::Display| {
            tracing::error!(%tenant, %error, "cannot keep what a tenant declares");
            Refusal::new(ErrorCode::Degraded, "what was declared cannot be kept; nothing changed")
        };
        match &mut self.place {
            Place::Cluster(cluster) if next.is_empty() => cluster.put(tenant, b"")?,
            Place::Cluster(cluster) => {
                let document = tenant_file::encode(tenant, &next).map_err(|it| failed(&it))?;
                cluster.put(tenant, &document)?;
            }
            Place::Disk(_) => self.save(tenant, &next).map_err(|it| failed(&it))?,
            Place::Memory => {}
        }
        if next.is_empty() {
            self.kept.remove(tenant);
        } else {
            self.kept.insert(tenant.clone(), next);
        }
        Ok(())
    }

    fn save(&mut self, tenant: &TenantId, kept: &KeptTenant) -> io::Result<()> {
        if matches!(&self.place, Place::Disk(disk) if disk.folder.is_none()) {
            self.give_each_its_file()?;
        }
        match &self.place {
            Place::Disk(Disk { folder: Some(folder), .. }) => write(folder, tenant, kept),
            _ => Ok(()),
        }
    }

    /// Writes a file a tenant, and then the mark that says so. Until the mark is there, the old file counts.
    fn give_each_its_file(&mut self) -> io::Result<()> {
        let Place::Disk(disk) = &mut self.place else { return Ok(()) };
        let folder = Folder::open(&disk.directory.file(FOLDER))?;
        // Of an attempt that a crash ended, or of a time from which only the old file was brought back.
        for name in folder.names()? {
            if tenant_of(&name).is_some_and(|tenant| !self.kept.contains_key(&tenant)) {
                folder.remove(&name)?;
            }
        }
        for (tenant, kept) in &self.kept {
            write(&folder, tenant, kept)?;
        }
        disk.directory.replace(MARK, &declarations_file::mark())?;
        disk.folder = Some(folder);
        Ok(())
    }
}

fn write(folder: &Folder, tenant: &TenantId, kept: &KeptTenant) -> io::Result<()> {
    if kept.is_empty() {
        return folder.destroy(&file_name(tenant));
    }
    let bytes = tenant_file::encode(tenant, kept)?;
    folder.replace(&file_name(tenant), &bytes)
}

/// Reads every tenant's file, and puts in force what it says.
fn read_all(
    folder: &Folder,
    policies: &mut Policies,
) -> Result<BTreeMap<TenantId, KeptTenant>, DataDirError> {
    let unreadable = |file: PathBuf| move |source| DataDirError::Unreadable { file, source };
    let mut kept = BTreeMap::new();
    for name in folder.names().map_err(unreadable(folder.file("")))? {
        let file = folder.file(&name);
        let Some(tenant) = tenant_of(&name) else {
            tracing::warn!(file = %file.display(), "is no tenant's: not looked at");
            continue;
        };
        let bytes = folder.read(&name).map_err(unreadable(file.clone()))?.unwrap_or_default();
        let of_tenant =
            tenant_file::decode(&tenant, &bytes).map_err(|error| refused(&file, error))?;
        put_in_force(policies, &tenant, &of_tenant, &file)?;
        kept.insert(tenant, of_tenant);
    }
    Ok(kept)
}

fn refused(file: &Path, error: DecodeError) -> DataDirError {
    let file = file.to_owned();
    match error {
        DecodeError::Damaged(reason) => DataDirError::Damaged { file, reason },
        DecodeError::Version(version) => {
            DataDirError::Version { file, version, known: tenant_file::VERSION_MAX }
        }
    }
}
