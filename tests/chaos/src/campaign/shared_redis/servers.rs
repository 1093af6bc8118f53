//! The servers of a schedule's Redis: which of them has the log, and who takes its place.

use test_support::{RedisCluster, RedisSentinels, RedisServer};

use crate::campaign::plan::RedisKind;
use crate::hub::{HubError, free_address};

/// What is acknowledged is on disk: then a crash costs nothing.
const KEEPS: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];
/// A key of the hub, which has one slot of a Redis Cluster for all of them.
const KEY: &str = "{foodtrack}:secret";

pub(super) enum Servers {
    One(RedisServer),
    /// A master and its replica, whichever is which by now.
    Watched {
        pair: Box<[RedisServer; 2]>,
        sentinels: RedisSentinels,
    },
    /// The places of the master that has the hub's keys and of its replica, whichever is which by now.
    Cluster {
        cluster: RedisCluster,
        pair: [usize; 2],
    },
}

impl Servers {
    /// `None` where none is installed.
    pub(super) fn start(kind: RedisKind) -> Result<Option<Self>, HubError> {
        let what = || String::from("finding a port for Redis");
        let address = free_address().map_err(|source| HubError::Io { what: what(), source })?;
        Ok(match kind {
            RedisKind::One => RedisServer::start_on(address.port(), &KEEPS).map(Self::One),
            RedisKind::Sentinel => {
                let Some(master) = RedisServer::start(&KEEPS) else { return Ok(None) };
                let Some(replica) = RedisServer::start_replica_of(master.port(), &KEEPS) else {
                    return Ok(None);
                };
                let sentinels = RedisSentinels::watch(&master);
                Some(Self::Watched { pair: Box::new([master, replica]), sentinels })
            }
            RedisKind::Cluster => RedisCluster::start_with(&KEEPS).map(|cluster| {
                let pair = cluster.pair_of(cluster.master_of(KEY));
                Self::Cluster { cluster, pair }
            }),
        })
    }

    /// How nodes are configured to find them. What is acknowledged is at the replica as well.
    pub(super) fn config(&self) -> String {
        let listed = |ports: &[u16]| {
            let all: Vec<_> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
            all.join(", ")
        };
        match self {
            Self::One(server) => format!("url = \"{}\"", server.url()),
            Self::Watched { sentinels, .. } => {
                let (ports, name) = (listed(&sentinels.ports()), sentinels.master());
                format!("sentinels = [{ports}]\nmaster = \"{name}\"\nwaitReplicas = 1")
            }
            Self::Cluster { cluster, .. } => {
                let ports: Vec<u16> = cluster.servers.iter().map(RedisServer::port).collect();
                format!("cluster = [{}]\nwaitReplicas = 1", listed(&ports))
            }
        }
    }

    pub(super) fn are_replicated(&self) -> bool {
        !matches!(self, Self::One(_))
    }

    /// One of the two that may have the log; of one alone it is that.
    pub(super) fn get(&self, at: usize) -> &RedisServer {
        match self {
            Self::One(server) => server,
            Self::Watched { pair, .. } => &pair[at],
            Self::Cluster { cluster, pair } => &cluster.servers[pair[at]],
        }
    }

    pub(super) fn get_mut(&mut self, at: usize) -> &mut RedisServer {
        match self {
            Self::One(server) => server,
            Self::Watched { pair, .. } => &mut pair[at],
            Self::Cluster { cluster, pair } => &mut cluster.servers[pair[at]],
        }
    }

    /// Which of them has the log, while all run.
    pub(super) fn master(&self) -> usize {
        match self {
            Self::One(_) => 0,
            Self::Watched { pair, sentinels } => {
                let port = sentinels.master_port();
                usize::from(port == Some(pair[1].port()))
            }
            Self::Cluster { .. } => usize::from(self.is_master(1)),
        }
    }

    /// Whether it says that it is a master.
    fn is_master(&self, at: usize) -> bool {
        let said = self.get(at).try_command("INFO replication");
        said.is_some_and(|said| said.contains("role:master"))
    }

    /// Whether the one that has the log answers, and the other has what that has.
    pub(super) fn are_up(&self) -> bool {
        if !self.are_replicated() {
            return self.get(0).answers();
        }
        let master = self.master();
        let said = self.get(1 - master).try_command("INFO replication");
        let follows = |said: String| {
            said.contains("role:slave")
                && said.contains("master_link_status:up")
                && said.contains(&format!("master_port:{}\r", self.get(master).port()))
        };
        self.is_master(master) && said.is_some_and(follows)
    }

    /// Has the replica put in the master's place, although that is well.
    pub(super) fn fail_over(&self) {
        match self {
            Self::One(_) => {}
            // They may be at it already.
            Self::Watched { sentinels, .. } => _ = sentinels.try_fail_over(),
            Self::Cluster { .. } => {
                _ = self.get(1 - self.master()).try_command("CLUSTER FAILOVER");
            }
        }
    }

    /// Starts one that was killed, as whoever runs it would: it follows the one that has taken its place.
    pub(super) fn start_again(&mut self, at: usize) {
        let replaced_by = match self {
            Self::Watched { pair, sentinels } => {
                let port = sentinels.master_port();
                port.filter(|port| *port == pair[1 - at].port())
            }
            // The others tell it.
            Self::One(_) | Self::Cluster { .. } => None,
        };
        let server = self.get_mut(at);
        match replaced_by {
            Some(port) => server.spawn_again_as_replica_of(port),
            None => server.spawn_again(),
        }
    }

    /// Tells the one that has the log, and waits for nothing.
    pub(super) fn tell(&self, words: &str) {
        self.get(0).tell(words);
    }
}
