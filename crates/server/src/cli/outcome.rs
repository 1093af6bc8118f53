//! How a command ends.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use foodtrack_tenant_log::{BackupError, CheckError, OpenError, ReadError};

use crate::StartError;
use crate::config::ConfigErrors;
use crate::data::KeysError;

/// How long a line waits for who reads it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why a command failed, and the exit code that says so.
pub(super) enum Outcome {
    /// 1
    Failed(String),
    /// 2
    Usage(String),
    /// 3
    CannotListen(String),
}

impl Outcome {
    /// Says on stderr what is wrong with the command line.
    pub(super) fn bad_arguments(error: &clap::Error) -> ExitCode {
        let text = error.render();
        if std::io::stderr().is_terminal() {
            note(text.ansi());
        } else {
            note(text);
        }
        ExitCode::from(2)
    }

    /// Says why on stderr.
    pub(super) fn report(self) -> ExitCode {
        let (message, code) = match self {
            Self::Failed(message) => (message, 1),
            Self::Usage(message) => (message, 2),
            Self::CannotListen(message) => (message, 3),
        };
        note(format_args!("error: {}", message.trim_end()));
        ExitCode::from(code)
    }
}

impl From<ConfigErrors> for Outcome {
    fn from(errors: ConfigErrors) -> Self {
        Self::Usage(errors.to_string())
    }
}

impl From<StartError> for Outcome {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Bind { .. } => Self::CannotListen(error.to_string()),
            StartError::DataDir(_) | StartError::Keys(_) | StartError::Log(_) => {
                Self::Usage(error.to_string())
            }
            StartError::Thread(_) | StartError::Redis(_) | StartError::Tls(_) => {
                Self::Failed(error.to_string())
            }
        }
    }
}

impl From<KeysError> for Outcome {
    fn from(error: KeysError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<OpenError> for Outcome {
    fn from(error: OpenError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<CheckError> for Outcome {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Open(error) => error.into(),
            CheckError::Store { .. } => Self::Failed(error.to_string()),
        }
    }
}

impl From<BackupError> for Outcome {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Open(error) => error.into(),
            BackupError::NotEmpty { .. } => Self::Usage(error.to_string()),
            BackupError::Io { .. } | BackupError::Store { .. } => Self::Failed(error.to_string()),
        }
    }
}

impl From<ReadError> for Outcome {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::UnknownTenant(_) => {
                Self::Usage(format!("{error}; `log stats` lists the tenants that have one"))
            }
            ReadError::OtherEpoch { .. } => Self::Usage(error.to_string()),
            ReadError::Store(_) | ReadError::Damaged { .. } => Self::Failed(error.to_string()),
        }
    }
}

/// Waits for what needs sockets and time.
pub(super) fn wait<T>(future: impl Future<Output = T>) -> Result<T, Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(|error| Outcome::Failed(error.to_string()))?.block_on(future))
}

/// What went wrong while a command ran.
pub(super) fn failed(error: &dyn Display) -> Outcome {
    Outcome::Failed(error.to_string())
}

/// A line for programs that read all of what a command prints: it waits for them.
pub(super) fn print(line: impl Display) {
    let mut stdout = std::io::stdout().lock();
    // Nobody reads: there is nobody to tell.
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// A line of a server's on stdout. Waits a moment only: a server must not hang on who does not read.
pub(super) fn announce(line: impl Display) {
    write_patiently(std::io::stdout().as_fd(), &line);
}

/// A line for people. Waits a moment only: neither a start nor an end may hang on who does not read.
pub(super) fn note(line: impl Display) {
    write_patiently(std::io::stderr().as_fd(), &line);
}

/// Writes from a thread of its own, which is left behind where the text is not taken in time.
fn write_patiently(to: BorrowedFd<'_>, line: &dyn Display) {
    let Ok(to) = to.try_clone_to_owned() else { return };
    let text = format!("{line}\n");
    let (done, is_done) = sync_channel(1);
    let write = move || {
        let _ = std::fs::File::from(to).write_all(text.as_bytes());
        let _ = done.send(());
    };
    if std::thread::Builder::new().name("announce".into()).spawn(write).is_ok() {
        let _ = is_done.recv_timeout(PATIENCE);
    }
}
