//! The Redis beside a server that needs one.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::server_process::{Launch, ServerProcess};

/// How to start a Redis that keeps what it has: its default snapshots, and the append-only file (`appendfsync everysec`). It stores below
/// `scratch`.
pub(crate) fn launch(scratch: &Path) -> Launch {
    let arguments = ["--bind", "127.0.0.1", "--appendonly", "yes", "--port"];
    Launch {
        program: PathBuf::from("redis-server"),
        arguments: arguments.map(str::to_owned).to_vec(),
        files: Vec::new(),
        environment: Vec::new(),
        folder: scratch.to_owned(),
        hint: "install redis-server",
    }
}

/// Where a server finds it.
pub(crate) fn url(redis: &ServerProcess) -> String {
    format!("redis://{}", redis.address)
}

/// How often each command was called since the Redis began, by clients and by scripts.
///
/// # Errors
/// It does not answer.
pub(crate) fn calls(address: SocketAddr) -> io::Result<BTreeMap<String, u64>> {
    Ok(parse_calls(&info(address, "commandstats")?))
}

/// What all its data take, in bytes.
///
/// # Errors
/// It does not answer.
pub(crate) fn used_bytes(address: SocketAddr) -> io::Result<u64> {
    let answer = info(address, "memory")?;
    let used = answer.lines().find_map(|line| line.strip_prefix("used_memory_dataset:"));
    used.and_then(|used| used.parse().ok()).ok_or_else(|| io::Error::other("INFO has no memory"))
}

fn info(address: SocketAddr, section: &str) -> io::Result<String> {
    let mut stream = BufReader::new(TcpStream::connect(address)?);
    write!(stream.get_mut(), "INFO {section}\r\n")?;
    let mut length = String::new();
    stream.read_line(&mut length)?;
    let length = length.trim_end().strip_prefix('$').and_then(|it| it.parse().ok());
    let length: u64 = length.ok_or_else(|| io::Error::other("INFO is not answered"))?;
    let mut answer = String::new();
    stream.take(length).read_to_string(&mut answer)?;
    Ok(answer)
}

fn parse_calls(answer: &str) -> BTreeMap<String, u64> {
    let call = |line: &str| {
        let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), figures.split(',').next()?.parse().ok()?))
    };
    answer.lines().filter_map(call).collect()
}

/// How often a command was called.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) by_clients: u32,
    pub(crate) by_scripts: u32,
}

/// The commands that `MONITOR` tells for a while, by their names in lower case.
///
/// # Errors
/// The Redis closes the connection.
pub(crate) fn monitor(
    address: SocketAddr,
    duration: Duration,
) -> io::Result<BTreeMap<String, Told>> {
    let mut stream = BufReader::new(TcpStream::connect(address)?);
    stream.get_ref().set_read_timeout(Some(Duration::from_millis(100)))?;
    stream.get_mut().write_all(b"MONITOR\r\n")?;
    let (end, mut line, mut told) = (Instant::now() + duration, Vec::new(), BTreeMap::new());
    while Instant::now() < end {
        match stream.read_until(b'\n', &mut line) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            // What has come of the line stays in it.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        if let Some((name, is_of_script)) = parse_command(&line) {
            let told: &mut Told = told.entry(name).or_default();
            *if is_of_script { &mut told.by_scripts } else { &mut told.by_clients } += 1;
        }
        line.clear();
    }
    Ok(told)
}

/// The command that a line of `MONITOR` tells, and whether a script called it; nothing where it tells none.
fn parse_command(line: &[u8]) -> Option<(String, bool)> {
    let origin = &line[memchr::memchr(b'[', line)?..];
    let (origin, said) = origin.split_at(memchr::memchr(b']', origin)?);
    let name = said.strip_prefix(b"] \"")?;
    let name = name.get(..memchr::memchr(b'"', name)?)?;
    Some((String::from_utf8_lossy(name).to_lowercase(), origin.ends_with(b" lua")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_by_their_commands_name() {
        let answer = "# Commandstats\r\ncmdstat_evalsha:calls=12,usec=3,usec_per_call=0.25\r\ncmdstat_client|id:calls=1,usec=0\r\n";
        let calls = parse_calls(answer);
        assert_eq!((calls.get("evalsha"), calls.get("client|id")), (Some(&12), Some(&1)));
        assert_eq!(calls.len(), 2);
    }

    #[test]
    fn a_command_is_a_clients_or_a_scripts() {
        let script = b"1.5 [0 lua] \"HGET\" \"[0 127.0.0.1:5]\"\r\n";
        let client = b"1.5 [0 127.0.0.1:5] \"EVALSHA\" \"lua] \"\r\n";
        assert_eq!(parse_command(script), Some(("hget".to_owned(), true)));
        assert_eq!(parse_command(client), Some(("evalsha".to_owned(), false)));
        assert_eq!(parse_command(b"+OK\r\n"), None);
    }
}
