//! What the files of the tree say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const LINES_MAX: usize = 500;
const FUNCTION_LINES: &str = "too-many-lines-threshold = 60";
/// What makes a principal, and the one folder that may call it beside tests.
const MAKERS: [(&str, &str); 3] = [
    ("from_verified_token", "crates/auth"),
    ("as_back_end", "crates/server/src/upstream"),
    ("of_emitter", "crates/server/src/emitters"),
];

/// A file of the tree, by its path from the root.
pub(super) struct File {
    path: PathBuf,
    text: String,
}

impl File {
    #[cfg(test)]
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.to_owned() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is of one of these [`test_modules`].
    pub(super) fn is_of_tests(&self, modules: &BTreeSet<PathBuf>) -> bool {
        let is_of = |module: &PathBuf| {
            self.path.starts_with(module) || self.path == module.with_extension("rs")
        };
        modules.iter().any(is_of)
    }

    /// As [`File::code`], up to the tests at its end.
    pub(super) fn code_without_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut lines = self.code().peekable();
        std::iter::from_fn(move || {
            let (number, line) = lines.next()?;
            let is_before_module = lines.peek().is_some_and(|(_, next)| next.ends_with('{'));
            (line != "#[cfg(test)]" || !is_before_module).then_some((number, line))
        })
    }

    fn is_rust(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "rs")
    }

    /// The lines that are no comment, numbered from 1.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(i, line)| (i + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// The source files that git knows or would add.
pub(super) fn read(root: &Path) -> Result<Vec<File>, String> {
    const SOURCES: [&str; 12] =
        ["rs", "ts", "tsx", "js", "mjs", "cjs", "py", "sh", "lua", "toml", "yml", "yaml"];
    let output = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .map_err(|error| format!("git does not run: {error}"))?;
    if !output.status.success() {
        return Err(String::from("git ls-files fails; tidy needs the repository"));
    }
    let names = String::from_utf8_lossy(&output.stdout);
    let mut files = Vec::new();
    for path in names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from) {
        let extension = path.extension().and_then(|extension| extension.to_str());
        let is_source = extension.is_some_and(|extension| SOURCES.contains(&extension))
            || path.ends_with("Makefile");
        // A file that git still lists may be gone from the disk.
        if is_source && root.join(&path).is_file() {
            let text = std::fs::read_to_string(root.join(&path))
                .map_err(|error| format!("{} does not read: {error}", path.display()))?;
            files.push(File { path, text });
        }
    }
    Ok(files)
}

/// A sentence for each thing that was left for later.
pub(super) fn leftovers(files: &[File]) -> Vec<String> {
    // In halves, or this file would find itself.
    const LEFT: [(&str, bool); 5] = [
        (concat!("to", "do!"), false),
        (concat!("unimple", "mented!"), false),
        (concat!("FIX", "ME"), true),
        (concat!("XX", "X"), true),
        (concat!("#[", "ignore"), false),
    ];
    let mut failures = Vec::new();
    for File { path, text } in files {
        for (i, line) in text.lines().enumerate() {
            for (left, _) in LEFT.iter().filter(|(left, word)| contains(line, left, *word)) {
                failures.push(format!("{}:{}: {left} is left there", path.display(), i + 1));
            }
        }
    }
    failures
}

/// Whether `line` has `what`, not as the end of a longer word; nor, for a whole `word`, as its beginning.
fn contains(line: &str, what: &str, word: bool) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(what).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + what.len()..].chars().next();
        !(before.is_some_and(is_part) || (word && after.is_some_and(is_part)))
    })
}

/// A sentence for each place that makes a principal and may not.
pub(super) fn makers_of_principals(files: &[File]) -> Vec<String> {
    let tests = test_modules(files);
    let mut failures = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() && !is_for_tests(&file.path)) {
        if file.is_of_tests(&tests) {
            continue;
        }
        for (number, line) in file.code_without_tests() {
            let others = MAKERS.iter().filter(|(_, folder)| !file.path.starts_with(folder));
            let called = others.filter(|(maker, _)| {
                // The definition itself is no call.
                contains(line, maker, true) && !line.contains(&format!("fn {maker}"))
            });
            failures.extend(called.map(|(maker, folder)| {
                let path = file.path.display();
                format!("{path}:{number}: only {folder} and tests may call {maker}")
            }));
        }
    }
    failures
}

fn is_for_tests(path: &Path) -> bool {
    path.starts_with("xtask")
        || path.starts_with("fuzz")
        || path.starts_with("crates/simulation")
        || path
            .components()
            .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "benches")
}

