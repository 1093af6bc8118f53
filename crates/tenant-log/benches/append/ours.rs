//! The log, driven as a shard drives it.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use ahash::AHashMap;
use foodtrack_contract::{
    ApplicationSet, ApplicationType, EventType, Offset, Priority, ReadPermission, RoomName,
    TenantId,
};
use foodtrack_tenant_log::{
    Admission, Completion, Durability, EntryRef, KeySource, LogReader, LogWriter, LoggedAudience,
    ReadRequest, Retention, Sequence, SqliteLog, SqliteOptions, TenantLog,
};
use uuid::Uuid;

use super::messages::Messages;
use super::{Error, KEPT, RUN, Run, Setting, cpu};

struct Driver {
    submitter: Box<dyn LogWriter>,
    log: SqliteLog,
    completions: Receiver<Completion>,
    tenants: Vec<(TenantId, Sequence, VecDeque<Instant>)>,
    places: AHashMap<TenantId, usize>,
    messages: Messages,
    next: usize,
}

impl Driver {
    fn open(
        directory: &Path,
        tenants: usize,
        retention: Retention,
        keys: Option<Arc<dyn KeySource>>,
    ) -> Result<Self, Error> {
        let (sender, completions) = channel();
        let options = SqliteOptions { retention, keys, ..SqliteOptions::default() };
        let on_completion = Box::new(move |completion| {
            // Nobody listens when the bench ends early.
            let _ = sender.send(completion);
        });
        let log = SqliteLog::open(directory, options, on_completion)?;
        let mut opened = Vec::new();
        let mut places = AHashMap::new();
        for n in 0..tenants {
            log.open(&TenantId::parse(&format!("tenant-{n}"))?, 0)?;
            if let Completion::Opened { tenant, head, .. } = completions.recv()? {
                places.insert(tenant.clone(), n);
                opened.push((tenant, Sequence::new(head), VecDeque::new()));
            }
        }
        let messages = Messages::new();
        let submitter = log.writer();
        Ok(Self { submitter, log, completions, tenants: opened, places, messages, next: 0 })
    }

    fn submit(&mut self) -> Result<(), Error> {
        self.next += 1;
        let place = self.next % self.tenants.len();
        let (tenant, sequence, begun) = &mut self.tenants[place];
        let id = Uuid::now_v7();
        let Admission::New(offset) = sequence.admit(id, Durability::Durable) else {
            return Ok(());
        };
        begun.push_back(Instant::now());
        let order = "42";
        let audience = LoggedAudience {
            applications: ApplicationSet::of(&[ApplicationType::KitchenApp]),
            rooms: vec![RoomName::Order(order).into(), RoomName::User("c1").into()],
            only: ApplicationSet::ALL,
            read: Some(ReadPermission::Orders),
        };
        let entry = EntryRef {
            offset,
            id,
            event: &EventType::OrderCreated.into(),
            durability: Durability::Durable,
            priority: Priority::Medium,
            at_ms: 1_800_000_000_000,
            expires_at_ms: None,
            audience: &audience,
            entity: Some(order),
            compacts: false,
            creates_order: None,
            fingerprint: None,
            message: self.messages.nth(self.next),
            is_message_as_made: false,
            fact: None,
            attachments: &[],
        };
        self.submitter.submit(tenant, &entry)?;
        Ok(())
    }

    /// Hears one completion; returns how many appends it ended.
    fn hear(&mut self, took: &mut Vec<std::time::Duration>) -> Result<usize, Error> {
        match self.completions.recv()? {
            Completion::Committed { tenant, through, reserved_through, .. } => {
                let (_, sequence, begun) = &mut self.tenants[self.places[&tenant]];
                let before = sequence.waiting();
                sequence.committed(through, reserved_through);
                sequence.release();
                let ended = before - sequence.waiting();
                took.extend(begun.drain(..ended).map(|begun| begun.elapsed()));
                Ok(ended)
            }
            other => Err(format!("{other:?}").into()),
        }
    }

    fn drive(&mut self, in_flight: usize, goes_on: impl Fn(usize) -> bool) -> Result<Run, Error> {
        let (start, cpu_before) = (Instant::now(), cpu("self"));
        let (mut took, mut waiting) = (Vec::new(), 0);
        while goes_on(took.len()) {
            while waiting < in_flight {
                self.submit()?;
                waiting += 1;
            }
            waiting -= self.hear(&mut took)?;
        }
        let (elapsed, cpu) = (start.elapsed(), cpu("self").saturating_sub(cpu_before));
        let mut late = Vec::new();
        while waiting > 0 {
            waiting -= self.hear(&mut late)?;
        }
        Ok(Run::new(elapsed, cpu, took))
    }
}

pub(super) fn append(
    directory: &Path,
    setting: Setting,
    keys: Option<Arc<dyn KeySource>>,
) -> Result<Run, Error> {
    let entries_max = u64::try_from(KEPT / setting.tenants)?;
    let retention = Retention { entries_max, entries_min: 0, ..Retention::default() };
    let mut driver = Driver::open(directory, setting.tenants, retention, keys)?;
    // Until every append lets another go.
    driver.drive(500, |count| count < KEPT + 5_000)?;
    let start = Instant::now();
    driver.drive(setting.in_flight, |_| start.elapsed() < RUN)
}

/// How fast one thread reads a tenant's log, by the clock and by what it worked.
pub(super) fn replay(count: usize) -> Result<(), Error> {
    let directory = tempfile::tempdir()?;
    let mut driver = Driver::open(directory.path(), 1, Retention::default(), None)?;
    driver.drive(500, |done| done < count)?;
    for entries_max in [64, 512, 4_096] {
        let (start, worked_before) = (Instant::now(), worked()?);
        let (mut after, mut read) = (Offset::ZERO, 0);
        loop {
            let page = driver.log.read(&ReadRequest {
                tenant: driver.tenants[0].0.clone(),
                epoch: None,
                after,
                through: Offset::MAX,
                entries_max,
                bytes_max: 4 << 20,
            })?;
            read += page.entries.len();
            after = page.next;
            if page.is_last {
                break;
            }
        }
        let by_clock = read as f64 / start.elapsed().as_secs_f64();
        let by_work = read as f64 / (worked()? - worked_before);
        println!(
            "replay in pages of {entries_max}: {by_clock:.0} entries/s by the clock, {by_work:.0} for each second of one core"
        );
    }
    let (start, worked_before) = (Instant::now(), worked()?);
    let tenant = &driver.tenants[0].0;
    let outlines =
        driver.log.outline(tenant, None, Offset::ZERO, Offset::MAX, count)?.entries.len();
    println!(
        "outline of all: {:.0} entries/s by the clock, {:.0} for each second of one core",
        outlines as f64 / start.elapsed().as_secs_f64(),
        outlines as f64 / (worked()? - worked_before)
    );
    Ok(())
}

/// How many seconds this thread has run on a core.
fn worked() -> Result<f64, Error> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let ns: u64 = stat.split_whitespace().next().ok_or("no schedstat")?.parse()?;
    Ok(ns as f64 / 1e9)
}
