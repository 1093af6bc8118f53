//! From defaults, a file, the environment and flags to one [`WebSocketConfig`]; the later goes before the earlier.

use std::path::PathBuf;

use figment::value::{Dict, Map, Value};
use figment::{Error, Figment, Metadata, Profile, Provider, providers::Serialized};

use toml::de::DeTable;

use super::CheckedConfig;
use super::keys::{self, Key, KeyKind};
use super::lines::{self, Lines};
use super::nearest_key::nearest_key;
use super::places::{Places, key_of};
use super::problems::{ConfigErrors, meant};
use super::tables::mend_tables;
use crate::WebSocketConfig;

/// Where the configuration comes from besides the defaults.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// Names and values; those that name no key are not looked at, except under `FOODTRACK__`.
    pub environment: Vec<(String, String)>,
    /// `--host`
    pub host: Option<String>,
    /// `--port`
    pub port: Option<u16>,
    /// `--data-dir`
    pub data_dir: Option<String>,
    /// `--drain-delay-ms`
    pub drain_delay_ms: Option<u32>,
}

impl Layers {
    /// The process's environment, and `file`.
    pub fn from_process(file: Option<PathBuf>) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            file,
            environment: std::env::vars_os().filter_map(text).collect(),
            ..Self::default()
        }
    }
}

/// Puts the layers on top of each other.
///
/// # Errors
/// Every key that is unknown, every value of the wrong type, and where each of them was said.
pub fn load(layers: &Layers) -> Result<WebSocketConfig, ConfigErrors> {
    let Read { config, places, mut errors, .. } = read_all(layers);
    errors.for_each(|problem| places.complete(problem));
    errors.or(config)
}

/// As [`load`], then `adjust`, then [`WebSocketConfig::check`]: all that is wrong, of either kind, with where it was said.
///
/// # Errors
/// Every key that is unknown, every value of the wrong type, and every value that does not hold.
pub fn load_checked(
    layers: &Layers,
    adjust: impl FnOnce(&mut WebSocketConfig),
) -> Result<CheckedConfig, ConfigErrors> {
    let Read { mut config, places, mut errors, is_whole } = read_all(layers);
    adjust(&mut config);
    let checked = config.check();
    if let (Err(more), true) = (&checked, is_whole) {
        errors.join(more.clone());
    }
    errors.for_each(|problem| places.complete(problem));
    match checked {
        Ok(checked) => errors.or(checked.said_by(places.sayers())),
        Err(_) => Err(errors),
    }
}

/// The layers, read as far as they can be.
struct Read {
    config: WebSocketConfig,
    places: Places,
    errors: ConfigErrors,
    /// Whether the file could be read: or else what it says would be missed.
    is_whole: bool,
}

fn read_all(layers: &Layers) -> Read {
    let mut errors = ConfigErrors::default();
    let mut figment = Figment::from(Serialized::defaults(WebSocketConfig::default()));
    let mut lines = None;
    if let Some((said, of_file)) = file(layers, &mut errors) {
        lines = Some((said.place.clone(), of_file));
        figment = figment.merge(said);
    }
    let is_whole = layers.file.is_none() || lines.is_some();
    for said in environment(&layers.environment, &mut errors) {
        figment = figment.merge(said);
    }
    if let Some(host) = &layers.host {
        figment = figment.merge(Said::one("--host", "host", host.as_str().into()));
    }
    if let Some(port) = layers.port {
        figment = figment.merge(Said::one("--port", "port", port.into()));
    }
    if let Some(data_dir) = &layers.data_dir {
        figment = figment.merge(Said::one("--data-dir", "dataDir", data_dir.as_str().into()));
    }
    if let Some(delay) = layers.drain_delay_ms {
        let place = "--drain-delay-ms";
        figment = figment.merge(Said::one(place, "shutdown.drainDelayMs", delay.into()));
    }
    let places = Places::new(figment.clone(), lines);
    let config = extract(figment, &mut errors);
    Read { config, places, errors, is_whole }
}

