//! Which modules of a crate know one another, and in which direction.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::tree::{File, test_modules};

/// The modules that may stand in a circle, by the folder of their crate. A `Tenant` is written in several files, whose methods
/// call one another; the server's API and what it is made of know each other.
const MAY_CIRCLE: &[(&str, &[&str])] = &[
    (
        "tenant",
        &[
            "appending",
            "client_events",
            "connecting",
            "control_events",
            "input",
            "intake",
            "log_lookups",
            "pages",
            "session_key",
            "session_resume",
            "sessions",
            "settings",
            "tenant",
            "turn",
        ],
    ),
    ("server", &["admin_ui", "demo", "http", "hub"]),
    ("profile", &["check", "incoming", "outgoing", "profile"]),
];

/// Whom each module knows.
type Graph<'f> = BTreeMap<&'f str, BTreeSet<&'f str>>;

/// A sentence for each circle of a crate's modules that is not in the table, and for each name there that stands in none.
pub(super) fn circles(files: &[File]) -> Vec<String> {
    let mut failures = Vec::new();
    for (folder, graph) in &graphs(files) {
        let allowed = MAY_CIRCLE.iter().find(|(one, _)| one == folder).map_or(&[][..], |it| it.1);
        let in_circle = in_circles(graph);
        for module in in_circle.iter().filter(|module| !allowed.contains(module)) {
            failures.push(format!("crates/{folder}: {module} stands in a circle of modules"));
        }
        for module in allowed.iter().filter(|module| !in_circle.contains(*module)) {
            failures.push(format!(
                "crates/{folder}: {module} stands in no circle any more; take it out of the table"
            ));
        }
    }
    failures
}

/// The modules of each crate, by its folder. A module's children count as the module.
fn graphs(files: &[File]) -> BTreeMap<&str, Graph<'_>> {
    let tests = test_modules(files);
    let mut graphs: BTreeMap<&str, Graph<'_>> = BTreeMap::new();
    for file in files.iter().filter(|file| !file.is_of_tests(&tests)) {
        let Some((folder, module, is_child)) = module_of(file.path()) else { continue };
        let known = graphs.entry(folder).or_default().entry(module).or_default();
        known.extend(named_behind(file, "crate::"));
        if !is_child {
            known.extend(named_behind(file, "super::"));
        }
        known.remove(module);
    }
    graphs
}

/// The crate's folder, its module that the file is or belongs to, and whether it only belongs to it.
fn module_of(path: &Path) -> Option<(&str, &str, bool)> {
    let mut parts = path.iter().map(|part| part.to_str().unwrap_or_default());
    let ("crates", folder, "src") = (parts.next()?, parts.next()?, parts.next()?) else {
        return None;
    };
    let first = parts.next()?;
    let module = first.strip_suffix(".rs").unwrap_or(first);
    (path.extension()? == "rs" && module != "lib" && module != "main").then_some((
        folder,
        module,
        parts.next().is_some(),
    ))
}

/// What the file's code names behind a prefix: `a` and `b` of `crate::a::C` and of `crate::{a::C, b}`.
fn named_behind<'f>(file: &'f File, prefix: &str) -> BTreeSet<&'f str> {
    let mut names = BTreeSet::new();
    for (_, line) in file.code_without_tests() {
        for (at, _) in line.match_indices(prefix) {
            let is_longer =
                line[..at].ends_with(|before: char| is_of_word(before) || before == ':');
            let behind = &line[at + prefix.len()..];
            match behind.strip_prefix('{') {
                _ if is_longer => {}
                Some(group) => names.extend(group.split([',', '}']).map(first_word)),
                None => _ = names.insert(first_word(behind)),
            }
        }
    }
    names
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn first_word(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.find(|character| !is_of_word(character)).unwrap_or(text.len());
    &text[..end]
}

/// The modules from which a way leads back to themselves.
fn in_circles<'f>(graph: &Graph<'f>) -> BTreeSet<&'f str> {
    graph.keys().copied().filter(|module| reached_from(graph, module).contains(module)).collect()
}

fn reached_from<'f>(graph: &Graph<'f>, module: &str) -> BTreeSet<&'f str> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&str> = graph.get(module).into_iter().flatten().copied().collect();
    while let Some(next) = waiting.pop() {
        // What is no module of the crate has no entry, and leads nowhere.
        if graph.contains_key(next) && reached.insert(next) {
            waiting.extend(graph[next].iter().copied());
        }
    }
    reached
}

/// A sentence for each step of the reactor that calls one which its documentation names behind it, or that it does not name.
pub(super) fn reactor_steps(files: &[File]) -> Vec<String> {
    const REACTOR: &str = "crates/transport/src/reactor.rs";
    let Some(reactor) = files.iter().find(|file| file.path() == Path::new(REACTOR)) else {
        return vec![format!("{REACTOR} is not there")];
    };
    let order = steps_in_order(reactor);
    let folder = Path::new(REACTOR).with_extension("");
    let tests = test_modules(files);
    let steps: Vec<Step<'_>> = files
        .iter()
        .filter(|file| file.path().parent() == Some(&folder) && !file.is_of_tests(&tests))
        .map(Step::of)
        .filter(|step| !step.methods.is_empty())
        .collect();
    let place = |name: &str| order.iter().position(|step| *step == name);
    let mut failures = Vec::new();
    for step in &steps {
        let Some(own) = place(step.name) else {
            failures.push(format!("{REACTOR} does not say when its step {} comes", step.name));
            continue;
        };
        for other in steps.iter().filter(|other| place(other.name) > Some(own)) {
            let called = step.called.iter().find(|name| other.methods.contains(*name));
            let named = step.known.contains(other.name).then_some(&other.name);
            failures.extend(called.or(named).map(|what| {
                format!("{}: {what} is of {}, a later step", step.path.display(), other.name)
            }));
        }
    }
    failures
}

