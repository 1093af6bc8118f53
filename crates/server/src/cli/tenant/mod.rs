//! `foodtrack-websocket tenant`

mod erase;
mod erase_person;
mod export;

use clap::Subcommand;

use super::Run;

#[derive(Subcommand)]
pub(super) enum Tenant {
    /// Write all that is kept of a restaurant as JSON lines, beside a running server too.
    Export(export::Export),
    /// Erase a restaurant: its keys, its log, and what it declared. No server may be running.
    Erase(erase::Erase),
    /// Erase what concerns one person: their orders' events become tombstones. No server may be running.
    ErasePerson(erase_person::ErasePerson),
}

impl Tenant {
    pub(super) fn run(self) -> Run {
        match self {
            Self::Export(export) => export.run(),
            Self::Erase(erase) => erase.run(),
            Self::ErasePerson(erase) => erase.run(),
        }
    }
}