/// Values, and who said them.
struct Said {
    place: String,
    values: Dict,
}

impl Said {
    /// One value at a key's place.
    fn one(place: &str, path: &str, value: Value) -> Self {
        let nested = path
            .rsplit('.')
            .fold(value, |value, part| Value::from(Dict::from([(part.to_owned(), value)])));
        let values = nested.into_dict().unwrap_or_default();
        Self { place: place.into(), values }
    }
}

impl Provider for Said {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.place.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

/// What is wrong with a value, without the words of the language that this is written in.
fn in_words(kind: &figment::error::Kind) -> String {
    let said = kind.to_string();
    let numbers = [
        ("u8", "a whole number from 0 to 255"),
        ("u16", "a whole number from 0 to 65535"),
        ("u32", "a whole number from 0 to 4294967295"),
        ("u64", "a whole number from 0 on"),
        ("usize", "a whole number from 0 on"),
        ("f64", "a number"),
    ];
    for (name, words) in numbers {
        if let Some(front) = said.strip_suffix(&format!("expected {name}")) {
            return format!("{front}expected {words}");
        }
    }
    said
}

fn file(layers: &Layers, errors: &mut ConfigErrors) -> Option<(Said, Lines)> {
    let path = layers.file.as_ref()?;
    let place = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            errors.add_at(
                place,
                "--config",
                format!("cannot be read: {error}; name a file that can, or leave it out"),
            );
            return None;
        }
    };
    let (_, faults) = DeTable::parse_recoverable(&text);
    for fault in &faults {
        let line = fault.span().map_or(1, |span| lines::line_at(&text, span.start));
        // Not the line itself, which the parser would quote: it may hold a secret.
        errors.add_at(format!("{place}:{line}"), "no TOML", fault.message());
    }
    if !faults.is_empty() {
        return None;
    }
    match toml::from_str::<Dict>(&text) {
        Ok(mut values) => {
            drop_unknown(&mut values, "", &place, errors);
            mend_tables(&mut values, &mut |path, message| errors.add_at(&place, path, message));
            Some((Said { place, values }, Lines::of(&text)))
        }
        Err(error) => {
            errors.add_at(place, "no TOML", error.message());
            None
        }
    }
}

/// Reports every key that the table does not have, and takes it out so that the rest can be read.
fn drop_unknown(values: &mut Dict, section: &str, place: &str, errors: &mut ConfigErrors) {
    values.retain(|name, value| {
        let path = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
        if keys::find(&path).is_some() {
            return true;
        }
        if keys::is_section(&path) {
            if let Value::Dict(_, inner) = value {
                drop_unknown(inner, &path, place, errors);
                return true;
            }
            errors.add_at(place, &path, "is a section; give its keys, such as in a [table]");
            return false;
        }
        errors.add_at(place, &path, unknown(&path));
        false
    });
}

fn unknown(path: &str) -> String {
    match nearest_key(path) {
        Some(nearest) => format!("no such key; {}", meant(nearest)),
        None => "no such key; `foodtrack-websocket check-config --keys` lists all of them".into(),
    }
}

fn unknown_in_environment(path: &str) -> String {
    let path = path.to_ascii_lowercase().replace("__", ".");
    match nearest_key(&path) {
        Some(nearest) => {
            format!("no such key; {} It is {}", meant(nearest), keys::environment_name(nearest))
        }
        None => unknown(&path),
    }
}

