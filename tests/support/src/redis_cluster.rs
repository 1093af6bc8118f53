//! A Redis Cluster of a test's own: three masters, and a replica of each.

use crate::redis_server::{RedisServer, free_port};
use crate::wait_until;

/// The servers.
#[derive(Debug)]
pub struct RedisCluster {
    /// Three masters, then their replicas, in the same order.
    pub servers: Vec<RedisServer>,
}

const MASTERS: usize = 3;
/// What the masters have.
const SLOTS: [&str; MASTERS] = ["0 5460", "5461 10922", "10923 16383"];

impl RedisCluster {
    /// Starts it, and waits until it serves every slot. `None` where `redis-server` is not installed.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// The same, with further arguments of each server.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn start_with(more: &[&str]) -> Option<Self> {
        let mut servers = Vec::new();
        let mut buses = Vec::new();
        for _ in 0..2 * MASTERS {
            let bus = free_port().to_string();
            let arguments = ["--cluster-enabled", "yes", "--cluster-port", &bus];
            let rest = ["--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0"];
            servers.push(RedisServer::start(&[&arguments[..], &rest[..], more].concat())?);
            buses.push(bus);
        }
        let cluster = Self { servers };
        for (server, slots) in cluster.servers.iter().zip(SLOTS) {
            server.command(&format!("CLUSTER ADDSLOTSRANGE {slots}"));
        }
        for (server, bus) in cluster.servers.iter().zip(&buses).skip(1) {
            let port = server.port();
            cluster.servers[0].command(&format!("CLUSTER MEET 127.0.0.1 {port} {bus}"));
        }
        let everybody = format!("cluster_known_nodes:{}", 2 * MASTERS);
        cluster.wait_until_all_say(&everybody);
        for (replica, master) in cluster.servers[MASTERS..].iter().zip(&cluster.servers) {
            let id = master.command("CLUSTER MYID");
            let id = id.lines().nth(1).unwrap_or_default().to_owned();
            wait_until("a replica has a master", || {
                replica.command(&format!("CLUSTER REPLICATE {id}")) == "+OK"
            });
        }
        cluster.wait_until_all_say("cluster_state:ok");
        for replica in &cluster.servers[MASTERS..] {
            wait_until("replicas have what their masters have", || {
                replica.command("INFO replication").contains("master_link_status:up")
            });
        }
        Some(cluster)
    }

    fn wait_until_all_say(&self, what: &str) {
        for server in &self.servers {
            wait_until("the nodes of a cluster agree", || {
                server.command("CLUSTER INFO").contains(what)
            });
        }
    }

    /// Their addresses.
    pub fn addresses(&self) -> Vec<(String, u16)> {
        self.servers.iter().map(|it| (String::from("127.0.0.1"), it.port())).collect()
    }

    /// Which of the masters has a key's slot.
    ///
    /// # Panics
    /// Where none has.
    pub fn master_of(&self, key: &str) -> usize {
        let slot = self.servers[0].command(&format!("CLUSTER KEYSLOT {key}"));
        let slot: u16 = slot.trim_start_matches(':').parse().unwrap_or(u16::MAX);
        let has = |slots: &&str| {
            let (_, last) = slots.split_once(' ').unwrap_or_default();
            last.parse::<u16>().is_ok_and(|last| slot <= last)
        };
        SLOTS.iter().position(has).unwrap_or_else(|| panic!("no slot of {key}"))
    }

    /// The replica of a master.
    pub fn replica_of(&self, master: usize) -> &RedisServer {
        &self.servers[self.pair_of(master)[1]]
    }

    /// The places of a master and of its replica among the servers. They may have changed roles since the start.
    pub fn pair_of(&self, master: usize) -> [usize; 2] {
        [master, MASTERS + master]
    }
}
