//! `foodtrack-websocket tenant export`

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use foodtrack_contract::{Offset, TenantId};
use foodtrack_tenant_log::{NoteKind, private_options};
use serde_json::{Value, json};

use crate::cli::Run;
use crate::cli::log::{LogDirectory, Place, page, parse_tenant};
use crate::cli::log_text::{entry_json, letter_json};
use crate::cli::outcome::{Outcome, note};

/// How many are read at once.
const PAGE_ENTRIES_MAX: usize = 1_024;

const AFTER_HELP: &str = "\
One JSON object per line: what kind it is, and what there is of it: every event with its whole message, what could not be \
delivered, and what is noted of sessions, rooms and devices. Works beside a running server. The file is for its owner alone.

Examples:
  foodtrack-websocket tenant export --data-dir /var/lib/foodtrack --config hub.toml --tenant pizza-roma --output pizza-roma.jsonl

Exit codes: 0 all is written, 1 failed while reading or writing, 2 bad usage, an unknown tenant, or it cannot be opened.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Export {
    #[command(flatten)]
    directory: LogDirectory,
    /// The restaurant
    #[arg(long, value_name = "TENANT", value_parser = parse_tenant)]
    tenant: TenantId,
    /// A file that must not exist
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

impl Export {
    pub(in crate::cli) fn run(self) -> Run {
        let path = self.output.display();
        let file = private_options().write(true).create_new(true).open(&self.output);
        let file = file.map_err(|error| {
            Outcome::Usage(format!("{path}: {error}; name a file that can be made"))
        })?;
        let mut out = BufWriter::new(&file);
        let failed = |error: &std::io::Error| Outcome::Failed(format!("{path}: {error}"));
        let mut count = 0_u64;
        self.each(&mut |value| {
            count += 1;
            writeln!(out, "{value}").map_err(|error| failed(&error))
        })?;
        out.flush().and_then(|()| file.sync_all()).map_err(|error| failed(&error))?;
        note(format_args!("{count} lines written to {path}"));
        Ok(ExitCode::SUCCESS)
    }

    fn each(&self, take: &mut dyn FnMut(Value) -> Result<(), Outcome>) -> Result<(), Outcome> {
        let reader = self.directory.reader()?;
        let mut place = Place::START;
        loop {
            let page = page(&reader, &self.tenant, place, PAGE_ENTRIES_MAX)?;
            for entry in &page.entries {
                take(json!({ "kind": "event", "event": entry_json(page.epoch, entry) }))?;
            }
            place.offset = page.next;
            if page.is_last {
                break;
            }
        }
        let mut after = Offset::ZERO;
        loop {
            let letters = reader.dead_letters(&self.tenant, after, PAGE_ENTRIES_MAX)?;
            let Some(last) = letters.last() else { break };
            after = last.offset;
            for letter in &letters {
                take(json!({ "kind": "deadLetter", "deadLetter": letter_json(letter) }))?;
            }
        }
        for kind in NoteKind::ALL {
            for note in reader.notes(&self.tenant, kind, 0)? {
                let value = note.value.as_deref().unwrap_or_default();
                // Most are JSON, and some are plain text.
                let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
                take(json!({ "kind": kind.as_str(), "key": note.key, "value": value }))?;
            }
        }
        Ok(())
    }
}
