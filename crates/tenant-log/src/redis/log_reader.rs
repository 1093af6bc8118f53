//! Reading logs in Redis.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use foodtrack_contract::{Epoch, Offset, TenantId};
use redis::{Pipeline, Value};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::RedisLog;
use super::follower::Follow;
use super::head::{HEAD_FIELDS, StoredHead};
use super::keys::Part;
use super::pipeline::call;
use super::row::{ReadRow, parse_owner};
use super::scripts;
use super::values::{array, bytes, offset, text};
use crate::memory::ascending;
use crate::{
    Assignment, LogEntry, LogReader, OrderOwner, Outline, OutlinePage, Page, PageStart,
    RECENT_IDS_MAX, ReadError, ReadRequest, TailSnapshot,
};

/// How often it is looked whether a log is opened anew.
const LOOK_AGAIN: Duration = Duration::from_millis(3);
/// How many entries are read at once: Redis serves nobody else meanwhile.
pub(super) const READ_TOGETHER_MAX: usize = 512;
/// How many are read first, of which it is not known how large they are.
const READ_FIRST: usize = 32;

impl RedisLog {
    /// A question about a tenant, which begins with where its log stands.
    pub(super) fn about(&self, tenant: &TenantId) -> Pipeline {
        let mut pipeline = redis::pipe();
        pipeline.cmd("HMGET").arg(self.keys.part(tenant, Part::Head)).arg(&HEAD_FIELDS);
        pipeline
    }

    /// Asks it. Returns where the log stands, and the rest of the answers.
    pub(super) fn ask_about(
        &self,
        tenant: &TenantId,
        pipeline: Pipeline,
    ) -> Result<(StoredHead, Vec<Value>), ReadError> {
        let mut answers = self.questions.ask(pipeline)?.into_iter();
        let head = answers.next().as_ref().and_then(StoredHead::read);
        let head = head.ok_or_else(|| ReadError::UnknownTenant(tenant.clone()))?;
        Ok((head, answers.collect()))
    }

    fn follow_request(&self, request: Follow) -> Result<(), ReadError> {
        let gone = |_| ReadError::Store(String::from("the log was shut down"));
        self.follows.send(request).map_err(gone)
    }

    /// The entries after `after` and up to `through`, at most so many, and where the log stands.
    fn range(
        &self,
        tenant: &TenantId,
        (after, through): (Offset, Offset),
        entries_max: usize,
    ) -> Result<(StoredHead, Value), ReadError> {
        let mut command =
            call(&scripts::READ, &[Part::Head, Part::Log].map(|part| self.keys.part(tenant, part)));
        command.arg(format!("{}-0", after.next())).arg(format!("{through}-0"));
        command.arg(entries_max).arg(&HEAD_FIELDS);
        let mut pipeline = redis::pipe();
        pipeline.add_command(command);
        let answer = self.questions.ask(pipeline)?.into_iter().next().unwrap_or_default();
        let unknown = || ReadError::UnknownTenant(tenant.clone());
        let Value::Array(parts) = answer else { return Err(unknown()) };
        let [head, stream]: [Value; 2] = parts.try_into().map_err(|_| unknown())?;
        Ok((StoredHead::read(&head).ok_or_else(unknown)?, stream))
    }
}

/// The entries of a stream's answer.
fn rows(stream: &Value) -> impl Iterator<Item = ReadRow<'_>> {
    array(stream).unwrap_or_default().iter().filter_map(ReadRow::of_stream)
}

/// An entry is as good as gone: nobody of this version can read it.
fn pass_over(error: &ReadError) {
    tracing::error!(%error, "an entry of a log is passed over: who was to get it is told of a gap");
}

impl LogReader for RedisLog {
    fn tail(&self, tenant: &TenantId, through: Offset) -> TailSnapshot {
        // What was read is known before it is heard of.
        let known = self.known.get(tenant).map(|place| (place.epoch, place.last.max(through)));
        let tail = known.and_then(|(epoch, last)| self.tails.snapshot(tenant, epoch, last));
        // Nothing is shown that cannot be read.
        tail.unwrap_or_else(|| TailSnapshot::nothing(Offset::MAX))
    }