/// The steps as the list in the reactor's documentation names them.
fn steps_in_order(reactor: &File) -> Vec<&str> {
    let list = reactor.text().lines().filter_map(|line| line.strip_prefix("//! - "));
    list.flat_map(|line| {
        let names = line.split_once(": ").map_or(line, |(names, _)| names);
        names.split(", ").map(|name| name.trim_matches('`'))
    })
    .collect()
}

/// A module that implements a part of the reactor.
struct Step<'f> {
    path: &'f Path,
    name: &'f str,
    /// The reactor's methods that it defines.
    methods: BTreeSet<&'f str>,
    /// Methods that it calls on a reactor.
    called: BTreeSet<&'f str>,
    /// Modules beside it of which it uses something.
    known: BTreeSet<&'f str>,
}

impl<'f> Step<'f> {
    fn of(file: &'f File) -> Self {
        let name = file.path().file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let (mut methods, mut called) = (BTreeSet::new(), BTreeSet::new());
        let mut is_reactors = false;
        for (_, line) in file.code_without_tests() {
            if line.starts_with("impl") {
                is_reactors = line.contains("Reactor {");
            } else if line.starts_with('}') {
                is_reactors = false;
            }
            if is_reactors && let Some((_, behind)) = line.split_once("fn ") {
                methods.insert(first_word(behind));
            }
            let receivers: &[&str] = if is_reactors { &["self.", "io."] } else { &["io."] };
            for receiver in receivers {
                for (at, _) in line.match_indices(receiver) {
                    let is_longer =
                        line[..at].ends_with(|before| is_of_word(before) || before == '.');
                    let word = first_word(&line[at + receiver.len()..]);
                    let behind = &line[at + receiver.len() + word.len()..];
                    if !is_longer && behind.starts_with(['(', ':']) {
                        called.insert(word);
                    }
                }
            }
        }
        let known = named_behind(file, "super::");
        Self { path: file.path(), name, methods, called, known }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File::new(path, text)
    }

    #[test]
    fn a_circle_of_modules_is_found_however_long_it_is() {
        let mut files = vec![
            file("crates/wire/src/a.rs", "use crate::b::B;\n// use crate::d::D;"),
            file("crates/wire/src/b.rs", "use crate::{a_longer, c::C};"),
            file("crates/wire/src/d.rs", "use crate::a::A;"),
        ];
        assert_eq!(circles(&files), [""; 0]);
        // A child counts as the module, whatever it knows beside it; tests may know anybody.
        files.push(file(
            "crates/wire/src/c/child.rs",
            "use super::d;\n#[cfg(test)]\nmod tests {\ncrate::a",
        ));
        assert_eq!(circles(&files), [""; 0]);
        files.push(file("crates/wire/src/c.rs", "fn c() { crate::a::A::new() }"));
        let circle =
            ["a", "b", "c"].map(|it| format!("crates/wire: {it} stands in a circle of modules"));
        assert_eq!(circles(&files), circle);
    }

    #[test]
    fn a_name_in_the_table_must_stand_in_a_circle() {
        let files = [file("crates/profile/src/check.rs", "use crate::profile::Profile;")];
        let all_of_profile = 4;
        assert_eq!(circles(&files).len(), all_of_profile);
    }

    #[test]
    fn a_step_of_the_reactor_calls_those_before_it_alone() {
        let reactor = file(
            "crates/transport/src/reactor.rs",
            "//! - `first`: one.\n//! - `second`, `third`: two.",
        );
        let first =
            "impl Reactor {\n    pub fn one(&mut self) {\n        self.links.three();\n    }\n}\n";
        let third = "impl Reactor {\n    fn three(&mut self) {\n        self.one();\n    }\n}\n";
        let check = |files: &[(&str, &str)], expected: &[&str]| {
            let mut all = vec![file("crates/transport/src/reactor.rs", reactor.text())];
            let steps = files
                .iter()
                .map(|(name, text)| file(&format!("crates/transport/src/reactor/{name}.rs"), text));
            all.extend(steps);
            assert_eq!(reactor_steps(&all), expected);
        };
        check(&[("first", first), ("third", third)], &[]);
        let circle = first.replace("self.links.three()", "self.three()");
        let found = "crates/transport/src/reactor/first.rs: three is of third, a later step";
        check(&[("first", &circle), ("third", third)], &[found]);
        let outside = format!("{first}fn free(io: &mut Reactor) {{\n    io.three();\n}}\n");
        check(&[("first", &outside), ("third", third)], &[found]);
        let named = format!("use super::third::Third;\n{first}");
        let found = "crates/transport/src/reactor/first.rs: third is of third, a later step";
        check(&[("first", &named), ("third", third)], &[found]);
        let found = "crates/transport/src/reactor.rs does not say when its step new comes";
        check(&[("first", first), ("new", third)], &[found]);
    }
}
