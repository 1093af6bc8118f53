//! `/api/v1/dead-letters`: messages that a subscriber did not get, looked at, sent after all, or given up for good.

use std::sync::Arc;

use axum::extract::State;
use foodtrack_contract::{ErrorCode, Offset, Refusal, TenantId};
use foodtrack_tenant_log::{DeadLetter, ReadError, SubscriberKey, dead_letters_at};
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::caller::Administrator;
use super::disk_work;
use super::error::{Data, Success};
use super::extract::{Parameters, Segments, check_limit, malformed};
use super::log_failure::{LogFailure, unreadable};
use crate::hub::Hub;
use crate::log_report::{EntryReport, LetterReport};

const LISTED_DEFAULT: usize = 100;

/// Which letters.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LettersQuery {
    /// Only those of messages after this offset.
    after: Option<u64>,
    /// At most so many, and the rest of the last message's; 100 where absent, 1000 at most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Whose letter.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhoseQuery {
    /// Only this subscriber's, by its key in the list; everyone's where absent.
    subscriber: Option<String>,
}

/// A message that could not be delivered, and to whom.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Inspection {
    /// The message as others got it; `null` once retention has taken it.
    entry: Option<EntryReport>,
    dead_letters: Vec<LetterReport>,
}

/// What became of one letter.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Replayed {
    /// Who did not get the message.
    subscriber: String,
    /// To how many of the subscriber's connections it was sent.
    connections: usize,
}

/// Letters that were taken away.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Dropped {
    /// Whose.
    dropped: Vec<String>,
}

/// Lists the tenant's dead letters, oldest message first.
#[utoipa::path(get, path = "/api/v1/dead-letters", operation_id = "listDeadLetters", tag = "log", params(LettersQuery),
    responses((status = 200, body = Success<Vec<LetterReport>>)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Parameters(query): Parameters<LettersQuery>,
) -> Result<Data<Vec<LetterReport>>, ApiError> {
    check_limit(query.limit)?;
    let after = match query.after {
        Some(after) => offset(after)?,
        None => Offset::ZERO,
    };
    let read = move |hub: &Hub, tenant: &TenantId| {
        letters(hub, tenant, after, query.limit.unwrap_or(LISTED_DEFAULT))
    };
    let letters = disk_work::read(&hub, caller.tenant(), read).await?;
    Ok(Data(letters.iter().map(LetterReport::new).collect()))
}

/// Shows a message that could not be delivered, and to whom.
#[utoipa::path(get, path = "/api/v1/dead-letters/{offset}", operation_id = "inspectDeadLetter", tag = "log",
    params(("offset" = u64, Path, description = "The message's offset")),
    responses((status = 200, body = Success<Inspection>)))]
pub(crate) async fn inspect(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(place): Segments<u64>,
) -> Result<Data<Inspection>, ApiError> {
    let place = offset(place)?;
    let reports = caller.reports(&hub);
    let read = move |hub: &Hub, tenant: &TenantId| {
        let letters = letters_at(hub, tenant, place, None)?;
        let read = || -> Result<_, ReadError> {
            let epoch = hub.log.stats(tenant)?.last.epoch();
            Ok((epoch, hub.dead_letters.inspect(tenant, place)?))
        };
        let (epoch, entry) = read().map_err(|error| unreadable(&error))?;
        Ok(Inspection {
            entry: entry.map(|entry| reports.entry(epoch, &entry)),
            dead_letters: letters.iter().map(LetterReport::new).collect(),
        })
    };
    Ok(Data(disk_work::read(&hub, caller.tenant(), read).await?))
}

/// Sends a message to who did not get it. It is retried like any other; the letter goes once the subscriber is sent it.
#[utoipa::path(post, path = "/api/v1/dead-letters/{offset}/replay", operation_id = "replayDeadLetter", tag = "log",
    params(("offset" = u64, Path, description = "The message's offset"), WhoseQuery),
    responses((status = 200, description = "Of each letter; one whose subscriber is away stays, with 0 connections",
        body = Success<Vec<Replayed>>)))]
pub(crate) async fn replay(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(place): Segments<u64>,
    Parameters(whose): Parameters<WhoseQuery>,
) -> Result<Data<Vec<Replayed>>, ApiError> {
    let place = offset(place)?;
    let read = move |hub: &Hub, tenant: &TenantId| letters_at(hub, tenant, place, Some(&whose));
    let letters = disk_work::read(&hub, caller.tenant(), read).await?;
    let mut replayed = Vec::with_capacity(letters.len());
    for letter in letters {
        let sent = hub.dead_letters.replay(caller.tenant(), place, &letter.subscriber).await;
        let connections = match sent {
            Ok(connections) => connections,
            Err(refusal) if refusal.code() == ErrorCode::Conflict => 0,
            Err(refusal) => return Err(refusal.into()),
        };
        let subscriber = letter.subscriber.as_str().to_owned();
        replayed.push(Replayed { subscriber, connections });
    }
    Ok(Data(replayed))
}

/// Gives a message up for good for who did not get it; it stays in the log.
#[utoipa::path(delete, path = "/api/v1/dead-letters/{offset}", operation_id = "dropDeadLetter", tag = "log",
    params(("offset" = u64, Path, description = "The message's offset"), WhoseQuery),
    responses((status = 200, body = Success<Dropped>)))]
pub(crate) async fn drop_letters(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(place): Segments<u64>,
    Parameters(whose): Parameters<WhoseQuery>,
) -> Result<Data<Dropped>, ApiError> {
    let place = offset(place)?;
    let drop_all = move |hub: &Hub, tenant: &TenantId| {
        let mut dropped = Vec::new();
        for letter in letters_at(hub, tenant, place, Some(&whose))? {
            hub.dead_letters.drop_letter(tenant, place, &letter.subscriber)?;
            dropped.push(letter.subscriber.as_str().to_owned());
        }
        Ok(Dropped { dropped })
    };
    Ok(Data(disk_work::read(&hub, caller.tenant(), drop_all).await?))
}

/// An offset that a request names.
pub(super) fn offset(number: u64) -> Result<Offset, Refusal> {
    Offset::new(number).ok_or_else(|| malformed("that is larger than an offset can be"))
}

fn letters(
    hub: &Hub,
    tenant: &TenantId,
    after: Offset,
    letters_max: usize,
) -> Result<Vec<DeadLetter>, Refusal> {
    let letters = hub.dead_letters.list(tenant, after, letters_max);
    letters.or_else(|error| LogFailure::from(error).or_empty(Vec::new()))
}

/// The letters of the message at an offset.
fn letters_at(
    hub: &Hub,
    tenant: &TenantId,
    place: Offset,
    whose: Option<&WhoseQuery>,
) -> Result<Vec<DeadLetter>, Refusal> {
    let subscriber = match whose.and_then(|whose| whose.subscriber.as_deref()) {
        Some(key) => {
            let key = SubscriberKey::new(key);
            Some(key.ok_or_else(|| malformed("the subscriber's key is empty or too long"))?)
        }
        None => None,
    };
    let mut letters = dead_letters_at(place, |after| letters(hub, tenant, after, 1))?;
    letters.retain(|it| subscriber.as_ref().is_none_or(|key| *key == it.subscriber));
    if letters.is_empty() {
        let sentence = "there is no such dead letter; GET /api/v1/dead-letters lists what there is";
        return Err(Refusal::new(ErrorCode::NotFound, sentence));
    }
    Ok(letters)
}
