//! A payload that its sender encrypted: what stands outside is checked, and what is inside nobody here reads.
//!
//! It is an object of texts alone: `alg`, `kid`, `iv` and `ciphertext`, and beside them the identifiers that routing needs,
//! such as `orderId`. `docs/guides/encrypted-payloads.md` says what they are and what the ciphertext is bound to.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::Entities;
use crate::{ErrorCode, EventGroup, EventName, EventType, Refusal, is_identifier};

/// The only algorithm: AES-256-GCM.
pub const PAYLOAD_ALGORITHM: &str = "A256GCM";
/// How many fields there may be: the four, and identifiers.
pub const ENCRYPTED_FIELDS_MAX: usize = 20;
/// How long the name of a key may be.
pub const PAYLOAD_KEY_ID_BYTES_MAX: usize = 64;

/// Twelve bytes, as base64url.
const IV_CHARACTERS: usize = 16;
/// The tag alone, as base64url.
const CIPHERTEXT_CHARACTERS_MIN: usize = 22;

/// Checks an encrypted payload of an event, and finds what it is about. Pointers of refusals are relative to the payload.
///
/// # Errors
/// [`ErrorCode::PayloadInvalid`], with the field.
pub fn encrypted_entities<'a>(
    event: &EventName,
    payload: &'a str,
) -> Result<Entities<'a>, Refusal> {
    let Fields(mut fields) = serde_json::from_str(payload).map_err(|error| {
        let sentence = match error.is_data() {
            true => "an encrypted payload is an object of texts, each of them once",
            false => "the payload does not read as JSON",
        };
        wrong("", "type", sentence)
    })?;
    let mut take = |name: &str| {
        let place = fields.iter().position(|(field, _)| field == name);
        place.map(|place| fields.swap_remove(place).1)
    };
    let needed = |name: &str, value: Option<Cow<'a, str>>| {
        value.ok_or_else(|| {
            wrong(&format!("/{name}"), "required", format!("an encrypted payload must have {name}"))
        })
    };
    if needed("alg", take("alg"))? != PAYLOAD_ALGORITHM {
        return Err(wrong("/alg", "const", "alg must be A256GCM"));
    }
    let kid = needed("kid", take("kid"))?;
    if !(1..=PAYLOAD_KEY_ID_BYTES_MAX).contains(&kid.len()) || !kid.bytes().all(is_of_key_id) {
        let sentence = "kid must be 1 to 64 letters, digits, '-', '_', '.' and ':'";
        return Err(wrong("/kid", "pattern", sentence));
    }
    let iv = needed("iv", take("iv"))?;
    if iv.len() != IV_CHARACTERS || !iv.bytes().all(is_of_base64url) {
        return Err(wrong("/iv", "pattern", "iv must be 12 bytes as base64url, without padding"));
    }
    let ciphertext = needed("ciphertext", take("ciphertext"))?;
    let is_whole = ciphertext.len() >= CIPHERTEXT_CHARACTERS_MIN && ciphertext.len() % 4 != 1;
    if !is_whole || !ciphertext.bytes().all(is_of_base64url) {
        let sentence = "ciphertext must be the ciphertext and its tag of 16 bytes as base64url, without padding";
        return Err(wrong("/ciphertext", "pattern", sentence));
    }
    let ids = Ids { take: &mut take };
    let entities = ids.entities(event)?;
    match fields.iter().find(|(name, value)| !is_name(name) || !is_identifier(value)) {
        Some((name, _)) => {
            let sentence = "what stands outside of an encrypted payload are identifiers: names of letters and digits, and texts of 1 to 128 characters";
            let pointer = if is_name(name) { format!("/{name}") } else { String::new() };
            Err(wrong(&pointer, "pattern", sentence))
        }
        None => Ok(entities),
    }
}

/// The identifiers that this server knows, taken off the fields.
struct Ids<'f, F> {
    take: &'f mut F,
}

impl<'a, F: FnMut(&str) -> Option<Cow<'a, str>>> Ids<'_, F> {
    fn entities(mut self, event: &EventName) -> Result<Entities<'a>, Refusal> {
        let station = self.id("stationId")?;
        let other = self.id("assignedStation")?;
        let entities = Entities {
            order_id: self.id("orderId")?,
            customer_id: self.id("customerId")?,
            station_id: station.or(other),
            route_id: self.id("routeId")?,
            assignee_id: self.id("assigneeId")?,
        };
        let is_there = |name: &str| match name {
            "orderId" => entities.order_id.is_some(),
            "stationId" => entities.station_id.is_some(),
            _ => entities.assignee_id.is_some(),
        };
        match required(event).iter().find(|name| !is_there(name)) {
            Some(name) => Err(wrong(
                &format!("/{name}"),
                "required",
                format!(
                    "{name} must stand beside the ciphertext: {} is routed by it",
                    event.as_str()
                ),
            )),
            None => Ok(entities),
        }
    }

    fn id(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, Refusal> {
        let id = (self.take)(name);
        match &id {
            Some(text) if !is_identifier(text) => {
                let sentence = format!("{name} must be a text of 1 to 128 characters");
                Err(wrong(&format!("/{name}"), "identifier", sentence))
            }
            _ => Ok(id),
        }
    }
}

