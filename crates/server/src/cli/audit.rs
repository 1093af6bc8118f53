//! `foodtrack-websocket audit`

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use foodtrack_contract::TenantId;

use super::Run;
use super::log::parse_tenant;
use super::outcome::{Outcome, failed, note, print};
use crate::audit::{AuditReader, AuditRecord, Head, verify};

/// How often it is looked for new records.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);
/// How many are read at once, from the end.
const PART: usize = 1_000;

const AFTER_HELP: &str = "\
One JSON object per line, oldest first: what was done, by whom, and what came of it. Works beside a running server, and without one.

Examples:
  foodtrack-websocket audit --data-dir /var/lib/foodtrack
  foodtrack-websocket audit --data-dir /var/lib/foodtrack --tenant pizza-roma --last 1000
  foodtrack-websocket audit --data-dir /var/lib/foodtrack --follow
  foodtrack-websocket audit verify --data-dir /var/lib/foodtrack

Exit codes: 0 printed, 1 failed while reading, 2 bad usage, or there is no audit log.";

const AFTER_VERIFY_HELP: &str = "\
Prints how many records there are and the newest one, NUMBER:HASH, and each finding on a line of its own. Keep NUMBER:HASH elsewhere: who can write \
the directory could make a whole new log, but none in which that record is.

Examples:
  foodtrack-websocket audit verify --data-dir /var/lib/foodtrack
  foodtrack-websocket audit verify --data-dir /var/lib/foodtrack --expect 1234:9f86d081884c7d65...

Exit codes: 0 all is as it was written, 1 something is not, or it could not be read, 2 bad usage, or there is no audit log.";

#[derive(Args)]
#[command(after_help = AFTER_HELP, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    read: Option<Read>,
}

#[derive(Subcommand)]
enum Command {
    /// Say whether the audit log is what was written, and the first record that is not.
    Verify(Verify),
}

#[derive(Args)]
struct Read {
    /// The server's data directory
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: PathBuf,
    /// Only what is about this restaurant
    #[arg(long, value_name = "TENANT", value_parser = parse_tenant)]
    tenant: Option<TenantId>,
    /// The newest so many
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    last: usize,
    /// Print what comes, until it is interrupted
    #[arg(long)]
    follow: bool,
}

#[derive(Args)]
#[command(after_help = AFTER_VERIFY_HELP)]
struct Verify {
    /// The server's data directory
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: PathBuf,
    /// A record that must be there, as an earlier run printed it
    #[arg(long, value_name = "NUMBER:HASH", value_parser = parse_head)]
    expect: Option<Head>,
}

fn parse_head(text: &str) -> Result<Head, String> {
    Head::parse(text).ok_or_else(|| "write it as `audit verify` printed it: NUMBER:HASH".into())
}

impl Audit {
    pub(super) fn run(self) -> Run {
        match (self.command, self.read) {
            (Some(Command::Verify(verify)), _) => verify.run(),
            (None, Some(read)) => read.run(),
            (None, None) => Err(Outcome::Usage("name the data directory: --data-dir".into())),
        }
    }
}

fn none(data_dir: &Path) -> Outcome {
    Outcome::Usage(format!("{}: there is no audit log here", data_dir.display()))
}

fn unreadable(error: &io::Error) -> Outcome {
    failed(&format!("the audit log cannot be read: {error}"))
}

impl Read {
    fn run(self) -> Run {
        let reader = AuditReader::open(&self.data_dir).map_err(|error| unreadable(&error))?;
        let reader = reader.ok_or_else(|| none(&self.data_dir))?;
        let newest = self.newest(&reader).map_err(|error| unreadable(&error))?;
        newest.iter().rev().for_each(tell);
        if !self.follow {
            return Ok(ExitCode::SUCCESS);
        }
        let mut last = newest.first().map_or(0, |record| record.n);
        loop {
            let new = reader.after(last, self.tenant.as_ref());
            let new = new.map_err(|error| unreadable(&error))?;
            new.iter().for_each(tell);
            last = new.last().map_or(last, |record| record.n);
            std::thread::sleep(FOLLOW_EVERY);
        }
    }

    /// The newest records, newest first.
    fn newest(&self, reader: &AuditReader) -> io::Result<Vec<AuditRecord>> {
        let (mut records, mut before) = (Vec::new(), u64::MAX);
        while records.len() < self.last {
            let part = PART.min(self.last - records.len());
            let page = reader.before(before, self.tenant.as_ref(), part)?;
            records.extend(page.records);
            let Some(next) = page.next else { break };
            before = next;
        }
        Ok(records)
    }
}

fn tell(record: &AuditRecord) {
    print(serde_json::to_string(record).unwrap_or_default());
}

impl Verify {
    fn run(self) -> Run {
        let verified = verify(&self.data_dir, self.expect).map_err(|error| unreadable(&error))?;
        let verified = verified.ok_or_else(|| none(&self.data_dir))?;
        for finding in &verified.findings {
            print(finding);
        }
        let head = verified.head.map_or_else(|| "none".to_owned(), |head| head.to_string());
        print(format_args!("{} records, the newest is {head}", verified.records));
        if verified.lost > 0 {
            note(format_args!("the log itself says that {} others were lost", verified.lost));
        }
        let is_whole = verified.findings.is_empty();
        Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}