fn environment(variables: &[(String, String)], errors: &mut ConfigErrors) -> Vec<Said> {
    let mut said = Vec::new();
    // The platform's names first: the product's own, more exact ones go before them.
    for (name, value) in variables.iter().filter(|(_, value)| !value.is_empty()) {
        if let Some(key) = keys::KEYS.iter().find(|key| key.environment == Some(name)) {
            said.push(Said::one(name, key.path, read(key, value)));
        }
    }
    for (name, value) in variables {
        let Some(path) = name.strip_prefix("FOODTRACK__") else { continue };
        match keys::find_in_environment(path) {
            Some(key) if key.kind == KeyKind::Tables => {
                errors.add_at(name, key.path, "only a file can hold this key");
            }
            Some(key) => said.push(Said::one(name, key.path, read(key, value))),
            None => errors.add_at(name, path, unknown_in_environment(path)),
        }
    }
    said
}

/// Reads the environment's text as what the key wants; where it is something else, the key's type says so later.
fn read(key: &Key, text: &str) -> Value {
    match key.kind {
        KeyKind::Text => text.into(),
        KeyKind::TextList => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Value::from(parts.map(Value::from).collect::<Vec<_>>())
        }
        KeyKind::Scalar | KeyKind::Tables => {
            if let Ok(number) = text.parse::<u64>() {
                number.into()
            } else if let Ok(truth) = text.parse::<bool>() {
                truth.into()
            } else {
                text.into()
            }
        }
    }
}

