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
use super::plan::{Disturbance, Plan, Setting, Step};
use super::shared_redis::SharedRedis;
use super::supervisor::Supervisor;
use crate::client::{ClientOptions, Swarm, SwarmError};
use crate::hub::{Claims, DataDisk, Hub, HubError, HubSpec, freeze, publish, thaw, token};
use crate::recorder::Recorder;
use foodtrack_history_checker::{Record, What};
use foodtrack_simulation::Backoff;
use foodtrack_simulation::{Answer, Publication, Topic};

/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(8);
/// A wait's longest step, so that the hub's process is looked at.
const TURN: Duration = Duration::from_millis(5);
/// How long a node waits for Redis before it calls it away.
const REDIS_TIMEOUT_MS: u32 = 500;
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
    /// The disk that is to be filled.
    #[error("the run's disk")]
    Disk(#[from] io::Error),
    /// A cluster cannot run here.
    #[error("redis-server is not installed: .ci/setup does that")]
    NoRedis,
    /// Not even before anything goes wrong.
    #[error("before anything goes wrong: {0}")]
    Prologue(String),
}

/// Runs the schedule in a folder of its own, and gives its history.
///
/// # Errors
/// [`RunError`]
pub fn run(plan: &Plan, program: &Path, folder: &Path) -> Result<Vec<Record>, RunError> {
    let recorder = Recorder::default();
    let mut run = Run::start(plan, program, folder, &recorder)?;
    run.prologue()?;
    run.steps()?;
    run.quiesce()?;
    // The hub goes first: what its death does to the clients is no part of the history.
    let records = recorder.take();
    drop(run);
    Ok(records)
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
        let redis = match plan.setting {
            Setting::Alone => None,
            Setting::Cluster => {
                Some(SharedRedis::start(nodes, recorder)?.ok_or(RunError::NoRedis)?)
            }
        };
        let mut supervisors = Vec::new();
        let mut addresses = Vec::new();
        for node in 0..nodes {
            let folder = node_folder(folder, plan.setting, node);
            let data_dir = disk.as_ref().map_or_else(|| folder.join("data"), DataDisk::data_dir);
            let shared = redis.as_ref().map(|redis| redis.address_for(node));
            let hub = Hub::new(HubSpec {
                program: program.to_owned(),
                folder,
                config: config(plan, shared),
                data_dir: Some(data_dir),
            })?;
            addresses.push(hub.address());
            let number = (plan.setting == Setting::Cluster).then_some(node);
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
                if !matches!(self.publish(tenant, order), Answer::Acknowledged(_)) {
                    return Err(RunError::Prologue(format!("{} is not taken", order.about)));
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
        let is_idle = |run: &Self| {
            run.supervisors.iter().all(Supervisor::is_up)
                && run.redis.as_ref().is_none_or(SharedRedis::is_up)
                && run.everybody_is_in()
                && run.clients.pending(&run.swarm) == 0
                && run.back_ends.iter().all(|back_end| back_end.pending() == 0)
        };
        if !self.wait(is_idle)? {
            let mut about = String::from("not all is well in time:");
            for supervisor in self.supervisors.iter().filter(|it| !it.is_up()) {
                about += &format!(" a hub is not up ({} starts)", supervisor.failed_starts);
            }
            for socket in self.sockets_out() {
                about += &format!(" {} is out,", self.clients.name(socket));
            }
            about += &format!(" {} publications by sockets,", self.clients.pending(&self.swarm));
            let pending: usize = self.back_ends.iter().map(BackEnd::pending).sum();
            about += &format!(" {pending} by back ends are untold");
            self.recorder.note(What::Stuck { about });
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
        Ok(())
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
        let deadline = Instant::now() + PATIENCE;
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

    /// Takes turns until it is so; false where it is not so in time.
    fn wait(&mut self, is_so: impl Fn(&Self) -> bool) -> Result<bool, RunError> {
        let deadline = Instant::now() + PATIENCE;
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
        Setting::Cluster => folder.join(format!("node-{node}")),
    }
}

fn config(plan: &Plan, redis: Option<SocketAddr>) -> String {
    let shared = redis.map(|address| {
        format!(
            "\n[redis]\nurl = \"redis://{address}\"\ntimeoutMs = {REDIS_TIMEOUT_MS}\n\n\
             [shutdown]\nspreadMs = 300\n"
        )
    });

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
