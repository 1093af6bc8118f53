//! The declarations that tenants made over HTTP, on disk.

use std::sync::Arc;

use foodtrack_contract::{DECLARATIONS_MAX, ErrorCode, EventDeclaration, Refusal, TenantId};
use foodtrack_shard::Policies;

use super::data_dir::{DataDir, DataDirError};
use super::declarations_file::{
    DecodeError, KeptDeclaration, KeptDeclarations, VERSION, decode, encode,
};

const FILE: &str = "declarations.json";

/// What is in the data directory, and in memory the same.
pub(crate) struct DeclarationStore {
    directory: DataDir,
    kept: KeptDeclarations,
    /// What the configuration says, to which a restart adds what is kept.
    configured: Arc<Policies>,
}

impl DeclarationStore {
    /// Reads what the directory keeps. The policies are those to start with: what the configuration
    /// says, and over it what tenants declared.
    ///
    /// # Errors
    /// [`DataDirError`]; what the directory keeps is as it was.
    pub(crate) fn open(
        directory: DataDir,
        configured: Arc<Policies>,
    ) -> Result<(Self, Arc<Policies>), DataDirError> {
        let file = directory.file(FILE);
        let kept = match directory.read(FILE)? {
            None => KeptDeclarations::new(),
            Some(bytes) => decode(&bytes).map_err(|error| match error {
                DecodeError::Damaged(reason) => {
                    DataDirError::Damaged { file: file.clone(), reason }
                }
                DecodeError::Version(version) => {
                    DataDirError::Version { file: file.clone(), version, known: VERSION }
                }
            })?,
        };
        let mut policies = Policies::clone(&configured);
        for ((tenant, name), one) in &kept {
            let declaration = one.declaration().map_err(|error| DataDirError::Damaged {
                file: file.clone(),
                reason: format!("schema of {name} of tenant {tenant}: {error}"),
            })?;
            policies.schemas.declare(tenant, declaration).map_err(|refusal| {
                DataDirError::Declaration {
                    file: file.clone(),
                    tenant: tenant.as_str().into(),
                    name: name.clone(),
                    refusal,
                }
            })?;
        }
        Ok((Self { directory, kept, configured }, Arc::new(policies)))
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
        let invalid = |message: &'static str| {
            Refusal::new(ErrorCode::DeclarationInvalid, message).of_event(&*declaration.name)
        };
        let unreadable = |_| invalid("the schema cannot be written as JSON and read back");
        let kept = KeptDeclaration::new(tenant, declaration).map_err(unreadable)?;
        let read_back = kept.declaration().map_err(unreadable)?;
        policies.schemas.declare(tenant, read_back.clone())?;
        let key = (tenant.clone(), declaration.name.clone());
        if !self.kept.contains_key(&key) && !self.has_room(tenant, &declaration.name) {
            return Err(invalid(
                "with those in configuration, which come back with a restart, the tenant would have over 256 event types",
            ));
        }
        let earlier = self.kept.insert(key.clone(), kept);
        self.save().inspect_err(|_| {
            match earlier {
                Some(earlier) => self.kept.insert(key, earlier),
                None => self.kept.remove(&key),
            };
        })?;
        Ok(read_back)
    }

    /// Forgets a declaration, where it is kept. Blocks until it is off the disk.
    ///
    /// # Errors
    /// [`ErrorCode::Degraded`]: the disk did not take it; the declaration stays.
    pub(crate) fn withdraw(&mut self, tenant: &TenantId, name: &str) -> Result<(), Refusal> {
        let key = (tenant.clone(), name.to_owned());
        let Some(withdrawn) = self.kept.remove(&key) else { return Ok(()) };
        self.save().inspect_err(|_| {
            self.kept.insert(key, withdrawn);
        })
    }

    /// Whether a restart could declare `name` beside everything else that is the tenant's then.
    fn has_room(&self, tenant: &TenantId, name: &str) -> bool {
        let is_kept = |name: &str| self.kept.contains_key(&(tenant.clone(), name.to_owned()));
        let mut only_configured = 0;
        for configured in self.configured.schemas.declared(tenant) {
            if configured.name == name {
                return true;
            }
            only_configured += usize::from(!is_kept(&configured.name));
        }
        let kept = self.kept.keys().filter(|(of, _)| of == tenant).count();
        only_configured + kept < DECLARATIONS_MAX
    }

    fn save(&self) -> Result<(), Refusal> {
        let saved = encode(&self.kept)
            .map_err(std::io::Error::from)
            .and_then(|bytes| self.directory.replace(FILE, &bytes));
        saved.map_err(|error| {
            let file = self.directory.file(FILE);
            tracing::error!(file = %file.display(), %error, "cannot keep declarations");
            Refusal::new(ErrorCode::Degraded, "the declarations cannot be kept; nothing changed")
        })
    }
}
