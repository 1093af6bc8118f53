//! Back ends that are known by a certificate instead of a token.

use foodtrack_contract::{
    ApplicationSet, ErrorCode, Principal, Refusal, TenantId, UserId, UserRole, VerifiedClaims,
};

/// What a certificate, whose chain was verified, says of a back end: what the operator wrote down of it.
#[derive(Clone, Debug)]
pub struct ServiceCertificate {
    user: UserId,
    tenants: Vec<TenantId>,
}

impl ServiceCertificate {
    /// Of a back end that is called `user` in each of these tenants, and in no other.
    pub fn new(user: UserId, tenants: Vec<TenantId>) -> Self {
        Self { user, tenants }
    }

    /// Who speaks, for the tenant that it names; it need not where there is one only. The certificate is good from
    /// `issued_at_s` to `expires_at_s`, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// The tenant is none of its own, or it names none of several.
    pub fn principal(
        &self,
        tenant: Option<&str>,
        issued_at_s: u64,
        expires_at_s: u64,
    ) -> Result<Principal, Refusal> {
        let tenant = match (tenant, &*self.tenants) {
            (Some(named), own) => own.iter().find(|tenant| tenant.as_str() == named),
            (None, [only]) => Some(only),
            (None, _) => {
                let sentence = "this certificate is good for several tenants; name one in the header foodtrack-tenant";
                return Err(Refusal::new(ErrorCode::TokenClaims, sentence));
            }
        };
        let Some(tenant) = tenant else {
            let sentence = "this certificate is not good for that tenant";
            return Err(Refusal::new(ErrorCode::PermissionDenied, sentence));
        };
        let role = UserRole::System;
        Ok(Principal::from_verified_token(VerifiedClaims {
            tenant: tenant.clone(),
            user: self.user.clone(),
            role,
            applications: ApplicationSet::EMPTY,
            permissions: role.default_permissions(),
            device: None,
            token_id: None,
            issued_at_s,
            expires_at_s,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tenants: &[&str]) -> ServiceCertificate {
        let tenants = tenants.iter().map(|text| TenantId::parse(text).unwrap()).collect();
        ServiceCertificate::new(UserId::parse("billing").unwrap(), tenants)
    }

    #[test]
    fn a_certificate_speaks_for_its_own_tenants_alone() {
        let principal = of(&["roma"]).principal(None, 3, 7).unwrap();
        assert_eq!(principal.tenant().as_str(), "roma");
        assert_eq!(principal.role(), UserRole::System);
        let several = of(&["roma", "kyoto"]);
        assert_eq!(several.principal(Some("kyoto"), 3, 7).unwrap().tenant().as_str(), "kyoto");
        for tenant in ["wien", "", "Roma", "roma "] {
            let refusal = several.principal(Some(tenant), 3, 7).unwrap_err();
            assert_eq!(refusal.code(), ErrorCode::PermissionDenied, "{tenant}");
        }
        assert_eq!(several.principal(None, 3, 7).unwrap_err().code(), ErrorCode::TokenClaims);
        assert!(of(&[]).principal(None, 3, 7).is_err());
    }
}
