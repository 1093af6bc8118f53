//! Erasing what a tenant or a person has in a log in memory.

use std::collections::HashSet;

use foodtrack_contract::{RoomName, TenantId};

use super::tenant::Tenant;
use crate::tombstone::{Concerned, tombstone};
use crate::{Erased, LoggedRoom, NoteKind, Person, SubscriberKey};

impl Tenant {
    /// Puts tombstones in the place of what concerns a person, and takes away what else names them.
    pub(super) fn erase_person(&mut self, tenant: &TenantId, person: Person<'_>) -> Erased {
        let concerned = match person {
            Person::User(user) => {
                Concerned { user: Some(user.to_owned()), orders: self.orders.of_customer(user) }
            }
            Person::OfOrder(order) => {
                Concerned { user: None, orders: HashSet::from([order.to_owned()]) }
            }
        };
        let mut erased = Erased { is_rewritten: true, ..Erased::default() };
        for (entry, _) in &mut self.entries {
            let buried = concerned.is_about(entry).then(|| tombstone(entry, tenant)).flatten();
            if let Some(buried) = buried {
                *entry = buried;
                erased.entries += 1;
            }
        }
        erased.others = match person {
            Person::User(user) => self.forget(user),
            Person::OfOrder(order) => self.forget_order(order),
        };
        erased
    }

    fn forget(&mut self, user: &str) -> u64 {
        let before = self.cursors.len() + self.dead_letters.len() + self.notes.len();
        // A subscriber is a user, an application and a device, with ':' between, which is escaped in the user.
        let login = format!("{}:", user.replace('%', "%25").replace(':', "%3A"));
        let is_theirs = |key: &SubscriberKey| key.as_str().starts_with(&login);
        self.cursors.retain(|key, _| !is_theirs(key));
        self.dead_letters.retain(|(_, key), _| !is_theirs(key));
        // In a note's value a user is a text of JSON.
        let quoted = serde_json::to_string(user).unwrap_or_default();
        self.notes.retain(|(_, key), note| {
            let names = note.value.as_deref().is_some_and(|value| value.contains(&quoted));
            !names && !key.contains(&login) && **key != *user
        });
        let after = self.cursors.len() + self.dead_letters.len() + self.notes.len();
        (before - after) as u64 + self.orders.forget_user(user)
    }

    fn forget_order(&mut self, order: &str) -> u64 {
        let room = LoggedRoom::from(RoomName::Order(order)).to_text();
        let note = self.notes.remove(&(NoteKind::Room, room.into()));
        u64::from(note.is_some()) + self.orders.forget_order(order)
    }

    /// How much there is beside its entries.
    pub(super) fn others(&self) -> u64 {
        let beside = self.cursors.len() + self.dead_letters.len() + self.notes.len();
        beside as u64 + self.orders.count()
    }
}
