//! Dead letters as they stand in Redis: a sorted set by the message's offset, whose members are the subscriber, behind its length, and
//! the rest.

use foodtrack_contract::{Offset, TenantId};
use redis::{Cmd, Value};
use uuid::Uuid;

use super::keys::{Keys, Part};
use super::pipeline::call;
use super::scripts;
use super::values::{array, offset, text};
use crate::{DeadLetter, DeadLetterReason, SubscriberKey};

fn of_subscriber(subscriber: &SubscriberKey) -> String {
    format!("{} {} ", subscriber.as_str().len(), subscriber.as_str())
}

fn command(keys: &Keys, tenant: &TenantId, at: Offset, subscriber: &SubscriberKey) -> Cmd {
    let keys = [Part::Head, Part::DeadLetters].map(|part| keys.part(tenant, part));
    let mut command = call(&scripts::LETTER, &keys);
    command.arg(at.get()).arg(of_subscriber(subscriber));
    command
}

pub(super) fn put(keys: &Keys, tenant: &TenantId, letter: &DeadLetter) -> Cmd {
    let mut command = command(keys, tenant, letter.offset, &letter.subscriber);
    command.arg(letter_text(letter).1);
    command
}

/// What is kept of a letter, behind what all of its subscriber begin with.
pub(super) fn letter_text(letter: &DeadLetter) -> (String, String) {
    let DeadLetter { subscriber, id, reason, attempts, at_ms, .. } = letter;
    let of_subscriber = of_subscriber(subscriber);
    let text = format!("{of_subscriber}{id} {} {attempts} {at_ms}", reason.as_str());
    (of_subscriber, text)
}

pub(super) fn remove(
    keys: &Keys,
    tenant: &TenantId,
    at: Offset,
    subscriber: &SubscriberKey,
) -> Cmd {
    let mut command = command(keys, tenant, at, subscriber);
    command.arg("");
    command
}

/// Reads members with their scores. What cannot be understood is left out.
pub(super) fn read(members: &Value) -> Vec<DeadLetter> {
    let values = array(members).unwrap_or_default();
    let with_score = values.as_chunks::<2>().0.iter();
    let mut letters: Vec<_> = with_score
        .filter_map(|[member, score]| parse(text(member)?, score_offset(score)?))
        .collect();
    letters.sort_by(|a, b| (a.offset, &a.subscriber).cmp(&(b.offset, &b.subscriber)));
    letters
}

/// A score is a number, which the newer protocol brings as one with a fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "offsets fit 2^53")]
fn score_offset(score: &Value) -> Option<Offset> {
    match score {
        Value::Double(score) if *score >= 0.0 => Offset::new(*score as u64),
        other => offset(other),
    }
}

fn parse(member: &str, offset: Offset) -> Option<DeadLetter> {
    let (length, rest) = member.split_once(' ')?;
    let (subscriber, rest) = rest.split_at_checked(length.parse().ok()?)?;
    let mut parts = rest.strip_prefix(' ')?.split(' ');
    Some(DeadLetter {
        offset,
        subscriber: SubscriberKey::new(subscriber)?,
        id: Uuid::parse_str(parts.next()?).ok()?,
        reason: DeadLetterReason::from_text(parts.next()?)?,
        attempts: parts.next()?.parse().ok()?,
        at_ms: parts.next()?.parse().ok()?,
    })
}