    fn read(&self, request: &ReadRequest) -> Result<Page, ReadError> {
        if let Some(page) = self.tails.read(request) {
            return Ok(page);
        }
        let tenant = &request.tenant;
        let (after, mut page) = (request.after, None::<Page>);
        let (mut bytes, mut count) = (0, READ_FIRST);
        loop {
            let from = page.as_ref().map_or(after, |page| page.next);
            count = count.min(request.entries_max.saturating_add(1));
            let (head, stream) = self.range(tenant, (from, request.through), count)?;
            let is_foreign = request.epoch.is_some_and(|epoch| epoch != head.epoch)
                || page.as_ref().is_some_and(|page| page.epoch != head.epoch);
            if is_foreign || after > head.last {
                return Ok(Page::reset(head.epoch));
            }
            let page = page
                .get_or_insert_with(|| Page::starting(head.epoch, request, head.trimmed_through));
            let mut read = 0;
            for row in rows(&stream) {
                let entry = row.entry(tenant);
                read += 1;
                bytes += row.bytes;
                // One that cannot be read begins a page, since that says what is missing in front of it.
                let is_cut = entry.is_err() && !page.entries.is_empty();
                if is_cut || page.is_full(request, bytes) {
                    page.is_last = false;
                    return Ok(std::mem::replace(page, Page::reset(head.epoch)));
                }
                page.next = row.offset;
                match entry {
                    Ok(entry) => page.entries.push(entry),
                    Err(error) => {
                        pass_over(&error);
                        page.start = PageStart::Gap { through: row.offset };
                    }
                }
            }
            if read < count {
                return Ok(std::mem::replace(page, Page::reset(head.epoch)));
            }
            count = head.entries_of(request.bytes_max.saturating_sub(bytes));
        }
    }

    fn follow(&self, tenant: &TenantId) -> Result<(), ReadError> {
        let (answer, answered) = oneshot::channel();
        self.follow_request(Follow::Look(tenant.clone(), answer))?;
        self.questions.wait(answered)
    }

    fn hear_notes(&self, tenant: &TenantId) -> Result<(), ReadError> {
        let give_up = Instant::now() + self.questions.patience();
        loop {
            let (answer, answered) = oneshot::channel();
            self.follow_request(Follow::HearAll(answer))?;
            self.questions.wait(answered)?;
            let listening = self.listening.load(Ordering::Relaxed);
            match self.known.get(tenant) {
                Some(place) if place.heard_since == listening => return Ok(()),
                _ if Instant::now() >= give_up => {
                    return Err(ReadError::Store(String::from("not all that was noted is known")));
                }
                // It is being opened anew, since something may have been missed.
                _ => std::thread::sleep(LOOK_AGAIN),
            }
        }
    }

    fn outline(
        &self,
        tenant: &TenantId,
        epoch: Option<Epoch>,
        after: Offset,
        through: Offset,
        entries_max: usize,
    ) -> Result<OutlinePage, ReadError> {
        let (mut outlines, mut gone_through) = (Vec::<Outline>::new(), Offset::ZERO);
        let mut from = after;
        loop {
            let count = (entries_max - outlines.len()).min(READ_TOGETHER_MAX);
            let (head, stream) = self.range(tenant, (from, through), count)?;
            if epoch.is_some_and(|epoch| epoch != head.epoch) {
                return Err(ReadError::OtherEpoch { tenant: tenant.clone(), epoch: head.epoch });
            }
            let (mut read, mut entries_max) = (0, entries_max);
            for row in rows(&stream) {
                match row.entry(tenant) {
                    Ok(entry) => outlines.push(Outline::from(&entry)),
                    // It begins the next page, as in `read`.
                    Err(_) if !outlines.is_empty() => {
                        entries_max = outlines.len();
                        break;
                    }
                    Err(error) => {
                        pass_over(&error);
                        gone_through = row.offset;
                    }
                }
                (read, from) = (read + 1, row.offset);
            }
            if read < count || outlines.len() >= entries_max {
                let trimmed_through = head.trimmed_through.max(gone_through);
                return Ok(OutlinePage::new(trimmed_through, outlines, through, entries_max));
            }
        }
    }

