//! What a TLS handshake costs the hub, and what it costs nginx on the same core with the same certificate.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use test_support::{Certificates, ClientTls};

use crate::contender::Contender;
use crate::os;
use crate::run::encrypt;
use crate::server_process::{Launch, ServerProcess};
use crate::workload::WorkloadError;

/// How long one handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Handshakes before those that count, of each kind.
const WARM_UP: u32 = 200;

/// What is measured.
#[derive(Args)]
pub(crate) struct HandshakeOptions {
    /// Handshakes of each kind in a round
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    count: u32,
    /// Rounds; the servers take turns
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    #[arg(long, default_value_t = 1)]
    generator_core: usize,
    /// The hub's binary
    #[arg(long, default_value = "target/release/foodtrack-websocket")]
    hub: PathBuf,
    /// The hub's configuration
    #[arg(long, default_value = "bench/hub.toml")]
    hub_config: PathBuf,
}

/// One process, without threads, that answers one request with 404.
const NGINX: &str = "daemon off; master_process off; worker_processes 1; pid nginx.pid;
error_log stderr; events { worker_connections 1024; }
http { access_log off;
  server { listen 127.0.0.1:PORT ssl; ssl_certificate CERT; ssl_certificate_key KEY;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache off; ssl_session_tickets on;
    location / { return 404; } } }
";

/// Measures, and prints a table.
///
/// # Errors
/// A server is missing or ends, or refuses a handshake.
pub(crate) fn run(options: &HandshakeOptions) -> Result<(), WorkloadError> {
    os::pin_to_core(options.generator_core)?;
    let scratch = std::path::absolute("target/bench/handshakes")?;
    match fs::remove_dir_all(&scratch) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => fs::create_dir_all(&scratch)?,
    }
    let hub = [&options.hub, &options.hub_config].map(std::path::absolute);
    let [binary, config] = hub;
    let mut launch = Contender::Hub.launch(&binary?, &config?, &scratch);
    let trust = encrypt(&mut launch, &scratch)?;
    let start = |launch: &Launch, name: &str| {
        ServerProcess::start(launch, options.server_core, &scratch.join(name))
    };
    let servers =
        [("hub", start(&launch, "hub.log")?), ("nginx", start(&nginx(&scratch)?, "nginx.log")?)];
    println!(
        "| server | handshake | CPU us | handshakes per CPU second |\n| --- | --- | ---: | ---: |"
    );
    for round in 0..=options.rounds {
        for (name, server) in &servers {
            for (kind, tls) in [("full", trust.without_resumption()), ("resumed", trust.clone())] {
                let count = if round == 0 { WARM_UP } else { options.count };
                let before = server.cpu()?;
                (0..count).try_for_each(|_| shake_hands(server, &tls))?;
                let spent_us = server.cpu()?.since(before).total_us() / f64::from(count);
                if round > 0 {
                    println!("| {name} | {kind} | {spent_us:.0} | {:.0} |", 1e6 / spent_us);
                }
            }
        }
    }
    Ok(())
}

/// A handshake, and a request with its answer: the ticket for the next one comes before that.
fn shake_hands(server: &ServerProcess, tls: &ClientTls) -> io::Result<()> {
    let socket = TcpStream::connect(server.address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut stream = tls.connect(socket)?;
    stream.write_all(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; 4_096];
    match stream.read(&mut answer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// How to start nginx with the certificate that is in `scratch`.
fn nginx(scratch: &Path) -> io::Result<Launch> {
    let certificates = Certificates::made(scratch);
    let text = |path: PathBuf| path.display().to_string();
    let config = NGINX
        .replace("CERT", &text(certificates.certificate()))
        .replace("KEY", &text(certificates.key()));
    fs::write(scratch.join("nginx.template"), config)?;
    let line = "sed \"s/PORT/$0/\" nginx.template > nginx.conf && exec nginx -p . -c nginx.conf";
    Ok(Launch {
        program: PathBuf::from("sh"),
        arguments: vec!["-c".to_owned(), line.to_owned()],
        files: Vec::new(),
        environment: Vec::new(),
        folder: scratch.to_owned(),
        hint: "install nginx",
    })
}
