//! `foodtrack-websocket dead-letters replay` and `drop`

use std::process::ExitCode;
use std::sync::mpsc::channel;

use clap::Args;
use foodtrack_contract::{Offset, TenantId};
use foodtrack_tenant_log::{
    Completion, DeadLetter, Note, NoteKind, OpenError, SqliteLog, SqliteOptions, SubscriberKey,
    SubscriberStore, delivery_key,
};
use serde_json::json;

use crate::cli::Run;
use crate::cli::log::{LogDirectory, now_ms, parse_offset, parse_tenant};
use crate::cli::outcome::{Outcome, print};

const AFTER_REPLAY_HELP: &str = "\
Notes that the message is to be delivered again; the server does it when the subscriber is next there, as long as retention \
keeps the message. The letter stays until the subscriber acknowledges. While a server runs, ask that server instead.

Examples:
  foodtrack-websocket dead-letters replay --data-dir /var/lib/foodtrack --tenant pizza-roma --offset 420
  foodtrack-websocket dead-letters replay --data-dir /var/lib/foodtrack --tenant pizza-roma --offset 420 --subscriber 'ada:kitchen_app:tablet'

Exit codes: 0 noted, 1 failed while writing, 2 bad usage, no such letter, or it cannot be opened, also while a server uses it.";

const AFTER_DROP_HELP: &str = "\
Takes the letters away, and what was noted of delivering them again; the message stays in the log. While a server runs, ask that server instead.

Examples:
  foodtrack-websocket dead-letters drop --data-dir /var/lib/foodtrack --tenant pizza-roma --offset 420

Exit codes: 0 dropped, 1 failed while writing, 2 bad usage, no such letter, or it cannot be opened, also while a server uses it.";

/// Which letters.
#[derive(Args)]
struct Which {
    #[command(flatten)]
    directory: LogDirectory,
    /// The restaurant
    #[arg(long, value_name = "TENANT", value_parser = parse_tenant)]
    tenant: TenantId,
    /// The message
    #[arg(long, value_name = "OFFSET", value_parser = parse_offset)]
    offset: Offset,
    /// Only this subscriber's letter, by the key that `list` shows
    #[arg(long, value_name = "KEY", value_parser = parse_subscriber)]
    subscriber: Option<SubscriberKey>,
}

#[derive(Args)]
#[command(after_help = AFTER_REPLAY_HELP)]
pub(in crate::cli) struct Replay {
    #[command(flatten)]
    which: Which,
}

#[derive(Args)]
#[command(after_help = AFTER_DROP_HELP)]
pub(in crate::cli) struct Drop {
    #[command(flatten)]
    which: Which,
}

impl Replay {
    pub(in crate::cli) fn run(self) -> Run {
        let letters = self.which.change(Change::Replay)?;
        for letter in letters {
            let (offset, subscriber) = (letter.offset, letter.subscriber.as_str());
            print(format_args!("{offset} will be delivered again to {subscriber}"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Drop {
    pub(in crate::cli) fn run(self) -> Run {
        let letters = self.which.change(Change::Drop)?;
        for letter in letters {
            print(format_args!("{} dropped for {}", letter.offset, letter.subscriber.as_str()));
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Replay,
    Drop,
}

impl Which {
    /// Changes what is to become of the letters, and says which those are.
    fn change(&self, change: Change) -> Result<Vec<DeadLetter>, Outcome> {
        // Nothing is made where there is no log.
        let reader = self.directory.reader()?;
        let mut letters = reader.dead_letters_at(&self.tenant, self.offset)?;
        letters.retain(|it| self.subscriber.as_ref().is_none_or(|key| *key == it.subscriber));
        if letters.is_empty() {
            return Err(Outcome::Usage(format!(
                "tenant {} has no such dead letter at {}; `dead-letters list` shows what there is",
                self.tenant, self.offset
            )));
        }
        drop(reader);
        let (sender, completions) = channel();
        let on_completion = Box::new(move |completion| {
            // Whoever has failed hangs up.
            let _ = sender.send(completion);
        });
        let options = SqliteOptions { keys: self.directory.keys()?, ..SqliteOptions::default() };
        let log = SqliteLog::open(&self.directory.path, options, on_completion).map_err(in_use)?;
        let failed = |error: &dyn std::fmt::Display| Outcome::Failed(error.to_string());
        for (ticket, letter) in (0..).zip(&letters) {
            if change == Change::Drop {
                log.remove_dead_letter(&self.tenant, letter.offset, &letter.subscriber)
                    .map_err(|error| failed(&error))?;
            }
            log.save_note(&self.tenant, redelivery(letter, change), Some(ticket))
                .map_err(|error| failed(&error))?;
        }
        for _ in &letters {
            match completions.recv() {
                Ok(Completion::NoteRefused { reason, .. }) => return Err(failed(&reason)),
                Ok(_) => {}
                Err(_) => return Err(Outcome::Failed("the log ended by itself".into())),
            }
        }
        // Waits until it is on disk.
        drop(log);
        let left = self.directory.reader()?.dead_letters_at(&self.tenant, self.offset)?;
        if change == Change::Drop && left.iter().any(|it| letters.contains(it)) {
            return Err(Outcome::Failed(
                "the letters could not be taken away: is the disk full?".into(),
            ));
        }
        Ok(letters)
    }
}

/// Says that a message is to be delivered again, or not any more.
fn redelivery(letter: &DeadLetter, change: Change) -> Note {
    let asked = || json!({ "id": letter.id, "requestedAtMs": now_ms() }).to_string();
    Note {
        kind: NoteKind::Redelivery,
        key: delivery_key(letter.offset, &letter.subscriber),
        value: (change == Change::Replay).then(|| asked().into()),
        expires_at_ms: None,
    }
}

fn in_use(error: OpenError) -> Outcome {
    match error {
        OpenError::InUse { path } => Outcome::Usage(format!(
            "{}: a server is running with this data directory; ask it to replay or drop dead letters, or stop it first",
            path.display()
        )),
        error => error.into(),
    }
}

fn parse_subscriber(text: &str) -> Result<SubscriberKey, String> {
    SubscriberKey::new(text).ok_or_else(|| String::from("it is empty or too long"))
}
