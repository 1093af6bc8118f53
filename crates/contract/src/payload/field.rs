//! What the fields of payloads are made of. Each type reads JSON without keeping more than it must, and gives the
//! JSON Schema that says the same.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::{IDENTIFIER_CHARACTERS_MAX, is_identifier};

macro_rules! inline_schema {
    ($type:ty, $name:literal, $schema:tt) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

/// A text of 1 to 128 characters; borrowed where the JSON has no escapes.
#[derive(Debug)]
pub(crate) struct Identifier<'a>(pub(crate) Cow<'a, str>);

inline_schema!(Identifier<'_>, "Identifier", {
    "type": "string",
    "minLength": 1,
    "maxLength": IDENTIFIER_CHARACTERS_MAX,
});

struct IdentifierVisitor;

impl<'de> Visitor<'de> for IdentifierVisitor {
    type Value = Identifier<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an identifier of 1 to 128 characters")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        if !is_identifier(text) {
            return Err(E::custom("not an identifier"));
        }
        Ok(Identifier(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if !is_identifier(text) {
            return Err(E::custom("not an identifier"));
        }
        Ok(Identifier(Cow::Owned(text.to_owned())))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Identifier<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(IdentifierVisitor)
    }
}

/// Any text. Checked, then forgotten.
#[derive(Debug)]
pub(crate) struct Text;

inline_schema!(Text, "Text", { "type": "string" });

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Text, E> {
        Ok(Text)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

/// A number within an IEEE 754 double's range. Checked, then forgotten.
#[derive(Debug)]
pub(crate) struct Number;

inline_schema!(Number, "Number", { "type": "number" });

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_between(deserializer, f64::MIN, f64::MAX).map(|()| Self)
    }
}

/// Degrees, -90 to 90. Checked, then forgotten.
#[derive(Debug)]
pub(crate) struct Latitude;

inline_schema!(Latitude, "Latitude", { "type": "number", "minimum": -90, "maximum": 90 });

impl<'de> Deserialize<'de> for Latitude {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_between(deserializer, -90.0, 90.0).map(|()| Self)
    }
}

/// Degrees, -180 to 180. Checked, then forgotten.
#[derive(Debug)]
pub(crate) struct Longitude;

inline_schema!(Longitude, "Longitude", { "type": "number", "minimum": -180, "maximum": 180 });

impl<'de> Deserialize<'de> for Longitude {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_between(deserializer, -180.0, 180.0).map(|()| Self)
    }
}

fn number_between<'de, D: Deserializer<'de>>(
    deserializer: D,
    min: f64,
    max: f64,
) -> Result<(), D::Error> {
    let number = f64::deserialize(deserializer)?;
    if (min..=max).contains(&number) {
        Ok(())
    } else {
        Err(D::Error::custom("the number is out of its range"))
    }
}

/// A list of objects, whatever is in them. Checked, then forgotten.
#[derive(Debug)]
pub(crate) struct Objects;

inline_schema!(Objects, "Objects", { "type": "array", "items": { "type": "object" } });

struct ObjectsVisitor;

impl<'de> Visitor<'de> for ObjectsVisitor {
    type Value = Objects;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Objects, A::Error> {
        while list.next_element::<Object>()?.is_some() {}
        Ok(Objects)
    }
}

impl<'de> Deserialize<'de> for Objects {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ObjectsVisitor)
    }
}

struct Object;

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Object)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}
