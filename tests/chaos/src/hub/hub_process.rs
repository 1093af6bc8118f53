//! Starts, stops and kills a hub.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::os;
use super::token::SECRET;
use super::wall_clock::WallClock;

/// Below the ports that the system gives to clients: while the hub is down, none of them may take its place.
const PORTS: std::ops::Range<u16> = 12_000..30_000;
/// So many are between the first ones of two processes that started one after the other.
const PORTS_EACH: u32 = 101;

/// The hub does not do as it is told.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// A file, a process or a port.
    #[error("{what}")]
    Io {
        /// What was to be done.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// It ended.
    #[error("the hub ended with {status}; its log: {log}")]
    Ended {
        /// How.
        status: ExitStatus,
        /// Where it said why.
        log: PathBuf,
    },
    /// It does not say that it listens.
    #[error("the hub does not listen after {waited_s} s; its log: {log}")]
    Silent {
        /// For how long.
        waited_s: u64,
        /// Where it may have said why.
        log: PathBuf,
    },
}

/// What to start.
#[derive(Clone, Debug)]
pub struct HubSpec {
    /// The program.
    pub program: PathBuf,
    /// Where its configuration and log go.
    pub folder: PathBuf,
    /// The configuration, as TOML.
    pub config: String,
    /// Where it keeps its data; in memory where absent.
    pub data_dir: Option<PathBuf>,
    /// Its wall clock, where it has one of its own.
    pub clock: Option<WallClock>,
}

/// What became of a started hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does not listen yet.
    Starting,
    /// It listens.
    Up,
    /// It is gone, or was never started.
    Down,
}

/// A hub at one address, whatever becomes of its process. Dropping it kills it.
pub struct Hub {
    spec: HubSpec,
    address: SocketAddr,
    process: Option<Process>,
    last_exit: Option<ExitStatus>,
    descriptors_max: Option<u64>,
    is_stderr_unread: bool,
}

struct Process {
    child: Child,
    lines: Receiver<String>,
    is_up: bool,
}

impl Hub {
    /// Prepares a hub on a port that is free; starts nothing.
    ///
    /// # Errors
    /// [`HubError::Io`]
    pub fn new(spec: HubSpec) -> Result<Self, HubError> {
        let failed = |what: &str| {
            let what = format!("{what} {}", spec.folder.display());
            move |source| HubError::Io { what, source }
        };
        fs::create_dir_all(&spec.folder).map_err(failed("making"))?;
        fs::write(spec.folder.join("hub.toml"), &spec.config).map_err(failed("writing into"))?;
        let address = free_address().map_err(failed("finding a port for"))?;
        Ok(Self {
            spec,
            address,
            process: None,
            last_exit: None,
            descriptors_max: None,
            is_stderr_unread: false,
        })
    }

    /// Where it listens, when it does.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it writes its log.
    pub fn log(&self) -> PathBuf {
        self.spec.folder.join("hub.log")
    }

