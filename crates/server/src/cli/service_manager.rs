//! What the service manager is told where it asks for it, as systemd does (`Type=notify`): that clients can connect, that the server
//! lives, that it stops. Elsewhere nothing is said and no thread is started.

use std::io;
use std::thread;
use std::time::Duration;

use foodtrack_shard::ConnectionManager;
use sd_notify::NotifyState;

/// Of the time in which the service manager wants a sign, the part after which it gets one. A late thread still has the rest.
const PART_OF_PATIENCE: u32 = 3;

/// Says that clients can connect, and from then on that the shards answer, as long as they do.
///
/// # Errors
/// The system gives no thread.
pub(super) fn ready(connections: ConnectionManager) -> io::Result<()> {
    tell(&[NotifyState::Ready]);
    let Some(patience) = sd_notify::watchdog_enabled() else { return Ok(()) };
    let interval = patience / PART_OF_PATIENCE;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    thread::Builder::new().name("watchdog".into()).spawn(move || {
        runtime.block_on(keep_alive(
            interval,
            || connections.totals(),
            || tell(&[NotifyState::Watchdog]),
        ));
    })?;
    Ok(())
}

/// Says that the server is about to stop: the watchdog expects nothing more.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Gives a sign each interval in which an answer has come, for ever. Where none comes no sign is given, and the service manager starts
/// the process anew.
async fn keep_alive<A: Future>(interval: Duration, ask: impl Fn() -> A, sign: impl Fn()) {
    let mut ticks = tokio::time::interval(interval);
    loop {
        ticks.tick().await;
        match tokio::time::timeout(interval, ask()).await {
            Ok(_) => sign(),
            Err(_) => {
                tracing::error!("a shard does not answer: the service manager is given no sign");
            }
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager cannot be told of the server's state");
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const INTERVAL: Duration = Duration::from_millis(5);

    #[tokio::test]
    async fn who_answers_gives_one_sign_after_the_other_and_who_does_not_gives_none() {
        let (signs, mut given) = tokio::sync::mpsc::unbounded_channel();
        let alive = keep_alive(INTERVAL, || ready(()), || signs.send(()).unwrap());
        tokio::select! {
            () = alive => {}
            () = async { for _ in 0..3 { given.recv().await.unwrap(); } } => {}
        }
        let stuck = keep_alive(INTERVAL, pending::<()>, || panic!("a sign without an answer"));
        let _ = tokio::time::timeout(10 * INTERVAL, stuck).await;
    }
}
