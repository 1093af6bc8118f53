//! The schemas in force: the built-in ones, and those that tenants declared.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::AHashMap;
use jsonschema::Validator;
use serde_json::Value;

use crate::event_hint::meant_event;
use crate::payload::{BuiltinSchemas, check_depth, lenient_entities};
use crate::schema_cost::SchemaCost;
use crate::surrogates::without_lone_surrogates;
use crate::violation::Violation;
use crate::{
    DeliveryClass, Entities, ErrorCode, EventDeclaration, EventName, EventType, Refusal, TenantId,
};

/// How many event types a tenant may declare.
pub const DECLARATIONS_MAX: usize = 256;
/// How many bytes of JSON the schemas of a tenant's event types may take together.
pub const DECLARED_SCHEMAS_BYTES_MAX: usize = 1024 * 1024;
/// How many patterns the schemas of a tenant's event types may have together.
pub const DECLARED_PATTERNS_MAX: usize = 256;
/// How large a payload of a declared event type may be unless the configuration says otherwise, in bytes.
pub const DECLARED_PAYLOAD_BYTES_MAX: usize = 64 * 1024;

/// Compiled schemas: the built-in ones, and those tenants declared. A clone shares what is compiled.
#[derive(Clone)]
pub struct Schemas {
    builtin: &'static BuiltinSchemas,
    declared: AHashMap<TenantId, BTreeMap<Arc<str>, Arc<Declared>>>,
    declared_payload_bytes_max: usize,
}

struct Declared {
    declaration: EventDeclaration,
    validator: Validator,
    cost: SchemaCost,
    schema_bytes: usize,
}

impl Schemas {
    /// The built-in ones; they compile once per process.
    pub fn new() -> Self {
        Self {
            builtin: BuiltinSchemas::get(),
            declared: AHashMap::new(),
            declared_payload_bytes_max: DECLARED_PAYLOAD_BYTES_MAX,
        }
    }

    /// Bounds the payloads of declared event types, in bytes; a schema that is dear to check has a smaller bound.
    #[must_use]
    pub fn with_declared_payload_bytes_max(mut self, bytes: usize) -> Self {
        self.declared_payload_bytes_max = bytes;
        self
    }

    /// Declares an event type for `tenant`, or replaces its earlier declaration.
    ///
    /// # Errors
    /// [`ErrorCode::DeclarationInvalid`]: the name is not free or not well-formed, the schema does not compile or
    /// reaches outside itself, it would be too dear to check (the pointer names the dearest part), or the tenant has as
    /// many, as large or as many patterns as it may have. What was declared before stays.
    pub fn declare(
        &mut self,
        tenant: &TenantId,
        declaration: EventDeclaration,
    ) -> Result<(), Refusal> {
        let (validator, cost) = declaration.compile()?;
        let declared = self.declared.entry(tenant.clone()).or_default();
        let name: Arc<str> = declaration.name.as_str().into();
        if declared.len() >= DECLARATIONS_MAX && !declared.contains_key(&name) {
            let message = "a tenant declares at most 256 event types";
            return Err(Refusal::new(ErrorCode::DeclarationInvalid, message).of_event(&*name));
        }
        let schema_bytes = declaration.schema_bytes();
        let others = || declared.iter().filter(|(other, _)| **other != name).map(|(_, one)| one);
        let bytes = others().map(|one| one.schema_bytes).sum::<usize>() + schema_bytes;
        let patterns = others().map(|one| one.cost.patterns).sum::<usize>() + cost.patterns;
        if bytes > DECLARED_SCHEMAS_BYTES_MAX || patterns > DECLARED_PATTERNS_MAX {
            let message = "the schemas of a tenant's event types take at most 1048576 bytes together, and have at most 256 patterns";
            let refusal = Refusal::new(ErrorCode::DeclarationInvalid, message).of_event(&*name);
            return Err(refusal.at("/schema", "maxLength"));
        }
        declared.insert(name, Arc::new(Declared { declaration, validator, cost, schema_bytes }));
        Ok(())
    }

