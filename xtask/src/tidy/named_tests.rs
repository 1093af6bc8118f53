//! Pages that say which test keeps a promise: each of those tests is there.

use std::collections::BTreeSet;
use std::path::Path;

use super::tree::File;

/// Pages in which each promise names its tests.
const PAGES: [&str; 2] = ["docs/security.md", "docs/operating/fallbacks.md"];

/// Gives a sentence for each test or file of tests that a page names and that is not there.
pub(super) fn missing(root: &Path, files: &[File]) -> Vec<String> {
    let tests: BTreeSet<&str> = files.iter().flat_map(|file| functions(file.text())).collect();
    let is_there = |name: &str| match name.contains('/') {
        true => root.join(name).exists(),
        false => tests.contains(name),
    };
    let mut missing = Vec::new();
    for page in PAGES {
        match std::fs::read_to_string(root.join(page)) {
            Ok(text) => {
                let gone = named(&text).into_iter().filter(|name| !is_there(name));
                missing.extend(
                    gone.map(|name| format!("{page} names the test {name}, which is not there")),
                );
            }
            Err(error) => missing.push(format!("{page} does not read: {error}")),
        }
    }
    missing
}

/// The names of functions, those in macros of tests among them.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let (_, rest) = line.split_once("fn ")?;
        rest.split(|character: char| !is_of_name(character)).next()
    })
}

/// What a page names in backticks that is a test by its look: a sentence with underscores, or a path below `tests/`.
fn named(text: &str) -> BTreeSet<&str> {
    let spans = text.split('`').skip(1).step_by(2);
    spans
        .filter(|span| {
            let is_sentence = span.chars().all(is_of_name)
                && span.chars().filter(|it| *it == '_').count() >= 4
                && !span.starts_with("foodtrack_");
            is_sentence || (span.starts_with("tests/") && !span.contains('*'))
        })
        .collect()
}

fn is_of_name(character: char) -> bool {
    character == '_' || character.is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_tests_by_sentences_and_by_files() {
        let page = "| a | `one_that_breaks_is_told`, `log.bytesMax` |\n`tests/it/a.rs` and `a_b_c`";
        assert_eq!(named(page), BTreeSet::from(["one_that_breaks_is_told", "tests/it/a.rs"]));
        let code =
            "on_both! {\n    fn one_that_breaks_is_told(transport) {\npub(crate) fn b<T>() {";
        assert_eq!(functions(code).collect::<Vec<_>>(), ["one_that_breaks_is_told", "b"]);
    }
}
