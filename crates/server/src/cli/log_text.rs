//! Entries and dead letters as text: for people a line each, for programs JSON.

use foodtrack_contract::Epoch;
use foodtrack_tenant_log::{DeadLetter, LogEntry};
use serde_json::Value;

use crate::log_report::{EntryReport, LetterReport, names, room_texts};

pub(super) use crate::log_report::time_text;

/// An entry with its whole message, as one line of JSON.
pub(super) fn entry_json(epoch: Epoch, entry: &LogEntry) -> Value {
    // Texts, numbers and a tree that was read as JSON: it cannot fail.
    serde_json::to_value(EntryReport::new(epoch, entry)).unwrap_or_default()
}

/// An entry as a line, without its message.
pub(super) fn entry_line(entry: &LogEntry) -> String {
    let order = entry.entity.as_deref().map(|order| format!("  order {order}")).unwrap_or_default();
    let applications = names(entry.audience.applications).into_iter().map(String::from);
    let to: Vec<String> = applications.chain(room_texts(&entry.audience)).collect();
    format!(
        "{:>10}  {}  {:<28} {:<6}{order}  to {}",
        entry.offset,
        time_text(entry.at_ms),
        entry.event.as_str(),
        entry.priority.as_str(),
        if to.is_empty() { String::from("nobody") } else { to.join(", ") },
    )
}

/// A dead letter as one line of JSON.
pub(super) fn letter_json(letter: &DeadLetter) -> Value {
    // Texts and numbers: it cannot fail.
    serde_json::to_value(LetterReport::new(letter)).unwrap_or_default()
}

/// A dead letter as a line.
pub(super) fn letter_line(letter: &DeadLetter) -> String {
    format!(
        "{:>10}  {}  {:<8} after {} attempts  to {}  message {}",
        letter.offset,
        time_text(letter.at_ms),
        letter.reason.as_str(),
        letter.attempts,
        letter.subscriber.as_str(),
        letter.id,
    )
}
