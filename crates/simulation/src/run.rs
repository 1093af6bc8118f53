//! A schedule, run from its beginning until all is quiet again.

mod applications;
mod faults;
mod processes;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use foodtrack_history_checker::{Record, Verdict, What, check};

use crate::job::Job;
use crate::page::Page;
use crate::plan::{Plan, Step};
use crate::{
    Answer, Arrival, Counted, Coverage, End, Fault, Hub, LinkIndex, LogModel, ModelLog, Network,
    Packet, SharedStream, Tear,
};
use processes::Process;

/// How long after its last step a run may take until all is quiet.
const QUIET_MS_MAX: u64 = 180_000;
/// How long a process goes on whose disk has failed, before somebody starts it anew.
const FAILED_MS: u64 = 2_000;
/// More turns than any run takes that gets anywhere.
const TURNS_MAX: u64 = 30_000;

/// What lives in a process of a node, made anew for each over the store that outlives it.
pub type MakeHub<'h> = &'h dyn Fn(&LogModel, usize, HubSettings) -> Option<Box<dyn Hub>>;

/// How what lives in a process is made.
#[derive(Clone, Copy, Debug)]
pub struct HubSettings {
    /// What its chance comes from.
    pub seed: u64,
    /// Whether clients are asked to acknowledge events of a kind.
    pub asks: bool,
    /// Whether tenants forget at once what their logs can be asked for.
    pub forgets: bool,
    /// The rule that is broken.
    pub fault: Option<Fault>,
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was broken.
    pub verdict: Verdict,
    /// What it went through.
    pub coverage: Coverage,
    /// What happened, by time in milliseconds; only where it was asked for.
    pub story: Vec<(u64, String)>,
    /// The history that was judged.
    pub records: Vec<Record>,
}

/// Runs a schedule. `tells`: what happens is written down to be read.
pub fn run(plan: &Plan, make_hub: MakeHub<'_>, fault: Option<Fault>, tells: bool) -> Outcome {
    let mut run = Run::new(plan, make_hub, fault, tells);
    run.go();
    let mut coverage = run.coverage;
    coverage.add_log(&run.log);
    for page in &run.pages {
        coverage.add(Counted::Repeated, page.host.repeated());
    }
    let verdict = check(&run.records);
    Outcome { verdict, coverage, story: run.story.unwrap_or_default(), records: run.records }
}

struct Run<'p> {
    plan: &'p Plan,
    make_hub: MakeHub<'p>,
    fault: Option<Fault>,
    now_ms: u64,
    network: Network<Packet>,
    log: LogModel,
    processes: Vec<Process>,
    /// When the process is started anew because its disk has failed.
    replaces_disk_at_ms: Option<u64>,
    /// How many processes were started.
    starts: u64,
    /// Where the next one that comes is sent by a balancer.
    next_node: usize,
    /// The nodes that have heard of a link.
    node_of: HashMap<LinkIndex, BTreeSet<usize>>,
    pages: Vec<Page>,
    /// The page that each person has now.
    page_of: Vec<Option<usize>>,
    by_link: HashMap<LinkIndex, usize>,
    jobs: Vec<Job>,
    requests: BTreeMap<LinkIndex, Job>,
    next_step: usize,
    /// Orders that are known to be made, by tenant.
    made: BTreeSet<(String, String)>,
    fences: Vec<String>,
    /// Until then everybody's machine sleeps.
    absent_until_ms: u64,
    /// Events that a page got in the session it is in.
    records: Vec<Record>,
    coverage: Coverage,
    story: Option<Vec<(u64, String)>>,
}

impl<'p> Run<'p> {
    fn new(plan: &'p Plan, make_hub: MakeHub<'p>, fault: Option<Fault>, tells: bool) -> Self {
        Self {
            plan,
            make_hub,
            fault,
            now_ms: 0,
            network: Network::new(plan.seed ^ 2, plan.latency_ms_max),
            log: log_of(plan, fault),
            processes: (0..plan.nodes).map(|_| Process::new()).collect(),
            replaces_disk_at_ms: None,
            starts: 0,
            next_node: 0,
            node_of: HashMap::new(),
            pages: Vec::new(),
            page_of: vec![None; plan.people.len()],
            by_link: HashMap::new(),
            jobs: Vec::new(),
            requests: BTreeMap::new(),
            next_step: 0,
            made: BTreeSet::new(),
            fences: Vec::new(),
            absent_until_ms: 0,
            records: Vec::new(),
            coverage: Coverage::default(),
            story: tells.then(Vec::new),
        }
    }

