//! What a tenant declared, put in force over what the configuration says.

use std::path::Path;
use std::sync::Arc;

use foodtrack_contract::TenantId;
use foodtrack_shard::Policies;

use crate::data::data_dir::DataDirError;
use crate::data::tenant_file::KeptTenant;

/// Declares event types, and adds rules and redactions.
///
/// # Errors
/// [`DataDirError`] names the first that does not hold, and `file`, where it stands; `policies` is to be thrown away.
pub(super) fn put_in_force(
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
    for redaction in kept.redactions.values() {
        let redactions = Arc::make_mut(&mut policies.redactions);
        redactions.add(redaction.clone()).map_err(|source| DataDirError::Redaction {
            file: file.into(),
            tenant: tenant.as_str().into(),
            source,
        })?;
    }
    Ok(())
}
