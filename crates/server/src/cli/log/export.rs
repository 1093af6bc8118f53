//! `foodtrack-websocket log export`

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use foodtrack_contract::TenantId;
use foodtrack_tenant_log::private_options;

use super::{LogDirectory, Place, page, parse_tenant};
use crate::cli::Run;
use crate::cli::log_text::entry_json;
use crate::cli::outcome::{Outcome, note};

/// How many entries are read at once.
const PAGE_ENTRIES_MAX: usize = 4_096;
/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(2);

const AFTER_HELP: &str = "\
Works beside a running server: it ends with the last entry that is on disk when it gets there. Each line has the whole message, \
its offset, and its cursor.

Examples:
  foodtrack-websocket log export --data-dir /var/lib/foodtrack --tenant pizza-roma | gzip > pizza-roma.jsonl.gz
  foodtrack-websocket log export --data-dir /var/lib/foodtrack --tenant pizza-roma --output pizza-roma.jsonl

Exit codes: 0 all is written, 1 failed while reading or writing, 2 bad usage, an unknown tenant, or it cannot be opened.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Export {
    #[command(flatten)]
    directory: LogDirectory,
    /// The restaurant
    #[arg(long, value_name = "TENANT", value_parser = parse_tenant)]
    tenant: TenantId,
    /// Start after this offset, or this cursor of a client
    #[arg(long, value_name = "PLACE", value_parser = Place::parse)]
    after: Option<Place>,
    /// Write to this file, which must not exist, instead of stdout
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Export {
    pub(in crate::cli) fn run(self) -> Run {
        let Some(path) = &self.output else {
            self.write(&mut std::io::stdout().lock(), Path::new("stdout"))?;
            return Ok(ExitCode::SUCCESS);
        };
        let file = private_options().write(true).create_new(true).open(path).map_err(|error| {
            Outcome::Usage(format!("{}: {error}; name a file that can be made", path.display()))
        })?;
        let count = self.write(&mut BufWriter::new(&file), path)?;
        file.sync_all().map_err(|error| failed(path, &error))?;
        note(format_args!("{count} entries written to {}", path.display()));
        Ok(ExitCode::SUCCESS)
    }

    fn write(&self, out: &mut dyn Write, path: &Path) -> Result<u64, Outcome> {
        let reader = self.directory.reader()?;
        let (mut place, mut count) = (self.after.unwrap_or(Place::START), 0_u64);
        let mut told = Instant::now();
        loop {
            let page = page(&reader, &self.tenant, place, PAGE_ENTRIES_MAX)?;
            for entry in &page.entries {
                writeln!(out, "{}", entry_json(page.epoch, entry))
                    .map_err(|error| failed(path, &error))?;
            }
            count += page.entries.len() as u64;
            place.offset = page.next;
            if page.is_last {
                break;
            }
            if told.elapsed() > PROGRESS {
                note(format_args!("{count} entries, up to {}", page.next));
                told = Instant::now();
            }
        }
        out.flush().map_err(|error| failed(path, &error))?;
        Ok(count)
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Outcome {
    Outcome::Failed(format!("cannot write to {}: {error}", path.display()))
}
