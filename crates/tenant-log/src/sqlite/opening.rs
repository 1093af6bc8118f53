//! Finding, making and refusing database files.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::migrating_5;
use super::migrating_7;
use super::progress::Progress;
use crate::{make_private_directory, private_options};

/// In the file's header: says that a database is a log of this project.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"FTlr");
/// The layout that this version writes.
const SCHEMA_VERSION: i32 = 9;
/// The last one whose rows have no checksums; they are read as they are.
const WITHOUT_CHECKSUMS: i32 = 6;
/// The last one that does not note who an order is assigned to.
const WITHOUT_ASSIGNMENTS: i32 = 7;
/// The last one in which nothing is sealed.
const WITHOUT_SEALING: i32 = 8;
const SCHEMA: &str = concat!(
    include_str!("schema/6.sql"),
    include_str!("schema/6_runs.sql"),
    include_str!("schema/8.sql"),
    include_str!("schema/9.sql"),
);
/// What leads from each earlier layout to the next, up to 5: `migrating_5.rs` and `migrating_7.rs` lead on to the newest.
const MIGRATIONS: [&str; 4] = [
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
];

const FILE: &str = "log.db";
/// Beside a database that is a backup's, until its epochs are renewed.
pub(super) const COPY_MARK: &str = "log.copy";
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const HEADER_BYTES: usize = 100;
/// How long a lock of another program on the file is waited for.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(5);
pub(super) const PAGE_BYTES: u32 = 4_096;
/// Up to this size a database is looked through whenever it is opened; larger ones would keep clients waiting.
const QUICK_CHECK_BYTES_MAX: u64 = 64 << 20;

/// Why a log cannot be opened. Nothing of what is there was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log is in Redis, which cannot be used as it is.
    #[error(transparent)]
    Redis(#[from] crate::RedisOpenError),
    /// A file or the directory cannot be used.
    #[error("{}: {source}; check the data directory's owner, permissions and disk", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no log.
    #[error("{}: there is no log here; name the data directory of a server that has run", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error("{}: another server uses this data directory; stop it, or name another directory", path.display())]
    InUse {
        /// The lock.
        path: PathBuf,
    },
    /// It is something else.
    #[error("{}: not a log of this server; move the file away, or name another data directory", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A later version wrote it.
    #[error(
        "{}: written by a later version of this server (layout {found}, this one knows {known}); start that version again",
        path.display()
    )]
    FutureVersion {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: i32,
        /// The newest that this version knows.
        known: i32,
    },
    /// It is a backup whose epochs were not renewed.
    #[error(
        "{0}: a backup, whose next offsets clients may have seen already; run `foodtrack-websocket log renew-epochs --data-dir {0}`, then start the server",
        path.display()
    )]
    Copy {
        /// The data directory.
        path: PathBuf,
    },
    /// It is sealed, and there is no key.
    #[error(
        "{}: sealed, and no key is given; give the one that it was sealed with (security.encryptionKey), or restore it if it is lost: without it nobody reads what is sealed",
        path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// It is sealed with keys of another directory.
    #[error(
        "{}: sealed with other keys than those of the directory `keys` beside it; put the directory back that belongs to this log",
        path.display()
    )]
    OtherKeys {
        /// The file.
        path: PathBuf,
    },
    /// It is damaged.
    #[error(
        "{}: damaged ({detail}); keep a copy, then restore a backup or save what can be read with `sqlite3 log.db .recover`",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The database cannot be used for another reason.
    #[error("{}: cannot be opened ({detail}); free disk space if it is short, then try again", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What was said.
        detail: String,
    },
}

impl OpenError {
    pub(super) fn store(path: &Path, error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let (path, detail) = (path.to_owned(), error.to_string());
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path, detail }
            }
            _ => Self::Store { path, detail },
        }
    }
}

/// The log's file in a directory that has one. Nothing is made.
pub(super) fn existing(directory: &Path) -> Result<PathBuf, OpenError> {
    let file = directory.join(FILE);
    match read_header(&file) {
        Ok(header) => check_header(&file, &header).map(|()| file),
        Err(source) if source.kind() == ErrorKind::NotFound => {
            Err(OpenError::Missing { path: directory.to_owned() })
        }
        Err(source) => Err(OpenError::Io { path: file, source }),
    }
}

