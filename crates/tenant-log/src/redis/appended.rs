//! What became of entries that were sent to Redis.

use foodtrack_contract::{Epoch, Offset};
use redis::{RedisError, Value};

use super::known_places::KnownPlace;
use super::values::{array, number, text};
use crate::{Answer, RefusedReason};

/// What the script that appends answers.
pub(super) struct Appended {
    /// Of how many orders it is known whose they are.
    pub(super) orders: u64,
    /// What became of the entries.
    pub(super) entries: Vec<Answer>,
}

/// Reads it; `known` is the log that was appended to.
pub(super) fn read_appended(value: &Value, known: KnownPlace) -> Result<Appended, RefusedReason> {
    let [epoch, answers @ ..] = array(value).unwrap_or_default() else {
        return Err(RefusedReason::Away);
    };
    let [orders, entries @ ..] = answers else { return Err(RefusedReason::Fenced) };
    if text(epoch).and_then(Epoch::parse) != Some(known.epoch) {
        return Err(RefusedReason::Fenced);
    }
    let orders = number(orders).ok_or(RefusedReason::Away)?;
    let entries = entries.iter().map(|it| {
        if text(it) == Some("") {
            return Some(Answer::NoNews);
        }
        if text(it) == Some("!") {
            return Some(Answer::Refused(RefusedReason::OthersOrder));
        }
        let number: i64 = number(it)?;
        let offset = Offset::new(number.unsigned_abs())?;
        Some(if number < 0 { Answer::Repeated(offset) } else { Answer::Committed(offset) })
    });
    let entries = entries.collect::<Option<_>>().ok_or(RefusedReason::Away)?;
    Ok(Appended { orders, entries })
}

/// Why something was not kept.
pub(super) fn reason(error: &RedisError) -> RefusedReason {
    match error.code() {
        Some("OOM") => RefusedReason::DiskFull,
        _ => RefusedReason::Away,
    }
}