    fn read_at(&self, tenant: &TenantId, offsets: &[Offset]) -> Result<Vec<LogEntry>, ReadError> {
        let mut entries = Vec::new();
        for some in ascending(offsets).chunks(READ_TOGETHER_MAX) {
            let mut pipeline = self.about(tenant);
            for offset in some {
                let id = format!("{offset}-0");
                let range = pipeline.cmd("XRANGE").arg(self.keys.part(tenant, Part::Log));
                range.arg(&id).arg(&id);
            }
            let (_, streams) = self.ask_about(tenant, pipeline)?;
            for stream in &streams {
                for row in rows(stream) {
                    entries.push(row.entry(tenant)?);
                }
            }
        }
        Ok(entries)
    }

    fn entity_history(
        &self,
        tenant: &TenantId,
        entity: &str,
        entries_max: usize,
    ) -> Result<Vec<LogEntry>, ReadError> {
        let (mut history, mut before) = (Vec::new(), String::from("+"));
        while history.len() < entries_max {
            let mut pipeline = self.about(tenant);
            let range = pipeline.cmd("XREVRANGE").arg(self.keys.part(tenant, Part::Log));
            range.arg(&before).arg("-").arg("COUNT").arg(READ_TOGETHER_MAX);
            let (_, answers) = self.ask_about(tenant, pipeline)?;
            let stream = answers.into_iter().next().unwrap_or_default();
            let mut oldest = None;
            for row in rows(&stream) {
                oldest = Some(row.offset);
                if history.len() < entries_max && row.entity().as_deref() == Some(entity) {
                    history.push(row.entry(tenant)?);
                }
            }
            match oldest {
                Some(oldest) => before = format!("({oldest}-0"),
                None => break,
            }
        }
        history.reverse();
        Ok(history)
    }

    fn find(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Offset>, ReadError> {
        let mut pipeline = self.about(tenant);
        for key in self.keys.pair(tenant, Part::Ids) {
            pipeline.cmd("HGET").arg(key).arg(id.as_bytes());
        }
        let (head, answers) = self.ask_about(tenant, pipeline)?;
        let newest = answers.iter().filter_map(offset).max();
        let first = head.last.get().saturating_sub(RECENT_IDS_MAX as u64);
        Ok(newest.filter(|it| it.get() > first && *it > head.trimmed_through))
    }

    fn order_owner(&self, tenant: &TenantId, order: &str) -> Result<Option<OrderOwner>, ReadError> {
        let mut pipeline = self.about(tenant);
        pipeline.cmd("HGET").arg(self.keys.part(tenant, Part::Orders)).arg(order);
        let (_, answers) = self.ask_about(tenant, pipeline)?;
        let owner = answers.first().and_then(text).and_then(parse_owner);
        Ok(owner.map(|(_, customer)| OrderOwner { customer }))
    }

    fn assignment(&self, tenant: &TenantId, order: &str) -> Result<Option<Assignment>, ReadError> {
        let mut pipeline = self.about(tenant);
        for key in self.keys.pair(tenant, Part::Assignments) {
            pipeline.cmd("HGET").arg(key).arg(order);
        }
        let (_, answers) = self.ask_about(tenant, pipeline)?;
        Ok(answers.iter().filter_map(bytes).find_map(read_assignment))
    }

    fn has_room_for_orders(&self, tenant: &TenantId) -> bool {
        self.full.has_room(tenant)
    }

    fn is_spooling(&self) -> bool {
        self.queue.is_spooling()
    }
}

/// The offset as digits, then the message's id as it is, then the user.
fn read_assignment(kept: &[u8]) -> Option<Assignment> {
    let end = kept.iter().position(|byte| *byte == b' ')?;
    let offset = std::str::from_utf8(kept.get(..end)?).ok()?.parse().ok().and_then(Offset::new)?;
    let (id, user) = kept.get(end + 1..)?.split_at_checked(16)?;
    let user = std::str::from_utf8(user).ok()?.into();
    Some(Assignment { user, id: Uuid::from_slice(id).ok()?, offset })
}
