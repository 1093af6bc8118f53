//! What the business back end said to those who come in and join rooms: remembered for a while, asked once for all who wait for the
//! same, and no more at once than it is to have.

use std::collections::VecDeque;
use std::sync::Arc;

use ahash::AHashMap;
use foodtrack_contract::TenantId;
use foodtrack_tenant::{HookQuestion, Permit, PermitsOf};

use crate::hook_answer::HookAnswer;
use crate::mailbox::ShardSender;
use crate::upstream::{HookRelay, Hooks, Upstream};

/// Answers that are remembered of one tenant; the oldest give way.
const ANSWERS_PER_TENANT_MAX: usize = 8_192;
/// Answers that are remembered of all tenants of all shards together; the oldest of the tenant that has most give way.
const ANSWERS_MAX: usize = 65_536;

/// What one shard's tenants asked, and were told.
pub(crate) struct HookBook {
    upstream: Arc<dyn Upstream>,
    /// Where answers come in.
    mailbox: ShardSender,
    hooks: Hooks,
    answers_max: usize,
    tenants: AHashMap<TenantId, OfTenant>,
    answers: usize,
    /// Questions that are with the back end.
    asked: usize,
    /// Tenants with questions that wait for their turn.
    queue: VecDeque<TenantId>,
}

#[derive(Default)]
struct OfTenant {
    answers: AHashMap<Arc<HookQuestion>, Answer>,
    /// The same, the oldest first.
    order: VecDeque<Arc<HookQuestion>>,
    /// Questions without an answer, and whether that is still to be remembered.
    open: AHashMap<Arc<HookQuestion>, bool>,
    /// Of these, what waits for its turn.
    waiting: VecDeque<Arc<HookQuestion>>,
    /// And how many are with the back end.
    asked: usize,
    is_queued: bool,
}

struct Answer {
    permit: Permit,
    until_ms: u64,
}

impl HookBook {
    /// A book of one of so many shards; `None` where nothing is asked.
    pub(crate) fn new(
        upstream: Arc<dyn Upstream>,
        mailbox: ShardSender,
        shards: usize,
    ) -> Option<Self> {
        let hooks = upstream.hooks();
        (hooks.connect || hooks.join).then(|| Self {
            upstream,
            mailbox,
            hooks: Hooks { at_once: (hooks.at_once / shards).max(1), ..hooks },
            answers_max: (ANSWERS_MAX / shards).max(1),
            tenants: AHashMap::new(),
            answers: 0,
            asked: 0,
            queue: VecDeque::new(),
        })
    }

    /// Which hooks there are.
    pub(crate) fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// What is known of a question. `None`: it is asked, and the answer comes by [`HookBook::answered`].
    pub(crate) fn ask(&mut self, question: &Arc<HookQuestion>, now_ms: u64) -> Option<Permit> {
        let tenant = self.tenants.entry(question.tenant.clone()).or_default();
        if let Some(answer) = tenant.answers.get(question).filter(|it| it.until_ms > now_ms) {
            return Some(answer.permit.clone());
        }
        if !tenant.open.contains_key(question) {
            tenant.open.insert(Arc::clone(question), true);
            tenant.waiting.push_back(Arc::clone(question));
            if !tenant.is_queued {
                tenant.is_queued = true;
                self.queue.push_back(question.tenant.clone());
            }
            self.ask_next();
        }
        None
    }

    /// Asks what has its turn: each tenant one, as long as there is room.
    fn ask_next(&mut self) {
        for _ in 0..self.queue.len() {
            if self.asked >= self.hooks.at_once {
                return;
            }
            let Some(id) = self.queue.pop_front() else { return };
            let Some(tenant) = self.tenants.get_mut(&id) else { continue };
            tenant.is_queued = false;
            // It is queued again when one of its own is answered.
            if tenant.asked >= self.hooks.at_once_per_tenant {
                continue;
            }
            let Some(question) = tenant.waiting.pop_front() else { continue };
            (self.asked, tenant.asked) = (self.asked + 1, tenant.asked + 1);
            if !tenant.waiting.is_empty() {
                tenant.is_queued = true;
                self.queue.push_back(id);
            }
            let relay = HookRelay::new(self.mailbox.clone(), Arc::clone(&question));
            self.upstream.authorize(question, relay);
        }
    }

