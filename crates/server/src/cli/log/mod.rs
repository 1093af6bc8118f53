//! `foodtrack-websocket log`

mod backup;
mod check;
mod compact;
mod export;
mod read;
mod renew_epochs;
mod stats;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use foodtrack_contract::{Cursor, Epoch, Offset, TenantId};
use foodtrack_tenant_log::{KeySource, Page, PageStart, Progress, ReadRequest, SqliteReader};

use super::Run;
use super::keys::given_master_key;
use super::outcome::{Outcome, note};
use crate::data::{KeyFiles, KeyStore};

/// How many bytes of entries are read at once.
const PAGE_BYTES_MAX: u64 = 4 << 20;

#[derive(Subcommand)]
pub(super) enum Log {
    /// Look for damage: one line on stdout for each finding. No server may be using the log.
    Check(check::Check),
    /// Say how much each tenant has.
    Stats(stats::Stats),
    /// Print a tenant's entries, or all that is known of one order.
    Read(read::Read),
    /// Write a tenant's whole messages as JSON lines.
    Export(export::Export),
    /// Give free space back to the file system. No server may be using the log.
    Compact(compact::Compact),
    /// Copy the whole log to another directory, beside a running server.
    Backup(backup::Backup),
    /// Give every tenant a new epoch, after a backup was restored. No server may be using the log.
    RenewEpochs(renew_epochs::RenewEpochs),
}

impl Log {
    pub(super) fn run(self) -> Run {
        match self {
            Self::Check(check) => check.run(),
            Self::Stats(stats) => stats.run(),
            Self::Read(read) => read.run(),
            Self::Export(export) => export.run(),
            Self::Compact(compact) => compact.run(),
            Self::Backup(backup) => backup.run(),
            Self::RenewEpochs(renew) => renew.run(),
        }
    }
}

/// Which log.
#[derive(Args)]
pub(super) struct LogDirectory {
    /// The server's data directory; the log is the file log.db in it
    #[arg(long = "data-dir", value_name = "DIRECTORY")]
    pub(super) path: PathBuf,
    /// The server's TOML file, for the master key of a log that is sealed; the environment may have it as well
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

impl LogDirectory {
    /// Beside a server, or without one.
    pub(super) fn reader(&self) -> Result<SqliteReader, Outcome> {
        Ok(SqliteReader::open(&self.path, self.keys()?)?)
    }

    /// The keys of the directory; `None` where there are none, or no master key is given.
    pub(super) fn keys(&self) -> Result<Option<Arc<dyn KeySource>>, Outcome> {
        if KeyFiles::existing(&self.path)?.is_none() {
            return Ok(None);
        }
        let Some(master) = given_master_key(self.config.clone())? else { return Ok(None) };
        Ok(Some(Arc::new(KeyStore::open(&self.path, master)?)))
    }
}

/// A cursor as clients carry it, or an offset alone.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) epoch: Option<Epoch>,
    pub(super) offset: Offset,
}

impl Place {
    pub(super) const START: Self = Self { epoch: None, offset: Offset::ZERO };

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(offset) = text.parse().ok().and_then(Offset::new) {
            return Ok(Self { epoch: None, offset });
        }
        let cursor = Cursor::parse(text)
            .ok_or("write an offset such as 42, or a cursor such as 1k3f9z-42")?;
        Ok(Self { epoch: Some(cursor.epoch()), offset: cursor.through() })
    }
}

pub(super) fn parse_tenant(text: &str) -> Result<TenantId, String> {
    TenantId::parse(text).map_err(|error| error.to_string())
}

pub(super) fn parse_offset(text: &str) -> Result<Offset, String> {
    let offset = text.parse().ok().and_then(Offset::new);
    offset.ok_or_else(|| String::from("write an offset, such as 42"))
}

/// Says on stderr how far a long command is.
pub(super) fn tell(progress: Progress) {
    match progress {
        Progress::BringingOver { left, of } => {
            note(format_args!("older layout: {left} of {of} rows to bring over"));
        }
        Progress::Checking { step, of } => note(format_args!("step {step} of {of}")),
        Progress::GivingBack { bytes } => {
            note(format_args!("{} to give back", size_text(bytes)));
        }
    }
}

/// The next page after `place`.
pub(super) fn page(
    reader: &SqliteReader,
    tenant: &TenantId,
    place: Place,
    entries_max: usize,
) -> Result<Page, Outcome> {
    let page = reader.read(&ReadRequest {
        tenant: tenant.clone(),
        epoch: place.epoch,
        after: place.offset,
        through: Offset::MAX,
        entries_max,
        bytes_max: PAGE_BYTES_MAX,
    })?;
    if page.start == PageStart::Reset {
        let Page { epoch, .. } = page;
        return Err(Outcome::Usage(format!(
            "tenant {tenant}'s log has no such place; it is of epoch {epoch}: leave --after out to start at its beginning"
        )));
    }
    Ok(page)
}

pub(super) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// `12.5 MiB`
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(super) fn size_text(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut size, mut unit) = (bytes as f64, 0);
    while size >= 1_024.0 && unit + 1 < units.len() {
        size /= 1_024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{size:.1} {}", units[unit]) }
}
