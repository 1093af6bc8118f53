//! What a publisher was told.

use serde_json::Value;

/// The outcome of one attempt to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The hub has it; its place in the log, where the answer names one.
    Acknowledged(Option<String>),
    /// The hub does not have it.
    Refused {
        /// The error's code.
        code: String,
        /// Whether nothing was done, for certain.
        certain: bool,
        /// Whether the same request may succeed later.
        may_retry: bool,
    },
    /// Nobody knows.
    Unknown,
}

impl Answer {
    /// Reads `{ success, data | error }`.
    pub fn read(text: &str) -> Self {
        let Ok(answer) = serde_json::from_str::<Value>(text) else { return Self::Unknown };
        if answer["success"] == true {
            let offset = &answer["data"]["offset"];
            return Self::Acknowledged((!offset.is_null()).then(|| offset.to_string()));
        }
        let error = &answer["error"];
        let Some(code) = error["code"].as_str() else { return Self::Unknown };
        // The numbers from 1000 to 1999 say that nothing was done; a timeout cannot know.
        let may_retry = error["number"].as_u64().is_some_and(|number| number < 2_000);
        Self::Refused { code: code.to_owned(), certain: code != "timeout", may_retry }
    }
}