    /// The back end has answered.
    pub(crate) fn answered(
        &mut self,
        question: &Arc<HookQuestion>,
        answer: &HookAnswer,
        now_ms: u64,
    ) {
        let Some(tenant) = self.tenants.get_mut(&question.tenant) else { return };
        self.asked -= 1;
        tenant.asked -= 1;
        let is_good = tenant.open.remove(question).unwrap_or(false);
        if !tenant.waiting.is_empty() && !tenant.is_queued {
            tenant.is_queued = true;
            self.queue.push_back(question.tenant.clone());
        }
        if is_good && answer.keep_ms > 0 {
            let until_ms = now_ms + u64::from(answer.keep_ms);
            self.keep(question, Answer { permit: answer.permit.clone(), until_ms });
        }
        self.ask_next();
    }

    fn keep(&mut self, question: &Arc<HookQuestion>, answer: Answer) {
        let of_tenant = self.tenants.get(&question.tenant).map_or(0, |it| it.answers.len());
        if of_tenant >= ANSWERS_PER_TENANT_MAX {
            self.forget_oldest(&question.tenant);
        } else if self.answers >= self.answers_max {
            let most = self.tenants.iter().max_by_key(|(_, tenant)| tenant.answers.len());
            if let Some(most) = most.map(|(id, _)| id.clone()) {
                self.forget_oldest(&most);
            }
        }
        let Some(tenant) = self.tenants.get_mut(&question.tenant) else { return };
        if tenant.answers.insert(Arc::clone(question), answer).is_some() {
            tenant.order.retain(|other| other != question);
        } else {
            self.answers += 1;
        }
        tenant.order.push_back(Arc::clone(question));
    }

    fn forget_oldest(&mut self, id: &TenantId) {
        let Some(tenant) = self.tenants.get_mut(id) else { return };
        if let Some(oldest) = tenant.order.pop_front() {
            tenant.answers.remove(&oldest);
            self.answers -= 1;
        }
    }

    /// Forgets what was said of some, and does not remember what is being asked of them.
    pub(crate) fn forget(&mut self, id: &TenantId, whose: PermitsOf<'_>) {
        let Some(tenant) = self.tenants.get_mut(id) else { return };
        let open = tenant.open.iter_mut().filter(|(question, _)| question.is_about(whose));
        open.for_each(|(_, is_good)| *is_good = false);
        self.retain(id, |question, _| !question.is_about(whose));
    }

    /// Lets go of answers that are too old.
    pub(crate) fn sweep(&mut self, now_ms: u64) {
        let ids: Vec<TenantId> = self.tenants.keys().cloned().collect();
        for id in ids {
            self.retain(&id, |_, answer| answer.until_ms > now_ms);
        }
        self.tenants.retain(|_, it| !it.answers.is_empty() || !it.open.is_empty() || it.asked > 0);
    }

