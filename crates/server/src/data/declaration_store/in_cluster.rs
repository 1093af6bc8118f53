//! What tenants declared, as all nodes of a cluster have it: in Redis.

use std::collections::BTreeMap;

use foodtrack_contract::{ErrorCode, Refusal, TenantId};
use foodtrack_tenant_log::{ChangedDocuments, DocumentError, DocumentPlace, TenantDocuments};

use super::KeepError;
use crate::data::DataDir;

/// The documents, and which of them this node knows.
pub(super) struct InCluster {
    documents: TenantDocuments,
    place: DocumentPlace,
    /// The number of the last change of each tenant that is in force here.
    changes: BTreeMap<TenantId, u64>,
    /// Nobody else has it while this node runs.
    _directory: Option<DataDir>,
}

impl InCluster {
    pub(super) fn new(documents: TenantDocuments, directory: Option<DataDir>) -> Self {
        let (place, changes) = (DocumentPlace::default(), BTreeMap::new());
        Self { documents, place, changes, _directory: directory }
    }

    /// What was changed since the last look. Waits for Redis.
    pub(super) fn news(&self) -> Result<ChangedDocuments, DocumentError> {
        self.documents.changed_since(&self.place)
    }

    /// Whether a change is newer than what is in force here.
    pub(super) fn is_new(&self, tenant: &TenantId, change: u64) -> bool {
        self.changes.get(tenant).is_none_or(|known| *known < change)
    }

    /// A change is in force here.
    pub(super) fn has(&mut self, tenant: TenantId, change: u64) {
        self.changes.insert(tenant, change);
    }

    /// Nothing is known any more.
    pub(super) fn forget(&mut self) {
        self.changes.clear();
    }

    /// All up to this place was looked at.
    pub(super) fn looked_through(&mut self, place: DocumentPlace) {
        self.place = place;
    }

    /// Keeps what a tenant declared, where nobody was first. Waits for Redis.
    pub(super) fn put(&mut self, tenant: &TenantId, document: &[u8]) -> Result<(), KeepError> {
        let known = self.changes.get(tenant).copied().unwrap_or_default();
        match self.documents.put(tenant, known, document) {
            Ok(change) => {
                self.changes.insert(tenant.clone(), change);
                Ok(())
            }
            Err(DocumentError::Outdated) => Err(KeepError::Outdated),
            Err(error) => {
                tracing::error!(%tenant, %error, "cannot keep a declaration or a rule");
                let (code, sentence) = match error {
                    DocumentError::Unknown(_) => (
                        ErrorCode::Timeout,
                        "whether what was declared is kept, nobody knows; ask what is declared",
                    ),
                    _ => (ErrorCode::Degraded, "what was declared cannot be kept; nothing changed"),
                };
                Err(Refusal::new(code, sentence).into())
            }
        }
    }
}
