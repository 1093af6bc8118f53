//! The balancer in front of the nodes: `nginx`, which gives each request to the next one.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::child::{Child, Output, what_it_said};
use crate::cli::outcome::Outcome;

/// How long it may take to listen.
const START_TIMEOUT: Duration = Duration::from_secs(10);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

pub(super) struct Balancer {
    pub(super) child: Child,
}

impl Balancer {
    /// Starts it at `address`, in front of `nodes`, and of `control` for what is asked about them. Waits until it listens.
    pub(super) fn start(
        program: &Path,
        directory: &Path,
        address: SocketAddr,
        nodes: &[SocketAddr],
        control: SocketAddr,
    ) -> Result<Self, Outcome> {
        let (file, log) = (directory.join("nginx.conf"), directory.join("nginx.log"));
        let failed =
            |error: std::io::Error| Outcome::Failed(format!("{}: {error}", file.display()));
        let text = configuration(&directory.to_string_lossy(), address, nodes, control);
        std::fs::write(&file, text).map_err(failed)?;
        let place = directory.to_string_lossy();
        let file = file.to_string_lossy();
        let arguments = ["-p", &*place, "-c", &*file, "-e", "stderr"];
        let child = Child::start(program, arguments, None, &Output::File(&log))?;
        let mut balancer = Self { child };
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(address).is_err() {
            if balancer.child.ended().is_some() || Instant::now() > deadline {
                let said = what_it_said(&log);
                return Err(Outcome::CannotListen(format!(
                    "nginx does not listen on {address}: {said}"
                )));
            }
            sleep(LOOK_INTERVAL);
        }
        Ok(balancer)
    }
}

/// What nginx is told: each request goes to whichever node is next, and a node passes on what belongs to a session of another's.
fn configuration(
    directory: &str,
    address: SocketAddr,
    nodes: &[SocketAddr],
    control: SocketAddr,
) -> String {
    let servers: String =
        nodes.iter().map(|node| format!("server {node} max_fails=1 fail_timeout=1s; ")).collect();
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let places: String =
        kinds.iter().map(|kind| format!("{kind}_temp_path {directory}/{kind}; ")).collect();
    format!(
        "daemon off;
master_process off;
pid {directory}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    {places}
    map $http_upgrade $connection_of {{ ~*^websocket$ upgrade; default ''; }}
    upstream nodes {{ {servers}}}
    server {{
        listen {address};
        client_max_body_size 8m;
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_of;
        proxy_connect_timeout 2s;
        proxy_read_timeout 90s;
        proxy_buffering off;
        location = /demo/nodes {{ proxy_pass http://{control}; }}
        location /demo/nodes/ {{ proxy_pass http://{control}; }}
        location /cluster/ {{ return 404; }}
        location / {{ proxy_pass http://nodes; }}
    }}
}}
"
    )
}
