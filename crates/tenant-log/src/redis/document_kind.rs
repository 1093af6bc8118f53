//! What tenants' documents are about.

/// What documents are about. Those of one kind have an order of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// What tenants declared: event types and rules.
    Declarations,
    /// What tenants revoked.
    Revocations,
    /// The API keys of their back ends.
    ApiKeys,
}

impl DocumentKind {
    /// Part of keys' names.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Declarations => "declared",
            Self::Revocations => "revoked",
            Self::ApiKeys => "api-keys",
        }
    }
}
