//! The known key that an unknown one was most likely meant to be: misspelt, in another section, or by another name.

use foodtrack_contract::nearest;

use super::keys::KEYS;

/// What others call a key, or somebody may think of: its words in small letters, in the order of the alphabet.
const SYNONYMS: &[(&str, &str)] = &[
    ("secret", "security.jwtSecret"),
    ("key secret", "security.jwtSecret"),
    ("secret token", "security.jwtSecret"),
    ("auth secret", "security.jwtSecret"),
    ("file jwks", "security.jwks"),
    ("interval ping", "heartbeat.intervalMs"),
    ("ping timeout", "heartbeat.timeoutMs"),
    ("pong timeout", "heartbeat.timeoutMs"),
    ("buffer http max size", "limits.payloadBytesMax"),
    ("max payload", "limits.payloadBytesMax"),
    ("max payload size", "limits.payloadBytesMax"),
    ("max message size", "limits.payloadBytesMax"),
    ("body max size", "limits.payloadBytesMax"),
    ("connections max", "limits.connectionsPerTenantMax"),
    ("clients max", "limits.connectionsPerTenantMax"),
    ("connections limit", "limits.connectionsPerTenantMax"),
    ("max rooms", "limits.roomsPerConnectionMax"),
    ("limit rate", "limits.messagesPerSecondPerConnection"),
    ("connect timeout", "limits.connectTimeoutMs"),
    ("handshake timeout", "limits.handshakeTimeoutMs"),
    ("origins", "cors.origin"),
    ("allowed origins", "cors.origin"),
    ("allow origin", "cors.origin"),
    ("level log", "logging.level"),
    ("format log", "logging.format"),
    ("data directory", "dataDir"),
    ("db path", "dataDir"),
    ("data path", "dataDir"),
    ("threads", "shards"),
    ("workers", "shards"),
    ("threads worker", "shards"),
    ("bind", "host"),
    ("listen", "host"),
    ("address", "host"),
    ("addr", "host"),
    ("address bind", "host"),
    ("retention", "log.ageHoursMax"),
    ("age max", "log.ageHoursMax"),
    ("hours retention", "log.ageHoursMax"),
    ("delay drain", "shutdown.drainDelayMs"),
    ("grace period", "shutdown.drainDelayMs"),
    ("max retries", "retry.maxAttempts"),
    ("routes", "rules"),
    ("routing", "rules"),
    ("routing rules", "rules"),
    ("event types", "events"),
    ("schemas", "events"),
];

/// The known key that `path` was most likely meant to be.
pub(super) fn nearest_key(path: &str) -> Option<&'static str> {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let (said, said_words) = (last(path), words(&last(path)));
    if let Some((_, meant)) = SYNONYMS.iter().find(|(synonym, _)| *synonym == said_words) {
        return Some(meant);
    }
    let section = |path: &str| path.rsplit_once('.').map(|(section, _)| section.to_owned());
    // Where several keys have the same last part, that of the section that was said is meant.
    let mut keys: Vec<&'static str> = KEYS.iter().map(|key| key.path).collect();
    keys.sort_by_key(|key| section(key) != section(path));
    if let Some(key) = keys.iter().find(|key| words(&last(key)) == said_words) {
        return Some(key);
    }
    nearest(path, keys.iter().copied()).or_else(|| {
        let parts: Vec<String> = keys.iter().map(|key| last(key)).collect();
        let part = nearest(&said, parts.iter().map(String::as_str))?;
        keys.iter().find(|key| last(key) == part).copied()
    })
}

/// The words of a name in any of the usual notations, sorted: `maxConnections`, `MAX_CONNECTIONS` and `connections-max` are one.
fn words(name: &str) -> String {
    let mut spaced = String::new();
    let mut was_small = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && was_small {
            spaced.push(' ');
        }
        was_small = c.is_ascii_lowercase() || c.is_ascii_digit();
        spaced.push(if "-_ ".contains(c) { ' ' } else { c.to_ascii_lowercase() });
    }
    let mut words: Vec<&str> = spaced.split_whitespace().collect();
    words.sort_unstable();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::find;

    #[test]
    fn a_typo_another_notation_another_order_and_a_synonym_are_told_the_key() {
        for (said, meant) in [
            ("heartbeat.intervallMs", "heartbeat.intervalMs"),
            ("heartbeat.intervalms", "heartbeat.intervalMs"),
            ("prot", "port"),
            ("PORT", "port"),
            ("jwtsecret", "security.jwtSecret"),
            ("jwt_secret", "security.jwtSecret"),
            ("secret", "security.jwtSecret"),
            ("server.jwtSecret", "security.jwtSecret"),
            ("max_connections", "limits.connectionsPerTenantMax"),
            ("limits.maxPayloadBytes", "limits.payloadBytesMax"),
            ("limits.maxHttpBufferSize", "limits.payloadBytesMax"),
            ("pingInterval", "heartbeat.intervalMs"),
            ("cors.origins", "cors.origin"),
            ("log.level", "logging.level"),
            ("log.maxBytes", "log.bytesMax"),
            ("data_dir", "dataDir"),
        ] {
            assert_eq!(nearest_key(said), Some(meant), "{said}");
        }
        assert_eq!(nearest_key("weather"), None);
    }

    #[test]
    fn every_synonym_is_written_as_it_is_looked_up_and_means_a_key() {
        for (synonym, meant) in SYNONYMS {
            assert_eq!(*synonym, words(synonym));
            assert!(find(meant).is_some(), "{meant}");
        }
    }
}
