//! How applications are spoken to that are older than the contract, as the configuration says.

use std::sync::Arc;

use foodtrack_profile::{BUILTIN, Profile, Tables};
use foodtrack_shard::{Policies, Profiles};
use serde::{Deserialize, Serialize};

use super::problems::ConfigErrors;
use crate::WebSocketConfig;

/// The largest file of tables that is read, in bytes.
const TABLES_BYTES_MAX: u64 = 1 << 20;

/// How a connection is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileChoice {
    /// As the contract has it.
    #[default]
    Canonical,
    /// As today's four applications were written.
    Foodtrack,
}

/// The tables of the profile `foodtrack`, and who is spoken to by them.
pub(super) fn profiles(said: &WebSocketConfig, errors: &mut ConfigErrors) -> Profiles {
    let is_default = said.profile == ProfileChoice::Foodtrack;
    let usual = Profiles { is_default, ..Profiles::default() };
    let Some(path) = &said.profile_tables else { return usual };
    let text = match read(path) {
        Ok(text) => text,
        Err(why) => {
            errors.add("profileTables", why);
            return usual;
        }
    };
    match Profile::read(&[BUILTIN, Tables { file: path, text: &text }]) {
        Ok(tables) => Profiles { tables: Arc::new(tables), is_default },
        Err(problems) => {
            for problem in problems.0 {
                errors.add("profileTables", problem.to_string());
            }
            usual
        }
    }
}

/// A name that an application has for an event would hide what else is called so.
pub(super) fn check_own_names(
    policies: &Policies,
    said: &WebSocketConfig,
    errors: &mut ConfigErrors,
) {
    for (application, name) in policies.profiles.tables.own_names() {
        let what = if policies.requests.has(name) {
            "a request to the back end (upstream.events)"
        } else if said.events.iter().any(|event| event.name == name) {
            "a declared event type (events)"
        } else {
            continue;
        };
        let why = format!("{name}, which {application} sends, collides with {what}; rename one");
        errors.add("profileTables", why);
    }
}

fn read(path: &str) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("{path} cannot be read: {error}");
    if std::fs::metadata(path).map_err(unreadable)?.len() > TABLES_BYTES_MAX {
        return Err(format!("{path} is larger than {TABLES_BYTES_MAX} bytes"));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::Secret;

    fn problems(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.toml");
        std::fs::write(&path, text).unwrap();
        let config = WebSocketConfig::default()
            .jwt_secret("no secret at all: for examples and tests alone")
            .profile(ProfileChoice::Foodtrack)
            .profile_tables(path.to_str().unwrap());
        config.check().err().map(|errors| errors.to_string()).unwrap_or_default()
    }

    #[test]
    fn an_operators_tables_are_checked_at_the_start_with_their_line() {
        assert_eq!(problems("[origins]\n\"https://kitchen.example\" = \"kitchen_app\""), "");
        let told = problems("[origins]\n\"https://kitchen.example\" = \"kitchen_ap\"");
        assert!(
            told.contains("own.toml:2") && told.contains("did you mean kitchen_app?"),
            "{told}"
        );
    }

    #[test]
    fn a_name_that_would_hide_another_is_told() {
        let text = "[applications.kitchen_app.incoming]\n\"kitchen:get_orders\" = { event = \"order:updated\" }";
        assert_eq!(problems(text), "", "nobody is asked");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.toml");
        std::fs::write(&path, text).unwrap();
        let mut config = WebSocketConfig::default()
            .jwt_secret("no secret at all: for examples and tests alone")
            .profile_tables(path.to_str().unwrap());
        config.upstream.url = Some("http://127.0.0.1:3000/".into());
        config.upstream.secret = Some(Secret::new("what both sides of a request know"));
        let told = config.check().unwrap_err().to_string();
        let expected = "kitchen:get_orders, which kitchen_app sends, collides with a request";
        assert!(told.contains("profileTables") && told.contains(expected), "{told}");
    }

    #[test]
    fn tables_that_are_not_there_are_told() {
        let config = WebSocketConfig::default()
            .jwt_secret("no secret at all: for examples and tests alone")
            .profile_tables("/nowhere/own.toml");
        let told = config.check().unwrap_err().to_string();
        assert!(told.contains("profileTables") && told.contains("cannot be read"), "{told}");
    }
}
