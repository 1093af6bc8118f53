//! Redis Streams with an fsync before each reply, through as little client as will do: one client that pipelines, or many
//! that each wait for their reply.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::messages::Messages;
use super::{Error, KEPT, RUN, Run, Setting, cpu};

pub(super) struct Server {
    child: Child,
    port: u16,
}

impl Server {
    pub(super) fn start(directory: &Path) -> Result<Self, Error> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "always", "--dir"])
            .arg(directory)
            .stdout(Stdio::null())
            .spawn()?;
        let server = Self { child, port };
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > deadline {
                return Err("redis-server does not answer".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client {
    stream: BufReader<TcpStream>,
    out: Vec<u8>,
    begun: VecDeque<Instant>,
    tenants: usize,
    messages: Rc<Messages>,
    next: usize,
    line: String,
    process: String,
}

impl Client {
    fn submit(&mut self) {
        self.next += 1;
        let (key, value) =
            (format!("log:{}", self.next % self.tenants), self.messages.nth(self.next));
        let kept = (KEPT / self.tenants).to_string();
        let words: [&[u8]; 8] =
            [b"XADD", key.as_bytes(), b"MAXLEN", b"~", kept.as_bytes(), b"*", b"m", value];
        self.out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            self.out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            self.out.extend_from_slice(word);
            self.out.extend_from_slice(b"\r\n");
        }
        self.begun.push_back(Instant::now());
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.stream.get_mut().write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// Reads one reply: a bulk string, the entry's id.
    fn hear(&mut self) -> Result<Option<Duration>, Error> {
        self.line.clear();
        self.stream.read_line(&mut self.line)?;
        let length: usize = self
            .line
            .strip_prefix('$')
            .ok_or_else(|| format!("Redis says {:?}", self.line))?
            .trim_end()
            .parse()?;
        let mut id = vec![0; length + 2];
        self.stream.read_exact(&mut id)?;
        Ok(self.begun.pop_front().map(|begun| begun.elapsed()))
    }

    fn drive(&mut self, in_flight: usize, goes_on: impl Fn(usize) -> bool) -> Result<Run, Error> {
        let (start, cpu_before) = (Instant::now(), cpu(&self.process));
        let mut took = Vec::new();
        while goes_on(took.len()) {
            while self.begun.len() < in_flight {
                self.submit();
            }
            self.flush()?;
            took.extend(self.hear()?);
            // What came with it.
            while !self.begun.is_empty() && !self.stream.buffer().is_empty() {
                took.extend(self.hear()?);
            }
        }
        let (elapsed, cpu) = (start.elapsed(), cpu(&self.process).saturating_sub(cpu_before));
        while !self.begun.is_empty() {
            self.hear()?;
        }
        Ok(Run::new(elapsed, cpu, took))
    }
}

/// Appends with `clients` connections that share what is in flight.
pub(super) fn append(directory: &Path, clients: usize, setting: Setting) -> Result<Run, Error> {
    let Setting { tenants, in_flight } = setting;
    let server = Server::start(directory)?;
    let messages = Rc::new(Messages::new());
    let connect = |n: usize| -> Result<Client, Error> {
        let stream = TcpStream::connect(("127.0.0.1", server.port))?;
        stream.set_nodelay(true)?;
        let (stream, process) = (BufReader::new(stream), server.child.id().to_string());
        let (out, begun, line) = (Vec::new(), VecDeque::new(), String::new());
        Ok(Client {
            stream,
            out,
            begun,
            tenants,
            messages: Rc::clone(&messages),
            next: n,
            line,
            process,
        })
    };
    let mut all = (0..clients).map(connect).collect::<Result<Vec<_>, _>>()?;
    all[0].drive(500, |count| count < KEPT + 5_000)?;
    if clients == 1 {
        let start = Instant::now();
        return all[0].drive(in_flight, |_| start.elapsed() < RUN);
    }
    let (start, cpu_before, mut took) = (Instant::now(), cpu(&all[0].process), Vec::new());
    while start.elapsed() < RUN {
        for client in &mut all {
            client.submit();
            client.flush()?;
        }
        for client in &mut all {
            took.extend(client.hear()?);
        }
    }
    let cpu = cpu(&all[0].process).saturating_sub(cpu_before);
    Ok(Run::new(start.elapsed(), cpu, took))
}
