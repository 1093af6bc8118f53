//! The processes of a load: nodes, and the Redis that they share.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::contender::Contender;
use crate::machine::MachineOptions;
use crate::redis;
use crate::server_process::{Cpu, ServerError, ServerProcess};
use crate::workload::WorkloadError;

/// A process and what it used while it was measured.
pub(crate) struct Metered {
    pub(crate) name: String,
    process: ServerProcess,
    is_killed: bool,
    begin: Cpu,
    /// CPU time, microseconds.
    pub(crate) used_us: f64,
    /// The most that was seen.
    pub(crate) rss_kib: u64,
}

impl Metered {
    fn new(name: String, process: ServerProcess) -> Self {
        let begin = Cpu::default();
        Self { name, process, is_killed: false, begin, used_us: 0.0, rss_kib: 0 }
    }
}

/// What to start.
pub(crate) struct Plan<'a> {
    pub(crate) contender: Contender,
    pub(crate) nodes: usize,
    /// Whether they share a Redis.
    pub(crate) has_redis: bool,
    pub(crate) machine: &'a MachineOptions,
    /// Where they store what they keep, below the folder of all loads. What was there before is removed.
    pub(crate) folder: &'static str,
}

/// Running servers. Dropping them kills them.
pub(crate) struct Servers {
    nodes: Vec<Metered>,
    redis: Option<Metered>,
}

impl Servers {
    /// Starts them.
    pub(crate) fn start(plan: &Plan<'_>) -> Result<Self, WorkloadError> {
        let name = plan.contender.name();
        let scratch = std::path::absolute("target/bench")?.join(plan.folder).join(name);
        let folder = |name: &str| -> io::Result<PathBuf> {
            let folder = scratch.join(name);
            // What a server stored for the load before would be there again.
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => fs::create_dir_all(&folder)?,
            }
            Ok(folder)
        };
        let redis = if plan.has_redis {
            let (launch, log) = (redis::launch(&folder("redis")?), scratch.join("redis.log"));
            Some(ServerProcess::start(&launch, plan.machine.server_core, &log)?)
        } else {
            None
        };
        let MachineOptions { hub, hub_config, server_core, .. } = plan.machine;
        let (hub, config) = (std::path::absolute(hub)?, std::path::absolute(hub_config)?);
        let mut nodes = Vec::new();
        for number in 1..=plan.nodes {
            let name = format!("{name} {number}");
            let mut launch = plan.contender.launch(&hub, &config, &folder(&name)?);
            let url = redis.as_ref().map(|redis| ("REDIS_URL", redis::url(redis)));
            launch.environment.extend(url);
            let log = scratch.join(format!("{number}.log"));
            let process = ServerProcess::start(&launch, *server_core, &log)?;
            nodes.push(Metered::new(format!("node {number}"), process));
        }
        let redis = redis.map(|redis| Metered::new("Redis".to_owned(), redis));
        Ok(Self { nodes, redis })
    }

    /// Where a node listens, or listened.
    pub(crate) fn address(&self, node: usize) -> SocketAddr {
        self.nodes[node].process.address
    }

    /// Where their Redis listens, if there is one.
    pub(crate) fn redis_address(&self) -> Option<SocketAddr> {
        self.redis.as_ref().map(|redis| redis.process.address)
    }

    /// What each node has used, microseconds of CPU time, in their order.
    pub(crate) fn nodes_used_us(&self) -> Vec<f64> {
        self.nodes.iter().map(|node| node.used_us).collect()
    }

    /// The same of their Redis; 0 without one.
    pub(crate) fn redis_used_us(&self) -> f64 {
        self.redis.as_ref().map_or(0.0, |redis| redis.used_us)
    }

    /// Those that were not killed.
    pub(crate) fn living(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&node| !self.nodes[node].is_killed).collect()
    }

    /// Nodes, then Redis.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Metered> {
        self.nodes.iter().chain(&self.redis)
    }

    /// What all of them used while it was measured, microseconds of CPU time.
    pub(crate) fn used_us(&self) -> f64 {
        self.all().map(|it| it.used_us).sum()
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Metered> {
        self.nodes.iter_mut().chain(&mut self.redis).filter(|it| !it.is_killed)
    }

    /// Begins to measure.
    pub(crate) fn begin(&mut self) -> Result<(), ServerError> {
        self.all_mut().try_for_each(|it| {
            it.begin = it.process.cpu()?;
            Ok(())
        })
    }

    /// Notes what each has used since then, and its memory.
    ///
    /// # Errors
    /// One of them has ended.
    pub(crate) fn read(&mut self) -> Result<(), ServerError> {
        self.read_memory()?;
        self.all_mut().try_for_each(|it| {
            it.used_us = it.process.cpu()?.since(it.begin).total_us();
            Ok(())
        })
    }

    /// Notes the memory of each.
    ///
    /// # Errors
    /// One of them has ended.
    pub(crate) fn read_memory(&mut self) -> Result<(), ServerError> {
        self.all_mut().try_for_each(|it| {
            it.process.check_alive()?;
            it.rss_kib = it.rss_kib.max(it.process.rss_kib()?);
            Ok(())
        })
    }

    /// Kills a node at once.
    pub(crate) fn kill(&mut self, node: usize) -> Result<(), ServerError> {
        self.read()?;
        self.nodes[node].is_killed = true;
        self.nodes[node].process.kill();
        Ok(())
    }
}
