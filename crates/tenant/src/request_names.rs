//! Which events are requests to the business back end.

use ahash::AHashSet;

/// Which events are requests, by their names. Default: none.
#[derive(Clone, Debug, Default)]
pub struct RequestNames {
    names: AHashSet<Box<str>>,
    /// `admin:` for `admin:*`.
    groups: Vec<Box<str>>,
}

impl RequestNames {
    /// Each is an event's name, or a group such as `admin:*`.
    pub fn new<'n>(patterns: impl IntoIterator<Item = &'n str>) -> Self {
        let mut requests = Self::default();
        for pattern in patterns {
            match pattern.strip_suffix('*') {
                Some(group) => requests.groups.push(group.into()),
                None => _ = requests.names.insert(pattern.into()),
            }
        }
        requests
    }

    /// Whether an event of this name is a request.
    pub fn has(&self, name: &str) -> bool {
        (!self.names.is_empty() && self.names.contains(name))
            || self.groups.iter().any(|group| name.starts_with(&**group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_by_its_name_or_its_group() {
        let requests = RequestNames::new(["kitchen:get_orders", "admin:*"]);
        for (name, is_request) in [
            ("kitchen:get_orders", true),
            ("kitchen:get_orders2", false),
            ("kitchen:notification", false),
            ("admin:get_connection_stats", true),
            ("administrator", false),
        ] {
            assert_eq!(requests.has(name), is_request, "{name}");
        }
        assert!(!RequestNames::default().has("kitchen:get_orders"));
    }
}
