//! A server under load: how it is started, what it costs, and that it ends.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::os;

const START_TIMEOUT: Duration = Duration::from_secs(30);
const LOG_TAIL_BYTES: usize = 2_000;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("{path} is not there; {hint}")]
    Missing { path: PathBuf, hint: &'static str },
    #[error("start {program}")]
    Spawn { program: String, source: io::Error },
    #[error("the server did not listen on {address} within {} s; its log ends:\n{log_tail}", START_TIMEOUT.as_secs())]
    Silent { address: SocketAddr, log_tail: String },
    #[error("the server died ({status}); its log ends:\n{log_tail}")]
    Died { status: ExitStatus, log_tail: String },
    #[error("read {path}")]
    Proc { path: String, source: io::Error },
    #[error("{path} does not have the expected form")]
    ProcForm { path: String },
}

/// CPU time of all threads of a process, microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) user_us: f64,
    pub(crate) system_us: f64,
}

impl Cpu {
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            user_us: self.user_us - earlier.user_us,
            system_us: self.system_us - earlier.system_us,
        }
    }

    pub(crate) fn total_us(self) -> f64 {
        self.user_us + self.system_us
    }
}

/// CPU time of the process `pid` (or `self`) so far. Resolution: one clock tick, most often 10 ms.
///
/// # Errors
/// The process is gone.
pub(crate) fn cpu(pid: &str) -> Result<Cpu, ServerError> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path)
        .map_err(|source| ServerError::Proc { path: path.clone(), source })?;
    parse_stat(&stat, os::clock_ticks_per_second()).ok_or(ServerError::ProcForm { path })
}

/// CPU time that `cores` have spent on anything at all, microseconds.
///
/// # Errors
/// The system has no such core.
pub(crate) fn busy_us(cores: [usize; 2]) -> Result<f64, ServerError> {
    const PATH: &str = "/proc/stat";
    let stat = fs::read_to_string(PATH)
        .map_err(|source| ServerError::Proc { path: PATH.to_owned(), source })?;
    let ticks = cores.iter().map(|core| parse_busy_ticks(&stat, *core)).sum::<Option<u64>>();
    let ticks = ticks.ok_or_else(|| ServerError::ProcForm { path: PATH.to_owned() })?;
    Ok(ticks as f64 * 1e6 / os::clock_ticks_per_second() as f64)
}

fn parse_busy_ticks(stat: &str, core: usize) -> Option<u64> {
    let name = format!("cpu{core} ");
    let line = stat.lines().find_map(|line| line.strip_prefix(&name))?;
    let fields: Option<Vec<u64>> =
        line.split_ascii_whitespace().map(|field| field.parse().ok()).collect();
    // In order: user, nice, system, idle, iowait, irq, softirq, steal; guests are within user.
    let &[user, nice, system, _, _, irq, softirq, steal, ..] = fields?.as_slice() else {
        return None;
    };
    Some(user + nice + system + irq + softirq + steal)
}

fn parse_stat(stat: &str, ticks_per_second: u64) -> Option<Cpu> {
    // The second field is the program's name in parentheses and may hold anything, spaces included.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut next_us = || {
        let ticks: u64 = fields.next()?.parse().ok()?;
        Some(ticks as f64 * 1e6 / ticks_per_second as f64)
    };
    Some(Cpu { user_us: next_us()?, system_us: next_us()? })
}

fn parse_rss(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// The command of a server; the port is added as its last argument.
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// What must be there beside the program.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) environment: Vec<(&'static str, String)>,
    /// Where it runs: relative paths of its configuration begin there.
    pub(crate) folder: PathBuf,
    /// How to get what is missing, for the one who reads the error.
    pub(crate) hint: &'static str,
}

/// A running server, pinned to its core. Dropping it kills it.
pub(crate) struct ServerProcess {
    child: Child,
    pid: String,
    log: PathBuf,
    pub(crate) address: SocketAddr,
}

