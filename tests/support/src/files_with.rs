//! Looking for what must be in no file.

use std::path::Path;

/// The files of a directory, and of those in it, that have a text somewhere.
///
/// # Panics
/// Where a directory cannot be read.
pub fn files_with(directory: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(directory).expect("a directory") {
        let path = file.expect("a file").path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
            continue;
        }
        // What went meanwhile has nothing.
        let bytes = std::fs::read(&path).unwrap_or_default();
        if bytes.windows(text.len()).any(|it| it == text.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    found
}
