//! Runs one schedule.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use foodtrack_auth::SignError;
use serde_json::{Map, json};

use super::back_end::BackEnd;
use super::clients::Clients;
use super::job::Job;
use super::plan::{Disturbance, Plan, RedisKind, Setting, Step};
use super::shared_redis::SharedRedis;
use super::supervisor::Supervisor;
use crate::client::{ClientOptions, NodeClient, NodeClients, Swarm, SwarmError};
use crate::hub::{Claims, DataDisk, Hub, HubError, HubSpec, WallClock};
use crate::hub::{freeze, is_well, logged_ids, publish, thaw, token};
use crate::recorder::Recorder;
use foodtrack_history_checker::{Record, What, merge};
use foodtrack_simulation::Backoff;
use foodtrack_simulation::{Answer, Publication, Role, Topic};

/// How long the processes may take until all of them run and say that they are well: that is the machine's time, and not the hub's.
const UP_WITHIN: Duration = Duration::from_secs(30);
/// How often nodes are asked how they are, and how long each may take to say so.
const ASK_EVERY: Duration = Duration::from_millis(100);
const HEALTH_TIMEOUT: Duration = Duration::from_millis(500);
/// How long anything may take from then on that must happen.
const PATIENCE: Duration = Duration::from_secs(8);
/// The same where a replica takes a master's place: sentinels take eight seconds to make a replica of one that comes back.
const FAIL_OVER_PATIENCE: Duration = Duration::from_secs(30);
/// A wait's longest step, so that the hub's process is looked at.
const TURN: Duration = Duration::from_millis(5);
/// How long a page of a log may take.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// For repeats that come behind the fence.
const STRAGGLERS: Duration = Duration::from_millis(30);

