//! How many nodes and Redis servers a number of connections takes: a model, from figures that this bench measures.

mod inputs;
mod model;
mod page;
mod placement;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use inputs::{Inputs, InputsError};

#[derive(Args)]
pub(crate) struct CapacityOptions {
    /// Measured figures and assumptions
    #[arg(long, default_value = "bench/capacity.toml")]
    data: PathBuf,
    /// Put the tables into this page, between its marks, instead of printing them
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CapacityError {
    #[error("read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("write {path}")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("{path}")]
    Inputs { path: PathBuf, source: InputsError },
    #[error("{path} does not have the marks between which the tables belong: {BEGIN} and {END}")]
    NoMarks { path: PathBuf },
}

const BEGIN: &str = "<!-- bench capacity begins -->";
const END: &str = "<!-- bench capacity ends -->";

/// Returns the tables, or puts them into a page.
///
/// # Errors
/// A file cannot be read or written, or is not what it is to be.
pub(crate) fn run(options: &CapacityOptions) -> Result<Option<String>, CapacityError> {
    let tables = tables(&options.data)?;
    let Some(path) = &options.page else { return Ok(Some(tables)) };
    let page = read(path)?;
    let page = with_tables(&page, &tables);
    let page = page.ok_or_else(|| CapacityError::NoMarks { path: path.clone() })?;
    let write = |source| CapacityError::Write { path: path.clone(), source };
    fs::write(path, page).map_err(write)?;
    Ok(None)
}

fn tables(data: &Path) -> Result<String, CapacityError> {
    let inputs = Inputs::parse(&read(data)?);
    let inputs =
        inputs.map_err(|source| CapacityError::Inputs { path: data.to_owned(), source })?;
    Ok(page::tables(&inputs))
}

fn read(path: &Path) -> Result<String, CapacityError> {
    fs::read_to_string(path).map_err(|source| CapacityError::Read { path: path.to_owned(), source })
}

fn with_tables(page: &str, tables: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{tables}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_what_the_tool_prints_for_the_data_file() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let page = read(&root.join("docs/operating/capacity.md")).unwrap();
        let tables = tables(&root.join("bench/capacity.toml")).unwrap();
        let fresh = with_tables(&page, &tables).unwrap();
        assert!(
            page == fresh,
            "run: cargo run -p bench -- capacity --page docs/operating/capacity.md"
        );
    }
}
