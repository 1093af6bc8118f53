//! What Redis answers, as what it means.

use std::str::FromStr;

use foodtrack_contract::{Offset, TenantId};
use redis::Value;

pub(super) fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}

pub(super) fn text(value: &Value) -> Option<&str> {
    std::str::from_utf8(bytes(value)?).ok()
}

pub(super) fn number<T: FromStr + TryFrom<i64>>(value: &Value) -> Option<T> {
    match value {
        Value::Int(number) => T::try_from(*number).ok(),
        other => text(other)?.parse().ok(),
    }
}

pub(super) fn parsed(text: &str) -> Option<Offset> {
    text.parse().ok().and_then(Offset::new)
}

pub(super) fn offset(value: &Value) -> Option<Offset> {
    number(value).and_then(Offset::new)
}

pub(super) fn array(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(values) | Value::Set(values) => Some(values),
        _ => None,
    }
}

/// The tenants that a set names.
pub(super) fn tenants(names: &Value) -> Vec<TenantId> {
    let names = array(names).unwrap_or_default().iter().filter_map(text);
    names.filter_map(|name| TenantId::parse(name).ok()).collect()
}

/// Fields and values of a hash, whichever version of the protocol brought them.
pub(super) fn pairs(value: &Value) -> Vec<(&Value, &Value)> {
    match value {
        Value::Map(pairs) => pairs.iter().map(|(field, value)| (field, value)).collect(),
        Value::Array(values) => values.as_chunks::<2>().0.iter().map(|[a, b]| (a, b)).collect(),
        _ => Vec::new(),
    }
}
