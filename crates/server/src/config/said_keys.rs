//! The configuration in force, key by key, with who said each value. For people: secrets are not in it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::keys::{KEYS, Key};
use crate::WebSocketConfig;

/// What is shown in the place of a secret.
const HIDDEN: &str = "(redacted)";

/// Who said each key that somebody said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sayers(BTreeMap<&'static str, String>);

/// A key, its value, and who said it.
#[derive(Clone, Debug)]
pub(crate) struct SaidKey {
    pub(crate) key: &'static Key,
    pub(crate) value: Value,
    /// A line of the file, a variable of the environment, a flag, `default`, or `program` where the one who started the hub set it.
    pub(crate) place: String,
}

impl Sayers {
    pub(super) fn new(place_of: impl Fn(&Key) -> Option<String>) -> Self {
        Self(KEYS.iter().filter_map(|key| Some((key.path, place_of(key)?))).collect())
    }

    /// Every key as it is in force.
    pub(crate) fn keys(&self, said: &WebSocketConfig) -> Vec<SaidKey> {
        let json = |config: &WebSocketConfig| serde_json::to_value(config).unwrap_or_default();
        let (said, usual) = (json(said), json(&WebSocketConfig::default()));
        let of = |key: &'static Key| {
            let pointer = format!("/{}", key.path.replace('.', "/"));
            let value = said.pointer(&pointer).cloned().unwrap_or_default();
            let place = match self.0.get(key.path) {
                Some(place) => place.clone(),
                None if usual.pointer(&pointer) == Some(&value) => String::from("default"),
                None => String::from("program"),
            };
            SaidKey { key, value: shown(key, value), place }
        };
        KEYS.iter().map(of).collect()
    }
}

/// A value without what may be secret in it: secrets are written so already, addresses may hold a password, and a command's arguments may.
fn shown(key: &Key, value: Value) -> Value {
    if key.path.ends_with("Command")
        && let Value::Array(parts) = &value
        && let Some(program) = parts.first()
    {
        return Value::Array(vec![program.clone(), HIDDEN.into()]);
    }
    without_passwords(value)
}

fn without_passwords(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_password(text)),
        Value::Array(items) => items.into_iter().map(without_passwords).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, without_passwords(value))).collect()
        }
        other => other,
    }
}

/// `https://user:password@host/` is shown as `https://(redacted)@host/`, and nothing of what is behind `?`.
fn without_password(text: String) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text };
    let (place, query) = rest.split_once('?').map_or((rest, ""), |(place, _)| (place, HIDDEN));
    let (authority, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    let host = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{HIDDEN}@{host}"),
        None => authority.to_owned(),
    };
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{scheme}://{host}{path}{mark}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use crate::config::{Layers, load_checked};

    const SECRET: &str = "no secret at all: for examples and tests alone";

    #[test]
    fn every_key_is_told_with_who_said_it_and_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hub.toml");
        std::fs::write(&path, "host = \"127.0.0.1\"\n[limits]\nqueueMessagesMax = 77\n").unwrap();
        let environment = [("JWT_SECRET", SECRET), ("WEBSOCKET_PORT", "4002")];
        let environment = environment.map(|(name, value)| (name.into(), value.into())).into();
        let layers = Layers { file: Some(path.clone()), environment, ..Layers::default() };
        let config = load_checked(&layers, |said| said.data_dir = Some("here".into())).unwrap();
        let keys = config.said_keys(config.said());
        assert_eq!(keys.len(), KEYS.len());
        let of = |name: &str| keys.iter().find(|it| it.key.path == name).unwrap();
        let check = |name: &str, value: Value, place: &str| {
            assert_eq!((&of(name).value, &*of(name).place), (&value, place), "{name}");
        };
        check("host", "127.0.0.1".into(), &format!("{}:1", path.display()));
        check("limits.queueMessagesMax", 77.into(), &format!("{}:3", path.display()));
        check("port", 4002.into(), "WEBSOCKET_PORT");
        check("security.jwtSecret", HIDDEN.into(), "JWT_SECRET");
        check("dataDir", "here".into(), "program");
        check("path", "/socket.io/".into(), "default");
        let all: Vec<String> = keys.iter().map(|it| it.value.to_string()).collect();
        assert!(!all.concat().contains(SECRET));
    }

    #[test]
    fn addresses_are_shown_without_passwords_and_commands_without_arguments() {
        let check = |text: &str, expected: &str| {
            assert_eq!(without_password(text.to_owned()), expected);
        };
        check("http://10.0.0.1:3000/hub?a=b", "http://10.0.0.1:3000/hub?(redacted)");
        check("https://ada:pw@host/x@y", "https://(redacted)@host/x@y");
        check("https://a:b@c", "https://(redacted)@c");
        check("0.0.0.0", "0.0.0.0");
        let mut said = WebSocketConfig::default();
        said.security.encryption_key_command = vec!["kms".into(), "--password=pw".into()];
        said.upstream.secret = Some(Secret::new(SECRET));
        let keys = Sayers::default().keys(&said);
        let all: Vec<String> = keys.iter().map(|it| it.value.to_string()).collect();
        assert!(!all.concat().contains("pw") && !all.concat().contains(SECRET));
    }
}
