//! Of which tenants an issuer may speak.

use foodtrack_contract::TenantId;

/// Of which tenants an issuer may speak.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum TenantSet {
    /// Of all.
    #[default]
    All,
    /// Of those with one of these names, or that begin with one of these.
    Some {
        /// Whole names.
        names: Vec<String>,
        /// Beginnings of names.
        prefixes: Vec<String>,
    },
}

impl TenantSet {
    /// Reads names and patterns: `pizza-roma`, `chain-*`; none means all.
    ///
    /// # Errors
    /// The text that is neither.
    pub fn parse(patterns: &[String]) -> Result<Self, String> {
        if patterns.is_empty() {
            return Ok(Self::All);
        }
        let (mut names, mut prefixes) = (Vec::new(), Vec::new());
        for pattern in patterns {
            let (stem, all) = match pattern.strip_suffix('*') {
                Some(stem) => (stem, &mut prefixes),
                None => (pattern.as_str(), &mut names),
            };
            if TenantId::parse(stem).is_err() {
                return Err(pattern.clone());
            }
            all.push(stem.to_owned());
        }
        Ok(Self::Some { names, prefixes })
    }

    /// Whether a tenant is one of them.
    pub fn contains(&self, tenant: &TenantId) -> bool {
        let tenant = tenant.as_str();
        match self {
            Self::All => true,
            Self::Some { names, prefixes } => {
                names.iter().any(|name| name == tenant)
                    || prefixes.iter().any(|prefix| tenant.starts_with(prefix.as_str()))
            }
        }
    }
}