/// The run itself failed; the hub was not judged.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The hub does not run.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The clients do not run.
    #[error(transparent)]
    Swarm(#[from] SwarmError),
    /// A token could not be made.
    #[error("a token")]
    Token(#[from] SignError),
    /// The disk that is to be filled, or the Node process.
    #[error("the run's disk, or a process of it: {0}")]
    Io(#[from] io::Error),
    /// A cluster cannot run here.
    #[error("redis-server is not installed: .ci/setup does that")]
    NoRedis,
    /// Not even before anything goes wrong.
    #[error("before anything goes wrong: {0}")]
    Prologue(String),
}

/// Runs the schedule in a folder of its own, with so many clients of the library beside its own, and gives its history.
///
/// # Errors
/// [`RunError`]
pub fn run(
    plan: &Plan,
    program: &Path,
    folder: &Path,
    node_clients: usize,
) -> Result<Vec<Record>, RunError> {
    let recorder = Recorder::default();
    let mut run = Run::start(plan, program, folder, &recorder)?;
    run.prologue()?;
    let unmodified = unmodified(plan, node_clients)?;
    let unmodified = NodeClients::start(&run.addresses, &unmodified, None)?;
    run.steps()?;
    run.quiesce()?;
    let of_unmodified = unmodified.map(NodeClients::finish).transpose()?;
    // The hub goes first: what its death does to the clients is no part of the history.
    let records = recorder.take();
    drop(run);
    Ok(merge([records, of_unmodified.unwrap_or_default()]))
}

struct Run<'a> {
    plan: &'a Plan,
    recorder: Recorder,
    back_end_tokens: Vec<String>,
    back_ends: Vec<BackEnd>,
    clients: Clients,
    swarm: Swarm,
    supervisors: Vec<Supervisor>,
    disk: Option<DataDisk>,
    redis: Option<SharedRedis>,
    addresses: Vec<SocketAddr>,
    /// Each node's own, where clocks are to jump and can.
    clocks: Vec<Option<WallClock>>,
    people: Vec<ClientOptions>,
}

impl<'a> Run<'a> {
    fn start(
        plan: &'a Plan,
        program: &Path,
        folder: &Path,
        recorder: &Recorder,
    ) -> Result<Self, RunError> {
        fs::create_dir_all(folder)?;
        // Who may not mount runs the schedule without the full disk.
        let disk =
            if plan.fills_disk() { DataDisk::mount(&folder.join("disk")).ok() } else { None };
        let nodes = plan.setting.nodes();
        let start = |kind| -> Result<SharedRedis, RunError> {
            SharedRedis::start(kind, nodes, recorder)?.ok_or(RunError::NoRedis)
        };
        let redis = plan.setting.redis().map(start).transpose()?;
        let (mut supervisors, mut addresses, mut clocks) = (Vec::new(), Vec::new(), Vec::new());
        for node in 0..nodes {
            let folder = node_folder(folder, plan.setting, node);
            let data_dir = disk.as_ref().map_or_else(|| folder.join("data"), DataDisk::data_dir);
            let shared = redis.as_ref().map(|redis| redis.config_for(node));
            fs::create_dir_all(&folder)?;
            let clock = if plan.jumps_clocks() { WallClock::new(&folder)? } else { None };
            clocks.push(clock.clone());
            let hub = Hub::new(HubSpec {
                program: program.to_owned(),
                folder,
                config: config(plan, shared.as_deref()),
                data_dir: Some(data_dir),
                clock,
            })?;
            addresses.push(hub.address());
            let number = redis.is_some().then_some(node);
            supervisors.push(Supervisor::start(hub, number, recorder)?);
        }
        let mut back_end_tokens = Vec::new();
        for tenant in &plan.tenants {
            let role = foodtrack_contract::UserRole::System;
            let claims = Claims { tenant, user: "gateway", role, application: None };
            back_end_tokens.push(token(claims)?);
        }
        let back_ends = plan
            .tenants
            .iter()
            .zip(&back_end_tokens)
            .map(|(tenant, token)| BackEnd::start(&addresses, tenant, token, recorder))
            .collect();
        Ok(Self {
            plan,
            recorder: recorder.clone(),
            back_end_tokens,
            back_ends,
            clients: Clients::new(plan, recorder),
            swarm: Swarm::new(addresses.clone(), plan.seed)?,
            supervisors,
            disk,
            redis,
            addresses,
            clocks,
            people: people(plan)?,
        })
    }

    /// Everybody connects, every tenant gets its orders, and who wants to is in their rooms.
    fn prologue(&mut self) -> Result<(), RunError> {
        for person in 0..self.people.len() {
            self.open(person);
        }
        // Orders before people look into them.
        for tenant in 0..self.plan.tenants.len() {
            for order in &self.plan.orders {
                let deadline = Instant::now() + self.patience();
                // Replicas may take their time at first.
                while !matches!(self.publish(tenant, order), Answer::Acknowledged(_)) {
                    if Instant::now() > deadline {
                        return Err(RunError::Prologue(format!("{} is not taken", order.about)));
                    }
                }
            }
        }
        if !self.wait(|run| run.swarm.open() == run.people.len() && run.clients.is_settled())? {
            return Err(RunError::Prologue(String::from("not everybody is in")));
        }
        Ok(())
    }

    fn steps(&mut self) -> Result<(), RunError> {
        let start = Instant::now();
        for (after, step) in &self.plan.steps {
            while start.elapsed() < *after {
                self.turn(start + *after)?;
            }
            self.take(step)?;
        }
        Ok(())
    }

    fn take(&mut self, step: &Step) -> Result<(), RunError> {
        match step {
            Step::Publish { tenant, person, publication, insists, again } => {
                let job = Job::new(publication.clone(), *insists, *again);
                match person {
                    Some(person) => self.clients.takes(*person, job),
                    None => self.back_ends[*tenant].take(job),
                }
            }
            Step::Kill(node, down) => self.supervisors[*node].kill(*down),
            Step::Stop(node, down) => self.supervisors[*node].stop(*down),
            Step::Disturb(disturbance) => self.disturb(*disturbance)?,
            Step::JumpClock(node, seconds) => {
                if let Some(clock) = &self.clocks[*node] {
                    clock.set(*seconds)?;
                }
            }
            Step::FillDisk => {
                if let Some(disk) = &self.disk {
                    self.recorder.note(What::DiskFull);
                    disk.fill()?;
                }
            }
            Step::FreeDisk => {
                if let Some(disk) = &self.disk {
                    disk.free()?;
                    self.recorder.note(What::DiskFreed);
                }
            }
            Step::Tear(person, how, away) => {
                for socket in self.clients.sockets_of(*person).to_vec() {
                    self.swarm.tear(socket, *how, *away, &mut self.clients);
                }
            }
            Step::Pause(person, duration) => {
                for socket in self.clients.sockets_of(*person) {
                    self.swarm.pause(*socket, *duration);
                }
            }
            Step::OpenAnother(person) => self.open(*person),
            Step::Subscribe(person, order) => self.clients.wants(*person, order, true),
            Step::Unsubscribe(person, order) => self.clients.wants(*person, order, false),
        }
        Ok(())
    }

    fn disturb(&mut self, disturbance: Disturbance) -> Result<(), RunError> {
        if let Some(redis) = &mut self.redis {
            redis.take(disturbance);
        }
        let pid = |node: usize| self.supervisors[node].pid();
        match disturbance {
            Disturbance::Freeze(node) => pid(node).map_or(Ok(()), freeze)?,
            Disturbance::Thaw(node) => pid(node).map_or(Ok(()), thaw)?,
            _ => {}
        }
        Ok(())
    }

    /// Everything goes well again: everybody comes back, and has seen all that there was.
    fn quiesce(&mut self) -> Result<(), RunError> {
        self.wait_until_all_is_well()?;
        if let Some(redis) = &self.redis {
            redis.may_be_replaced();
        }
        self.back_ends.clear();
        for tenant in 0..self.plan.tenants.len() {
            self.fence(tenant)?;
        }
        let has_seen_fence = |run: &Self| {
            let mut sockets = 0..run.sockets();
            // Who is out for a moment comes back, and then lacks it until its replay is through.
            sockets.all(|one| run.swarm.is_retired(one) || run.clients.saw_fence(one))
        };
        // Who has not seen it lacks it, which the judge will find.
        self.wait(has_seen_fence)?;
        let end = Instant::now() + STRAGGLERS;
        while Instant::now() < end {
            self.turn(end)?;
        }
        if self.redis.is_some() {
            self.read_logs();
        }
        Ok(())
    }

    /// Waits until every process is up and well, and then until everybody is in and has been told.
    fn wait_until_all_is_well(&mut self) -> Result<(), RunError> {
        let is_up = |run: &Self| {
            run.supervisors.iter().all(Supervisor::is_up)
                && run.redis.as_ref().is_none_or(SharedRedis::is_up)
        };
        let deadline = Instant::now() + UP_WITHIN;
        while !(is_up(self) && self.addresses.iter().all(|it| is_well(*it, HEALTH_TIMEOUT))) {
            if Instant::now() > deadline {
                break;
            }
            let end = Instant::now() + ASK_EVERY;
            while Instant::now() < end {
                self.turn(end)?;
            }
        }
        let is_idle = |run: &Self| {
            is_up(run)
                && run.everybody_is_in()
                && run.clients.pending(&run.swarm) == 0
                && run.back_ends.iter().all(|back_end| back_end.pending() == 0)
        };
        if !self.wait(is_idle)? {
            let about = self.what_is_not_well();
            self.recorder.note(What::Stuck { about });
        }
        Ok(())
    }

    fn what_is_not_well(&self) -> String {
        let mut about = String::from("not all is well in time:");
        for supervisor in self.supervisors.iter().filter(|it| !it.is_up()) {
            about += &format!(" a hub is not up ({} starts)", supervisor.failed_starts);
        }
        for socket in self.sockets_out() {
            about += &format!(" {} is out,", self.clients.name(socket));
        }
        about += &format!(" {} publications by sockets,", self.clients.pending(&self.swarm));
        let pending: usize = self.back_ends.iter().map(BackEnd::pending).sum();
        about + &format!(" {pending} by back ends are untold")
    }

    /// Notes what is in the tenants' logs.
    fn read_logs(&self) {
        for (tenant, token) in self.plan.tenants.iter().zip(&self.back_end_tokens) {
            self.recorder.note(match logged_ids(self.addresses[0], token, READ_TIMEOUT) {
                Ok(ids) => What::LogRead { tenant: tenant.clone(), ids },
                Err(error) => What::Stuck { about: format!("{tenant}'s log: {error}") },
            });
        }
    }

    /// Publishes a tenant's last event, which goes to everybody, until it is taken.
    fn fence(&mut self, tenant: usize) -> Result<(), RunError> {
        let id = uuid::Uuid::now_v7().to_string();
        self.clients.expects_fence(id.clone());
        let fence = Publication {
            id,
            has_id: true,
            topic: Topic::Product,
            about: String::from("fence"),
            customer: None,
            priority: foodtrack_contract::Priority::Medium,
            number: 0,
            padding_bytes: 0,
        };
        let deadline = Instant::now() + self.patience();
        loop {
            let answer = self.publish(tenant, &fence);
            if matches!(answer, Answer::Acknowledged(_)) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let about = format!("{} cannot publish: {answer:?}", self.plan.tenants[tenant]);
                self.recorder.note(What::Stuck { about });
                return Ok(());
            }
            self.turn(Instant::now() + TURN)?;
        }
    }

    /// Publishes over HTTP to one node after the other, and waits for the answer.
    fn publish(&mut self, tenant: usize, publication: &Publication) -> Answer {
        let (name, token) = (&self.plan.tenants[tenant], &self.back_end_tokens[tenant]);
        let job = Job::new(publication.clone(), false, false);
        let message = job.attempt(name, &self.recorder);
        self.addresses.rotate_left(1);
        let answer = publish(self.addresses[0], token, &message, Duration::from_secs(3));
        job.answered(name, answer.clone(), &self.recorder);
        answer
    }

    fn open(&mut self, person: usize) {
        let socket = self.swarm.add(self.people[person].clone(), Duration::ZERO);
        self.clients.opens(person, socket);
    }

    fn sockets(&self) -> usize {
        (0..self.people.len()).map(|person| self.clients.sockets_of(person).len()).sum()
    }

    fn sockets_out(&self) -> Vec<usize> {
        let is_out = |one: &usize| !self.swarm.is_open(*one) && !self.swarm.is_retired(*one);
        (0..self.sockets()).filter(is_out).collect()
    }

    fn everybody_is_in(&self) -> bool {
        self.sockets_out().is_empty()
    }

    fn patience(&self) -> Duration {
        match self.plan.setting {
            Setting::Alone | Setting::Cluster(RedisKind::One) => PATIENCE,
            Setting::Cluster(_) => FAIL_OVER_PATIENCE,
        }
    }

    /// Takes turns until it is so; false where it is not so in time.
    fn wait(&mut self, is_so: impl Fn(&Self) -> bool) -> Result<bool, RunError> {
        let deadline = Instant::now() + self.patience();
        while Instant::now() < deadline {
            if is_so(self) {
                return Ok(true);
            }
            self.turn(Instant::now() + TURN)?;
        }
        Ok(false)
    }

    fn turn(&mut self, end: Instant) -> Result<(), RunError> {
        self.swarm.turn(end.min(Instant::now() + TURN), &mut self.clients)?;
        self.clients.pump(&mut self.swarm);
        for supervisor in &mut self.supervisors {
            supervisor.turn()?;
        }
        Ok(())
    }
}

