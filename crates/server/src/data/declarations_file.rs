//! The format of `declarations.json`: `{ "version": 1, "declarations": [{ tenant, name, schema, .. }] }`.

use std::collections::BTreeMap;

use foodtrack_contract::{DeliveryClass, EventDeclaration, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The format that is read and written.
pub(super) const VERSION: u64 = 1;

/// Declarations by tenant and name.
pub(super) type KeptDeclarations = BTreeMap<(TenantId, String), KeptDeclaration>;

/// A declaration as it stands in the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KeptDeclaration {
    tenant: String,
    name: String,
    /// As text, read by itself: a schema is then as deep here as it was in its request, and what was accepted once is
    /// not too deep to be read back.
    schema: Box<RawValue>,
    delivery_class: DeliveryClass,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

impl KeptDeclaration {
    pub(super) fn new(
        tenant: &TenantId,
        declaration: &EventDeclaration,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            tenant: tenant.as_str().into(),
            name: declaration.name.clone(),
            schema: serde_json::value::to_raw_value(&declaration.schema)?,
            delivery_class: declaration.delivery_class,
            description: declaration.description.clone(),
        })
    }

    /// What a restart makes of it.
    pub(super) fn declaration(&self) -> Result<EventDeclaration, serde_json::Error> {
        Ok(EventDeclaration {
            name: self.name.clone(),
            schema: serde_json::from_str(self.schema.get())?,
            delivery_class: self.delivery_class,
            description: self.description.clone(),
        })
    }
}

/// Why the file's bytes are no declarations.
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

pub(super) fn encode(kept: &KeptDeclarations) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(Serialize)]
    struct Whole<'a> {
        version: u64,
        declarations: Vec<&'a KeptDeclaration>,
    }
    serde_json::to_vec(&Whole { version: VERSION, declarations: kept.values().collect() })
}

pub(super) fn decode(bytes: &[u8]) -> Result<KeptDeclarations, DecodeError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u64,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Whole {
        #[serde(rename = "version")]
        _version: u64,
        declarations: Vec<KeptDeclaration>,
    }
    // First the version alone: another one's fields may be any.
    let Versioned { version } = serde_json::from_slice(bytes)?;
    if version != VERSION {
        return Err(DecodeError::Version(version));
    }
    let Whole { declarations, .. } = serde_json::from_slice(bytes)?;
    let mut kept = KeptDeclarations::new();
    for one in declarations {
        let tenant = TenantId::parse(&one.tenant)
            .map_err(|error| DecodeError::Damaged(format!("tenant {:?}: {error}", one.tenant)))?;
        let key = (tenant, one.name.clone());
        if let Some(twice) = kept.insert(key, one) {
            let (name, tenant) = (twice.name, twice.tenant);
            return Err(DecodeError::Damaged(format!("{name} of tenant {tenant} is there twice")));
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"version":1,"declarations":[{"tenant":"t1","name":"loyalty:earned","schema":{"type":"object"},"deliveryClass":"durable"}]}"#;

    #[test]
    fn what_is_written_is_read_back() {
        let kept = decode(GOOD.as_bytes()).unwrap();
        assert_eq!(encode(&kept).unwrap(), GOOD.as_bytes());
        let declaration = kept.values().next().unwrap().declaration().unwrap();
        assert_eq!(declaration.name, "loyalty:earned");
        assert_eq!(declaration.delivery_class, DeliveryClass::Durable);
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
        for (text, version) in [(r#"{"version":2,"tenants":{}}"#, 2), (r#"{"version":0}"#, 0)] {
            let Err(DecodeError::Version(said)) = decode(text.as_bytes()) else { panic!("{text}") };
            assert_eq!(said, version);
        }
    }
}
