//! What tenants declared over HTTP, event types and rules: in memory, and on disk where there is a data directory.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foodtrack_contract::{DECLARATIONS_MAX, ErrorCode, EventDeclaration, Refusal, TenantId};
use foodtrack_router::Rule;
use foodtrack_shard::Policies;

use super::data_dir::{DataDir, DataDirError};
use super::declarations_file::{self, DeclarationsFile, DecodeError};
use super::folder::Folder;
use super::tenant_file::{self, KeptDeclaration, KeptTenant, file_name, tenant_of};

/// All tenants' declarations of earlier versions, or the mark that they are in [`FOLDER`].
const MARK: &str = "declarations.json";
/// A file a tenant.
const FOLDER: &str = "declarations";

/// What is in the data directory, and in memory the same.
pub(crate) struct DeclarationStore {
    disk: Option<Disk>,
    kept: BTreeMap<TenantId, KeptTenant>,
    /// What the configuration says, to which a restart adds what is kept.
    configured: Arc<Policies>,
}

struct Disk {
    directory: DataDir,
    /// `None` until each tenant has its file.
    folder: Option<Folder>,
}

impl DeclarationStore {
    /// One that keeps nothing beyond the process.
    pub(crate) fn in_memory(configured: Arc<Policies>) -> Self {
        Self { disk: None, kept: BTreeMap::new(), configured }
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
        let mut store = Self { disk: Some(Disk { directory, folder }), kept, configured };
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
    ) -> Result<EventDeclaration, Refusal> {
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
    /// [`ErrorCode::Degraded`]: the disk did not take it; the declaration stays.
    pub(crate) fn withdraw(&mut self, tenant: &TenantId, name: &str) -> Result<(), Refusal> {
        let kept = self.kept.get(tenant);
        if kept.is_none_or(|kept| !kept.declarations.contains_key(name)) {
            return Ok(());
        }
        self.change(tenant, |of_tenant| drop(of_tenant.declarations.remove(name)))
    }

    /// Whether this rule of the tenant is one of those that are kept, and not the configuration's.
    pub(crate) fn keeps_rule(&self, tenant: &TenantId, id: &str) -> bool {
        self.kept.get(tenant).is_some_and(|kept| kept.rules.contains_key(id))
    }

    /// Keeps a rule of a tenant, in the place of the kept one of its id. Blocks until it is on the disk.
    ///
    /// # Errors
    /// [`ErrorCode::Degraded`]: the disk did not take it; nothing changed.
    pub(crate) fn keep_rule(&mut self, tenant: &TenantId, rule: Rule) -> Result<(), Refusal> {
        self.change(tenant, |of_tenant| drop(of_tenant.rules.insert(rule.id.clone(), rule)))
    }

    /// Forgets a rule. Blocks until it is off the disk.
    ///
    /// # Errors
    /// [`ErrorCode::Degraded`]: the disk did not take it; the rule stays.
    pub(crate) fn forget_rule(&mut self, tenant: &TenantId, id: &str) -> Result<(), Refusal> {
        self.change(tenant, |of_tenant| drop(of_tenant.rules.remove(id)))
    }

    /// Whether a restart could declare `name` beside everything else that is the tenant's then.
    fn has_room(&self, tenant: &TenantId, name: &str) -> bool {
        let kept = self.kept.get(tenant);
        let is_kept = |name: &str| kept.is_some_and(|kept| kept.declarations.contains_key(name));
        if self.disk.is_none() || is_kept(name) {
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
    ) -> Result<(), Refusal> {
        let mut next = self.kept.get(tenant).cloned().unwrap_or_default();
        change(&mut next);
        self.save(tenant, &next).map_err(|error| {
            tracing::error!(%tenant, %error, "cannot keep a declaration or a rule");
            Refusal::new(ErrorCode::Degraded, "what was declared cannot be kept; nothing changed")
        })?;
        if next.is_empty() {
            self.kept.remove(tenant);
        } else {
            self.kept.insert(tenant.clone(), next);
        }
        Ok(())
    }

    fn save(&mut self, tenant: &TenantId, kept: &KeptTenant) -> io::Result<()> {
        if self.disk.as_ref().is_some_and(|disk| disk.folder.is_none()) {
            self.give_each_its_file()?;
        }
        match self.disk.as_ref().and_then(|disk| disk.folder.as_ref()) {
            Some(folder) => write(folder, tenant, kept),
            None => Ok(()),
        }
    }

    /// Writes a file a tenant, and then the mark that says so. Until the mark is there, the old file counts.
    fn give_each_its_file(&mut self) -> io::Result<()> {
        let Some(disk) = &mut self.disk else { return Ok(()) };
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
        return folder.remove(&file_name(tenant));
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

fn put_in_force(
    policies: &mut Policies,
    tenant: &TenantId,
    kept: &KeptTenant,
    file: &Path,
) -> Result<(), DataDirError> {
    for (name, one) in &kept.declarations {
        let declaration = one.declaration().map_err(|error| DataDirError::Damaged {
            file: file.into(),
            reason: format!("schema of {name} of tenant {tenant}: {error}"),
        })?;
        policies.schemas.declare(tenant, declaration).map_err(|refusal| {
            DataDirError::Declaration {
                file: file.into(),
                tenant: tenant.as_str().into(),
                name: name.clone(),
                refusal,
            }
        })?;
    }
    for rule in kept.rules.values() {
        policies.router.add(rule.clone()).map_err(|source| DataDirError::Rule {
            file: file.into(),
            tenant: tenant.as_str().into(),
            source,
        })?;
    }
    Ok(())
}

fn refused(file: &Path, error: DecodeError) -> DataDirError {
    let file = file.to_owned();
    match error {
        DecodeError::Damaged(reason) => DataDirError::Damaged { file, reason },
        DecodeError::Version(version) => {
            DataDirError::Version { file, version, known: tenant_file::VERSION }
        }
    }
}