    fn note(&mut self, what: What) {
        if self.story.is_some() {
            let line = crate::story::line_of(&what);
            self.say(line);
        }
        self.records.push(Record { at_us: self.now_ms * 1_000, what });
    }

    fn say(&mut self, line: String) {
        let now_ms = self.now_ms;
        if let Some(story) = &mut self.story {
            story.push((now_ms, line));
        }
    }

    fn go(&mut self) {
        let ends = self.plan.steps.iter().map(|(at_ms, step)| at_ms + step.lasts_ms());
        let last_ms = ends.max().unwrap_or(0);
        let joins_ms = self.plan.people.iter().map(|person| person.joins_ms).max().unwrap_or(0);
        let ends_ms = last_ms.max(joins_ms) + QUIET_MS_MAX;
        let mut turns = 0;
        let mut is_healed = false;
        loop {
            self.do_what_is_due();
            if self.is_over() {
                return;
            }
            turns += 1;
            if self.now_ms > ends_ms || turns > TURNS_MAX {
                let about = self.what_is_missing();
                return self.note(What::Stuck { about });
            }
            let all_said = self.next_step >= self.plan.steps.len() && self.now_ms >= joins_ms;
            if all_said && !std::mem::replace(&mut is_healed, true) {
                self.heal();
            }
            // By then everybody knows whose connection is dead.
            let is_late = self.now_ms > last_ms.max(joins_ms) + 4 * self.plan.heartbeat_ms;
            if all_said && is_late && self.fences.is_empty() && self.is_quiet() {
                self.raise_fences();
                continue;
            }
            match self.next_ms() {
                Some(next_ms) => self.now_ms = self.now_ms.max(next_ms),
                None => {
                    let about = format!("nothing is left to happen: {}", self.what_is_missing());
                    return self.note(What::Stuck { about });
                }
            }
        }
    }

    /// When something happens next.
    fn next_ms(&self) -> Option<u64> {
        let step = self.plan.steps.get(self.next_step).map(|(at_ms, _)| *at_ms);
        let joins = self.plan.people.iter().zip(&self.page_of);
        let joins = joins.filter(|(_, page)| page.is_none()).map(|(person, _)| person.joins_ms);
        let pages = self.pages.iter().filter(|page| !page.is_gone);
        let pages = pages.filter_map(|page| page.model.next_ms());
        let pages = pages.map(|at_ms| at_ms.max(self.absent_until_ms));
        let jobs = self.jobs.iter().map(|job| job.not_before_ms).filter(|at| *at > self.now_ms);
        let processes = self.next_of_processes_ms();
        let network = self.network.next_ms();
        let all = [step, processes, self.replaces_disk_at_ms, network];
        all.into_iter().flatten().chain(joins).chain(pages).chain(jobs).min()
    }

    fn do_what_is_due(&mut self) {
        if let Some(stream) = self.log.stream() {
            stream.lines().iter().for_each(|line| line.set_now(self.now_ms));
        }
        while let Some((at_ms, step)) = self.plan.steps.get(self.next_step)
            && *at_ms <= self.now_ms
        {
            self.next_step += 1;
            self.take_step(step);
        }
        self.tend_processes();
        let is_there = self.processes.iter().any(|it| it.node.is_some());
        if is_there
            && self.has_disk_failed()
            && *self.replaces_disk_at_ms.get_or_insert(self.now_ms + FAILED_MS) <= self.now_ms
        {
            self.replaces_disk_at_ms = None;
            self.replace_failed_disk();
        }
        self.open_pages();
        while let Some(delivery) = self.network.deliver(self.now_ms) {
            match delivery.to {
                End::Client => self.client_hears(delivery.link, delivery.arrival),
                End::Server => self.node_hears(delivery.link, delivery.arrival),
            }
        }
        for page in 0..self.pages.len() {
            let is_due = self.pages[page].model.next_ms().is_some_and(|at| at <= self.now_ms);
            if is_due && !self.pages[page].is_gone && self.now_ms >= self.absent_until_ms {
                self.tick(page);
            }
        }
        self.pump();
        self.wake_processes();
    }

