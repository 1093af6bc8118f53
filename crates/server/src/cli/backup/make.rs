//! `foodtrack-websocket backup make`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgGroup, Args};
use foodtrack_tenant_log::{Pacing, make_private_directory, private_options};
use tempfile::{Builder, NamedTempFile};

use super::archive::{self, UNFINISHED};
use super::contents::{Contents, FORMAT};
use super::{check_log, parts};
use crate::cli::Run;
use crate::cli::copy_rate::{RateOption, tell_copied};
use crate::cli::log::{LogDirectory, now_ms, size_text};
use crate::cli::log_text::time_text;
use crate::cli::outcome::{Outcome, failed, note, print};

const AFTER_HELP: &str = "\
The file holds the log as of one moment, what tenants declared and revoked, their back ends' API keys as hashes, and the key of sessions, each with a checksum; \
it is for its owner alone. Its log is looked through before the file has its name, so a file with a backup's name is one that was verified. That takes, for a \
while, as much free disk beside it as the log twice.

Beside a running hub it writes no faster than --rate, puts on disk what it wrote every few MiB, and gives way to others that want the processor: so durable events, which wait for the disk as well, go on at their pace. The log is written twice: a log of 1 GiB takes about 64 s at 32MiB/s. While the log is copied, what the hub commits stays in log.db-wal, which grows until then.

Tenants' keys of a log that is sealed are left out: so that a tenant that is erased is unreadable in every backup. Copy the directory `keys` apart, or say --with-keys.

Examples:
  foodtrack-websocket backup make --data-dir /var/lib/foodtrack --to /mnt/backup/monday.tar
  foodtrack-websocket backup make --data-dir /var/lib/foodtrack --into /mnt/backup --keep 7
  foodtrack-websocket backup make --data-dir /var/lib/foodtrack --to /mnt/backup/last.tar --rate unlimited

Exit codes: 0 it is written, on disk and verified, 1 failed on the way, and there is no file, 2 bad usage, or a log that cannot be opened.";

/// The lock of a directory for backups.
const LOCK: &str = ".foodtrack-backup.lock";

#[derive(Args)]
#[command(after_help = AFTER_HELP, group = ArgGroup::new("target").required(true).args(["to", "into"]))]
pub(in crate::cli) struct Make {
    #[command(flatten)]
    directory: LogDirectory,
    /// The file to write; it must not be there yet
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// A directory for backups, one process at a time: the file is named by the time, foodtrack-20260131T030000Z.tar
    #[arg(long, value_name = "DIRECTORY")]
    into: Option<PathBuf>,
    /// Then remove all but the newest so many that were made with --into
    #[arg(long, value_name = "COUNT", requires = "into", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Put tenants' keys into it too, wrapped by the master key: it is whole, and erasing a tenant does not reach it
    #[arg(long)]
    with_keys: bool,
    #[command(flatten)]
    rate: RateOption,
}

impl Make {
    pub(in crate::cli) fn run(self) -> Run {
        // Behind whoever serves; where that is refused, beside it.
        let _ = rustix::process::nice(19);
        let Some(into) = &self.into else {
            let to = self.to.clone().unwrap_or_default();
            self.write(&to)?;
            return Ok(ExitCode::SUCCESS);
        };
        make_private_directory(into).map_err(|error| at(into, &error))?;
        let lock_file = into.join(LOCK);
        let mut lock = private_options();
        let lock = lock.create(true).write(true).truncate(false).open(&lock_file);
        let lock = lock.map_err(|error| at(&lock_file, &error))?;
        if lock.try_lock().is_err() {
            return Err(Outcome::Usage(format!(
                "{}: another backup is being made into it; wait for its end",
                into.display()
            )));
        }
        archive::remove_unfinished(into)?;
        self.write(&into.join(format!("foodtrack-{}.tar", compact(&time_text(now_ms())))))?;
        self.remove_older(into)?;
        Ok(ExitCode::SUCCESS)
    }

    fn write(&self, to: &Path) -> Result<(), Outcome> {
        if to.symlink_metadata().is_ok() {
            return Err(Outcome::Usage(format!(
                "{}: is there already; nothing is written over, so name another file",
                to.display()
            )));
        }
        let beside = match to.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let copy = Builder::new().prefix(UNFINISHED).tempdir_in(beside);
        let copy = copy.map_err(|error| at(beside, &error))?;
        let directory = copy.path();
        let mut contents = self.copy(directory)?;
        let file = NamedTempFile::with_prefix_in(UNFINISHED, beside)
            .map_err(|error| at(beside, &error))?;
        note(format_args!("writing {}", to.display()));
        let of = contents.files.iter().map(|it| it.bytes).sum();
        let pacing = Pacing::start(self.rate.rate, of, Box::new(tell_copied("writing")));
        let bytes = archive::write(file.as_file(), to, directory, &mut contents, pacing)?;
        note("looking through its log");
        let report = check_log(directory, self.directory.keys()?)?;
        file.persist_noclobber(to).map_err(|error| at(to, &error.error))?;
        std::fs::File::open(beside)
            .and_then(|it| it.sync_all())
            .map_err(|error| at(beside, &error))?;
        print(format_args!(
            "{}: {} tenants, {} entries, {}",
            to.display(),
            report.tenants,
            report.entries,
            size_text(bytes)
        ));
        report.not_looked_at().iter().for_each(note);
        Ok(())
    }

    /// Copies what belongs to the backup into a directory of its own.
    fn copy(&self, directory: &Path) -> Result<Contents, Outcome> {
        let from = &self.directory.path;
        let tell = tell_copied("copying the log");
        foodtrack_tenant_log::backup(from, directory, self.rate.rate, tell)?;
        parts::copy_parts(from, directory).map_err(|error| at(from, &error))?;
        let is_sealed = from.join(parts::KEYS_FOLDER).exists();
        let has_keys = self.with_keys
            && parts::copy_keys(from, directory).map_err(|error| at(from, &error))?;
        if is_sealed && !has_keys {
            note(
                "tenants' keys are not in it: copy the directory `keys` apart, or say --with-keys",
            );
        }
        Ok(Contents {
            format: FORMAT,
            made_by: env!("CARGO_PKG_VERSION").into(),
            has_keys,
            made_at: time_text(now_ms()),
            files: archive::parts_of(directory)?,
        })
    }

    fn remove_older(&self, into: &Path) -> Result<(), Outcome> {
        let Some(keep) = self.keep else { return Ok(()) };
        let dated = archive::dated(into)?;
        let older = dated.len().saturating_sub(keep as usize);
        for path in &dated[..older] {
            std::fs::remove_file(path).map_err(|error| at(path, &error))?;
            note(format_args!("removed {}", path.display()));
        }
        Ok(())
    }
}

/// `20260131T030000Z` of `2026-01-31T03:00:00.123Z`.
fn compact(time: &str) -> String {
    let seconds = time.split('.').next().unwrap_or_default().trim_end_matches('Z');
    let digits: String = seconds.chars().filter(|it| it.is_ascii_alphanumeric()).collect();
    format!("{digits}Z")
}

fn at(path: &Path, error: &std::io::Error) -> Outcome {
    failed(&format_args!("{}: {error}; check its owner, permissions and disk", path.display()))
}

#[cfg(test)]
mod tests {
    use super::compact;

    #[test]
    fn a_backups_name_has_its_time_without_signs() {
        for time in ["2026-01-31T03:00:00.123Z", "2026-01-31T03:00:00Z"] {
            assert_eq!(compact(time), "20260131T030000Z");
        }
    }
}
