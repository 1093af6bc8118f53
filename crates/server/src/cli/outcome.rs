//! How a command ends.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use foodtrack_tenant_log::{BackupError, CheckError, OpenError, ReadError};

use crate::config::ConfigErrors;
use crate::websocket_server::StartError;

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
            StartError::DataDir(_) | StartError::Log(_) => Self::Usage(error.to_string()),
            StartError::Thread(_) => Self::Failed(error.to_string()),
        }
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
            BackupError::Io { .. } | BackupError::Store { .. } | BackupError::Overtaken => {
                Self::Failed(error.to_string())
            }
        }
    }
}

impl From<ReadError> for Outcome {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::UnknownTenant(_) | ReadError::OtherEpoch { .. } => {
                Self::Usage(error.to_string())
            }
            ReadError::Store(_) | ReadError::Damaged { .. } => Self::Failed(error.to_string()),
        }
    }
}

/// A line for programs.
pub(super) fn print(line: impl Display) {
    let mut stdout = std::io::stdout().lock();
    // Nobody reads: there is nobody to tell.
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// A line for people.
pub(super) fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
