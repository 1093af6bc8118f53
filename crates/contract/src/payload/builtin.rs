//! The schemas of the built-in event types, made from the types that read them.

use std::sync::LazyLock;

use jsonschema::Validator;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};

use super::Entities;
use super::kinds::{self, Payload};
use crate::violation::{self, Violation};
use crate::{EventType, Message};

/// Calls `$function::<the payload type of $event_type>($argument...)`; `$otherwise` where clients have no such event.
macro_rules! for_payload_of {
    ($event_type:expr, $otherwise:expr, $function:ident($($argument:expr),*)) => {{
        use EventType as E;
        match $event_type {
            E::OrderCreated | E::OrderUpdated | E::OrderCancelled => {
                $function::<kinds::Order<'_>>($($argument),*)
            }
            E::OrderStatusChanged => $function::<kinds::OrderStatusChanged<'_>>($($argument),*),
            E::OrderAssigned => $function::<kinds::OrderAssigned<'_>>($($argument),*),
            E::KitchenOrderReceived
            | E::KitchenPreparationStarted
            | E::KitchenPreparationCompleted => $function::<kinds::Kitchen<'_>>($($argument),*),
            E::KitchenNotification => $function::<kinds::KitchenNotification<'_>>($($argument),*),
            E::KitchenStationAssignment => {
                $function::<kinds::KitchenStationAssignment<'_>>($($argument),*)
            }
            E::DeliveryAssigned => $function::<kinds::DeliveryAssigned<'_>>($($argument),*),
            E::DeliveryPickedUp
            | E::DeliveryInTransit
            | E::DeliveryCompleted
            | E::DeliveryDelayed => $function::<kinds::Delivery<'_>>($($argument),*),
            E::DeliveryLocationUpdated => {
                $function::<kinds::DeliveryLocationUpdated<'_>>($($argument),*)
            }
            E::InventoryLowStock => $function::<kinds::InventoryLowStock<'_>>($($argument),*),
            E::InventoryUsageUpdate => {
                $function::<kinds::InventoryUsageUpdate<'_>>($($argument),*)
            }
            E::ProductCreated | E::ProductUpdated | E::ProductDeleted => {
                $function::<kinds::Product<'_>>($($argument),*)
            }
            E::ProductAvailabilityChanged => {
                $function::<kinds::ProductAvailabilityChanged<'_>>($($argument),*)
            }
            E::QualityIssueReported => {
                $function::<kinds::QualityIssueReported<'_>>($($argument),*)
            }
            E::StationHelpRequested => {
                $function::<kinds::StationHelpRequested<'_>>($($argument),*)
            }
            E::NotificationAlert | E::NotificationInfo | E::NotificationWarning => {
                $function::<kinds::Notification>($($argument),*)
            }
            E::TenantMetrics => $function::<kinds::TenantMetrics>($($argument),*),
            E::SystemConnectionEstablished
            | E::SystemHeartbeat
            | E::SystemError
            | E::SystemReconnectionRequired
            | E::SystemMetrics => $otherwise,
        }
    }};
}

/// The compiled schemas of the built-in event types. One set serves the process.
pub(crate) struct BuiltinSchemas {
    /// By [`EventType`] as a number; `None` for what only the server sends.
    validators: Vec<Option<Validator>>,
}

impl BuiltinSchemas {
    /// The process's set; compiled by the first who asks.
    pub(crate) fn get() -> &'static Self {
        static SCHEMAS: LazyLock<BuiltinSchemas> = LazyLock::new(BuiltinSchemas::compile);
        &SCHEMAS
    }

    fn compile() -> Self {
        let compile = |event_type: &EventType| {
            let schema = schema_of(*event_type)?;
            let validator = jsonschema::options().offline().build(&schema);
            Some(validator.expect("the schema made from a payload's type compiles"))
        };
        Self { validators: EventType::ALL.iter().map(compile).collect() }
    }

    /// Checks `payload`, and says what it is about.
    ///
    /// # Errors
    /// The violation of its schema; `None` where the event type is the server's own.
    pub(crate) fn validate<'a>(
        &self,
        event_type: EventType,
        payload: &'a str,
    ) -> Result<Entities<'a>, Option<Violation>> {
        match self.validator(event_type) {
            Some(validator) => {
                read(event_type, payload).map_err(|_| Some(explain(event_type, validator, payload)))
            }
            None => Err(None),
        }
    }

    /// The schema of `event_type`, compiled; `None` where the event type is the server's own.
    pub(super) fn validator(&self, event_type: EventType) -> Option<&Validator> {
        self.validators.get(event_type as usize)?.as_ref()
    }
}

/// Reads the payload straight from its text. No tree is built; nothing is allocated unless an identifier has escapes.
pub(super) fn read<'a>(event_type: EventType, payload: &'a str) -> Result<Entities<'a>, Unread> {
    fn one<'a, P: Payload<'a>>(payload: &'a str) -> Result<Entities<'a>, Unread> {
        serde_json::from_str::<P>(payload).map(Payload::entities).map_err(|_| Unread)
    }
    // Serde's structs read lists too, by position.
    if !violation::is_object(payload) {
        return Err(Unread);
    }
    for_payload_of!(event_type, Err(Unread), one(payload))
}

/// The fast path says no; the schema says why.
pub(super) struct Unread;

#[cold]
fn explain(event_type: EventType, validator: &Validator, payload: &str) -> Violation {
    fn traced<'a, P: Payload<'a>>(payload: &'a str) -> Violation {
        let mut deserializer = serde_json::Deserializer::from_str(payload);
        match serde_path_to_error::deserialize::<_, P>(&mut deserializer) {
            Ok(_) => Violation::syntax(),
            Err(error) => Violation::of_reading(&error),
        }
    }
    match serde_json::from_str::<Value>(payload) {
        Ok(tree) => match validator.validate(&tree) {
            Err(error) => Violation::of_schema(&error),
            // A tree forgets what the text had twice.
            Ok(()) => for_payload_of!(event_type, Violation::syntax(), traced(payload)),
        },
        Err(_) => for_payload_of!(event_type, Violation::syntax(), traced(payload)),
    }
}

fn schema_of(event_type: EventType) -> Option<Value> {
    fn one<P: JsonSchema>() -> Option<Value> {
        Some(generator().into_root_schema_for::<P>().to_value())
    }
    for_payload_of!(event_type, None, one())
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
}

/// The JSON Schemas (2020-12) of the payloads clients may send, by event type, and `WebSocketMessage`, the envelope's.
pub fn builtin_schemas() -> Value {
    let mut schemas = Map::new();
    let envelope = generator().into_root_schema_for::<Message<'_>>().to_value();
    schemas.insert(String::from("WebSocketMessage"), envelope);
    for event_type in EventType::ALL {
        if let Some(schema) = schema_of(*event_type) {
            schemas.insert(event_type.as_str().to_owned(), schema);
        }
    }
    Value::Object(schemas)
}