/// Cooks and people at dashboards whose clients are the library itself, which comes back when it thinks it right.
fn unmodified(plan: &Plan, count: usize) -> Result<Vec<NodeClient>, SignError> {
    let tenants = plan.tenants.iter().cycle().take(count).enumerate();
    let clients = tenants.map(|(place, tenant)| {
        let role = [Role::Kitchen, Role::Dashboard][place % 2];
        let (application, user) = (role.application(), format!("unmodified-{place}"));
        let role = role.user_role();
        let token = token(Claims { tenant, user: &user, role, application: Some(application) })?;
        let application = application.as_str();
        let auth = [("token", token), ("application", application.to_owned())];
        let auth = auth.map(|(name, value)| (name.to_owned(), json!(value)));
        let (recipient, tenant) = (format!("{user} of {tenant}"), tenant.clone());
        let auth = auth.into_iter().collect();
        Ok(NodeClient { recipient, tenant, user, application, auth })
    });
    clients.collect()
}

fn people(plan: &Plan) -> Result<Vec<ClientOptions>, SignError> {
    plan.people
        .iter()
        .map(|person| {
            let application = person.role.application();
            let token = token(Claims {
                tenant: &plan.tenants[person.tenant],
                user: person.user,
                role: person.role.user_role(),
                application: Some(application),
            })?;
            let mut auth = Map::new();
            auth.insert("token".into(), json!(token));
            auth.insert("application".into(), json!(application.as_str()));
            if let Some(device) = &person.device {
                auth.insert("deviceId".into(), json!(device));
            }
            Ok(ClientOptions {
                auth,
                receive_bytes: person.receive_bytes,
                backoff: Backoff::new(Duration::from_millis(20), Duration::from_millis(100)),
                connect_timeout: Duration::from_secs(3),
                source: None,
            })
        })
        .collect()
}

/// Where a node keeps its files.
pub(super) fn node_folder(folder: &Path, setting: Setting, node: usize) -> PathBuf {
    match setting {
        Setting::Alone => folder.to_owned(),
        Setting::Cluster(_) => folder.join(format!("node-{node}")),
    }
}

fn config(plan: &Plan, redis: Option<&str>) -> String {
    let shared = redis.map(|redis| format!("\n{redis}\n[shutdown]\nspreadMs = 300\n"));

    let Plan { shards, heartbeat_ms, queue_messages_max, .. } = plan;
    let own = format!(
        "shards = {shards}\n\n[heartbeat]\nintervalMs = {heartbeat_ms}\ntimeoutMs = 4000\n\n\
         [security.rateLimiting]\nhandshakesPerMinute = 0\n\n\
         [limits]\nconnectionsPerTenantMax = 0\nconnectionsPerUserMax = 0\n\
         messagesPerSecondPerConnection = 0\nmessagesPerSecondPerTenant = 0\n\
         bytesPerSecondPerConnection = 0\nqueueMessagesMax = {queue_messages_max}\n\n\
         [logging]\nlevel = \"info\"\n"
    );
    own + &shared.unwrap_or_default()
}
