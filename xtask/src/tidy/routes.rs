//! The HTTP reference names every path of the API, and no other.

use std::collections::BTreeSet;
use std::path::Path;

const SOURCE: &str = "crates/server/src/http/mod.rs";
const PAGE: &str = "docs/reference/http.md";

/// A sentence for each path that only one of them has.
pub(super) fn check(root: &Path) -> Vec<String> {
    let read = |path: &str| {
        std::fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"))
    };
    match (read(SOURCE), read(PAGE)) {
        (Ok(source), Ok(page)) => compare(&routes(&source), &headings(&page)),
        (source, page) => [source.err(), page.err()].into_iter().flatten().collect(),
    }
}

fn compare(routes: &BTreeSet<&str>, headings: &BTreeSet<&str>) -> Vec<String> {
    let missing = routes.difference(headings).map(|path| format!("{PAGE} does not tell of {path}"));
    let stale =
        headings.difference(routes).map(|path| format!("{PAGE} tells of {path}: no such route"));
    missing.chain(stale).collect()
}

/// The first argument of each `.route(`.
fn routes(source: &str) -> BTreeSet<&str> {
    source.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// The path of each row or heading that begins with a method, such as `` | `GET /health` | ``.
fn headings(page: &str) -> BTreeSet<&str> {
    let quoted = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    quoted
        .filter_map(|request| request.split_once(' '))
        .filter(|(method, _)| ["GET", "POST", "PUT", "DELETE"].contains(method))
        .map(|(_, path)| path)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_only_one_of_them_has_is_named() {
        let source = r#"new().route("/a", get(a)).route("/b/{id}", put(b).delete(c))"#;
        let page = "| `GET /a` | x |\n| `PUT /b/{id}` | y |\n| `GET /gone` | z |\n| `name` | no |";
        let failures = compare(&routes(source), &headings(page));
        assert_eq!(failures, [format!("{PAGE} tells of /gone: no such route")]);
        let failures = compare(&routes(source), &headings("| `GET /a` | x |"));
        assert_eq!(failures, [format!("{PAGE} does not tell of /b/{{id}}")]);
    }
}
