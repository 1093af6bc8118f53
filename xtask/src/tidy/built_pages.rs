//! Whether the dashboard's committed pages are those of its sources: by the hashes that the build wrote down, without Node.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What the pages are made of, and where they are.
const FOLDERS: [&str; 2] = ["dashboard", "crates/server/dashboard"];
/// A line for each file: the hash that git gives what is in it, and its path.
const RECORD: &str = "crates/server/dashboard/built-from.txt";
const REMEDY: &str = "cd dashboard && npm ci && npm run build";

/// A sentence for each file that is not as it was when the pages were built.
pub(super) fn check(root: &Path) -> Vec<String> {
    let Ok(record) = std::fs::read_to_string(root.join(RECORD)) else {
        return vec![format!("{RECORD} does not read: {REMEDY}")];
    };
    match hashes(root) {
        Ok(present) => compare(&parse(&record), &present),
        Err(failure) => vec![failure],
    }
}

/// Hashes by path.
type Hashes = BTreeMap<String, String>;

fn parse(record: &str) -> Hashes {
    let lines = record.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(hash, path)| (path.to_owned(), hash.to_owned())).collect()
}

fn compare(recorded: &Hashes, present: &Hashes) -> Vec<String> {
    let changed = present.iter().filter(|(path, hash)| recorded.get(*path) != Some(hash));
    let gone = recorded.keys().filter(|path| !present.contains_key(*path));
    let paths = changed.map(|(path, _)| path).chain(gone);
    let told = paths.map(|path| {
        format!("{path} is not what the dashboard's pages were built from or with: {REMEDY}")
    });
    told.collect()
}

/// The files that git knows or would add, but for texts about them.
fn hashes(root: &Path) -> Result<Hashes, String> {
    let mut list = Command::new("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard", "--"]).args(FOLDERS);
    let names = answer(list.current_dir(root), "")?;
    let is_part =
        |name: &&str| *name != RECORD && !name.ends_with(".md") && root.join(name).is_file();
    let paths: Vec<&str> = names.lines().filter(is_part).collect();
    let mut hash = Command::new("git");
    hash.args(["hash-object", "--no-filters", "--stdin-paths"]);
    let hashes = answer(hash.current_dir(root), &(paths.join("\n") + "\n"))?;
    let hashes = hashes.lines().map(str::to_owned);
    Ok(paths.iter().map(|path| (*path).to_owned()).zip(hashes).collect())
}

fn answer(command: &mut Command, input: &str) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("git does not run: {error}");
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).map_err(failed)?;
    }
    let output = child.wait_with_output().map_err(failed)?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from("git fails; tidy needs the repository")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_stale_when_a_file_was_changed_added_or_taken_away() {
        let check = |present: &str, stale: &[&str]| {
            let failures =
                compare(&parse("aa dashboard/a.ts\nbb dashboard/b.ts\n"), &parse(present));
            assert_eq!(failures.len(), stale.len(), "{failures:?}");
            assert!(stale.iter().zip(&failures).all(|(path, failure)| failure.starts_with(path)));
        };
        check("aa dashboard/a.ts\nbb dashboard/b.ts", &[]);
        check("aa dashboard/a.ts\ncc dashboard/b.ts", &["dashboard/b.ts"]);
        check("aa dashboard/a.ts", &["dashboard/b.ts"]);
        check("aa dashboard/a.ts\nbb dashboard/b.ts\ncc dashboard/c.ts", &["dashboard/c.ts"]);
    }
}
