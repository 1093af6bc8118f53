//! A JSON object by its fields, each as raw text: what is not looked at passes as it came.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Fields in their order, each once: the last of a name counts, as in JavaScript.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields<'a>(Vec<(String, Cow<'a, str>)>);

impl<'a> Fields<'a> {
    /// Reads an object; `None` for what is none.
    pub(crate) fn read(raw: &'a str) -> Option<Self> {
        serde_json::from_str(raw).ok()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, raw)| &**raw)
    }

    pub(crate) fn set(&mut self, name: &str, raw: impl Into<Cow<'a, str>>) {
        match self.0.iter_mut().find(|(other, _)| other == name) {
            Some((_, value)) => *value = raw.into(),
            None => self.0.push((name.to_owned(), raw.into())),
        }
    }

    /// Takes over the fields of another object that this one does not have.
    pub(crate) fn add_missing(&mut self, others: Self) {
        // Strangers decide how many there are: not a search for each.
        let own: HashSet<String> = self.0.iter().map(|(name, _)| name.clone()).collect();
        self.0.extend(others.0.into_iter().filter(|(name, _)| !own.contains(name)));
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let place = self.0.iter().position(|(other, _)| other == name)?;
        Some(self.0.remove(place).1)
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&str, &str) -> bool) {
        self.0.retain(|(name, raw)| keep(name, raw));
    }

    /// Takes out the fields that `moves` says, in their order.
    pub(crate) fn split_off(&mut self, moves: impl Fn(&str) -> bool) -> Self {
        let all = std::mem::take(&mut self.0);
        let (moved, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(|(name, _)| moves(name));
        self.0 = kept;
        Self(moved)
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (i, (name, raw)) in self.0.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            // Writing to memory does not fail.
            let _ = serde_json::to_writer(&mut *out, name);
            out.push(b':');
            out.extend_from_slice(raw.as_bytes());
        }
        out.push(b'}');
    }

    pub(crate) fn to_json(&self) -> String {
        let mut out = Vec::new();
        self.write(&mut out);
        String::from_utf8(out).unwrap_or_default()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields: Vec<(String, Cow<'de, str>)> = Vec::new();
                let mut places: HashMap<String, usize> = HashMap::new();
                while let Some((name, raw)) = map.next_entry::<String, &RawValue>()? {
                    let raw = Cow::Borrowed(raw.get());
                    // A payload may have very many: a search for each of them would cost their square.
                    match places.entry(name.clone()) {
                        Entry::Occupied(place) => {
                            if let Some((_, value)) = fields.get_mut(*place.get()) {
                                *value = raw;
                            }
                        }
                        Entry::Vacant(vacant) => {
                            vacant.insert(fields.len());
                            fields.push((name, raw));
                        }
                    }
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}