    fn retain(&mut self, id: &TenantId, keeps: impl Fn(&HookQuestion, &Answer) -> bool) {
        let Some(tenant) = self.tenants.get_mut(id) else { return };
        let before = tenant.answers.len();
        tenant.answers.retain(|question, answer| keeps(question, answer));
        self.answers -= before - tenant.answers.len();
        let answers = &tenant.answers;
        tenant.order.retain(|question| answers.contains_key(question));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use foodtrack_contract::{ErrorCode, PermissionSet, Refusal, UserId, UserRole};
    use foodtrack_tenant::{Forwarded, Hook};

    use super::*;
    use crate::mailbox::Inbox;
    use crate::shards::tests::reactor;
    use crate::upstream::Relay;

    /// Notes what it is asked, and answers nothing.
    #[derive(Default)]
    struct Asked(Mutex<Vec<(Arc<HookQuestion>, HookRelay)>>);

    impl Upstream for Asked {
        fn forward(&self, _: Forwarded, relay: Relay) -> Result<(), Refusal> {
            relay.release();
            Ok(())
        }

        fn hooks(&self) -> Hooks {
            Hooks { connect: true, join: true, at_once_per_tenant: 2, at_once: 3 }
        }

        fn authorize(&self, question: Arc<HookQuestion>, relay: HookRelay) {
            self.0.lock().unwrap().push((question, relay));
        }
    }

    struct Test {
        book: HookBook,
        asked: Arc<Asked>,
        _inbox: Inbox,
    }

    impl Test {
        fn new() -> Self {
            let (mailbox, inbox) = ShardSender::new(reactor().waker());
            let asked = Arc::<Asked>::default();
            let book = HookBook::new(Arc::clone(&asked) as Arc<dyn Upstream>, mailbox, 1).unwrap();
            Self { book, asked, _inbox: inbox }
        }

        fn users(&self) -> Vec<String> {
            let asked = self.asked.0.lock().unwrap();
            asked.iter().map(|(it, _)| format!("{}/{}", it.tenant, it.user.as_str())).collect()
        }

        /// Has everything answered that is asked, and what is asked next.
        fn answer_all(&mut self, keep_ms: u32) {
            loop {
                let next = self.asked.0.lock().unwrap().pop();
                let Some((question, _relay)) = next else { return };
                self.book.answered(&question, &HookAnswer { permit: Ok(()), keep_ms }, 0);
            }
        }
    }

    fn question(tenant: &str, user: &str) -> Arc<HookQuestion> {
        Arc::new(HookQuestion {
            hook: Hook::Connect,
            tenant: TenantId::parse(tenant).unwrap(),
            user: UserId::parse(user).unwrap(),
            role: UserRole::Customer,
            permissions: PermissionSet::ALL,
            application: None,
            device: None,
        })
    }

    #[test]
    fn a_tenant_with_many_questions_leaves_room_for_others() {
        let mut test = Test::new();
        for user in ["a", "b", "c", "d"] {
            assert_eq!(test.book.ask(&question("t1", user), 0), None);
        }
        test.book.ask(&question("t1", "a"), 0);
        test.book.ask(&question("t2", "a"), 0);
        test.book.ask(&question("t3", "a"), 0);
        assert_eq!(test.users(), ["t1/a", "t1/b", "t2/a"]);
        test.answer_all(1_000);
        for (tenant, user) in [("t1", "d"), ("t2", "a"), ("t3", "a")] {
            assert_eq!(
                test.book.ask(&question(tenant, user), 999),
                Some(Ok(())),
                "{tenant} {user}"
            );
        }
        assert!(test.users().is_empty());
        assert_eq!(test.book.ask(&question("t3", "a"), 1_000), None, "it is too old");
    }

    #[test]
    fn what_is_remembered_is_bounded_and_ends() {
        let mut test = Test::new();
        for number in 0..=ANSWERS_PER_TENANT_MAX {
            test.book.ask(&question("t1", &number.to_string()), 0);
            test.answer_all(1_000);
        }
        assert_eq!(test.book.answers, ANSWERS_PER_TENANT_MAX);
        assert_eq!(test.book.ask(&question("t1", "0"), 0), None, "the oldest is gone");
        test.answer_all(0);
        test.book.answers_max = ANSWERS_PER_TENANT_MAX;
        test.book.ask(&question("t2", "a"), 0);
        test.answer_all(1_000);
        assert_eq!(test.book.answers, ANSWERS_PER_TENANT_MAX, "the tenant that has most gave way");
        assert_eq!(test.book.ask(&question("t2", "a"), 0), Some(Ok(())));
        test.book.sweep(1_000);
        assert_eq!((test.book.answers, test.book.tenants.len()), (0, 0));
    }

    #[test]
    fn what_is_forgotten_while_it_is_asked_is_not_remembered() {
        let mut test = Test::new();
        let refused = HookAnswer {
            permit: Err(Refusal::new(ErrorCode::UpstreamRefused, "no")),
            keep_ms: 1_000,
        };
        for user in ["a", "b"] {
            test.book.ask(&question("t1", user), 0);
        }
        test.book.forget(&TenantId::parse("t1").unwrap(), PermitsOf::User("a"));
        for user in ["a", "b"] {
            test.book.answered(&question("t1", user), &refused, 0);
        }
        assert_eq!(test.book.ask(&question("t1", "a"), 0), None);
        assert!(matches!(test.book.ask(&question("t1", "b"), 0), Some(Err(_))));
        test.book.forget(&TenantId::parse("t1").unwrap(), PermitsOf::Tenant);
        assert_eq!(test.book.ask(&question("t1", "b"), 0), None);
    }
}