    /// Takes a declaration back; `false` where there was none.
    pub fn withdraw(&mut self, tenant: &TenantId, name: &str) -> bool {
        let Some(declared) = self.declared.get_mut(tenant) else { return false };
        let withdrawn = declared.remove(name).is_some();
        if declared.is_empty() {
            self.declared.remove(tenant);
        }
        withdrawn
    }

    /// What `tenant` declared, by name.
    pub fn declared(&self, tenant: &TenantId) -> impl Iterator<Item = &EventDeclaration> {
        self.declared.get(tenant).into_iter().flat_map(BTreeMap::values).map(|one| &one.declaration)
    }

    /// The event type of this name, built in or declared by `tenant`.
    ///
    /// # Errors
    /// [`ErrorCode::EventUnknown`], which names the nearest event of the built-in and the tenant's own.
    pub fn resolve(&self, tenant: &TenantId, name: &str) -> Result<EventName, Refusal> {
        if let Some(event_type) = EventType::from_wire(name) {
            return Ok(event_type.into());
        }
        let declared = self.declared.get(tenant);
        match declared.and_then(|declared| declared.get_key_value(name)) {
            Some((name, _)) => Ok(EventName::Declared(name.clone())),
            None => {
                let declared = declared.into_iter().flat_map(BTreeMap::keys);
                Err(unknown(name, meant_event(name, declared.map(|name| &**name))))
            }
        }
    }

    /// How events of this type travel. What was withdrawn meanwhile travels as recoverable.
    pub fn delivery_class(&self, tenant: &TenantId, event: &EventName) -> DeliveryClass {
        match event {
            EventName::Builtin(event_type) => event_type.delivery_class(),
            EventName::Declared(name) => self
                .find(tenant, name)
                .map_or(DeliveryClass::Recoverable, |one| one.declaration.delivery_class),
        }
    }

