//! Who is here of those whom an entry of the log is for, and who of them has it.

use foodtrack_contract::Offset;
use foodtrack_tenant_log::{LoggedAudience, SubscriberKey};

use crate::tenant::Tenant;

/// So many devices are named of one entry.
pub(crate) const TRACED_DEVICES_MAX: usize = 100;

/// Which entry, and whom it is for.
#[derive(Clone, Debug)]
pub struct TracedEntry {
    /// Its place.
    pub offset: Offset,
    /// Whom it is for.
    pub audience: LoggedAudience,
}

/// Those who are here and whom an entry is for.
#[derive(Clone, Debug, Default)]
pub struct EntryTrace {
    /// A hundred at most, each once.
    pub devices: Vec<DeviceTrace>,
    /// How many devices that are here are not among them.
    pub unnamed: usize,
}

/// One that is here.
#[derive(Clone, Debug)]
pub struct DeviceTrace {
    /// Who.
    pub subscriber: SubscriberKey,
    /// Whether it is known to have the entry.
    pub has_it: bool,
    /// Whether it was sent what came before it and may have been sent it: or else it is catching up.
    pub is_live: bool,
}

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