/// Reads the layers as the typed configuration; every value of a wrong type is reported and replaced by its default, so
/// that the next one is found too.
fn extract(mut figment: Figment, errors: &mut ConfigErrors) -> WebSocketConfig {
    let defaults = serde_json::to_value(WebSocketConfig::default()).unwrap_or_default();
    for _ in keys::KEYS {
        let Err(error) = figment.extract::<WebSocketConfig>() else { break };
        let Some(key) = key_of(&error.path.join(".")) else {
            errors.add(&error.path.join("."), in_words(&error.kind));
            break;
        };
        let place = error.metadata.as_ref().map_or("the configuration", |metadata| &metadata.name);
        errors.add_at(place, error.path.join("."), in_words(&error.kind));
        let default = defaults.pointer(&format!("/{}", key.path.replace('.', "/")));
        match default.and_then(|default| Value::serialize(default).ok()) {
            Some(default) => figment = figment.merge(Said::one("defaults", key.path, default)),
            None => break,
        }
    }
    figment.extract().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str, environment: &[(&str, &str)]) -> Result<WebSocketConfig, Vec<String>> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hub.toml");
        std::fs::write(&path, text).unwrap();
        let environment = environment.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        let layers = Layers { file: Some(path), environment, ..Layers::default() };
        load(&layers).map_err(|errors| {
            let plain = |p: &super::super::ConfigProblem| {
                let place = p.place.clone().unwrap_or_default();
                let place = place.rsplit('/').next().unwrap_or_default().to_owned();
                format!("{place}: {}: {}", p.key, p.message)
            };
            errors.problems().iter().map(plain).collect()
        })
    }

    #[test]
    fn the_table_of_keys_has_exactly_the_keys_of_the_configuration() {
        fn leaves(value: &serde_json::Value, path: &str, found: &mut Vec<String>) {
            match value {
                serde_json::Value::Object(fields) => {
                    for (name, value) in fields {
                        let dot = if path.is_empty() { "" } else { "." };
                        leaves(value, &format!("{path}{dot}{name}"), found);
                    }
                }
                _ => found.push(path.to_owned()),
            }
        }
        let mut found = Vec::new();
        leaves(&serde_json::to_value(WebSocketConfig::default()).unwrap(), "", &mut found);
        let mut listed: Vec<_> = keys::KEYS.iter().map(|key| key.path.to_owned()).collect();
        found.sort();
        listed.sort();
        assert_eq!(found, listed);
    }

    #[test]
    fn numbers_in_lists_of_tables_are_read_from_a_file() {
        let file = "[[delivery]]\nevent = 'order:created'\ntimeToLiveSeconds = 60\n\
            [[webhooks]]\nname = 'billing'\nurl = 'https://example.com/hub'\nevents = ['order:*']\nbatchMax = 500";
        let config = with_file(file, &[]).unwrap();
        assert_eq!(config.delivery[0].time_to_live_seconds, Some(60));
        assert_eq!(config.webhooks[0].batch_max, 500);
    }

    #[test]
    fn flags_go_before_the_environment_before_the_file_before_the_defaults() {
        let file = "port = 1\nhost = '127.0.0.1'\n[heartbeat]\nintervalMs = 5\ntimeoutMs = 6";
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hub.toml");
        std::fs::write(&path, file).unwrap();
        let environment = [
            ("WEBSOCKET_PORT", "2"),
            ("FOODTRACK__HEARTBEAT__INTERVAL_MS", "7"),
            ("HOST", "not looked at"),
        ];
        let environment = environment.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        let layers = Layers { file: Some(path), environment, port: Some(3), ..Layers::default() };
        let config = load(&layers).unwrap();
        assert_eq!(config.port, 3);
        assert_eq!(config.host, "127.0.0.1");
        assert_eq!(config.heartbeat.interval_ms, 7);
        assert_eq!(config.heartbeat.timeout_ms, 6);
        assert_eq!(config.heartbeat.max_missed, 3);
        let environment_wins = load(&Layers { port: None, ..layers }).unwrap();
        assert_eq!(environment_wins.port, 2);
    }

    #[test]
    fn a_secret_that_looks_like_a_number_stays_text() {
        let secret = "12345678901234567890123456789012";
        let config = with_file("", &[("JWT_SECRET", secret)]).unwrap();
        assert_eq!(config.security.jwt_secret.unwrap().reveal(), secret);
    }

    #[test]
    fn a_list_in_the_environment_is_separated_by_commas() {
        let config = with_file("", &[("ALLOWED_ORIGINS", "https://a.example, https://b.example")]);
        assert_eq!(config.unwrap().cors.origin, ["https://a.example", "https://b.example"]);
    }

    #[test]
    fn all_unknown_keys_and_wrong_types_are_told_at_once_with_their_places() {
        let file = "prot = 1\nshards = 'many'\n[heartbeat]\nintervalMs = -1\n[limits]\nroom = 1\n\
                    [cors]\ncredentials = 'yes'";
        let problems = with_file(file, &[("FOODTRACK__LIMTS__X", "1"), ("WEBSOCKET_PORT", "x")]);
        let problems = problems.unwrap_err();
        let expected = [
            "hub.toml:1: prot: no such key; did you mean port?",
            "hub.toml:6: limits.room: no such key",
            "FOODTRACK__LIMTS__X: LIMTS__X: no such key",
            "WEBSOCKET_PORT: port: ",
            "hub.toml:2: shards: ",
            "hub.toml:4: heartbeat.intervalMs: ",
            "hub.toml:8: cors.credentials: ",
        ];
        for expected in expected {
            assert!(
                problems.iter().any(|p| p.starts_with(expected)),
                "{expected} in {problems:#?}"
            );
        }
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    }

    #[test]
    fn a_secret_without_quotes_is_refused_without_being_shown() {
        let problems = with_file("security.jwtSecret = 123456789", &[]).unwrap_err();
        assert_eq!(problems, ["hub.toml:1: security.jwtSecret: a secret is text in quotes"]);
        let problems = with_file("security.jwtSecret = hunter2", &[]).unwrap_err();
        assert!(problems[0].starts_with("hub.toml:1: no TOML: "), "{problems:?}");
        assert!(!problems[0].contains("hunter2"), "{problems:?}");
    }

    #[test]
    fn the_platforms_names_say_where_redis_is() {
        let variables = [("REDIS_HOST", "cache"), ("REDIS_PORT", "6380"), ("REDIS_PASSWORD", "p")];
        let said = with_file("", &variables).unwrap();
        let options = said.redis.options(Default::default(), &Default::default()).unwrap();
        assert_eq!(options.url, "redis://:p@cache:6380/0");
    }
}
