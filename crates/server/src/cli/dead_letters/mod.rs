//! `foodtrack-websocket dead-letters`

mod change;
mod inspect;
mod list;

use clap::Subcommand;

use super::Run;

#[derive(Subcommand)]
pub(super) enum DeadLetters {
    /// List a tenant's dead letters, oldest message first.
    List(list::List),
    /// Print a message that could not be delivered, and to whom.
    Inspect(inspect::Inspect),
    /// Have a message delivered again when its subscriber is next there. No server may be using the log.
    Replay(change::Replay),
    /// Give a message up for good. No server may be using the log.
    Drop(change::Drop),
}

impl DeadLetters {
    pub(super) fn run(self) -> Run {
        match self {
            Self::List(list) => list.run(),
            Self::Inspect(inspect) => inspect.run(),
            Self::Replay(replay) => replay.run(),
            Self::Drop(drop) => drop.run(),
        }
    }
}
