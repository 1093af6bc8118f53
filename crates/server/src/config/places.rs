//! Who said a value: a line of the file, a variable of the environment, or a flag.

use figment::Figment;

use super::keys::{self, KEYS, Key};
use super::lines::Lines;
use super::problems::ConfigProblem;
use super::said_keys::Sayers;

/// Where each value was said.
pub(super) struct Places {
    figment: Figment,
    file: Option<(String, Lines)>,
}

impl Places {
    /// `file` is the file's name among the figment's places, and its lines.
    pub(super) fn new(figment: Figment, file: Option<(String, Lines)>) -> Self {
        Self { figment, file }
    }

    /// Adds what is not there yet of a problem's place: who said it, and in which line.
    pub(super) fn complete(&self, problem: &mut ConfigProblem) {
        match (&mut problem.place, &self.file) {
            (Some(place), Some((file, lines))) if place == file => {
                if let Some(line) = lines.line(&problem.key) {
                    *place = format!("{file}:{line}");
                }
            }
            (Some(_), _) => {}
            (None, _) => problem.place = self.of(problem),
        }
    }

    /// Who said each key.
    pub(super) fn sayers(&self) -> Sayers {
        Sayers::new(|key| self.of_path(key, key.path))
    }

    /// Who said the key. Where nobody did, who said another key that the message compares it with.
    fn of(&self, problem: &ConfigProblem) -> Option<String> {
        // A table may have its name behind its path: `rules.0 (lunch)`.
        let path = problem.key.split(' ').next().unwrap_or_default();
        let of_key = |key: &Key| self.of_path(key, key.path);
        let of_section =
            || keys::in_section(path).find_map(of_key).filter(|_| keys::is_section(path));
        let compared =
            || KEYS.iter().filter(|key| is_named(&problem.message, key)).find_map(of_key);
        key_of(path).and_then(|key| self.of_path(key, path)).or_else(of_section).or_else(compared)
    }

    fn of_path(&self, key: &Key, path: &str) -> Option<String> {
        let name = self.figment.find_metadata(key.path)?.name.to_string();
        match &self.file {
            Some((file, lines)) if *file == name => {
                Some(lines.line(path).map_or(name, |line| format!("{file}:{line}")))
            }
            _ => is_said(&name).then_some(name),
        }
    }
}

/// Whether a place is one that somebody can look at; the defaults' is not.
fn is_said(place: &str) -> bool {
    let by_environment = KEYS.iter().any(|key| key.environment == Some(place));
    by_environment || place.starts_with("FOODTRACK__") || place.starts_with("--")
}

/// Whether a message names the key, and not one that only begins like it.
fn is_named(message: &str, key: &Key) -> bool {
    key.path.contains('.')
        && message.match_indices(key.path).any(|(at, _)| {
            !message[at + key.path.len()..].starts_with(|c: char| c.is_ascii_alphanumeric())
        })
}

/// The key that a place in the file belongs to: `rules.0.to` is in `rules`.
pub(super) fn key_of(path: &str) -> Option<&'static Key> {
    let ends = path.match_indices('.').map(|(end, _)| end).chain([path.len()]);
    ends.into_iter().find_map(|end| keys::find(&path[..end]))
}
