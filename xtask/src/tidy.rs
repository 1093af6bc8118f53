//! What the compiler does not check.

mod architecture;
mod built_pages;
mod licences;
mod metadata;
mod modules;
mod named_tests;
mod spdx;
mod tree;
mod versions;

use std::path::Path;

use metadata::Metadata;

use crate::codegen;

/// Runs every check; gives a sentence for each failure. Long files are only named.
pub(crate) fn run(root: &Path) -> Vec<String> {
    let mut failures = Vec::new();
    // Whom ours know is in the manifests; whose licences count takes the resolved graph.
    match Metadata::read(root, true) {
        Ok(ours) => failures.extend(architecture::check(&ours)),
        Err(failure) => failures.push(failure),
    }
    match Metadata::read(root, false) {
        Ok(all) => {
            failures.extend(licences::check(&all));
            failures.extend(versions::check(&all));
        }
        Err(failure) => failures.push(failure),
    }
    match tree::read(root) {
        Ok(files) => {
            failures.extend(tree::leftovers(&files));
            failures.extend(tree::makers_of_principals(&files));
            failures.extend(tree::lenient_lints(&files));
            failures.extend(modules::circles(&files));
            failures.extend(modules::reactor_steps(&files));
            failures.extend(named_tests::missing(root, &files));
            for warning in tree::long_files(&files) {
                eprintln!("warning: {warning}");
            }
        }
        Err(failure) => failures.push(failure),
    }
    failures.extend(built_pages::check(root));
    failures.extend(codegen::check(root));
    failures
}
