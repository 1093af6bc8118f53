//! What applications want, and what they notice.

use foodtrack_contract::{Priority, TenantId};
use foodtrack_history_checker::{Receipt, Recipient, What};
use serde_json::json;
use uuid::Uuid;

use super::Run;
use crate::job::Job;
use crate::page::{Asked, Noticed, Page, SeenEvent, Wish};
use crate::{Answer, Counted, End, Input, LinkIndex, Packet, Publication, Topic};

impl Run<'_> {
    /// Opens the pages whose time has come.
    pub(super) fn open_pages(&mut self) {
        for person in 0..self.plan.people.len() {
            let joins_ms = self.plan.people[person].joins_ms;
            if self.page_of[person].is_none() && joins_ms <= self.now_ms {
                self.open_page(person);
            }
        }
    }

    pub(super) fn open_page(&mut self, person: usize) {
        let who = &self.plan.people[person];
        let Some(tenant) = self.plan.tenants.get(who.tenant) else { return };
        let number = self.pages.iter().filter(|page| page.person == person).count();
        let seed = self.plan.seed ^ ((self.pages.len() as u64 + 7) << 16);
        let page = Page::new(seed, person, number, who, tenant);
        self.note(What::Recipient(Recipient {
            recipient: page.name.clone(),
            tenant: tenant.clone(),
            user: who.user.to_owned(),
            application: who.role.application().as_str().to_owned(),
            device: who.device.clone(),
        }));
        self.page_of[person] = Some(self.pages.len());
        self.pages.push(page);
    }

    /// A page is closed for good. What it was asked to publish is given up.
    pub(super) fn close_page(&mut self, page: usize) {
        let state = &mut self.pages[page];
        state.is_gone = true;
        state.host.forget();
        state.wishes.clear();
        let asked = std::mem::take(&mut state.asked);
        let recipient = state.name.clone();
        self.note(What::Ended { recipient });
        for asked in asked.into_values() {
            if let Asked::Publication(job) = asked {
                self.answered(Job { insists: false, ..*job }, Answer::Unknown);
            }
        }
    }

    /// Sends what is to be sent and can be.
    pub(super) fn pump(&mut self) {
        for page in 0..self.pages.len() {
            if self.pages[page].model.is_joined() && !self.pages[page].is_gone {
                for wish in std::mem::take(&mut self.pages[page].wishes) {
                    self.ask(page, wish);
                }
            }
        }
        let mut jobs = std::mem::take(&mut self.jobs);
        // Those that make something come first: others may wait for them.
        jobs.sort_by_key(|job| job.publication.topic != Topic::Created);
        for job in jobs {
            if job.not_before_ms > self.now_ms {
                self.jobs.push(job);
                continue;
            }
            // Whom it is for is known once its order is made; one that nobody makes is spoken of by nobody.
            let order = (job.tenant.clone(), job.publication.about.clone());
            if job.publication.needs_order() && !self.made.contains(&order) {
                if self.is_being_made(&order) {
                    self.jobs.push(Job { not_before_ms: self.now_ms + 50, ..job });
                }
                continue;
            }
            match job.person {
                None => self.publish_over_http(job),
                Some(person) => self.publish(person, job),
            }
        }
    }

    fn ask(&mut self, page: usize, wish: Wish) {
        let (recipient, order) = (self.pages[page].name.clone(), wish.order.clone());
        let name = if wish.joins { "subscribe:order" } else { "unsubscribe:order" };
        let argument = json!(wish.order).to_string();
        self.note(match wish.joins {
            true => What::Subscribing { recipient, order },
            false => What::Unsubscribing { recipient, order },
        });
        let actions = self.pages[page].emit(self.now_ms, name, &argument, Asked::Wish(wish));
        self.after(page, Vec::new(), actions);
    }

    fn publish(&mut self, person: usize, mut job: Job) {
        let page = self.page_of.get(person).copied().flatten();
        let Some(page) = page.filter(|page| !self.pages[*page].is_gone) else {
            // Nobody is there to try: they have not come yet, or were told to stay away.
            let has_yet_to_come = self.page_of.get(person).is_some_and(Option::is_none);
            return self.jobs.extend(has_yet_to_come.then_some(job));
        };
        if !self.pages[page].model.is_joined() {
            return self.jobs.push(job);
        }
        if !job.may_try(self.now_ms) {
            return;
        }
        self.coverage.add(Counted::Published, 1);
        self.note(What::Attempted(job.publication.attempt(&job.tenant)));
        let name = job.publication.topic.event_type();
        let argument = job.publication.message(&job.tenant);
        let asked = Asked::Publication(Box::new(job));
        let actions = self.pages[page].emit(self.now_ms, name, &argument, asked);
        self.after(page, Vec::new(), actions);
    }

    fn publish_over_http(&mut self, mut job: Job) {
        if !job.may_try(self.now_ms) {
            return;
        }
        let Ok(tenant) = TenantId::parse(&job.tenant) else { return };
        self.coverage.add(Counted::PublishedOverHttp, 1);
        self.note(What::Attempted(job.publication.attempt(&job.tenant)));
        let event = job.publication.topic.event_type().to_owned();
        let argument = job.publication.message(&job.tenant);
        let link = self.network.open();
        let packet = Packet::Publish { tenant, event, argument };
        self.network.send(self.now_ms, link, End::Server, packet);
        self.requests.insert(link, job);
    }

    fn is_being_made(&self, (tenant, order): &(String, String)) -> bool {
        let makes = |job: &Job| {
            let publication = &job.publication;
            publication.topic == Topic::Created
                && publication.about == *order
                && job.tenant == *tenant
        };
        self.jobs.iter().any(makes) || self.requests.values().any(makes)
    }

    pub(super) fn answered(&mut self, job: Job, answer: Answer) {
        if job.publication.topic == Topic::Created && matches!(answer, Answer::Acknowledged(_)) {
            self.made.insert((job.tenant.clone(), job.publication.about.clone()));
        }
        let counted = match &answer {
            Answer::Acknowledged(_) => Counted::Acknowledged,
            Answer::Refused { .. } => Counted::Refused,
            Answer::Unknown => Counted::Unanswered,
        };
        self.coverage.add(counted, 1);
        let (what, again) = job.answered(self.now_ms, answer);
        self.note(what);
        self.jobs.extend(again);
    }

    /// Each tenant's last event: who has it has everything that came before.
    pub(super) fn raise_fences(&mut self) {
        for (number, tenant) in self.plan.tenants.iter().enumerate() {
            let id = Uuid::from_u128(0xfe_0000 + number as u128).to_string();
            self.fences.push(id.clone());
            let publication = Publication {
                id,
                has_id: true,
                topic: Topic::Notification,
                about: String::from("the end"),
                customer: None,
                priority: Priority::Medium,
                number: 1_000,
                padding_bytes: 0,
            };
            self.jobs.push(Job {
                tenant: tenant.clone(),
                person: None,
                publication,
                insists: true,
                again: false,
                not_before_ms: self.now_ms,
                tried_ms: None,
            });
        }
    }

    pub(super) fn notice(&mut self, page: usize, noticed: Noticed) {
        let recipient = self.pages[page].name.clone();
        match noticed {
            Noticed::Connected { recovered, brought } => {
                let counted = if recovered { Counted::Recovered } else { Counted::Connected };
                self.coverage.add(counted, 1);
                let is_unknown = !self.pages[page].model.has_pid();
                self.note(What::Opened { recipient, recovered, brought, is_unknown });
                if !recovered {
                    // As applications do on `connect`.
                    let state = &mut self.pages[page];
                    let wish = |order: &String| Wish { order: order.clone(), joins: true };
                    state.wishes = state.orders.iter().map(wish).collect();
                }
            }
            Noticed::TurnedAway(code) => {
                self.note(What::TurnedAway { recipient, code });
                self.close_page(page);
            }
            Noticed::Event(event) => self.saw(page, event),
            Noticed::Answered(id, answer) => self.was_answered(page, id, &answer),
            Noticed::Dismissed => self.close_page(page),
            Noticed::Torn => {
                self.note(What::Torn { recipient });
                for asked in std::mem::take(&mut self.pages[page].asked).into_values() {
                    match asked {
                        Asked::Wish(wish) => self.pages[page].wishes.push(wish),
                        Asked::Publication(job) => self.answered(*job, Answer::Unknown),
                    }
                }
            }
        }
    }

    fn saw(&mut self, page: usize, event: SeenEvent) {
        let recipient = self.pages[page].name.clone();
        let is_own = event.name.starts_with("system:");
        if event.name == "system:reconnection_required" {
            self.note(What::GapTold { recipient: recipient.clone() });
        }
        self.coverage.add(Counted::Delivered, u64::from(!is_own));
        let state = &mut self.pages[page];
        state.saw_fence |= event.id.as_ref().is_some_and(|id| self.fences.contains(id));
        let asks = event.ack_id.is_some();
        if let Some(ack_id) = event.ack_id {
            self.coverage.add(Counted::AskedFor, 1);
            state.asking.extend(event.id.clone().map(|id| (ack_id, id)));
            let (noticed, actions) = state.handle(self.now_ms, Input::Acknowledge(ack_id));
            self.after(page, noticed, actions);
        }
        self.note(What::Received(Receipt {
            recipient,
            // The server's own have random ids.
            id: event.id.filter(|_| !is_own),
            event_type: event.name,
            tenant: event.tenant,
            origin: event.origin,
            asks,
            cursor: event.cursor,
        }));
    }

    /// The process has what came on a link: acknowledgements of these numbers.
    pub(super) fn note_acknowledged(&mut self, link: LinkIndex, numbers: &[u64]) {
        let Some(page) = self.by_link.get(&link).map(|page| &self.pages[*page]) else { return };
        let ids: Vec<String> =
            numbers.iter().filter_map(|it| page.asking.get(it).cloned()).collect();
        let recipient = page.name.clone();
        for id in ids {
            self.coverage.add(Counted::Confirmed, 1);
            self.note(What::Confirmed { recipient: recipient.clone(), id });
        }
    }

    fn was_answered(&mut self, page: usize, id: u64, answer: &str) {
        let state = &mut self.pages[page];
        let wish = match state.asked.remove(&id) {
            Some(Asked::Publication(job)) => return self.answered(*job, Answer::read(answer)),
            Some(Asked::Wish(wish)) => wish,
            None => return,
        };
        // One that is to leave at once is not counted as in, nor one that is to join again as out.
        let asked = state.asked.values().filter_map(|asked| match asked {
            Asked::Wish(wish) => Some(wish),
            Asked::Publication(_) => None,
        });
        let mut later = asked.chain(&state.wishes);
        if later.any(|it| it.order == wish.order && it.joins != wish.joins) {
            return;
        }
        let (recipient, order) = (state.name.clone(), wish.order.clone());
        match Answer::read(answer) {
            Answer::Acknowledged(_) if wish.joins => {
                self.coverage.add(Counted::Subscribed, 1);
                self.note(What::Subscribed { recipient, order });
            }
            Answer::Acknowledged(_) => {
                self.coverage.add(Counted::Unsubscribed, 1);
                self.note(What::Unsubscribed { recipient, order });
            }
            Answer::Refused { may_retry: true, .. } => state.wishes.push(wish),
            _ => {}
        }
    }
}
