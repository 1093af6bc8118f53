//! `foodtrack-websocket log read`

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use foodtrack_contract::{Offset, TenantId};
use foodtrack_tenant_log::{
    DeadLetter, LogEntry, Note, NoteKind, PageStart, SqliteReader, parse_delivery_key,
};
use serde_json::Value;

use super::{LogDirectory, Place, now_ms, page, parse_tenant};
use crate::cli::Run;
use crate::cli::log_text::{entry_json, entry_line, letter_json, letter_line};
use crate::cli::outcome::{Outcome, note, print};

/// How many entries are read at once.
const PAGE_ENTRIES_MAX: usize = 1_000;
/// How many are printed where nobody says.
const LIMIT: usize = 100;
/// How often `--follow` looks for more.
const LOOK_EVERY: Duration = Duration::from_millis(250);

const AFTER_HELP: &str = "\
Works beside a running server. Lines for people leave the message out; --json has it. With --order, what is known of the \
deliveries of each entry stands below it.

Examples:
  foodtrack-websocket log read --data-dir /var/lib/foodtrack --tenant pizza-roma --limit 20
  foodtrack-websocket log read --data-dir /var/lib/foodtrack --tenant pizza-roma --after 1k3f9z-420 --json
  foodtrack-websocket log read --data-dir /var/lib/foodtrack --tenant pizza-roma --order 42
  foodtrack-websocket log read --data-dir /var/lib/foodtrack --tenant pizza-roma --last 10 --follow --event order:created

Exit codes: 0 printed, 1 failed while reading, 2 bad usage, an unknown tenant, or it cannot be opened.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Read {
    #[command(flatten)]
    directory: LogDirectory,
    /// The restaurant
    #[arg(long, value_name = "TENANT", value_parser = parse_tenant)]
    tenant: TenantId,
    /// Start after this offset, or this cursor of a client
    #[arg(long, value_name = "PLACE", value_parser = Place::parse, conflicts_with = "order")]
    after: Option<Place>,
    /// Start so many entries before the newest
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["after", "order"])]
    last: Option<u64>,
    /// At most so many entries; 100, and with --follow no end, if nobody says
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
    /// Only this event; may be given several times
    #[arg(long, value_name = "EVENT", conflicts_with = "order")]
    event: Vec<String>,
    /// Go on with what is written from now on, until it is stopped
    #[arg(long, conflicts_with = "order")]
    follow: bool,
    /// Only what is about this order: the newest, up to the limit
    #[arg(long, value_name = "ORDER")]
    order: Option<String>,
    /// Print a line of JSON for each entry, with its message
    #[arg(long)]
    json: bool,
}

impl Read {
    pub(in crate::cli) fn run(self) -> Run {
        let reader = self.directory.reader()?;
        match &self.order {
            Some(order) => self.print_order(&reader, order)?,
            None => self.print_entries(&reader)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn print_entries(&self, reader: &SqliteReader) -> Result<(), Outcome> {
        let mut place = self.start(reader)?;
        let mut left = self.limit.unwrap_or(if self.follow { usize::MAX } else { LIMIT });
        while left > 0 {
            let entries_max =
                if self.event.is_empty() { left.min(PAGE_ENTRIES_MAX) } else { PAGE_ENTRIES_MAX };
            let page = page(reader, &self.tenant, place, entries_max)?;
            if let PageStart::Gap { through } = page.start
                && place.offset > Offset::ZERO
            {
                note(format_args!("entries up to {through} are gone: retention took them"));
            }
            let asked_for = page.entries.iter().filter(|entry| self.is_asked_for(entry));
            let mut printed = 0;
            for entry in asked_for.take(left) {
                if self.json {
                    print(entry_json(page.epoch, entry));
                } else {
                    print(entry_line(entry));
                }
                printed += 1;
            }
            left -= printed;
            // From here on in this log alone: another one has other entries at the same offsets.
            place = Place { epoch: Some(page.epoch), offset: page.next };
            if page.is_last && !self.follow {
                break;
            }
            if page.is_last {
                std::thread::sleep(LOOK_EVERY);
            }
        }
        Ok(())
    }

    fn start(&self, reader: &SqliteReader) -> Result<Place, Outcome> {
        let Some(last) = self.last else { return Ok(self.after.unwrap_or(Place::START)) };
        let newest = reader.stats(&self.tenant)?.last;
        let offset = Offset::new(newest.through().get().saturating_sub(last));
        Ok(Place { epoch: Some(newest.epoch()), offset: offset.unwrap_or(Offset::ZERO) })
    }

    fn is_asked_for(&self, entry: &LogEntry) -> bool {
        self.event.is_empty() || self.event.iter().any(|event| event == entry.event.as_str())
    }

    fn print_order(&self, reader: &SqliteReader, order: &str) -> Result<(), Outcome> {
        let history = reader.entity_history(&self.tenant, order, self.limit.unwrap_or(LIMIT))?;
        let epoch = reader.stats(&self.tenant)?.last.epoch();
        let watches = reader.notes(&self.tenant, NoteKind::Watch, now_ms())?;
        let redeliveries = reader.notes(&self.tenant, NoteKind::Redelivery, now_ms())?;
        for entry in &history {
            let deliveries = Deliveries {
                letters: reader.dead_letters_at(&self.tenant, entry.offset)?,
                watched: watches_of(&watches, entry),
                to_redeliver: subscribers(&redeliveries, entry),
            };
            if self.json {
                let mut line = entry_json(epoch, entry);
                line["deadLetters"] = deliveries.letters.iter().map(letter_json).collect();
                line["watched"] = deliveries.watched.into();
                line["toRedeliver"] = deliveries.to_redeliver.into();
                print(line);
            } else {
                print(entry_line(entry));
                deliveries.print();
            }
        }
        if history.is_empty() {
            note(format_args!("nothing about order {order} is in the log"));
        }
        Ok(())
    }
}

/// What is known of an entry's deliveries.
struct Deliveries {
    letters: Vec<DeadLetter>,
    watched: Vec<Value>,
    to_redeliver: Vec<String>,
}

impl Deliveries {
    fn print(&self) {
        for letter in &self.letters {
            print(format_args!("            dead letter: {}", letter_line(letter).trim_start()));
        }
        for watch in &self.watched {
            let by = watch["by"].as_str().unwrap_or("somebody");
            for step in watch["steps"].as_array().into_iter().flatten() {
                let text = |field: &str| step[field].as_str().unwrap_or("?").to_owned();
                print(format_args!("            {} {by}: {}", text("at"), text("what")));
            }
        }
        for subscriber in &self.to_redeliver {
            print(format_args!("            to be delivered again to {subscriber}"));
        }
    }
}

/// What the watchdog did about this entry: `{ by, steps: [{ at, what }], .. }`.
fn watches_of(notes: &[Note], entry: &LogEntry) -> Vec<Value> {
    let is_about = |note: &&Note| {
        parse_delivery_key(&note.key).is_some_and(|(offset, _)| offset == entry.offset)
    };
    let value = |note: &Note| serde_json::from_str(note.value.as_deref()?).ok();
    notes.iter().filter(is_about).filter_map(value).collect()
}

/// Whose notes are about this entry.
fn subscribers(notes: &[Note], entry: &LogEntry) -> Vec<String> {
    let about = notes.iter().filter_map(|note| parse_delivery_key(&note.key));
    about
        .filter(|(offset, _)| *offset == entry.offset)
        .map(|(_, subscriber)| subscriber.as_str().to_owned())
        .collect()
}
