//! What is generated: `error_code.rs` and `docs/reference/errors.md` from `errors.json`, the one table of codes that
//! clients see; the other references and the TypeScript contract from the code itself.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

const SOURCE: &str = "crates/contract/errors.json";
const TARGET: &str = "crates/contract/src/error_code.rs";
const ERRORS_PAGE: &str = "docs/reference/errors.md";
/// What `reference` prints, a program that is built from the code it tells of.
const PRINTED: [(&str, &str); 5] = [
    ("configuration", "docs/reference/configuration.md"),
    ("events", "docs/reference/events.md"),
    ("typescript-constants", "clients/typescript/packages/contract/src/generated/constants.ts"),
    ("typescript-payloads", "clients/typescript/packages/contract/src/generated/payloads.ts"),
    ("typescript-schemas", "clients/typescript/packages/contract/src/generated/schemas.ts"),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    ranges: Ranges,
    errors: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ranges {
    retry: String,
    reconnect: String,
    stop: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    number: u16,
    code: String,
    about: String,
}

/// Writes every file.
pub(crate) fn write(root: &Path) -> Vec<String> {
    let written = |(path, text): (&str, Result<String, String>)| {
        std::fs::write(root.join(path), text?).map_err(|error| format!("{path}: {error}"))
    };
    // One by one: what comes later may be built from what came before.
    generators().filter_map(|(path, generate)| written((path, generate(root))).err()).collect()
}

/// A sentence for each file that is not what [`write`] would write.
pub(crate) fn check(root: &Path) -> Vec<String> {
    let checked = |path: &str, fresh: Result<String, String>| {
        if read(root, path)? == fresh? {
            return Ok(());
        }
        Err(format!("{path} is not fresh; run `cargo xtask codegen`"))
    };
    generators().filter_map(|(path, generate)| checked(path, generate(root)).err()).collect()
}

type Generate = Box<dyn Fn(&Path) -> Result<String, String>>;

fn generators() -> impl Iterator<Item = (&'static str, Generate)> {
    let from_table: [(&str, Generate); 2] = [
        (TARGET, Box::new(|root| format_source(root, &source(&table(root)?)))),
        (ERRORS_PAGE, Box::new(|root| Ok(errors_page(&table(root)?)))),
    ];
    let printed = PRINTED.map(|(name, path)| {
        let generate: Generate = Box::new(move |root| print_page(root, name));
        (path, generate)
    });
    from_table.into_iter().chain(printed)
}

fn table(root: &Path) -> Result<Table, String> {
    let table: Table = serde_json::from_str(&read(root, SOURCE)?)
        .map_err(|error| format!("{SOURCE} does not read: {error}"))?;
    check_table(&table).map_err(|problem| format!("{SOURCE}: {problem}"))?;
    Ok(table)
}

fn print_page(root: &Path, name: &str) -> Result<String, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["run", "--quiet", "--package", "reference", "--", name])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo does not run: {error}"))?;
    if !output.status.success() {
        return Err(format!("the reference of {name} does not print"));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("the reference of {name}: {error}"))
}

fn errors_page(table: &Table) -> String {
    let Ranges { retry, reconnect, stop } = &table.ranges;
    let mut page = format!(
        "# Errors\n\n\
         Made by `cargo xtask codegen` from `crates/contract/errors.json`; do not edit.\n\n\
         A refusal is `{{ code, number, message, event?, pointer?, rule?, retryAfterMs? }}`: in the acknowledgement\n\
         (`{{ success: false, error }}`), as the payload of `system:error` where no acknowledgement was asked for, as `data`\n\
         of Socket.IO's `connect_error`, and in the body of an HTTP answer. `pointer` is a JSON pointer to what breaks\n\
         `rule`. The number says how to react:\n\n\
         - {retry}.\n- {reconnect}.\n- {stop}.\n\n\
         | number | code | what it says |\n| --- | --- | --- |\n"
    );
    for Entry { number, code, about } in &table.errors {
        // Writing to memory does not fail.
        let _ = writeln!(page, "| {number} | `{code}` | {about} |");
    }
    page
}

fn read(root: &Path, path: &str) -> Result<String, String> {
    std::fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"))
}

