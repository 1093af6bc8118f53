//! A demo of several nodes: a Redis, the nodes, and a balancer in front, which the page shows, kills and starts again.

mod balancer;
mod child;
mod control;
mod nodes;
mod redis;

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::Run;
use super::demo_node::NodeOrder;
use super::demo_parts::{random_secret, start_gateway};
use super::outcome::{Outcome, announce};
use super::shutdown::Shutdown;
use crate::demo::Demo as Pages;
use crate::{WebSocketConfig, logging};
use balancer::Balancer;
use child::{Child, find_program};
use control::{Act, Control, Order};
use nodes::{Nodes, Statuses};
use redis::Redis;

/// How often signals and processes are looked at while the page asks for nothing.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Runs a cluster of `count` nodes behind `host` and `port` until a signal.
pub(super) fn run(host: &str, port: u16, count: u16) -> Run {
    let failed = |error: std::io::Error| Outcome::Failed(error.to_string());
    let [redis, nginx] = programs()?;
    let own = std::env::current_exe().map_err(failed)?;
    let address = balancer_address(host, port)?;
    logging::start(&WebSocketConfig::default().logging);
    let shutdown = Shutdown::listen().map_err(failed)?;
    let directory = tempfile::tempdir().map_err(failed)?;
    let (secret, signing_secret) = (random_secret()?, random_secret()?);
    let desk = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
    let control = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
    let control_address = control.local_addr().map_err(failed)?;

    // Ended in the other order: the balancer first, and Redis last.
    let mut redis = Redis::start(&redis, directory.path())?;
    let order = NodeOrder {
        redis_url: redis.url(),
        desk: desk.local_addr().map_err(failed)?,
        jwt_secret: secret.clone(),
        signing_secret: signing_secret.clone(),
    };
    let statuses = Statuses::default();
    let mut nodes = Nodes::start(&own, order, count, statuses.clone())?;
    let mut balancer =
        Balancer::start(&nginx, directory.path(), address, &nodes.addresses(), control_address)?;
    let (orders, ordered) = channel();
    start_control(
        Control { statuses, orders, redis: format!("127.0.0.1:{}", redis.port) },
        control,
    )
    .map_err(failed)?;
    let reachable = super::demo_parts::reachable(address);
    start_gateway(reachable, Pages::new(&secret), desk, &signing_secret).map_err(failed)?;
    announce(format_args!("listening on {address}"));
    announce(format_args!("{count} nodes behind nginx share a Redis on port {}", redis.port));
    announce(format_args!("open http://{reachable}/ in a browser; stop with Ctrl+C"));
    supervise(
        &shutdown,
        &ordered,
        &mut nodes,
        [("redis-server", &mut redis.child), ("nginx", &mut balancer.child)],
    )
}

/// Does what the page orders, until a signal comes or a part that all need has ended.
fn supervise(
    shutdown: &Shutdown,
    ordered: &Receiver<Order>,
    nodes: &mut Nodes,
    mut others: [(&str, &mut Child); 2],
) -> Run {
    while !shutdown.is_asked() {
        match ordered.recv_timeout(LOOK_INTERVAL) {
            Ok(Order { node, act, done }) => {
                let is_there = match act {
                    Act::Kill => nodes.kill(&node),
                    Act::Start => nodes.start_again(&node)?,
                };
                // Whoever asked may have gone.
                let _ = done.send(is_there);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Outcome::Failed("the demo's control has ended".into()));
            }
        }
        nodes.look();
        for (name, child) in &mut others {
            if let Some(status) = child.ended() {
                return Err(Outcome::Failed(format!("{name} has ended by itself ({status})")));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where `redis-server` and `nginx` are.
fn programs() -> Result<[PathBuf; 2], Outcome> {
    let [redis, nginx] = ["redis-server", "nginx"].map(find_program);
    match (redis, nginx) {
        (Some(redis), Some(nginx)) => Ok([redis, nginx]),
        (redis, nginx) => {
            let missing = [(redis, "redis-server"), (nginx, "nginx")];
            let missing: Vec<_> =
                missing.iter().filter(|(it, _)| it.is_none()).map(|(_, name)| *name).collect();
            Err(Outcome::Usage(format!(
                "a demo of several nodes needs {}, which is not installed; on Debian: apt install redis-server nginx-light",
                missing.join(" and ")
            )))
        }
    }
}

/// Where the balancer is to listen. It is looked at first whether somebody else does: nginx says so less clearly.
fn balancer_address(host: &str, port: u16) -> Result<SocketAddr, Outcome> {
    let ip: IpAddr = host.parse().map_err(|_| {
        Outcome::Usage(format!("--host {host}: not an IP address, such as 127.0.0.1"))
    })?;
    let address = SocketAddr::new(ip, port);
    let listener = TcpListener::bind(address).and_then(|it| it.local_addr());
    listener.map_err(|error| {
        Outcome::CannotListen(format!(
            "cannot listen on {address}: {error}; take another port with --port"
        ))
    })
}

fn start_control(control: Control, listener: TcpListener) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = move || runtime.block_on(control.run(listener));
    std::thread::Builder::new().name("cluster-control".into()).spawn(run).map(drop)
}