    /// The process's id, while there is one.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.child.id())
    }

    /// Gives the processes that start from now on no more descriptors than this, and no right to more.
    pub fn limit_descriptors(&mut self, descriptors_max: u64) {
        self.descriptors_max = Some(descriptors_max);
    }

    /// Gives the processes that start from now on a pipe as standard error that nobody reads, in place of the log's file.
    pub fn leave_stderr_unread(&mut self) {
        self.is_stderr_unread = true;
    }

    /// How the last process ended.
    pub fn last_exit(&self) -> Option<ExitStatus> {
        self.last_exit
    }

    /// Starts a process; does not wait for it.
    ///
    /// # Errors
    /// [`HubError::Io`]
    pub fn start(&mut self) -> Result<(), HubError> {
        let program = self.spec.program.display().to_string();
        let failed = |source| HubError::Io { what: format!("starting {program}"), source };
        let log = File::options().create(true).append(true).open(self.log()).map_err(failed)?;
        let mut command = Command::new(&self.spec.program);
        command.args(["serve", "--host", "127.0.0.1", "--port"]);
        command.arg(self.address.port().to_string());
        command.arg("--config").arg(self.spec.folder.join("hub.toml"));
        match &self.spec.data_dir {
            Some(folder) => command.arg("--data-dir").arg(folder),
            None => command.arg("--in-memory"),
        };
        command.env("JWT_SECRET", SECRET).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        // A full disk is one of the schedule's faults: here logs must not yield to it, or else what was accepted would be gone.
        command.env("FOODTRACK__LOG__FREE_BYTES_MIN", "0");
        if self.is_stderr_unread {
            // The reading end lives as long as the child's handle, and nobody takes it out of there.
            command.stderr(Stdio::piped());
        }
        if let Some(clock) = &self.spec.clock {
            clock.give_to(&mut command);
        }
        os::die_with_parent(&mut command);
        if let Some(descriptors_max) = self.descriptors_max {
            os::limit_descriptors(&mut command, descriptors_max);
        }
        let mut child = command.spawn().map_err(failed)?;
        let (sender, lines) = channel();
        if let Some(output) = child.stdout.take() {
            thread::spawn(move || {
                let lines = BufReader::new(output).lines().map_while(Result::ok);
                for line in lines {
                    // Nobody listens any more to a hub that was killed.
                    sender.send(line).ok();
                }
            });
        }
        self.process = Some(Process { child, lines, is_up: false });
        Ok(())
    }

    /// How the process is now.
    pub fn status(&mut self) -> Status {
        let Some(process) = &mut self.process else { return Status::Down };
        if let Ok(Some(status)) = process.child.try_wait() {
            self.last_exit = Some(status);
            self.process = None;
            return Status::Down;
        }
        process.is_up |= process.lines.try_iter().any(|line| line.starts_with("listening on "));
        if process.is_up { Status::Up } else { Status::Starting }
    }

    /// Starts a process and waits until it listens.
    ///
    /// # Errors
    /// [`HubError`]
    pub fn start_and_wait(&mut self, timeout: Duration) -> Result<(), HubError> {
        self.start()?;
        let deadline = Instant::now() + timeout;
        loop {
            match (self.status(), self.last_exit) {
                (Status::Up, _) => return Ok(()),
                (Status::Down, Some(status)) => {
                    return Err(HubError::Ended { status, log: self.log() });
                }
                _ if Instant::now() > deadline => {
                    return Err(HubError::Silent { waited_s: timeout.as_secs(), log: self.log() });
                }
                _ => thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Kills the process as a power switch would, the disk's cache apart.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Both fail only for a process that has already ended.
            process.child.kill().ok();
            self.last_exit = process.child.wait().ok();
        }
    }

    /// Asks the process to stop; does not wait for it.
    pub fn terminate(&mut self) {
        if let Some(process) = &self.process {
            // It fails only for a process that has already ended.
            os::terminate(&process.child).ok();
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An address of this machine that nothing listens on, and that the system gives to no client.
///
/// # Errors
/// There is none.
pub fn free_address() -> io::Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let span = PORTS.end - PORTS.start;
    // A process never tries one twice. Others begin elsewhere, far enough from it though their numbers follow each other: a
    // port that is free is not listened on before its hub has started.
    let first = std::process::id().wrapping_mul(PORTS_EACH) % u32::from(span);
    let first = u16::try_from(first).unwrap_or(0);
    for _ in 0..span {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + (first + step % span) % span;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// The hub to test: the one that was named, or else the one that cargo built beside this program in the profile.
///
/// # Errors
/// There is none.
pub fn find_hub(named: Option<&Path>) -> Result<PathBuf, HubError> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let what = || String::from("finding foodtrack-websocket; build it, or name it with --hub");
    let own = std::env::current_exe().map_err(|source| HubError::Io { what: what(), source })?;
    // A test's binary lies one folder deeper.
    let places = own.ancestors().skip(1).take(2).map(|folder| folder.join("foodtrack-websocket"));
    let found = places.into_iter().find(|path| path.is_file());
    found.ok_or_else(|| HubError::Io { what: what(), source: io::ErrorKind::NotFound.into() })
}
