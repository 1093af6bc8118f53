//! A process of the cluster's, which ends with this one.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child as Process, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::cli::outcome::Outcome;

/// How much of a program's output an error quotes.
const SAID_BYTES_MAX: usize = 600;
/// How long a process may take to end once it is asked to.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// What the process's output goes to.
pub(super) enum Output<'p> {
    /// A file: both of them.
    File(&'p Path),
    /// What it prints is read here, and what it logs goes where this process's log does.
    Piped,
}

/// Ended when it is dropped.
pub(super) struct Child {
    process: Process,
}

impl Child {
    /// Starts a program with a variable of its own. Call it on a thread that stays: the system ends the program with that.
    pub(super) fn start<A: AsRef<OsStr>>(
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        variable: Option<(&str, &str)>,
        output: &Output<'_>,
    ) -> Result<Self, Outcome> {
        let child = Self::spawn(program, arguments, variable, output);
        child.map_err(|error| {
            Outcome::Failed(format!("{} cannot be started: {error}", program.display()))
        })
    }

    fn spawn<A: AsRef<OsStr>>(
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        variable: Option<(&str, &str)>,
        output: &Output<'_>,
    ) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["held-child", "--parent", &std::process::id().to_string(), "--"]);
        command.arg(program).args(arguments).envs(variable).stdin(Stdio::null());
        match output {
            Output::File(path) => {
                let file = File::create(path)?;
                command.stdout(file.try_clone()?).stderr(file);
            }
            Output::Piped => {
                command.stdout(Stdio::piped());
            }
        }
        // A Ctrl+C is this process's, which ends the others in their order.
        Ok(Self { process: command.process_group(0).spawn()? })
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.process.stdout.take()
    }

    /// How it ended, where it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    /// `kill -9`, and waits until it is gone.
    pub(super) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Asks it to end, and kills it where it does not.
    pub(super) fn end(&mut self) {
        self.ask_to_end();
        let deadline = Instant::now() + END_TIMEOUT;
        while self.ended().is_none() && Instant::now() < deadline {
            sleep(LOOK_INTERVAL);
        }
        self.kill();
    }

    /// Asks it to end, and does not wait for that.
    pub(super) fn ask_to_end(&mut self) {
        if self.ended().is_none()
            && let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw)
        {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

/// Where a program is: in `PATH`, or where Debian has those of administrators.
pub(super) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(others).map(|it| it.join(name)).find(|it| it.is_file())
}

/// A port of this machine that nobody listens on.
pub(super) fn free_port() -> Result<u16, Outcome> {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|it| Ok(it.local_addr()?.port()));
    port.map_err(|error| Outcome::Failed(format!("no free port: {error}")))
}

/// The end of what a program wrote into its log.
pub(super) fn what_it_said(log: &Path) -> String {
    let said = std::fs::read(log).unwrap_or_default();
    let end = String::from_utf8_lossy(&said[said.len().saturating_sub(SAID_BYTES_MAX)..]);
    let end = end.trim();
    if end.is_empty() { "it said nothing".to_owned() } else { end.to_owned() }
}
