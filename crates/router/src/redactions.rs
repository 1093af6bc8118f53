//! The redactions in force, and what they leave of a message.

mod cut;
mod field_path;
mod name_search;

use std::sync::Arc;

use ahash::AHashMap;
use foodtrack_contract::{EventName, TenantId};
use memchr::{memchr, memmem};
use smallvec::SmallVec;

use crate::event_pattern::EventPattern;
use crate::viewer::HiddenFrom;
use crate::{
    REDACTION_LIST_MAX, REDACTIONS_PER_TENANT_MAX, RedactedMessage, Redaction, RedactionError,
    Viewer, is_rule_id,
};
use cut::cut;
use field_path::FieldPath;
use name_search::NameSearch;

/// The redactions of all tenants. A plain value, as the router is: to change them, change a clone.
#[derive(Clone, Debug, Default)]
pub struct Redactions {
    shared: Arc<[Arc<Compiled>]>,
    /// Of each tenant that has some of its own: the shared ones, and then those.
    tenants: AHashMap<TenantId, Arc<[Arc<Compiled>]>>,
}

#[derive(Debug)]
struct Compiled {
    redaction: Redaction,
    pattern: EventPattern,
    hidden_from: HiddenFrom,
    fields: Vec<FieldPath>,
    search: NameSearch,
}

/// Those that are about one event; most events have none.
#[derive(Clone, Debug, Default)]
pub struct EventRedactions<'r>(SmallVec<[&'r Compiled; 2]>);

/// Which of an event's redactions hold for a viewer: who has the same gets the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hidden(u64);

// A bit each.
const _: () = assert!(REDACTIONS_PER_TENANT_MAX <= u64::BITS as usize);

/// Nobody knows what is in the payload, or it is no JSON: it is not for those from whom a part of it is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a part of the payload is hidden, and cannot be left out of a payload that cannot be read")]
pub struct NotRedactable;

impl Redactions {
    /// Whether there is none at all.
    pub fn is_empty(&self) -> bool {
        self.shared.is_empty() && self.tenants.is_empty()
    }

    /// Those that hold for this tenant: the ones for every tenant, then its own.
    pub fn of_tenant(&self, tenant: &TenantId) -> impl Iterator<Item = &Redaction> {
        self.table(tenant).iter().map(|it| &it.redaction)
    }

    /// Those about this event of this tenant.
    #[inline]
    pub fn of(&self, tenant: &TenantId, event: &EventName) -> EventRedactions<'_> {
        if self.is_empty() {
            return EventRedactions::default();
        }
        let about = self.table(tenant).iter().filter(|it| it.pattern.matches(event.as_str()));
        EventRedactions(about.map(|it| &**it).collect())
    }

    /// Adds one.
    ///
    /// # Errors
    /// [`RedactionError`] says what is wrong with it; nothing changed.
    pub fn add(&mut self, redaction: Redaction) -> Result<(), RedactionError> {
        let compiled = Arc::new(Compiled::new(redaction)?);
        let (id, tenant) = (&compiled.redaction.id, compiled.redaction.tenant.clone());
        let concerned = || {
            let tables = tenant.is_none().then(|| self.tenants.values()).into_iter().flatten();
            let own = tenant.as_ref().map_or(&self.shared, |tenant| self.table(tenant));
            std::iter::once(own).chain(tables)
        };
        if concerned().any(|table| table.iter().any(|it| it.redaction.id == *id)) {
            return Err(RedactionError::IdTaken { id: id.clone() });
        }
        if concerned().any(|table| table.len() >= REDACTIONS_PER_TENANT_MAX) {
            return Err(RedactionError::TooMany);
        }
        let with = |table: &Arc<[Arc<Compiled>]>| {
            table.iter().cloned().chain([compiled.clone()]).collect()
        };
        match tenant {
            Some(tenant) => {
                let table = with(self.table(&tenant));
                self.tenants.insert(tenant, table);
            }
            None => {
                self.shared = with(&self.shared);
                for table in self.tenants.values_mut() {
                    *table = with(table);
                }
            }
        }
        Ok(())
    }

    /// Removes the one of this id from those that are this tenant's alone; returns it.
    pub fn remove(&mut self, tenant: &TenantId, id: &str) -> Option<Redaction> {
        let table = self.tenants.get(tenant)?;
        let is_meant = |it: &Arc<Compiled>| it.redaction.id == id && it.redaction.tenant.is_some();
        let removed = table.iter().find(|it| is_meant(it))?.redaction.clone();
        let left: Arc<[_]> = table.iter().filter(|it| !is_meant(it)).cloned().collect();
        // A tenant without any of its own costs nothing more than those for every tenant.
        if left.len() == self.shared.len() {
            self.tenants.remove(tenant);
        } else {
            self.tenants.insert(tenant.clone(), left);
        }
        Some(removed)
    }

    fn table(&self, tenant: &TenantId) -> &Arc<[Arc<Compiled>]> {
        self.tenants.get(tenant).unwrap_or(&self.shared)
    }
}

