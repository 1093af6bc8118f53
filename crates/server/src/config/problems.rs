//! What is wrong with a configuration, all of it at once.

use std::fmt;

/// One thing that is wrong: where it was said, about which key, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The file, environment variable or flag that said it; `None` for what nobody said.
    pub place: Option<String>,
    /// The key, such as `heartbeat.intervalMs`.
    pub key: String,
    /// A sentence that says what is wrong and what to do.
    pub message: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}: {}", self.key, self.message)
    }
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigProblem>);

impl ConfigErrors {
    /// The problems, in the order they were found.
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.0
    }

    pub(crate) fn add(&mut self, key: &str, message: impl Into<String>) {
        self.0.push(ConfigProblem { place: None, key: key.into(), message: message.into() });
    }

    pub(crate) fn add_at(
        &mut self,
        place: impl Into<String>,
        key: impl Into<String>,
        message: impl Into<String>,
    ) {
        let (place, key, message) = (Some(place.into()), key.into(), message.into());
        self.0.push(ConfigProblem { place, key, message });
    }

    /// Changes each problem.
    pub(crate) fn for_each(&mut self, change: impl FnMut(&mut ConfigProblem)) {
        self.0.iter_mut().for_each(change);
    }

    /// Adds what else is wrong. Of a key that is named already, its first fault is enough; and one that was misspelt is not missing.
    pub(crate) fn join(&mut self, others: Self) {
        let told = self.0.len();
        for problem in others.0 {
            let is_told = |earlier: &ConfigProblem| {
                earlier.key == problem.key || earlier.message.contains(&meant(&problem.key))
            };
            if !self.0[..told].iter().any(is_told) {
                self.0.push(problem);
            }
        }
    }

    /// `value`, if nothing is wrong.
    pub(crate) fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

/// The end of a sentence about an unknown name.
pub(crate) fn meant(name: &str) -> String {
    format!("did you mean {name}?")
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        writeln!(f, "the configuration has {count} problem{}:", if count == 1 { "" } else { "s" })?;
        for problem in &self.0 {
            writeln!(f, "  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