fn check_table(table: &Table) -> Result<(), String> {
    let mut codes = BTreeSet::new();
    let mut last = 999;
    for Entry { number, code, about } in &table.errors {
        if *number <= last || *number > 3999 {
            return Err(format!(
                "{number} must be more than the number before it, from 1000 to 3999"
            ));
        }
        last = *number;
        let words = code
            .split('_')
            .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()));
        if !words || !codes.insert(code.as_str()) {
            return Err(format!("{code} must be words of a-z joined by '_', and be there once"));
        }
        if about.contains(['"', '\\', '\n']) || !about.ends_with('.') {
            return Err(format!("what {code} is about must be a plain sentence"));
        }
    }
    Ok(())
}

/// `rate_limited` as `RateLimited`.
fn variant(code: &str) -> String {
    let mut name = String::with_capacity(code.len());
    for word in code.split('_') {
        name.extend(word.chars().take(1).map(|first| first.to_ascii_uppercase()));
        name.extend(word.chars().skip(1));
    }
    name
}

fn source(table: &Table) -> String {
    let Ranges { retry, reconnect, stop } = &table.ranges;
    let lines = |line: &dyn Fn(&Entry) -> String| {
        table.errors.iter().fold(String::new(), |mut text, entry| {
            // Writing to memory does not fail.
            let _ = writeln!(text, "{}", line(entry));
            text
        })
    };
    let variants = lines(&|Entry { number, code, about }| {
        format!("/// {about}\n{} = {number},", variant(code))
    });
    let all = lines(&|Entry { code, .. }| format!("Self::{},", variant(code)));
    let names = lines(&|Entry { code, .. }| format!("Self::{} => \"{code}\",", variant(code)));
    let abouts =
        lines(&|Entry { code, about, .. }| format!("Self::{} => \"{about}\",", variant(code)));
    format!(
        r#"//! The codes that clients see. Made from `errors.json` by `cargo xtask codegen`; do not edit.

/// What a client should do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {{
    /// {retry}.
    Retry,
    /// {reconnect}.
    Reconnect,
    /// {stop}.
    Stop,
}}

/// A code that clients see; its number's range says how to react.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum ErrorCode {{
{variants}}}

impl ErrorCode {{
    /// Every code, in the order of the numbers.
    pub const ALL: &'static [Self] = &[
{all}];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {{
        match self {{
{names}}}
    }}

    /// What the code is about, in a sentence.
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub const fn about(self) -> &'static str {{
        match self {{
{abouts}}}
    }}

    /// The number on the wire.
    pub const fn number(self) -> u16 {{
        self as u16
    }}

    /// What a client should do.
    pub const fn reaction(self) -> Reaction {{
        match self.number() {{
            ..2000 => Reaction::Retry,
            2000..3000 => Reaction::Reconnect,
            _ => Reaction::Stop,
        }}
    }}
}}
"#
    )
}

fn format_source(root: &Path, source: &str) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("rustfmt does not run: {error}");
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(root)
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    // Rustfmt reads all of its input before it writes; taking the pipe closes it.
    if let Some(mut input) = rustfmt.stdin.take() {
        input.write_all(source.as_bytes()).map_err(failed)?;
    }
    let output = rustfmt.wait_with_output().map_err(failed)?;
    if !output.status.success() {
        return Err(String::from("rustfmt does not take what codegen made"));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("rustfmt's output: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(errors: &[(u16, &str, &str)]) -> Table {
        let text = String::new;
        let errors = errors.iter().map(|(number, code, about)| Entry {
            number: *number,
            code: (*code).to_owned(),
            about: (*about).to_owned(),
        });
        let ranges = Ranges { retry: text(), reconnect: text(), stop: text() };
        Table { ranges, errors: errors.collect() }
    }

    #[test]
    fn a_code_is_named_in_camel_case() {
        assert_eq!(variant("token_not_yet_valid"), "TokenNotYetValid");
    }

    #[test]
    fn numbers_and_codes_are_there_once_and_in_range() {
        assert!(check_table(&table(&[(1001, "a", "A."), (3999, "b_c", "B.")])).is_ok());
        assert!(check_table(&table(&[(1001, "a", "A."), (1001, "b", "B.")])).is_err());
        assert!(check_table(&table(&[(1001, "a", "A."), (1002, "a", "B.")])).is_err());
        assert!(check_table(&table(&[(999, "a", "A.")])).is_err());
        assert!(check_table(&table(&[(4000, "a", "A.")])).is_err());
        assert!(check_table(&table(&[(1001, "A", "A.")])).is_err());
        assert!(check_table(&table(&[(1001, "a_", "A.")])).is_err());
        assert!(check_table(&table(&[(1001, "a", "A \"quote\".")])).is_err());
    }
}
