//! The format of a tenant's file in `declarations/`: `{ "version": 2, "tenant": "t1", "declarations": [..], "rules": [..] }`.

use std::collections::BTreeMap;

use foodtrack_contract::{DeliveryClass, EventDeclaration, TenantId};
use foodtrack_router::Rule;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::declarations_file::{DecodeError, version_of};

/// The format that is read and written.
pub(super) const VERSION: u64 = 2;

/// A declaration as it stands in the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KeptDeclaration {
    pub(super) name: String,
    /// As text, read by itself: a schema is then as deep here as it was in its request, and what was accepted once is
    /// not too deep to be read back.
    pub(super) schema: Box<RawValue>,
    pub(super) delivery_class: DeliveryClass,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
}

impl KeptDeclaration {
    pub(super) fn new(declaration: &EventDeclaration) -> Result<Self, serde_json::Error> {
        Ok(Self {
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

/// What one tenant declared: event types by name, and rules by id.
#[derive(Clone, Debug, Default)]
pub(super) struct KeptTenant {
    pub(super) declarations: BTreeMap<String, KeptDeclaration>,
    pub(super) rules: BTreeMap<String, Rule>,
}

impl KeptTenant {
    pub(super) fn is_empty(&self) -> bool {
        self.declarations.is_empty() && self.rules.is_empty()
    }
}

/// The name of a tenant's file: a tenant's id has nothing in it that a file's name must not have.
pub(super) fn file_name(tenant: &TenantId) -> String {
    format!("{tenant}.json")
}

/// Whose file it is by its name.
pub(super) fn tenant_of(file_name: &str) -> Option<TenantId> {
    TenantId::parse(file_name.strip_suffix(".json")?).ok()
}

pub(super) fn encode(tenant: &TenantId, kept: &KeptTenant) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(Serialize)]
    struct Whole<'a> {
        version: u64,
        tenant: &'a str,
        declarations: Vec<&'a KeptDeclaration>,
        rules: Vec<&'a Rule>,
    }
    serde_json::to_vec(&Whole {
        version: VERSION,
        tenant: tenant.as_str(),
        declarations: kept.declarations.values().collect(),
        rules: kept.rules.values().collect(),
    })
}

/// Reads the file of `tenant`; one that says another's name, in it or in a rule, is damaged.
pub(super) fn decode(tenant: &TenantId, bytes: &[u8]) -> Result<KeptTenant, DecodeError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Whole {
        #[serde(rename = "version")]
        _version: u64,
        tenant: String,
        declarations: Vec<KeptDeclaration>,
        rules: Vec<Rule>,
    }
    let version = version_of(bytes)?;
    if version != VERSION {
        return Err(DecodeError::Version(version));
    }
    let whole: Whole = serde_json::from_slice(bytes)?;
    if whole.tenant != tenant.as_str() {
        return Err(DecodeError::Damaged(format!("it is of tenant {:?}", whole.tenant)));
    }
    let mut kept = KeptTenant::default();
    for one in whole.declarations {
        if let Some(twice) = kept.declarations.insert(one.name.clone(), one) {
            return Err(DecodeError::Damaged(format!("{} is there twice", twice.name)));
        }
    }
    for rule in whole.rules {
        if rule.tenant.as_ref() != Some(tenant) {
            return Err(DecodeError::Damaged(format!("rule {:?} is not this tenant's", rule.id)));
        }
        if let Some(twice) = kept.rules.insert(rule.id.clone(), rule) {
            return Err(DecodeError::Damaged(format!("rule {:?} is there twice", twice.id)));
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"version":2,"tenant":"t1","declarations":[{"name":"loyalty:earned","schema":{"type":"object"},"deliveryClass":"durable"}],"rules":[{"id":"r1","tenant":"t1","events":"loyalty:earned","from":["system"],"to":["client_app"]}]}"#;

    fn tenant() -> TenantId {
        TenantId::parse("t1").unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let kept = decode(&tenant(), GOOD.as_bytes()).unwrap();
        assert_eq!(encode(&tenant(), &kept).unwrap(), GOOD.as_bytes());
        let declaration = kept.declarations["loyalty:earned"].declaration().unwrap();
        assert_eq!(declaration.delivery_class, DeliveryClass::Durable);
        assert_eq!(tenant_of(&file_name(&tenant())), Some(tenant()));
        for name in ["t1", "t 1.json", ".json", "t1.json~"] {
            assert_eq!(tenant_of(name), None, "{name}");
        }
    }

    #[test]
    fn every_torn_file_and_every_other_tenant_s_is_damaged() {
        for length in 0..GOOD.len() {
            let torn = decode(&tenant(), &GOOD.as_bytes()[..length]);
            assert!(matches!(torn, Err(DecodeError::Damaged(_))), "{length} bytes");
        }
        let one = GOOD.split_once("[{").unwrap().1.split_once("}],").unwrap().0;
        for text in [
            GOOD.replace(one, &format!("{one}}},{{{one}")),
            GOOD.replacen("\"t1\"", "\"t2\"", 1),
            GOOD.replace("\"id\":\"r1\",\"tenant\":\"t1\"", "\"id\":\"r1\",\"tenant\":\"t2\""),
            GOOD.replace("\"id\":\"r1\",\"tenant\":\"t1\"", "\"id\":\"r1\""),
            GOOD.replace("durable", "eternal"),
            GOOD.replace("{\"version\":2,", "{"),
            format!("{GOOD}{GOOD}"),
        ] {
            let decoded = decode(&tenant(), text.as_bytes());
            assert!(matches!(decoded, Err(DecodeError::Damaged(_))), "{text}");
        }
        let later = decode(&tenant(), br#"{"version":3,"tenants":{}}"#);
        assert!(matches!(later, Err(DecodeError::Version(3))));
    }
}