/// A data directory that no other process uses while this lives.
pub(super) struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// As [`DataDirectory::lock`], where there is a log already.
    pub(super) fn lock_existing(path: &Path) -> Result<Self, OpenError> {
        existing(path)?;
        Self::lock(path)
    }

    pub(super) fn lock(path: &Path) -> Result<Self, OpenError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, source }
        };
        make_private_directory(path).map_err(io(path))?;
        let lock_path = path.join("log.lock");
        let lock = private_options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(io(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: lock_path }),
            Err(TryLockError::Error(source)) => Err(OpenError::Io { path: lock_path, source }),
        }
    }

    /// Refuses a backup that nobody made safe.
    pub(super) fn check_is_no_copy(&self) -> Result<(), OpenError> {
        let path = self.path.clone();
        match self.path.join(COPY_MARK).symlink_metadata() {
            Ok(_) => Err(OpenError::Copy { path }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(source) => Err(OpenError::Io { path, source }),
        }
    }

    /// It is safe from now on.
    pub(super) fn remove_copy_mark(&self) -> Result<(), OpenError> {
        let mark = self.path.join(COPY_MARK);
        let removed = match std::fs::remove_file(&mark) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            removed => removed.and_then(|()| File::open(&self.path)?.sync_all()),
        };
        removed.map_err(|source| OpenError::Io { path: mark, source })
    }

    pub(super) fn file(&self) -> PathBuf {
        self.path.join(FILE)
    }

    /// A connection that writes, to a database that is whole and of this version: one of an older layout is brought over first,
    /// and `on_step` told how far that is.
    pub(super) fn open_database(
        &self,
        on_step: &mut dyn FnMut(Progress),
    ) -> Result<Connection, OpenError> {
        let file = self.file();
        match read_header(&file) {
            Ok(header) => check_header(&file, &header)?,
            Err(source) if source.kind() == ErrorKind::NotFound => self.create()?,
            Err(source) => return Err(OpenError::Io { path: file, source }),
        }
        let store = |error: rusqlite::Error| OpenError::store(&file, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&file, flags).map_err(store)?;
        configure(&connection).map_err(store)?;
        check_whole(&connection, &file)?;
        migrate(&connection, &file, on_step)?;
        // What the last server left beside the database goes into it, and onto the disk, before anything is added: after a
        // failed fsync the kernel may show data that the disk does not have.
        let left: i64 = connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get(0))
            .map_err(store)?;
        if left != 0 {
            return Err(OpenError::InUse { path: file });
        }
        Ok(connection)
    }

    /// Makes the database under another name first: a half-made one is never taken for a log.
    fn create(&self) -> Result<(), OpenError> {
        let file = self.file();
        let left_over = write_ahead_file(&file);
        if std::fs::metadata(&left_over).is_ok_and(|it| it.len() > 0) {
            let detail = format!("{} is there without it", left_over.display());
            return Err(OpenError::Damaged { path: file, detail });
        }
        let new = self.path.join("log.db.new");
        let io = |source| OpenError::Io { path: new.clone(), source };
        match std::fs::remove_file(&new) {
            Err(source) if source.kind() != ErrorKind::NotFound => return Err(io(source)),
            _ => {}
        }
        // An empty file is one that SQLite makes a database of; what it makes itself others could read.
        private_options().write(true).create_new(true).open(&new).map_err(io)?;
        let make = || -> rusqlite::Result<()> {
            let connection = Connection::open(&new)?;
            connection.pragma_update(None, "page_size", PAGE_BYTES)?;
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
            connection.pragma_update(None, "journal_mode", "MEMORY")?;
            connection.execute_batch("BEGIN")?;
            connection.pragma_update(None, "application_id", APPLICATION_ID)?;
            connection.execute_batch(SCHEMA)?;
            connection.pragma_update(None, "user_version", SCHEMA_VERSION)?;
            connection.execute_batch("COMMIT")?;
            connection.close().map_err(|(_, error)| error)
        };
        make().map_err(|error| OpenError::store(&new, &error))?;
        File::open(&new).and_then(|it| it.sync_all()).map_err(io)?;
        std::fs::rename(&new, &file).map_err(io)?;
        File::open(&self.path).and_then(|it| it.sync_all()).map_err(io)
    }
}

