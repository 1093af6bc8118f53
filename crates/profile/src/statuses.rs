//! The words for an order's status.

use std::collections::BTreeMap;

/// The platform's words for an order's status, and others that mean the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statuses {
    /// By what is said, what it means.
    pub(crate) meanings: BTreeMap<Box<str>, Box<str>>,
}

impl Statuses {
    /// What a word means; one that nobody listed means itself.
    pub(crate) fn meaning<'a>(&'a self, said: &'a str) -> &'a str {
        self.meanings.get(said).map_or(said, |meant| meant)
    }

    pub(crate) fn is_known(&self, word: &str) -> bool {
        self.meanings.get(word).is_some_and(|meant| **meant == *word)
    }

    /// The platform's own words.
    pub(crate) fn known(&self) -> impl Iterator<Item = &str> {
        self.meanings.iter().filter(|(said, meant)| said == meant).map(|(said, _)| &**said)
    }
}

/// The words of one application.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    /// By the platform's word.
    pub(crate) words: BTreeMap<Box<str>, Box<str>>,
    /// Whether a status for which it has no word is left out.
    pub(crate) leaves_out_others: bool,
}

impl Words {
    /// Its word for a status.
    pub(crate) fn of<'a>(&'a self, meant: &'a str) -> Option<&'a str> {
        match self.words.get(meant) {
            Some(word) => Some(word),
            None => (!self.leaves_out_others).then_some(meant),
        }
    }
}