/// The modules in files of their own that are compiled for tests alone, as the path of their folder.
pub(super) fn test_modules(files: &[File]) -> BTreeSet<PathBuf> {
    let mut modules = BTreeSet::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let stem = file.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let folder = match stem {
            "lib" | "main" | "mod" => file.path.parent().unwrap_or(Path::new("")).to_path_buf(),
            _ => file.path.with_extension(""),
        };
        let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
        for pair in lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]") {
            if let Some(name) = pair[1].strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'))
            {
                modules.insert(folder.join(name));
            }
        }
    }
    modules
}

/// A sentence for each `clippy.toml` that lets functions grow longer: Clippy reads the nearest one and merges nothing.
pub(super) fn lenient_lints(files: &[File]) -> Vec<String> {
    let settings = files.iter().filter(|file| file.path.ends_with("clippy.toml"));
    settings
        .filter(|file| !file.text.lines().any(|line| line == FUNCTION_LINES))
        .map(|file| format!("{} does not say {FUNCTION_LINES}", file.path.display()))
        .collect()
}

/// A sentence for each Rust file that grew long.
pub(super) fn long_files(files: &[File]) -> Vec<String> {
    let rust = files.iter().filter(|file| file.is_rust());
    rust.map(|file| (file.path.display(), file.text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(path, lines)| format!("{path} has {lines} lines, more than {LINES_MAX}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File::new(path, text)
    }

    #[test]
    fn what_was_left_for_later_is_found_as_a_word() {
        let check = |text: &str, count: usize| {
            assert_eq!(leftovers(&[file("a.rs", text)]).len(), count, "{text}");
        };
        check(concat!("fn a() { to", "do!() }"), 1);
        check(concat!("unimple", "mented!(\"x\")"), 1);
        check(concat!("// FIX", "ME: later"), 1);
        check(concat!("// XX", "X"), 1);
        check(concat!("let key = \"aXX", "Xb\";"), 0);
        check(concat!("XX", "XL"), 0);
        check(concat!("#[", "ignore = \"slow\"]"), 1);
        check("todo = \"warn\"", 0);
    }

    #[test]
    fn a_failure_names_its_place() {
        let failures = leftovers(&[file("src/a.rs", concat!("\n\nFIX", "ME"))]);
        assert!(failures[0].starts_with("src/a.rs:3: "), "{failures:?}");
    }

    #[test]
    fn only_named_folders_and_tests_make_principals() {
        let call = "fn a() { Principal::from_verified_token(claims) }";
        let check = |files: &[File], count: usize| {
            assert_eq!(makers_of_principals(files).len(), count);
        };
        check(&[file("crates/shard/src/tenant.rs", call)], 1);
        check(&[file("crates/auth/src/jwt.rs", call)], 0);
        let back_end = "fn a() { asker.as_back_end() }";
        check(&[file("crates/auth/src/jwt.rs", back_end)], 1);
        check(&[file("crates/server/src/upstream/mod.rs", back_end)], 0);
        check(&[file("crates/shard/tests/it/main.rs", call)], 0);
        check(&[file("crates/a/src/b.rs", "// Principal::from_verified_token(claims)")], 0);
        check(&[file("crates/contract/src/identity.rs", "pub fn from_verified_token(c: C)")], 0);
        let inline = format!("fn b() {{}}\n#[cfg(test)]\nmod tests {{\n{call}\n}}");
        check(&[file("crates/a/src/b.rs", &inline)], 0);
        let parent = file("crates/a/src/b.rs", "#[cfg(test)]\nmod promises;\nmod other;");
        check(&[parent, file("crates/a/src/b/promises.rs", call)], 0);
        let parent = file("crates/a/src/lib.rs", "#[cfg(test)]\nmod promises;\nmod other;");
        check(&[parent, file("crates/a/src/other.rs", call)], 1);
    }

    #[test]
    fn long_files_are_named() {
        assert!(long_files(&[file("a.rs", &"x\n".repeat(500))]).is_empty());
        assert_eq!(long_files(&[file("a.rs", &"x\n".repeat(501))]).len(), 1);
    }
    #[test]
    fn each_setting_of_clippy_bounds_functions() {
        let check = |text: &str, count: usize| {
            assert_eq!(lenient_lints(&[file("crates/a/clippy.toml", text)]).len(), count);
        };
        check("# Rules.\ntoo-many-lines-threshold = 60\n", 0);
        check("allow-unwrap-in-tests = true", 1);
        check("too-many-lines-threshold = 600", 1);
    }
}