/// What SQLite keeps beside a database.
pub(super) fn write_ahead_file(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(LOCK_WAIT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // In WAL this is one fsync a commit, before the commit returns.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The writer moves pages into the database itself, where it can choose the moment and see the outcome.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    keep_plans(connection)
}

/// Or else statements are prepared anew whenever other numbers are bound to them.
pub(super) fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn read_header(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    File::open(file)?.take(HEADER_BYTES as u64).read_to_end(&mut header)?;
    Ok(header)
}

fn check_header(file: &Path, header: &[u8]) -> Result<(), OpenError> {
    let path = file.to_owned();
    if header.len() < HEADER_BYTES {
        let detail = format!("it is cut off after {} bytes", header.len());
        return Err(OpenError::Damaged { path, detail });
    }
    let is_ours = header[68..72] == APPLICATION_ID.to_be_bytes();
    if !header.starts_with(MAGIC) || !is_ours {
        return Err(OpenError::Foreign { path });
    }
    Ok(())
}

/// Looks for what can be seen quickly: a file that was cut off, pages that contradict each other.
fn check_whole(connection: &Connection, file: &Path) -> Result<(), OpenError> {
    let store = |error: rusqlite::Error| OpenError::store(file, &error);
    let number = |sql: &str| connection.query_row(sql, (), |row| row.get::<_, i64>(0));
    let pages = number("PRAGMA page_count").map_err(store)?;
    let page_bytes = number("PRAGMA page_size").map_err(store)?;
    let expected = u64::try_from(pages.saturating_mul(page_bytes)).unwrap_or(u64::MAX);
    let length = std::fs::metadata(file).map_or(0, |it| it.len());
    let is_beside = std::fs::metadata(write_ahead_file(file)).is_ok_and(|it| it.len() > 0);
    let damaged = |detail| OpenError::Damaged { path: file.to_owned(), detail };
    // Pages may still be beside the file; without that, all of them are in it.
    if length < expected && !is_beside {
        return Err(damaged(format!("it has {length} of {expected} bytes")));
    }
    if expected <= QUICK_CHECK_BYTES_MAX {
        let verdict: String =
            connection.query_row("PRAGMA quick_check(1)", (), |row| row.get(0)).map_err(store)?;
        if verdict != "ok" {
            return Err(damaged(verdict));
        }
    }
    Ok(())
}

/// Whether a reader knows the layout as it is: only a writer changes it.
pub(super) fn check_version(connection: &Connection, file: &Path) -> Result<(), OpenError> {
    let found: i32 = connection
        .query_row("PRAGMA user_version", (), |row| row.get(0))
        .map_err(|error| OpenError::store(file, &error))?;
    let path = file.to_owned();
    if found > SCHEMA_VERSION {
        return Err(OpenError::FutureVersion { path, found, known: SCHEMA_VERSION });
    }
    let is_under_way = migrating_5::is_under_way(connection);
    if found < SCHEMA_VERSION || is_under_way.map_err(|error| OpenError::store(file, &error))? {
        let detail = format!(
            "its layout is older than {SCHEMA_VERSION}; a server's start or `log compact` brings it over"
        );
        return Err(OpenError::Store { path, detail });
    }
    Ok(())
}

/// Brings a database to the newest layout, each step in a transaction of its own.
fn migrate(
    connection: &Connection,
    file: &Path,
    on_step: &mut dyn FnMut(Progress),
) -> Result<(), OpenError> {
    let store = |error: rusqlite::Error| OpenError::store(file, &error);
    let found: i32 =
        connection.query_row("PRAGMA user_version", (), |row| row.get(0)).map_err(store)?;
    match found {
        ..1 => return Err(OpenError::Foreign { path: file.to_owned() }),
        1..=SCHEMA_VERSION => {}
        _ => {
            let path = file.to_owned();
            return Err(OpenError::FutureVersion { path, found, known: SCHEMA_VERSION });
        }
    }
    for (version, migration) in (2..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        let step = format!("BEGIN; {migration}; PRAGMA user_version = {version}; COMMIT");
        if let Err(error) = connection.execute_batch(&step) {
            // It is let go of without another change, whatever becomes of this.
            let _ = connection.execute_batch("ROLLBACK");
            return Err(store(error));
        }
    }
    if found < WITHOUT_CHECKSUMS || migrating_5::is_under_way(connection).map_err(store)? {
        migrating_5::bring_over(connection, file, on_step)?;
    }
    if found <= WITHOUT_ASSIGNMENTS {
        migrating_7::bring_over(connection, file, on_step)?;
    }
    if found <= WITHOUT_SEALING {
        let sql = include_str!("schema/9.sql");
        let step = format!("BEGIN; {sql}; PRAGMA user_version = {SCHEMA_VERSION}; COMMIT");
        connection.execute_batch(&step).map_err(store)?;
    }
    Ok(())
}
