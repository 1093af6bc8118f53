//! Event types that tenants declare while the server runs.

use std::sync::{Arc, Mutex, PoisonError};

use foodtrack_contract::{ErrorCode, EventDeclaration, Refusal, TenantId};

use super::DeclarationStore;
use crate::policy_book::PolicyBook;

/// Declares and withdraws, on the disk first where there is a data directory. May block for the disk: not for shards.
pub(crate) struct Declarations {
    book: Arc<PolicyBook>,
    /// Here and not in the book, which outlives the server in its handles: the directory must be free once it stopped.
    store: Option<Mutex<DeclarationStore>>,
}

impl Declarations {
    pub(crate) fn new(book: Arc<PolicyBook>, store: Option<DeclarationStore>) -> Self {
        Self { book, store: store.map(Mutex::new) }
    }

    /// What `tenant` declared, by name.
    pub(crate) fn of(&self, tenant: &TenantId) -> Vec<EventDeclaration> {
        self.book.current().schemas.declared(tenant).cloned().collect()
    }

    /// Declares an event type, or replaces its declaration; gives what is in force.
    ///
    /// # Errors
    /// [`ErrorCode::DeclarationInvalid`], and [`ErrorCode::Degraded`] where it cannot be kept; nothing changed.
    pub(crate) fn declare(
        &self,
        tenant: &TenantId,
        declaration: EventDeclaration,
    ) -> Result<EventDeclaration, Refusal> {
        self.book.change(|policies| match &self.store {
            Some(store) => {
                let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
                store.declare(policies, tenant, &declaration)
            }
            None => {
                policies.schemas.declare(tenant, declaration.clone())?;
                Ok(declaration)
            }
        })
    }

    /// Takes a declaration back.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], and [`ErrorCode::Degraded`] where that cannot be kept; nothing changed.
    pub(crate) fn withdraw(&self, tenant: &TenantId, name: &str) -> Result<(), Refusal> {
        self.book.change(|policies| {
            if !policies.schemas.withdraw(tenant, name) {
                let message = "the tenant declared no event type of this name";
                return Err(Refusal::new(ErrorCode::NotFound, message));
            }
            match &self.store {
                Some(store) => {
                    store.lock().unwrap_or_else(PoisonError::into_inner).withdraw(tenant, name)
                }
                None => Ok(()),
            }
        })
    }
}
