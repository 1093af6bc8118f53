//! What is wrong with tables, and where.

use std::fmt;

/// One thing that is wrong with tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file that says it.
    pub file: String,
    /// The line in it, from 1.
    pub line: usize,
    /// What is wrong, and what was probably meant.
    pub sentence: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.sentence)
    }
}

/// Everything that is wrong with tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

/// Where tables come from: to tell the line of what is said there.
#[derive(Clone, Copy)]
pub(crate) struct Source<'t> {
    pub(crate) file: &'t str,
    pub(crate) text: &'t str,
}

impl Source<'_> {
    /// A problem with what begins at a byte of the text.
    pub(crate) fn problem(&self, at: usize, sentence: impl Into<String>) -> Problem {
        let before = self.text.as_bytes().get(..at).unwrap_or(self.text.as_bytes());
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Problem { file: self.file.to_owned(), line, sentence: sentence.into() }
    }
}
