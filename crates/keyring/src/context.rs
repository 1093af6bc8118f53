//! What a sealed value is bound to.

use foodtrack_contract::TenantId;

/// What kind of row a sealed value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// The bodies of a batch of the log.
    Bodies = 1,
    /// The value of a note.
    Note = 2,
}

/// Where a value stands: it is opened there alone. Tenant and kind, and what else says which row it is.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Whose.
    pub tenant: &'a TenantId,
    /// Of what kind.
    pub kind: RowKind,
    /// What else stands in the row, or names it.
    pub beside: &'a [&'a [u8]],
}

impl Context<'_> {
    /// The additional data: each part behind its length, so that no two contexts read alike.
    pub(crate) fn additional(&self) -> Vec<u8> {
        const FORM: &[u8] = b"foodtrack-websocket row 1";
        let tenant = self.tenant.as_str().as_bytes();
        let beside: usize = self.beside.iter().map(|part| 8 + part.len()).sum();
        let mut bytes = Vec::with_capacity(FORM.len() + 1 + 8 + tenant.len() + beside);
        bytes.extend_from_slice(FORM);
        bytes.push(self.kind as u8);
        for part in [tenant].iter().chain(self.beside) {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}
