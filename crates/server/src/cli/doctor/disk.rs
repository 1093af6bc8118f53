//! The disk of the log: whether it may be written, how much room there is, and how fast it says that something is kept.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use foodtrack_tenant_log::private_options;

use super::finding::Finding;

const ABOUT: &str = "disk";
/// Writes that are timed.
const WRITES: u32 = 20;
/// A durable event waits for one of them.
const SLOW: Duration = Duration::from_millis(20);

pub(super) fn look(directory: Option<&str>, free_min: u64) -> Vec<Finding> {
    let Some(directory) = directory else {
        let sentence = "no dataDir: `serve` uses foodtrack-data in its working directory, and with --in-memory a restart loses all events";
        return vec![Finding::look(ABOUT, sentence)];
    };
    let path = Path::new(directory);
    if !path.exists() {
        return vec![look_above(path)];
    }
    vec![room(path, free_min), speed(path)]
}

/// The directory is made by the first start: where that may be done.
fn look_above(path: &Path) -> Finding {
    let above = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match above.is_dir() {
        true => Finding::good(
            ABOUT,
            format!("{} is not there yet, and made by the first start", path.display()),
        ),
        false => Finding::bad(
            ABOUT,
            format!(
                "{} is not there, and neither is what is above it: make it, for the hub's user alone",
                path.display()
            ),
        ),
    }
}

fn room(path: &Path, free_min: u64) -> Finding {
    let Ok(room) = rustix::fs::statvfs(path) else {
        return Finding::bad(
            ABOUT,
            format!("{} cannot be looked at: see its rights", path.display()),
        );
    };
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    let all = room.f_blocks.saturating_mul(room.f_frsize);
    // As the log counts it: of a small disk a tenth.
    let wanted = free_min.min(all / 10);
    match free {
        _ if free < wanted => Finding::bad(
            ABOUT,
            format!(
                "{} MiB are free, fewer than log.freeBytesMin: durable events would be refused; make room",
                free >> 20
            ),
        ),
        _ if free < 4 * wanted => Finding::look(
            ABOUT,
            format!("{} MiB are free: the log yields at {} MiB", free >> 20, wanted >> 20),
        ),
        _ => Finding::good(ABOUT, format!("{} MiB are free", free >> 20)),
    }
}

/// How long it takes until something small is on the disk.
fn speed(path: &Path) -> Finding {
    match median_write(path) {
        Err(error) => Finding::bad(
            ABOUT,
            format!("{} cannot be written: {error}; it must be the hub's user's", path.display()),
        ),
        Ok(took) if took > SLOW => Finding::look(
            ABOUT,
            format!(
                "an fsync takes {} ms, and each durable event waits for one: use a local disk, best an SSD",
                took.as_millis()
            ),
        ),
        Ok(took) => {
            Finding::good(ABOUT, format!("an fsync takes {:.2} ms", took.as_secs_f64() * 1_000.0))
        }
    }
}

fn median_write(path: &Path) -> io::Result<Duration> {
    // Its own name: a hub may run, and so may another doctor.
    let file = path.join(format!(".doctor-{}", std::process::id()));
    let taken = time_writes(&file);
    let removed = fs::remove_file(&file);
    let mut taken = taken?;
    removed?;
    taken.sort_unstable();
    Ok(taken[taken.len() / 2])
}

fn time_writes(file: &Path) -> io::Result<Vec<Duration>> {
    let mut file = private_options().create_new(true).write(true).open(file)?;
    let write = |_| {
        let begun = Instant::now();
        file.write_all(&[0; 4_096])?;
        file.sync_data()?;
        Ok(begun.elapsed())
    };
    (0..WRITES).map(write).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Weight;

    #[test]
    fn a_directory_is_timed_and_left_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        assert!(median_write(directory.path()).is_ok());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        let path = directory.path().join("a/b");
        assert_eq!(look(path.to_str(), 0)[0].weight, Weight::Bad);
        assert_eq!(look(directory.path().join("a").to_str(), 0)[0].weight, Weight::Good);
        assert_eq!(room(directory.path(), 0).weight, Weight::Good);
    }
}
