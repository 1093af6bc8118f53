//! Who is here of those whom an entry of the log is for, and who of them has it.

use crate::model::{DeviceTrace, EntryTrace, TracedEntry};
use crate::tenant::Tenant;

/// So many devices are named of one entry.
pub(crate) const TRACED_DEVICES_MAX: usize = 100;

impl Tenant {
    /// Who is here of those whom an entry is for, now: whoever joined its rooms later is among them.
    pub(crate) fn trace(&mut self, entry: &TracedEntry) -> EntryTrace {
        let mut slots = Vec::new();
        if let Some(recipients) = self.members.recipients(&entry.audience) {
            recipients.send(|_, slot| {
                slots.push((slot, true));
                true
            });
        }
        let behind = self.members.behind(&entry.audience);
        slots.extend(behind.into_iter().map(|slot| (slot, false)));
        let mut trace = EntryTrace::default();
        let mut named = ahash::AHashSet::new();
        for (slot, is_live) in slots {
            let known = self.present(slot).map(|connection| connection.subscriber);
            let Some(known) = known.and_then(|id| self.reliability.subscriber(id)) else {
                continue;
            };
            if !named.insert(known.key.clone()) {
                continue;
            }
            if trace.devices.len() == TRACED_DEVICES_MAX {
                trace.unnamed += 1;
                continue;
            }
            let (subscriber, has_it) = (known.key.clone(), known.has(entry.offset));
            trace.devices.push(DeviceTrace { subscriber, has_it, is_live });
        }
        trace
    }
}
