//! The logs that are being opened, whose tenants must miss nothing that is noted meanwhile.

use std::sync::{Mutex, PoisonError, Weak};

use ahash::AHashMap;
use foodtrack_contract::TenantId;

use crate::noted_meanwhile::Noted;
use crate::{Note, NotedMeanwhile};

/// After how many openings it is looked for those that are over.
const SWEPT_AT_MIN: usize = 64;

/// The openings that are under way on one node, of a log that others write to as well.
#[derive(Default)]
pub struct Openings {
    under_way: Mutex<UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    by_tenant: AHashMap<TenantId, Vec<Weak<Mutex<Noted>>>>,
    begun_since_sweep: usize,
}

impl Openings {
    /// A tenant's log is about to be read: what is noted from now on is added to what is returned. Is over once that is dropped.
    pub fn begin(&self, tenant: &TenantId) -> NotedMeanwhile {
        let noted = NotedMeanwhile::default();
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.sweep();
        under_way.by_tenant.entry(tenant.clone()).or_default().push(noted.downgrade());
        noted
    }

    /// Something was noted beside a tenant's log: by this node, before it goes to the store, or by another one, before the tenant is
    /// told.
    pub fn noted(&self, tenant: &TenantId, note: &Note) {
        let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        for noted in under_way.by_tenant.get(tenant).into_iter().flatten().filter_map(Weak::upgrade)
        {
            noted.lock().unwrap_or_else(PoisonError::into_inner).add(note);
        }
    }
}

impl UnderWay {
    /// Lets go of what is over, once for as many openings as there were tenants at the last time.
    fn sweep(&mut self) {
        self.begun_since_sweep += 1;
        if self.begun_since_sweep < self.by_tenant.len().max(SWEPT_AT_MIN) {
            return;
        }
        self.begun_since_sweep = 0;
        self.by_tenant.retain(|_, openings| {
            openings.retain(|it| it.strong_count() > 0);
            !openings.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoteKind;
    use crate::noted_meanwhile::NOTED_MEANWHILE_MAX;

    fn note(key: usize) -> Note {
        let (key, value) = (key.to_string().into(), Some("x".into()));
        Note { kind: NoteKind::Session, key, value, expires_at_ms: None }
    }

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).unwrap()
    }

    #[test]
    fn each_opening_has_what_was_noted_of_its_tenant_since_it_began_in_order() {
        let openings = Openings::default();
        openings.noted(&tenant("t"), &note(0));
        let first = openings.begin(&tenant("t"));
        openings.noted(&tenant("t"), &note(1));
        let second = openings.begin(&tenant("t"));
        openings.noted(&tenant("t"), &note(2));
        openings.noted(&tenant("u"), &note(3));
        assert_eq!(first.notes(), Ok(vec![note(1), note(2)]));
        assert_eq!(second.notes(), Ok(vec![note(2)]));
    }

    #[test]
    fn who_noted_more_than_is_kept_has_the_log_opened_anew() {
        let openings = Openings::default();
        let opening = openings.begin(&tenant("t"));
        (0..NOTED_MEANWHILE_MAX).for_each(|key| openings.noted(&tenant("t"), &note(key)));
        assert!(opening.notes().is_ok_and(|it| it.len() == NOTED_MEANWHILE_MAX));
        openings.noted(&tenant("t"), &note(0));
        assert_eq!(opening.notes(), Err(crate::NotedTooMuch));
        let again = openings.begin(&tenant("t"));
        openings.noted(&tenant("t"), &note(1));
        assert_eq!(again.notes(), Ok(vec![note(1)]));
    }

    #[test]
    fn of_openings_that_are_over_nothing_stays() {
        let openings = Openings::default();
        for n in 0..10 * SWEPT_AT_MIN {
            drop(openings.begin(&tenant(&format!("t{n}"))));
        }
        let under_way = openings.under_way.lock().unwrap();
        assert!(under_way.by_tenant.len() <= 2 * SWEPT_AT_MIN);
    }
}