    /// Checks `payload`, raw JSON text, against the schema of its event type, and says what it is about.
    ///
    /// A refusal's pointer is relative to the payload and its rule is the JSON Schema keyword, or `duplicate` for a
    /// field that is there twice, or `syntax` for text that does not read as JSON. A missing field is pointed at where it
    /// should be; `depth` points at what is nested deeper than [`PAYLOAD_DEPTH_MAX`](crate::PAYLOAD_DEPTH_MAX). Cost: two
    /// passes over the text for a built-in type; a declared type's payload becomes a tree. Half of a surrogate pair counts
    /// as a character, and may stand anywhere but in identifiers (rule `unicode`).
    ///
    /// # Errors
    /// - [`ErrorCode::PayloadInvalid`]: it breaks the schema; the message never quotes it.
    /// - [`ErrorCode::PayloadTooLarge`]: it is larger than payloads of its declared event type may be.
    /// - [`ErrorCode::EventReserved`]: only the server sends such events.
    /// - [`ErrorCode::EventUnknown`]: the declaration was withdrawn.
    pub fn validate<'a>(
        &self,
        tenant: &TenantId,
        event: &EventName,
        payload: &'a str,
    ) -> Result<Entities<'a>, Refusal> {
        self.check_depth(event, payload)?;
        match self.check(tenant, event, payload) {
            Err(refusal) if refusal.code() == ErrorCode::PayloadInvalid => {
                match without_lone_surrogates(payload) {
                    Some(whole) => self.check_whole(tenant, event, &whole),
                    None => Err(refusal),
                }
            }
            checked => checked,
        }
    }

    /// As [`Schemas::check`], of a payload whose halves of surrogate pairs were replaced. Such text passes, as between the
    /// library's own servers and clients; only what it is about may have none.
    #[cold]
    fn check_whole(
        &self,
        tenant: &TenantId,
        event: &EventName,
        whole: &str,
    ) -> Result<Entities<'static>, Refusal> {
        let entities = self.check(tenant, event, whole)?;
        match entities.field_that(|id| id.contains(char::REPLACEMENT_CHARACTER)) {
            Some(field) => Err(Violation::half_character(field).refusal(event)),
            None => Ok(entities.into_owned()),
        }
    }

    fn check<'a>(
        &self,
        tenant: &TenantId,
        event: &EventName,
        payload: &'a str,
    ) -> Result<Entities<'a>, Refusal> {
        match event {
            EventName::Builtin(event_type) => {
                self.builtin.validate(*event_type, payload).map_err(|violation| match violation {
                    Some(violation) => violation.refusal(event),
                    None => reserved(*event_type),
                })
            }
            EventName::Declared(name) => {
                let declared = self.find(tenant, name).ok_or_else(|| unknown(name, None))?;
                let bytes_max = declared.payload_bytes_max(self.declared_payload_bytes_max);
                if payload.len() > bytes_max {
                    let message = format!("the payload of {event} is over {bytes_max} bytes");
                    let refusal = Refusal::new(ErrorCode::PayloadTooLarge, message);
                    return Err(refusal.of_event(event.as_str()).at("", "maxLength"));
                }
                declared.validate(payload).map_err(|violation| violation.refusal(event))
            }
        }
    }

    /// Checks that `payload`, raw JSON text, can be sent in every form that clients read. [`Schemas::validate`] does;
    /// this is for the events that it refuses because only the server sends them.
    ///
    /// # Errors
    /// [`ErrorCode::PayloadInvalid`], as there.
    pub fn check_depth(&self, event: &EventName, payload: &str) -> Result<(), Refusal> {
        check_depth(payload).map_err(|violation| violation.refusal(event))
    }

    /// What [`Schemas::validate`] costs at worst for a payload of so many bytes, in microseconds: 0 for built-in event
    /// types and for payloads that are refused for their size.
    pub fn check_us(&self, tenant: &TenantId, event: &EventName, payload_bytes: usize) -> u32 {
        let EventName::Declared(name) = event else { return 0 };
        self.find(tenant, name).map_or(0, |declared| {
            let bytes_max = declared.payload_bytes_max(self.declared_payload_bytes_max);
            if payload_bytes > bytes_max { 0 } else { declared.cost.check_us(payload_bytes) }
        })
    }

    fn find(&self, tenant: &TenantId, name: &str) -> Option<&Declared> {
        self.declared.get(tenant)?.get(name).map(Arc::as_ref)
    }
}

impl Default for Schemas {
    fn default() -> Self {
        Self::new()
    }
}

impl Declared {
    fn payload_bytes_max(&self, configured: usize) -> usize {
        self.cost.payload_bytes_max().min(configured)
    }

    fn validate<'a>(&self, payload: &'a str) -> Result<Entities<'a>, Violation> {
        let tree: Value = serde_json::from_str(payload).map_err(|_| Violation::syntax())?;
        if !self.validator.is_valid(&tree) {
            if !self.cost.explains(payload.len()) {
                return Err(Violation::unexplained());
            }
            self.validator.validate(&tree).map_err(|error| Violation::of_schema(&error))?;
        }
        lenient_entities(payload)
    }
}

fn unknown(name: &str, meant: Option<&str>) -> Refusal {
    // The name is the sender's word: enough of it to recognise it.
    let name: String = name.chars().take(128).collect();
    let about = ErrorCode::EventUnknown.about();
    let message = match meant {
        Some(meant) => Cow::Owned(format!("{about} Did you mean {meant}?")),
        None => Cow::Borrowed(about),
    };
    Refusal::new(ErrorCode::EventUnknown, message).of_event(name)
}

fn reserved(event_type: EventType) -> Refusal {
    Refusal::new(ErrorCode::EventReserved, ErrorCode::EventReserved.about())
        .of_event(event_type.as_str())
}