impl ServerProcess {
    /// Starts a server on a free port of the loopback interface and waits until it accepts connections.
    ///
    /// # Errors
    /// A file is missing, or the server dies or stays silent for 30 s.
    pub(crate) fn start(launch: &Launch, core: usize, log: &Path) -> Result<Self, ServerError> {
        let files = [&launch.program].into_iter().chain(&launch.files);
        // A name alone is looked up in PATH.
        for path in files.filter(|path| path.components().count() > 1) {
            if !path.exists() {
                return Err(ServerError::Missing { path: path.clone(), hint: launch.hint });
            }
        }
        let program = launch.program.display().to_string();
        let spawn = |source| ServerError::Spawn { program: program.clone(), source };
        let address = free_address().map_err(spawn)?;
        if let Some(folder) = log.parent() {
            fs::create_dir_all(folder).map_err(spawn)?;
        }
        let output = File::create(log).map_err(spawn)?;
        let mut command = Command::new("taskset");
        command
            .args(["-c", &core.to_string()])
            .arg(&launch.program)
            .args(&launch.arguments)
            .arg(address.port().to_string())
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&launch.folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(spawn)?)
            .stderr(output);
        os::die_with_parent(&mut command);
        let child = command.spawn().map_err(spawn)?;
        let pid = child.id().to_string();
        let mut server = Self { child, pid, log: log.to_owned(), address };
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(address).is_err() {
            server.check_alive()?;
            if Instant::now() > deadline {
                return Err(ServerError::Silent { address, log_tail: server.log_tail() });
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// # Errors
    /// The server has ended, which nobody asked it to.
    pub(crate) fn check_alive(&mut self) -> Result<(), ServerError> {
        match self.child.try_wait() {
            Ok(Some(status)) => Err(ServerError::Died { status, log_tail: self.log_tail() }),
            Ok(None) => Ok(()),
            Err(source) => Err(ServerError::Proc { path: self.pid.clone(), source }),
        }
    }

    /// CPU time of all its threads so far.
    ///
    /// # Errors
    /// The server is gone.
    pub(crate) fn cpu(&self) -> Result<Cpu, ServerError> {
        cpu(&self.pid)
    }

    /// Resident memory now, KiB.
    ///
    /// # Errors
    /// The server is gone.
    pub(crate) fn rss_kib(&self) -> Result<u64, ServerError> {
        let path = format!("/proc/{}/smaps_rollup", self.pid);
        let rollup = fs::read_to_string(&path)
            .map_err(|source| ServerError::Proc { path: path.clone(), source })?;
        parse_rss(&rollup).ok_or(ServerError::ProcForm { path })
    }

    /// Kills it at once.
    pub(crate) fn kill(&mut self) {
        // Both fail only for a process that has already ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }

    fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_TAIL_BYTES)..]).into_owned()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An address that was free a moment ago.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_whatever_the_program_is_called() {
        let stat = "42 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1";
        let cpu = parse_stat(stat, 100).unwrap();
        assert_eq!((cpu.user_us, cpu.system_us), (2_500_000.0, 500_000.0));
    }

    #[test]
    fn a_core_is_busy_with_all_but_idling_and_waiting_for_disks() {
        let stat =
            "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 9 9 9 9 9 9 9 9 0 0\ncpu1 1 2 4 100 100 8 16 32 0 0\n";
        assert_eq!(parse_busy_ticks(stat, 1), Some(63));
        assert_eq!(parse_busy_ticks(stat, 2), None);
    }

    #[test]
    fn resident_memory_is_the_line_of_that_name() {
        let rollup =
            "00400000-7fff ---p 0 00:00 0 [rollup]\nRss:                1234 kB\nPss: 99 kB\n";
        assert_eq!(parse_rss(rollup), Some(1234));
        assert_eq!(parse_rss("Pss: 99 kB\n"), None);
    }
}
