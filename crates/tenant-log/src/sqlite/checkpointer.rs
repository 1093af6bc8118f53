//! Moving what stands beside the database into it, on a thread of its own: the writer would make everybody wait for it.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags};

use super::commit_gate::CommitError;

/// The thread, and what it was asked for. It moves what was committed when it began; what is committed meanwhile, and the
/// decision to begin anew at the front, are the writer's.
pub(super) struct Checkpointer {
    begin: Option<SyncSender<()>>,
    ended: Receiver<Result<(), CommitError>>,
    is_under_way: bool,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub(super) fn start(file: &Path) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        let (begin, begun) = sync_channel::<()>(1);
        let (end, ended) = sync_channel(1);
        let work = move || {
            for () in begun {
                if end.send(checkpoint(&connection, "PASSIVE")).is_err() {
                    break;
                }
            }
        };
        // Without the thread the writer does it all.
        let thread = std::thread::Builder::new().name(String::from("checkpoint")).spawn(work).ok();
        Ok(Self { begin: Some(begin), ended, is_under_way: false, thread })
    }

    /// Asks for it, unless it is under way.
    pub(super) fn begin(&mut self) {
        if !self.is_under_way
            && let Some(begin) = &self.begin
        {
            self.is_under_way = begin.try_send(()).is_ok();
        }
    }

    /// How it ended, if it was under way and has.
    pub(super) fn ended(&mut self) -> Option<Result<(), CommitError>> {
        let result = self.ended.try_recv().ok()?;
        self.is_under_way = false;
        Some(result)
    }

    /// Waits until it has let go of the database, for good.
    pub(super) fn stop(&mut self) {
        self.begin = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing to save.
            let _ = thread.join();
        }
    }

    /// Waits until it is not under way.
    pub(super) fn wait(&mut self) -> Result<(), CommitError> {
        if !std::mem::take(&mut self.is_under_way) {
            return Ok(());
        }
        self.ended.recv().unwrap_or(Ok(()))
    }
}

/// Waits until it has let go of the database.
impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Readers may hold up a part; it is made up for the next time.
pub(super) fn checkpoint(connection: &Connection, mode: &str) -> Result<(), CommitError> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    connection.query_row(&sql, (), |_| Ok(())).map_err(CommitError::from)
}
