//! The steps of a schedule, as they happen.

use foodtrack_history_checker::What;

use super::Run;
use crate::job::Job;
use crate::page::{Noticed, Wish};
use crate::plan::Step;
use crate::{Counted, End, Input, ModelDisk, StreamLine, Tear};

impl Run<'_> {
    pub(super) fn take_step(&mut self, step: &Step) {
        if self.story.is_some() {
            let line = crate::story::line_of_step(self.plan, step);
            self.say(line);
        }
        match step {
            Step::Publish { tenant, person, publication, insists, again } => {
                let Some(tenant) = self.plan.tenants.get(*tenant) else { return };
                self.jobs.push(Job {
                    tenant: tenant.clone(),
                    person: *person,
                    publication: publication.clone(),
                    insists: *insists,
                    again: *again,
                    not_before_ms: self.now_ms,
                    tried_ms: None,
                });
            }
            Step::Kill { with_power, down_ms } => self.kill(*with_power, *down_ms),
            Step::Stop(down_ms) => self.stop(*down_ms),
            Step::FillDisk => self.set_disk_full(true),
            Step::FreeDisk => self.set_disk_full(false),
            Step::FailSync => self.with_disk(|disk| disk.fail_next_sync()),
            Step::SlowDisk(ms) => self.with_disk(|disk| disk.set_sync_ms_max(*ms)),
            Step::JumpClock { node, ms } => {
                if let Some(process) = self.processes.get_mut(*node) {
                    self.coverage.add(Counted::ClockJumped, 1);
                    process.clock_offset_ms += ms;
                }
            }
            Step::KillNode { node, down_ms } => self.kill_node(*node, *down_ms),
            Step::StopNode { node, down_ms } => self.stop_node(*node, *down_ms),
            Step::HangNode { node, ms } => self.hang_node(*node, *ms),
            Step::CutLine { node, ms } => self.disturb_lines(Some(*node), step, |line, now_ms| {
                line.cut(now_ms + ms);
            }),
            Step::SlowLine { node, latency_ms_max, ms } => {
                self.disturb_lines(Some(*node), step, |line, now_ms| {
                    line.slow_down(*latency_ms_max, now_ms + ms);
                });
            }
            Step::LogAway(ms) => {
                self.disturb_lines(None, step, |line, now_ms| line.cut(now_ms + ms));
            }
            Step::LogFull(ms) => {
                self.disturb_lines(None, step, |line, now_ms| line.fill(now_ms + ms));
            }
            Step::Tear(person, how) => self.tear(*person, *how),
            Step::Pause(person, ms) => self.pause(*person, *ms),
            Step::Reload(person) => self.reload(*person),
            Step::Absence(ms) => self.leave_all(*ms),
            Step::Subscribe(person, order) => self.wants(*person, order, true),
            Step::Unsubscribe(person, order) => self.wants(*person, order, false),
        }
    }

    /// Works on the disk of a hub alone.
    fn with_disk(&self, work: impl FnOnce(&mut ModelDisk<'_>)) {
        if let Some(log) = self.log.disk() {
            log.with_disk(work);
        }
    }

    /// Disturbs a node's line to what nodes share, or all of them.
    fn disturb_lines(
        &mut self,
        node: Option<usize>,
        step: &Step,
        disturb: impl Fn(&StreamLine, u64),
    ) {
        let Some(stream) = self.log.stream() else { return };
        let lines = stream.lines().iter().enumerate();
        for (_, line) in lines.filter(|(at, _)| node.is_none_or(|node| node == *at)) {
            disturb(line, self.now_ms);
        }
        self.coverage.add(Counted::LogDisturbed, 1);
        let (about, for_ms) = (format!("{step:?}"), step.lasts_ms());
        self.note(What::LogDisturbed { about, for_ms });
    }

    fn kill(&mut self, with_power: bool, down_ms: u64) {
        let Some(log) = self.log.disk().cloned() else { return };
        if self.processes[0].node.is_none() {
            return;
        }
        self.coverage.add(if with_power { Counted::PowerLost } else { Counted::Killed }, 1);
        self.end_process(0, down_ms);
        log.crash(with_power);
        self.note(What::HubKilled);
    }

    fn stop(&mut self, down_ms: u64) {
        let (time, log) = (self.time_of(0), self.log.disk().cloned());
        let (Some(log), Some(node)) = (log, &mut self.processes[0].node) else { return };
        self.coverage.add(Counted::Stopped, 1);
        node.drain(time);
        self.note(What::HubStopping);
        self.carry_out();
        log.settle();
        // It stays until nobody waits for it any more.
        if let Some(node) = &mut self.processes[0].node {
            node.wake(time);
        }
        self.carry_out();
        // What was taken in that turn is on disk as well.
        log.settle();
        let is_ill = log.with_disk(|disk| disk.has_failed() || disk.is_full());
        self.end_process(0, down_ms);
        log.crash(false);
        if is_ill {
            // What it could not write is gone, as if it had been killed.
            self.note(What::HubKilled);
        }
    }

    pub(super) fn set_disk_full(&mut self, is_full: bool) {
        self.with_disk(|disk| disk.set_full(is_full));
        self.note(if is_full { What::DiskFull } else { What::DiskFreed });
    }

    fn tear(&mut self, person: usize, how: Tear) {
        let Some(page) = self.page_of.get(person).copied().flatten() else { return };
        let links: Vec<_> = self.pages[page].host.links().collect();
        if links.is_empty() || self.pages[page].is_gone {
            return;
        }
        self.coverage.add(Counted::Torn, 1);
        for link in links {
            self.network.tear(self.now_ms, link, how);
            if how == Tear::Close(End::Server) {
                // A proxy closed it: the node hears of it as well.
                self.close_link(link);
            }
        }
        self.carry_out();
        if how == Tear::Vanish && self.pages[page].person.is_multiple_of(2) {
            // The machine has another network now, and its browser knows.
            self.pages[page].host.forget();
            if let Some(way) = self.pages[page].model.way() {
                let (noticed, actions) = self.pages[page].handle(self.now_ms, Input::Closed(way));
                self.after(page, noticed, actions);
            }
        }
    }

    fn leave_all(&mut self, ms: u64) {
        self.coverage.add(Counted::Absent, 1);
        self.absent_until_ms = self.now_ms + ms;
        for person in 0..self.page_of.len() {
            self.tear(person, Tear::Reset);
        }
    }

    fn pause(&mut self, person: usize, ms: u64) {
        let Some(page) = self.page_of.get(person).copied().flatten() else { return };
        self.coverage.add(Counted::Paused, 1);
        for link in self.pages[page].host.links() {
            for node in self.processes.iter_mut().filter_map(|it| it.node.as_mut()) {
                node.clients_mut().stall(link, self.now_ms + ms);
            }
        }
    }

    fn reload(&mut self, person: usize) {
        let Some(page) = self.page_of.get(person).copied().flatten() else { return };
        if self.pages[page].is_gone {
            return;
        }
        self.coverage.add(Counted::Reloaded, 1);
        for link in self.pages[page].host.links() {
            self.network.tear(self.now_ms, link, Tear::Close(End::Client));
        }
        if self.pages[page].model.is_joined() {
            self.notice(page, Noticed::Torn);
        }
        self.close_page(page);
        self.open_page(person);
    }

    fn wants(&mut self, person: usize, order: &str, joins: bool) {
        let Some(page) = self.page_of.get(person).copied().flatten() else { return };
        let page = &mut self.pages[page];
        page.orders.retain(|one| one != order);
        if joins {
            page.orders.push(order.to_owned());
        }
        if !page.is_gone {
            page.wishes.push(Wish { order: order.to_owned(), joins });
        }
    }
}
