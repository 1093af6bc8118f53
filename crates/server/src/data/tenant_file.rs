//! The format of a tenant's file in `declarations/`: `{ "version": 2, "tenant": "t1", "declarations": [..], "rules": [..] }`, and
//! with `"redactions": [..]` version 3: an earlier version of the server would deliver what they hide.

use std::collections::BTreeMap;

use foodtrack_contract::{DeliveryClass, EventDeclaration, TenantId};
use foodtrack_router::{Redaction, Rule};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::declarations_file::{DecodeError, version_of};

/// The format without redactions, which is that of the mark, too.
pub(super) const VERSION: u64 = 2;
/// The newest one that is read.
pub(super) const VERSION_MAX: u64 = VERSION_WITH_REDACTIONS;
const VERSION_WITH_REDACTIONS: u64 = 3;

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

/// What one tenant declared: event types by name, rules and redactions by id.
#[derive(Clone, Debug, Default)]
pub(super) struct KeptTenant {
    pub(super) declarations: BTreeMap<String, KeptDeclaration>,
    pub(super) rules: BTreeMap<String, Rule>,
    pub(super) redactions: BTreeMap<String, Redaction>,
}

impl KeptTenant {
    pub(super) fn is_empty(&self) -> bool {
        self.declarations.is_empty() && self.rules.is_empty() && self.redactions.is_empty()
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
        #[serde(skip_serializing_if = "Vec::is_empty")]
        redactions: Vec<&'a Redaction>,
    }
    serde_json::to_vec(&Whole {
        version: if kept.redactions.is_empty() { VERSION } else { VERSION_WITH_REDACTIONS },
        tenant: tenant.as_str(),
        declarations: kept.declarations.values().collect(),
        rules: kept.rules.values().collect(),
        redactions: kept.redactions.values().collect(),
    })
}

/// Reads the file of `tenant`; one that says another's name, in it, in a rule or in a redaction, is damaged.
pub(super) fn decode(tenant: &TenantId, bytes: &[u8]) -> Result<KeptTenant, DecodeError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Whole {
        #[serde(rename = "version")]
        _version: u64,
        tenant: String,
        declarations: Vec<KeptDeclaration>,
        rules: Vec<Rule>,
        #[serde(default)]
        redactions: Vec<Redaction>,
    }
    let version = version_of(bytes)?;
    if !(VERSION..=VERSION_MAX).contains(&version) {
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
    for redaction in whole.redactions {
        let id = &redaction.id;
        if redaction.tenant.as_ref() != Some(tenant) {
            return Err(DecodeError::Damaged(format!("redaction {id:?} is not this tenant's")));
        }
        if let Some(twice) = kept.redactions.insert(id.clone(), redaction) {
            return Err(DecodeError::Damaged(format!("redaction {:?} is there twice", twice.id)));
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
    fn with_redactions_it_is_of_a_version_that_earlier_servers_refuse() {
        let text = GOOD.replace("\"version\":2", "\"version\":3").replace(
            "}]}",
            r#"}],"redactions":[{"id":"costs","tenant":"t1","events":"order:*","fields":["/cost"],"hideFrom":["customer"]}]}"#,
        );
        let kept = decode(&tenant(), text.as_bytes()).unwrap();
        assert_eq!(kept.redactions.len(), 1);
        assert_eq!(String::from_utf8(encode(&tenant(), &kept).unwrap()).unwrap(), text);
        let of_another = text.replace("\"costs\",\"tenant\":\"t1\"", "\"costs\",\"tenant\":\"t2\"");
        let decoded = decode(&tenant(), of_another.as_bytes());
        assert!(matches!(decoded, Err(DecodeError::Damaged(_))), "{of_another}");
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
        let later = decode(&tenant(), br#"{"version":4,"tenants":{}}"#);
        assert!(matches!(later, Err(DecodeError::Version(4))));
    }
}
