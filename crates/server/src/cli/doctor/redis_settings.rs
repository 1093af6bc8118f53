//! What Redis is set to: what it promises of events that were acknowledged.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, RedisResult, cmd};

use super::finding::Finding;
use crate::config::RedisConfig;

const ABOUT: &str = "redis";
/// How long it may take to be reached.
const PATIENCE: Duration = Duration::from_secs(3);
/// By how much its clock may differ.
const CLOCKS_APART_MAX: f64 = 2.0;

/// Looks at it where the configuration names one server; changes nothing.
pub(super) async fn look(said: &RedisConfig) -> Vec<Finding> {
    let Some(address) = said.fixed_address() else {
        return match said.is_on() {
            false => {
                vec![Finding::good(ABOUT, "none: the node is alone, and has its log to itself")]
            }
            true => vec![Finding::look(
                ABOUT,
                "sentinels or a Redis Cluster are configured: look at the servers that they name one by one",
            )],
        };
    };
    match tokio::time::timeout(PATIENCE, settings(&address)).await {
        Ok(Ok(findings)) => findings,
        Ok(Err(error)) => vec![unreachable(&error.to_string())],
        Err(_) => vec![unreachable("it did not answer within 3 s")],
    }
}

fn unreachable(why: &str) -> Finding {
    Finding::bad(
        ABOUT,
        format!("it cannot be asked: {why}; see its address, its password and the network"),
    )
}

async fn settings(address: &str) -> RedisResult<Vec<Finding>> {
    let mut connection = Client::open(address)?.get_multiplexed_async_connection().await?;
    let mut findings = vec![clock(&mut connection).await?];
    for (name, judge) in JUDGES {
        match setting(&mut connection, name).await {
            Ok(value) => findings.push(judge(&value)),
            Err(error) => {
                let sentence = format!(
                    "{name} cannot be read ({error}): see yourself that it is as docs/operating/cluster.md says"
                );
                findings.push(Finding::look(ABOUT, sentence));
            }
        }
    }
    Ok(findings)
}

async fn clock(connection: &mut MultiplexedConnection) -> RedisResult<Finding> {
    let (seconds, _): (u64, u64) = cmd("TIME").query_async(connection).await?;
    let here = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let apart = here.unwrap_or_default().as_secs_f64() - Duration::from_secs(seconds).as_secs_f64();
    Ok(match apart.abs() > CLOCKS_APART_MAX {
        true => Finding::bad(
            ABOUT,
            format!(
                "its clock and this one are {apart:.0} s apart: start the time service on both"
            ),
        ),
        false => Finding::good(ABOUT, "its clock and this one agree"),
    })
}

async fn setting(connection: &mut MultiplexedConnection, name: &str) -> RedisResult<String> {
    let found: Vec<String> = cmd("CONFIG").arg("GET").arg(name).query_async(connection).await?;
    Ok(found.into_iter().nth(1).unwrap_or_default())
}

type Judge = fn(&str) -> Finding;

const JUDGES: [(&str, Judge); 3] = [
    ("maxmemory-policy", |value| match value {
        "noeviction" => Finding::good(ABOUT, "it evicts nothing"),
        other => Finding::bad(
            ABOUT,
            format!(
                "maxmemory-policy is {other}: it would throw events away; set it to noeviction"
            ),
        ),
    }),
    ("appendonly", |value| match value {
        "yes" => Finding::good(ABOUT, "it keeps an append-only file"),
        _ => Finding::bad(
            ABOUT,
            "appendonly is no: what was acknowledged is gone when it ends; set it to yes",
        ),
    }),
    ("appendfsync", |value| match value {
        "always" => Finding::good(ABOUT, "each write is on its disk before it answers"),
        "everysec" => Finding::look(
            ABOUT,
            "appendfsync is everysec: the last second may be lost with its machine; set it to always where that is too much",
        ),
        _ => Finding::bad(
            ABOUT,
            "appendfsync is no: seconds may be lost with its machine; set it to everysec or always",
        ),
    }),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Weight;

    #[test]
    fn settings_that_lose_what_was_acknowledged_are_bad() {
        let judged = |name: &str, value: &str| {
            let judge = JUDGES.iter().find(|(known, _)| *known == name).unwrap().1;
            judge(value).weight
        };
        for (name, value, weight) in [
            ("maxmemory-policy", "noeviction", Weight::Good),
            ("maxmemory-policy", "allkeys-lru", Weight::Bad),
            ("appendonly", "yes", Weight::Good),
            ("appendonly", "no", Weight::Bad),
            ("appendfsync", "always", Weight::Good),
            ("appendfsync", "everysec", Weight::Look),
            ("appendfsync", "no", Weight::Bad),
        ] {
            assert_eq!(judged(name, value), weight, "{name} {value}");
        }
    }
}
