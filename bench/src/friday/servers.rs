//! The processes of an evening: nodes, and the Redis that they share.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::contender::Contender;
use crate::redis;
use crate::server_process::{Cpu, ServerError, ServerProcess};
use crate::workload::WorkloadError;

/// A process and what it used while it was measured.
pub(super) struct Metered {
    pub(super) name: String,
    process: ServerProcess,
    is_killed: bool,
    begin: Cpu,
    /// CPU time, microseconds.
    pub(super) used_us: f64,
    /// The most that was seen.
    pub(super) rss_kib: u64,
}

impl Metered {
    fn new(name: String, process: ServerProcess) -> Self {
        let begin = Cpu::default();
        Self { name, process, is_killed: false, begin, used_us: 0.0, rss_kib: 0 }
    }
}

/// What to start.
pub(super) struct Plan<'a> {
    pub(super) contender: Contender,
    pub(super) nodes: usize,
    pub(super) hub: &'a Path,
    pub(super) hub_config: &'a Path,
    pub(super) core: usize,
}

/// Running servers. Dropping them kills them.
pub(super) struct Servers {
    nodes: Vec<Metered>,
    redis: Option<Metered>,
}

impl Servers {
    /// Starts them. A Redis is there where several nodes share it, or the only one needs it.
    pub(super) fn start(plan: &Plan<'_>) -> Result<Self, WorkloadError> {
        let name = plan.contender.name();
        let scratch = std::path::absolute("target/bench/friday")?.join(name);
        let folder = |name: &str| -> io::Result<PathBuf> {
            let folder = scratch.join(name);
            // What a server stored on the evening before would be there again.
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => fs::create_dir_all(&folder)?,
            }
            Ok(folder)
        };
        let redis = if plan.nodes > 1 || plan.contender.needs_redis() {
            let (launch, log) = (redis::launch(&folder("redis")?), scratch.join("redis.log"));
            Some(ServerProcess::start(&launch, plan.core, &log)?)
        } else {
            None
        };
        let (hub, config) = (std::path::absolute(plan.hub)?, std::path::absolute(plan.hub_config)?);
        let mut nodes = Vec::new();
        for number in 1..=plan.nodes {
            let name = format!("{name} {number}");
            let mut launch = plan.contender.launch(&hub, &config, &folder(&name)?);
            let url = redis.as_ref().map(|redis| ("REDIS_URL", redis::url(redis)));
            launch.environment.extend(url);
            let log = scratch.join(format!("{number}.log"));
            let process = ServerProcess::start(&launch, plan.core, &log)?;
            nodes.push(Metered::new(format!("node {number}"), process));
        }
        let redis = redis.map(|redis| Metered::new("Redis".to_owned(), redis));
        Ok(Self { nodes, redis })
    }

    /// Where a node listens, or listened.
    pub(super) fn address(&self, node: usize) -> SocketAddr {
        self.nodes[node].process.address
    }

    /// Those that were not killed.
    pub(super) fn living(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&node| !self.nodes[node].is_killed).collect()
    }

    /// Nodes, then Redis.
    pub(super) fn all(&self) -> impl Iterator<Item = &Metered> {
        self.nodes.iter().chain(&self.redis)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Metered> {
        self.nodes.iter_mut().chain(&mut self.redis).filter(|it| !it.is_killed)
    }

    /// Begins to measure.
    pub(super) fn begin(&mut self) -> Result<(), ServerError> {
        self.all_mut().try_for_each(|it| {
            it.begin = it.process.cpu()?;
            Ok(())
        })
    }

    /// Notes what each has used since then, and its memory.
    ///
    /// # Errors
    /// One of them has ended.
    pub(super) fn read(&mut self) -> Result<(), ServerError> {
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
    pub(super) fn read_memory(&mut self) -> Result<(), ServerError> {
        self.all_mut().try_for_each(|it| {
            it.process.check_alive()?;
            it.rss_kib = it.rss_kib.max(it.process.rss_kib()?);
            Ok(())
        })
    }

    /// Kills a node at once.
    pub(super) fn kill(&mut self, node: usize) -> Result<(), ServerError> {
        self.read()?;
        self.nodes[node].is_killed = true;
        self.nodes[node].process.kill();
        Ok(())
    }
}
