//! A history in the making, a line an event.

use foodtrack_contract::Priority;
use foodtrack_history_checker::{
    Attempt, Audience, Class, Kind, Receipt, Recipient, Record, What, check,
};

/// A history in the making; every record is a microsecond after the one before.
#[derive(Default)]
pub(crate) struct Story {
    pub(crate) records: Vec<Record>,
}

impl Story {
    /// A kitchen of tenant `a`, connected for the first time, and told that it stands at the log's beginning.
    pub(crate) fn new() -> Self {
        Self::default().joins("kitchen", "kitchen_app", None).greeted("kitchen", "e-0")
    }

    pub(crate) fn and(mut self, what: What) -> Self {
        let at_us = self.records.len() as u64;
        self.records.push(Record { at_us, what });
        self
    }

    pub(crate) fn joins(self, name: &str, application: &str, device: Option<&str>) -> Self {
        let who = Recipient {
            recipient: name.into(),
            tenant: "a".into(),
            user: "chef".into(),
            application: application.into(),
            device: device.map(str::to_owned),
        };
        self.and(What::Recipient(who)).opened(name, false)
    }

    pub(crate) fn opened(self, name: &str, recovered: bool) -> Self {
        self.and(What::Opened {
            recipient: name.into(),
            recovered,
            brought: None,
            is_unknown: false,
        })
    }

    pub(crate) fn torn(self, name: &str) -> Self {
        self.and(What::Torn { recipient: name.into() })
    }

    pub(crate) fn subscribes(self, name: &str, order: &str) -> Self {
        let who = || (name.to_owned(), order.to_owned());
        let ((recipient, order), (again, same)) = (who(), who());
        self.and(What::Subscribing { recipient, order })
            .and(What::Subscribed { recipient: again, order: same })
    }

    pub(crate) fn leaves(self, name: &str, order: &str) -> Self {
        let who = || (name.to_owned(), order.to_owned());
        let ((recipient, order), (again, same)) = (who(), who());
        self.and(What::Unsubscribing { recipient, order })
            .and(What::Unsubscribed { recipient: again, order: same })
    }

    pub(crate) fn greeted(self, name: &str, cursor: &str) -> Self {
        self.and(What::Received(Receipt {
            recipient: name.into(),
            event_type: "system:connection_established".into(),
            tenant: Some("a".into()),
            cursor: Some(cursor.into()),
            ..Receipt::default()
        }))
    }

    pub(crate) fn tries(self, id: &str, entity: &str, priority: Priority, class: Class) -> Self {
        let applications = vec!["kitchen_app".into()];
        self.and(What::Attempted(Attempt {
            tenant: "a".into(),
            id: id.into(),
            event_type: "order:updated".into(),
            entity: Some(entity.into()),
            class,
            priority,
            audience: Audience { applications, orders: vec![entity.into()], users: vec![] },
        }))
    }

    pub(crate) fn answered(self, id: &str, offset: &str) -> Self {
        let (tenant, id, offset) = ("a".into(), id.into(), Some(offset.into()));
        self.and(What::Acknowledged { tenant, id, offset })
    }

    pub(crate) fn refused(self, id: &str) -> Self {
        let (tenant, id, code) = ("a".into(), id.into(), "payload_invalid".into());
        self.and(What::Refused { tenant, id, code, certain: true })
    }

    pub(crate) fn publishes(self, id: &str, offset: &str) -> Self {
        self.publishes_about(id, offset, id, Priority::Medium)
    }

    pub(crate) fn publishes_about(
        self,
        id: &str,
        offset: &str,
        entity: &str,
        priority: Priority,
    ) -> Self {
        self.tries(id, entity, priority, Class::Durable).answered(id, offset)
    }

    pub(crate) fn gets(self, name: &str, id: &str, cursor: &str) -> Self {
        self.gets_from(name, id, cursor, "a")
    }

    pub(crate) fn gets_from(self, name: &str, id: &str, cursor: &str, tenant: &str) -> Self {
        self.and(What::Received(Receipt {
            recipient: name.into(),
            id: Some(id.into()),
            event_type: "order:updated".into(),
            tenant: Some(tenant.into()),
            origin: Some(tenant.into()),
            asks: false,
            cursor: Some(cursor.into()),
        }))
    }

    #[track_caller]
    pub(crate) fn breaks(self, expected: &[Kind]) {
        let verdict = check(&self.records);
        assert_eq!(self.kinds(), expected, "{:#?}", verdict.violations);
    }

    pub(crate) fn kinds(&self) -> Vec<Kind> {
        check(&self.records).violations.iter().map(|violation| violation.kind).collect()
    }

    #[track_caller]
    pub(crate) fn holds(self, reshown: usize) {
        let verdict = check(&self.records);
        assert!(verdict.holds(), "{:#?}", verdict.violations);
        assert_eq!(verdict.reshown, reshown);
    }
}
