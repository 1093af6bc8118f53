//! What was found, and what to do about it.

use serde_json::{Value, json};

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Good,
    /// Somebody should look.
    Look,
    /// The hub does not work so, or loses what it promises.
    Bad,
}

#[derive(Debug)]
pub(super) struct Finding {
    pub(super) weight: Weight,
    about: &'static str,
    sentence: String,
}

impl Finding {
    pub(super) fn good(about: &'static str, sentence: impl Into<String>) -> Self {
        Self { weight: Weight::Good, about, sentence: sentence.into() }
    }

    pub(super) fn look(about: &'static str, sentence: impl Into<String>) -> Self {
        Self { weight: Weight::Look, about, sentence: sentence.into() }
    }

    pub(super) fn bad(about: &'static str, sentence: impl Into<String>) -> Self {
        Self { weight: Weight::Bad, about, sentence: sentence.into() }
    }

    fn word(&self) -> &'static str {
        match self.weight {
            Weight::Good => "good",
            Weight::Look => "look",
            Weight::Bad => "BAD",
        }
    }

    pub(super) fn line(&self) -> String {
        format!("{:<5} {:<14} {}", self.word(), self.about, self.sentence)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "weight": self.word().to_lowercase(), "about": self.about, "sentence": self.sentence })
    }
}