    fn client_hears(&mut self, link: LinkIndex, arrival: Arrival<Packet>) {
        if let Some(job) = self.requests.remove(&link) {
            let answer = match arrival {
                Arrival::Packet(Packet::Answer(Some(text))) => Answer::read(&text),
                _ => Answer::Unknown,
            };
            self.network.tear(self.now_ms, link, Tear::Close(End::Client));
            return self.answered(job, answer);
        }
        let Some(page) = self.by_link.get(&link).copied() else { return };
        let now_ms = self.now_ms;
        let state = &mut self.pages[page];
        let (news, opened) = state.host.arrived(now_ms, &mut self.network, link, arrival);
        self.by_link.extend(opened.map(|link| (link, page)));
        if let Some(news) = news {
            let (noticed, actions) = self.pages[page].hear(now_ms, &news);
            self.after(page, noticed, actions);
        }
    }

    fn tick(&mut self, page: usize) {
        let (noticed, actions) = self.pages[page].handle(self.now_ms, crate::Input::Tick);
        self.after(page, noticed, actions);
    }

    /// Does what a page's library asks for, and hears what its application noticed.
    fn after(
        &mut self,
        page: usize,
        noticed: Vec<crate::page::Noticed>,
        actions: Vec<crate::Action>,
    ) {
        let opened = self.pages[page].host.act(self.now_ms, &mut self.network, actions);
        self.by_link.extend(opened.into_iter().map(|link| (link, page)));
        for one in noticed {
            self.notice(page, one);
        }
    }

    /// Whether everybody has the fence of their tenant: all that came before it has arrived.
    fn is_over(&self) -> bool {
        !self.fences.is_empty()
            && self.is_quiet()
            && self.pages.iter().all(|page| page.is_gone || page.saw_fence)
    }

    /// Whether everybody is connected and nobody waits for an answer.
    fn is_quiet(&self) -> bool {
        let is_settled = |page: &Page| {
            page.is_gone
                || page.model.is_joined() && page.wishes.is_empty() && page.asked.is_empty()
        };
        self.are_well()
            && self.jobs.is_empty()
            && self.requests.is_empty()
            && self.page_of.iter().all(Option::is_some)
            && self.pages.iter().all(is_settled)
    }

    fn what_is_missing(&self) -> String {
        let pages = self.pages.iter().filter(|page| !page.is_gone);
        let pages = pages
            .filter(|page| !page.model.is_joined() || !page.asked.is_empty() || !page.saw_fence);
        let names: Vec<String> = pages
            .map(|page| {
                let is_joined = page.model.is_joined();
                format!(
                    "{} of {} (connected: {is_joined}, waits for {} answers)",
                    page.name,
                    page.tenant,
                    page.asked.len()
                )
            })
            .collect();
        format!(
            "{} publications, {} requests, {}",
            self.jobs.len(),
            self.requests.len(),
            names.join(", ")
        )
    }

    fn has_disk_failed(&self) -> bool {
        self.log.disk().is_some_and(|log| log.with_disk(|disk| disk.has_failed()))
    }

    /// A process whose disk has failed is started anew, as its operator is told to, on another disk.
    fn replace_failed_disk(&mut self) {
        if self.has_disk_failed() {
            self.take_step(&Step::Kill { with_power: true, down_ms: 100 });
        }
    }

    /// Ends what makes trouble: the rest is to be well again.
    fn heal(&mut self) {
        self.heal_nodes();
        let sync_ms_max = self.plan.sync_ms_max;
        let Some(log) = self.log.disk().cloned() else { return };
        self.set_disk_full(false);
        log.with_disk(|disk| {
            disk.set_sync_ms_max(sync_ms_max);
            disk.spare_next_sync();
        });
        self.replace_failed_disk();
    }
}

/// What outlives the processes of a schedule. What a fault breaks in it is broken.
fn log_of(plan: &Plan, fault: Option<Fault>) -> LogModel {
    if plan.nodes > 1 {
        return LogModel::Stream(SharedStream::new(plan.nodes, plan.sync_ms_max));
    }
    let log = ModelLog::new(plan.seed ^ 3, usize::MAX >> 1, plan.sync_ms_max);
    match fault {
        Some(Fault::ReusesOffsets) => log.reuse_offsets(),
        Some(Fault::ForgetsRooms) => log.forget_rooms(),
        Some(Fault::OvertakesOwnEntity) => log.hide_entities(),
        _ => {}
    }
    LogModel::Disk(log)
}