impl Compiled {
    fn new(redaction: Redaction) -> Result<Self, RedactionError> {
        let id = || redaction.id.clone();
        if !is_rule_id(&redaction.id) {
            return Err(RedactionError::IdMalformed);
        }
        let counts = [redaction.fields.len(), redaction.hide_from.len()];
        if counts.iter().any(|count| !(1..=REDACTION_LIST_MAX).contains(count)) {
            return Err(RedactionError::Lists { id: id() });
        }
        let pattern = EventPattern::parse(&redaction.events)
            .map_err(|source| RedactionError::Events { id: id(), source })?;
        let path = |field: &String| {
            FieldPath::in_payload(field)
                .ok_or_else(|| RedactionError::Field { id: id(), field: field.clone() })
        };
        let fields = redaction.fields.iter().map(path).collect::<Result<Vec<_>, _>>()?;
        let search = NameSearch::new(&fields);
        let hidden_from = redaction.hide_from.iter().copied().collect();
        Ok(Self { pattern, fields, search, hidden_from, redaction })
    }
}

impl<'r> EventRedactions<'r> {
    /// Whether everybody gets the event as it is.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Which of them hold for this viewer.
    pub fn hidden_from(&self, viewer: Viewer) -> Hidden {
        let bits = self.0.iter().enumerate().filter(|(_, it)| it.hidden_from.covers(viewer));
        Hidden(bits.fold(0, |bits, (place, _)| bits | 1 << place))
    }

    /// Them themselves.
    pub fn iter(&self) -> impl Iterator<Item = &'r Redaction> {
        self.0.iter().map(|it| &it.redaction)
    }

    /// What `hidden` leaves of a message, the whole JSON of its envelope, and of its attachments; `None` where that is all.
    ///
    /// # Errors
    /// [`NotRedactable`]
    pub fn redact(
        &self,
        hidden: Hidden,
        message: &[u8],
        attachments: &[Vec<u8>],
    ) -> Result<Option<RedactedMessage>, NotRedactable> {
        let left = self.left_of(hidden, message)?;
        left.map(|left| RedactedMessage::new(left, attachments)).transpose()
    }

    /// What is left of a message; `None` where that is all of it.
    fn left_of(&self, hidden: Hidden, message: &[u8]) -> Result<Option<Vec<u8>>, NotRedactable> {
        if message.ends_with(b"\"encrypted\":true}") {
            return Err(NotRedactable);
        }
        let has_disguise = memchr(b'\\', message)
            .and_then(|at| memmem::find(message.get(at..)?, br"\u"))
            .is_some();
        let may_cut = |it: &Compiled| has_disguise || it.search.may_find_in(message);
        let hold = self.0.iter().enumerate().filter(|(place, _)| hidden.0 & (1 << place) != 0);
        let hold = hold.map(|(_, it)| *it).filter(|it| may_cut(it));
        let paths: SmallVec<[&FieldPath; 8]> = hold.flat_map(|it| &it.fields).collect();
        if paths.is_empty() {
            return Ok(None);
        }
        cut(message, &paths).map_err(|_| NotRedactable)
    }
}

impl Hidden {
    /// Whether the viewer gets everything.
    pub fn is_nothing(self) -> bool {
        self.0 == 0
    }
}
