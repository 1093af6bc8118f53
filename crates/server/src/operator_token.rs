//! Who runs the hub: a token of the configuration, which is no tenant's and opens no socket.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use foodtrack_auth::ServiceCertificate;
use foodtrack_contract::{ErrorCode, Principal, Refusal, TenantId, UserId};

/// As whom an operator appears in a tenant: who revoked something, for example.
const USER: &str = "operator";

/// The token, as far as it takes to recognise it.
#[derive(Clone)]
pub(crate) struct OperatorToken(Digest);

impl OperatorToken {
    pub(crate) fn new(token: &str) -> Self {
        Self(digest(&SHA256, token.as_bytes()))
    }

    /// Whether this is the token; how long that takes tells nothing of it.
    pub(crate) fn is(&self, token: &str) -> bool {
        let other = digest(&SHA256, token.as_bytes());
        verify_slices_are_equal(self.0.as_ref(), other.as_ref()).is_ok()
    }
}

impl fmt::Debug for OperatorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

/// The operator for one request about the tenant that it names. It speaks as a back end does whom the operator wrote down for that tenant.
///
/// # Errors
/// It names none.
pub(crate) fn operator_of(tenant: Option<&str>) -> Result<Principal, Refusal> {
    let named = tenant.and_then(|name| TenantId::parse(name).ok());
    let (Some(tenant), Ok(user)) = (named, UserId::parse(USER)) else {
        let sentence = "the operator's token is no tenant's: name one in the header foodtrack-tenant; GET /api/v1/tenants lists them";
        return Err(Refusal::new(ErrorCode::TokenClaims, sentence));
    };
    ServiceCertificate::new(user, vec![tenant]).principal(None, 0, u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_speaks_for_the_tenant_that_it_names_and_for_none_without_a_name() {
        assert_eq!(operator_of(Some("roma")).unwrap().tenant().as_str(), "roma");
        for name in [None, Some(""), Some("a b\n")] {
            assert_eq!(operator_of(name).unwrap_err().code(), ErrorCode::TokenClaims, "{name:?}");
        }
    }

    #[test]
    fn the_token_alone_is_recognised_and_never_shown() {
        let token = OperatorToken::new("an operator's token of 32 bytes or more");
        assert!(token.is("an operator's token of 32 bytes or more"));
        assert!(!token.is("an operator's token") && !token.is(""));
        assert_eq!(format!("{token:?}"), "(redacted)");
    }
}
