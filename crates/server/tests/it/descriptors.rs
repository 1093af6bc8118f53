//! A usual limit of descriptors is not what strangers have to reach.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use test_support::{let_pass, wait_until};

use crate::process::{Served, limited};
use crate::support::{SECRET, request};

const SERVE: &[&str] = &["serve", "--in-memory", "--port", "0", "--host", "127.0.0.1"];

#[test]
fn a_low_soft_limit_of_descriptors_is_raised_to_the_hard_one_and_that_is_logged() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = limited("ulimit -S -n 1024 && ulimit -H -n 3000", SERVE);
    command.env("JWT_SECRET", SECRET);
    let mut served = Served::start_with_stderr(&mut command, Stdio::from(writer));
    drop(command);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", served.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<&str> = files.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers, ["3000", "3000"], "{files}");
    served.signal("TERM");
    assert_eq!(served.wait(), 0);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let line = text.lines().find(|line| line.contains("descriptors")).unwrap();
    assert!(line.contains("INFO"), "{line}");
    assert!(
        line.contains("\"before\":1024") && line.contains("\"descriptors_max\":3000"),
        "{line}"
    );
}

fn connect_from(address: SocketAddr, source: Ipv4Addr) -> std::io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.connect(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Whether the server has not closed it.
fn is_open(stream: &TcpStream) -> bool {
    stream.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// Keeps so many silent sockets open, until the flag is set. Counts how many of them were closed by the server.
fn crowd(
    address: SocketAddr,
    source: Ipv4Addr,
    count: usize,
    is_over: &AtomicBool,
    closed: &AtomicUsize,
) {
    let mut sockets = VecDeque::new();
    while !is_over.load(Ordering::Relaxed) {
        let before = sockets.len();
        sockets.retain(is_open);
        closed.fetch_add(before - sockets.len(), Ordering::Relaxed);
        while sockets.len() < count
            && let Ok(socket) = connect_from(address, source)
        {
            sockets.push_back(socket);
        }
        let_pass(Duration::from_millis(5));
    }
}

#[test]
fn where_descriptors_end_all_the_same_the_busiest_addresss_silent_sockets_go_and_clients_come_in() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    // Fewer than the server reckons with: it has ten for itself, and keeps five.
    let mut command = limited("ulimit -n 40", SERVE);
    command
        .env("JWT_SECRET", SECRET)
        .env("FOODTRACK__SHARDS", "1")
        // Nobody goes because of the time.
        .env("FOODTRACK__LIMITS__HANDSHAKE_TIMEOUT_MS", "120000");
    let mut served = Served::start_with_stderr(&mut command, Stdio::from(writer));
    drop(command);
    let address = served.address;
    let few: Vec<TcpStream> =
        (0..3).map(|_| connect_from(address, Ipv4Addr::new(127, 0, 0, 12)).unwrap()).collect();
    let is_over = AtomicBool::new(false);
    let closed = AtomicUsize::new(0);
    let busiest = Ipv4Addr::new(127, 0, 0, 11);
    std::thread::scope(|scope| {
        scope.spawn(|| crowd(address, busiest, 100, &is_over, &closed));
        wait_until("descriptors have ended", || closed.load(Ordering::Relaxed) > 0);
        let answers = (0..20).map(|_| {
            let line = "GET /socket.io/?EIO=4&transport=polling";
            let_pass(Duration::from_millis(50));
            request(address, line, &[("Connection", "close")], "").status
        });
        let answers: Vec<u16> = answers.collect();
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(answers, [200; 20]);
    });
    let closed = closed.into_inner();
    assert!(closed > 20, "{closed}");
    assert!(few.iter().all(is_open), "who has few loses none");
    served.signal("TERM");
    assert_eq!(served.wait(), 0);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("no descriptor")).collect();
    assert!((1..=2).contains(&lines.len()), "{lines:#?}");
    assert!(lines[0].contains("WARN") && lines[0].contains("ulimit -n"), "{}", lines[0]);
}