/// Which identifiers must stand outside: those that its payload must have in clear as well. The rest of what its schema asks
/// for is inside.
fn required(event: &EventName) -> &'static [&'static str] {
    let EventName::Builtin(event) = event else { return &[] };
    match (event, event.group()) {
        (EventType::KitchenNotification, _) => &[],
        (EventType::KitchenStationAssignment, _) => &["orderId", "stationId"],
        (event, _) if event.assigns_order() => &["orderId", "assigneeId"],
        (_, EventGroup::Station) => &["stationId"],
        (
            _,
            EventGroup::Order | EventGroup::Kitchen | EventGroup::Delivery | EventGroup::Quality,
        ) => &["orderId"],
        _ => &[],
    }
}

fn is_of_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn is_of_key_id(byte: u8) -> bool {
    is_of_base64url(byte) || byte == b'.' || byte == b':'
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn wrong(pointer: &str, rule: &'static str, message: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorCode::PayloadInvalid, message).at(pointer, rule)
}

/// Fields with texts, each once.
struct Fields<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut fields: Vec<(Cow<'de, str>, Cow<'de, str>)> = Vec::new();
                while let Some((Text(name), Text(value))) = map.next_entry()? {
                    let is_twice = fields.iter().any(|(field, _)| *field == name);
                    if is_twice || fields.len() == ENCRYPTED_FIELDS_MAX {
                        return Err(M::Error::custom("twice, or too many"));
                    }
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Texts)
    }
}

/// A text, borrowed where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(text.to_owned().into()))
            }
        }
        deserializer.deserialize_str(One)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IV: &str = "AAcOFRwjKjE4P0ZN";
    const CIPHERTEXT: &str = "abcdefghijklmnopqrstuv";

    fn with(more: &str) -> String {
        format!(
            r#"{{{more}"alg":"A256GCM","kid":"hub-1","iv":"{IV}","ciphertext":"{CIPHERTEXT}"}}"#
        )
    }

    fn event(name: &str) -> EventName {
        EventType::from_wire(name)
            .map_or_else(|| EventName::Declared(name.into()), EventName::Builtin)
    }

    #[test]
    fn what_stands_outside_is_found_and_nothing_else_is_asked_for() {
        let payload = with(
            r#""orderId":"o1","customerId":"\u0061da","stationId":"s","routeId":"r","assigneeId":"c","more_2":"x","#,
        );
        let entities = encrypted_entities(&event("order:status_changed"), &payload).unwrap();
        let expected = Entities {
            order_id: Some("o1".into()),
            customer_id: Some("ada".into()),
            station_id: Some("s".into()),
            route_id: Some("r".into()),
            assignee_id: Some("c".into()),
        };
        assert_eq!(entities, expected);
        for name in
            ["notification:info", "product:created", "loyalty:earned", "kitchen:notification"]
        {
            assert_eq!(
                encrypted_entities(&event(name), &with("")),
                Ok(Entities::default()),
                "{name}"
            );
        }
    }

    #[test]
    fn what_routing_needs_must_stand_outside() {
        let check = |name: &str, outside: &str, pointer: &str| {
            let payload = with(outside);
            let refusal = encrypted_entities(&event(name), &payload).unwrap_err();
            assert_eq!(
                (refusal.pointer(), refusal.rule()),
                (Some(pointer), Some("required")),
                "{name}"
            );
        };
        check("order:created", "", "/orderId");
        check("delivery:completed", "", "/orderId");
        check("kitchen:preparation_started", "", "/orderId");
        check("quality:issue_reported", "", "/orderId");
        check("station:help_requested", "", "/stationId");
        check("kitchen:station_assignment", r#""orderId":"o","#, "/stationId");
        check("order:assigned", r#""orderId":"o","#, "/assigneeId");
        check("delivery:assigned", r#""assigneeId":"a","#, "/orderId");
    }

    #[test]
    fn what_is_no_encrypted_payload_is_refused_by_its_field() {
        let good = with(r#""orderId":"o1","#);
        let check = |payload: &str, pointer: &str| {
            let refusal = encrypted_entities(&event("order:created"), payload).unwrap_err();
            assert_eq!(refusal.code(), ErrorCode::PayloadInvalid);
            assert_eq!(refusal.pointer(), Some(pointer), "{payload}");
            assert!(!refusal.message().contains(CIPHERTEXT));
        };
        for payload in ["null", "[]", "7", "\"text\"", "{", r#"{"orderId":"o1","n":7}"#] {
            check(payload, "");
        }
        check(&good.replace("A256GCM", "none"), "/alg");
        check(&good.replace("hub-1", ""), "/kid");
        check(&good.replace("hub-1", "a b"), "/kid");
        check(&good.replace("hub-1", &"k".repeat(65)), "/kid");
        check(&good.replace(IV, &IV[1..]), "/iv");
        check(&good.replace(IV, "AAcOFRwjKjE4P0Z="), "/iv");
        check(&good.replace(CIPHERTEXT, &CIPHERTEXT[1..]), "/ciphertext");
        check(&good.replace(CIPHERTEXT, &format!("{CIPHERTEXT}abc")), "/ciphertext");
        check(&good.replace("\"o1\"", "\"\""), "/orderId");
        check(&good.replace("\"o1\"", &format!("\"{}\"", "o".repeat(129))), "/orderId");
        check(&with(r#""orderId":"o1","a b":"x","#), "");
        check(&with(r#""orderId":"o1","note":"","#), "/note");
        check(&with(r#""orderId":"o1","orderId":"o2","#), "");
        let many: String = (0..20).map(|n| format!("\"f{n}\":\"x\",")).collect();
        check(&with(&format!("{many}\"orderId\":\"o1\",")), "");
        for field in ["alg", "kid", "iv", "ciphertext"] {
            check(&good.replace(&format!("\"{field}\""), "\"other\""), &format!("/{field}"));
        }
    }
}
