//! Files and directories that nobody but their owner may read, and that no symbolic link leads to.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// How files with events or keys are opened: what it makes is for its owner alone, whatever the umask says, and a symbolic
/// link in the file's place is an error.
pub fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    // The system's flags are small and positive.
    options.mode(0o600).custom_flags(i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0));
    options
}

/// Makes a directory for its owner alone, where it is not there, and its parents. A symbolic link in its place is an error
/// of the kind [`io::ErrorKind::AlreadyExists`].
///
/// # Errors
/// What the system said.
pub fn make_private_directory(path: &Path) -> io::Result<()> {
    if path.symlink_metadata().is_ok_and(|it| it.is_symlink()) {
        let sentence = "a symbolic link is in its place; name the directory that it leads to";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, sentence));
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn what_is_made_is_its_owners_alone_and_never_through_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let made = directory.path().join("outer/inner");
        make_private_directory(&made).unwrap();
        let file = made.join("file");
        private_options().write(true).create_new(true).open(&file).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&made), mode(&file)), (0o700, 0o600));

        let (target, link) = (directory.path().join("target"), made.join("link"));
        symlink(&target, &link).unwrap();
        private_options().write(true).create(true).open(&link).unwrap_err();
        assert!(!target.exists(), "something was made where a link led to");
        symlink(directory.path(), directory.path().join("elsewhere")).unwrap();
        make_private_directory(&directory.path().join("elsewhere")).unwrap_err();
    }
}
