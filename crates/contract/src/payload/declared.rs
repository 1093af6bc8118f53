//! What the payload of a declared event is about.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Entities;
use crate::is_identifier;
use crate::violation::{Violation, is_object};

/// The well-known identifiers among the payload's own fields. Only the tenant's schema says which of them must be
/// there, so one that is no identifier is skipped; a payload that is no object is about nothing.
///
/// # Errors
/// A well-known field that is there twice, or text that is no JSON.
pub(crate) fn lenient_entities(payload: &str) -> Result<Entities<'_>, Violation> {
    if !is_object(payload) {
        return Ok(Entities::default());
    }
    let mut deserializer = serde_json::Deserializer::from_str(payload);
    let fields: Fields<'_> = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| Violation::of_reading(&error))?;
    Ok(Entities {
        order_id: fields.order_id.0,
        customer_id: fields.customer_id.0,
        station_id: fields.station_id.0.or(fields.assigned_station.0),
        route_id: fields.route_id.0,
        assignee_id: fields.assignee_id.0,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow, default)]
    order_id: MaybeIdentifier<'a>,
    #[serde(borrow, default)]
    customer_id: MaybeIdentifier<'a>,
    #[serde(borrow, default)]
    station_id: MaybeIdentifier<'a>,
    #[serde(borrow, default)]
    assigned_station: MaybeIdentifier<'a>,
    #[serde(borrow, default)]
    route_id: MaybeIdentifier<'a>,
    #[serde(borrow, default)]
    assignee_id: MaybeIdentifier<'a>,
}

#[derive(Default)]
struct MaybeIdentifier<'a>(Option<Cow<'a, str>>);

struct MaybeIdentifierVisitor;

impl<'de> Visitor<'de> for MaybeIdentifierVisitor {
    type Value = MaybeIdentifier<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(MaybeIdentifier(is_identifier(text).then_some(Cow::Borrowed(text))))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(MaybeIdentifier(is_identifier(text).then(|| Cow::Owned(text.to_owned()))))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(MaybeIdentifier(None))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(MaybeIdentifier(None))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(MaybeIdentifier(None))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(MaybeIdentifier(None))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(MaybeIdentifier(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(MaybeIdentifier(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(MaybeIdentifier(None))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for MaybeIdentifier<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MaybeIdentifierVisitor)
    }
}
