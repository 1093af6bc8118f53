//! What a node is called.

use std::fmt;

use serde::Serialize;

/// The longest id.
const BYTES_MAX: usize = 64;
/// The longest name that a configuration gives.
pub(crate) const NODE_NAME_BYTES_MAX: usize = 40;

/// A node's id, of one start of it: a process that comes after it has another one, whatever its address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub(crate) struct NodeId(String);

impl NodeId {
    /// A new one: random, behind the name where there is one.
    pub(crate) fn fresh(name: Option<&str>) -> Self {
        let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
        match name {
            Some(name) => Self(format!("{name}-{:08x}", random >> 32)),
            None => Self(format!("{random:016x}")),
        }
    }

    /// `None` where the text is none: 1 to 64 letters, digits, `-` and `_`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        ((1..=BYTES_MAX).contains(&text.len()) && is_plain(text)).then(|| Self(text.to_owned()))
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text is of what ids are of.
pub(crate) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_one_start_and_can_be_read_again() {
        for name in [None, Some("kitchen-1")] {
            let (one, other) = (NodeId::fresh(name), NodeId::fresh(name));
            assert_ne!(one, other);
            assert_eq!(NodeId::parse(one.as_str()), Some(one.clone()));
            assert!(one.as_str().starts_with(name.unwrap_or_default()));
        }
    }

    #[test]
    fn what_is_no_id_is_none() {
        for text in ["", "a b", "a\n", "ü", "a/b", &"x".repeat(65)] {
            assert_eq!(NodeId::parse(text), None, "{text:?}");
        }
    }
}
