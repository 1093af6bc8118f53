//! Tells of most messages that nothing of them is hidden, without reading them as JSON.

use aho_corasick::packed::Searcher;

use super::field_path::FieldPath;

/// How many bytes are looked for, the quote before the name among them: what is made of all a tenant's names has a bound.
const LOOKED_FOR_BYTES_MAX: usize = 16;

/// The names of which one must stand in a message for a redaction to leave something out of it.
#[derive(Clone, Debug)]
pub(crate) struct NameSearch(Option<Searcher>);

impl NameSearch {
    /// Made once, when the redaction is put in force.
    pub(crate) fn new(fields: &[FieldPath]) -> Self {
        let looked_for = |path: &FieldPath| {
            let quoted = format!("\"{}\"", path.telling_name()?);
            Some(quoted.into_bytes().into_iter().take(LOOKED_FOR_BYTES_MAX).collect())
        };
        let names: Option<Vec<Vec<u8>>> = fields.iter().map(looked_for).collect();
        // Not one that looks for its patterns' first byte: quotes are everywhere. Who cannot search reads each message.
        Self(names.and_then(Searcher::new))
    }

    /// Whether one of the fields may be in `message`, in which nothing is escaped by its number: a name that is there stands there as it is.
    pub(crate) fn may_find_in(&self, message: &[u8]) -> bool {
        self.0.as_ref().is_none_or(|names| names.find(message).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may_find(pointers: &[&str], message: &str) -> bool {
        let fields = pointers.iter().map(|it| FieldPath::in_payload(it).unwrap());
        NameSearch::new(&fields.collect::<Vec<_>>()).may_find_in(message.as_bytes())
    }

    #[test]
    fn a_field_is_found_by_the_longest_of_its_names_and_one_that_has_none_always() {
        let message = r#"{"payload":{"items":[{"price":1}],"a":"cost"}}"#;
        assert!(!may_find(&["/supplierNote", "/items/*/supplier"], message));
        assert!(may_find(&["/supplierNote", "/items/*/cost"], message));
        assert!(may_find(&["/supplierNote", "/items/0/b"], message));
        assert!(!may_find(&["/item", "/em"], message));
        for any in ["/*", "/0", "/*/17", "/", "/a~1b", "/a\"b", "/a\nb"] {
            assert!(may_find(&["/supplierNote", any], message), "{any}");
        }
    }
}
