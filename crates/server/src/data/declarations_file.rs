//! `declarations.json`: what every tenant declared, as earlier versions of the server kept it (format version 1), or the mark that
//! each tenant has a file of its own, which keeps those versions from starting without them.

use std::collections::BTreeMap;

use foodtrack_contract::{DeliveryClass, TenantId};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::tenant_file::{KeptDeclaration, KeptTenant, VERSION};

/// What the file says.
#[derive(Debug)]
pub(super) enum DeclarationsFile {
    /// All declarations, by tenant.
    Whole(BTreeMap<TenantId, KeptTenant>),
    /// Each tenant has a file.
    PerTenant,
}

/// Why a file's bytes are no declarations.
#[derive(Debug)]
pub(super) enum DecodeError {
    Damaged(String),
    Version(u64),
}

impl From<serde_json::Error> for DecodeError {
    fn from(error: serde_json::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// The format's version that a file says. It is read first and alone: another version's fields may be any.
pub(super) fn version_of(bytes: &[u8]) -> Result<u64, DecodeError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u64,
    }
    let Versioned { version } = serde_json::from_slice(bytes)?;
    Ok(version)
}

/// The mark that each tenant has a file of its own.
pub(super) fn mark() -> Vec<u8> {
    format!("{{\"version\":{VERSION}}}\n").into_bytes()
}

pub(super) fn decode(bytes: &[u8]) -> Result<DeclarationsFile, DecodeError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Whole {
        #[serde(rename = "version")]
        _version: u64,
        declarations: Vec<Declaration>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Declaration {
        tenant: String,
        name: String,
        schema: Box<RawValue>,
        delivery_class: DeliveryClass,
        #[serde(default)]
        description: Option<String>,
    }
    match version_of(bytes)? {
        1 => {}
        VERSION => return Ok(DeclarationsFile::PerTenant),
        version => return Err(DecodeError::Version(version)),
    }
    let Whole { declarations, .. } = serde_json::from_slice(bytes)?;
    let mut kept: BTreeMap<TenantId, KeptTenant> = BTreeMap::new();
    for one in declarations {
        let tenant = TenantId::parse(&one.tenant)
            .map_err(|error| DecodeError::Damaged(format!("tenant {:?}: {error}", one.tenant)))?;
        let Declaration { name, schema, delivery_class, description, .. } = one;
        let of_tenant = kept.entry(tenant.clone()).or_default();
        let kept = KeptDeclaration { name: name.clone(), schema, delivery_class, description };
        if of_tenant.declarations.insert(name.clone(), kept).is_some() {
            return Err(DecodeError::Damaged(format!("{name} of tenant {tenant} is there twice")));
        }
    }
    Ok(DeclarationsFile::Whole(kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"version":1,"declarations":[{"tenant":"t1","name":"loyalty:earned","schema":{"type":"object"},"deliveryClass":"durable"}]}"#;

    #[test]
    fn what_earlier_versions_kept_is_read_and_the_mark_too() {
        let Ok(DeclarationsFile::Whole(kept)) = decode(GOOD.as_bytes()) else { panic!() };
        let of_tenant = &kept[&TenantId::parse("t1").unwrap()];
        let declaration = of_tenant.declarations["loyalty:earned"].declaration().unwrap();
        assert_eq!(declaration.delivery_class, DeliveryClass::Durable);
        assert!(matches!(decode(&mark()), Ok(DeclarationsFile::PerTenant)));
    }

    #[test]
    fn every_torn_file_is_damaged() {
        for length in 0..GOOD.len() {
            let torn = decode(&GOOD.as_bytes()[..length]);
            assert!(matches!(torn, Err(DecodeError::Damaged(_))), "{length} bytes");
        }
    }

    #[test]
    fn what_a_server_did_not_write_is_damaged() {
        let twice = GOOD.replace("}]}", "},{\"tenant\":\"t1\",\"name\":\"loyalty:earned\",\"schema\":{},\"deliveryClass\":\"durable\"}]}");
        for text in [
            twice,
            GOOD.replace("t1", "t 1"),
            GOOD.replace("durable", "eternal"),
            GOOD.replace("\"tenant\"", "\"extra\":1,\"tenant\""),
            GOOD.replace("{\"version\":1,", "{"),
            format!("{GOOD}{GOOD}"),
        ] {
            assert!(matches!(decode(text.as_bytes()), Err(DecodeError::Damaged(_))), "{text}");
        }
    }

    #[test]
    fn another_version_is_told_apart_whatever_else_it_holds() {
        for (text, version) in [(r#"{"version":3,"tenants":{}}"#, 3), (r#"{"version":0}"#, 0)] {
            let Err(DecodeError::Version(said)) = decode(text.as_bytes()) else { panic!("{text}") };
            assert_eq!(said, version);
        }
    }
}
