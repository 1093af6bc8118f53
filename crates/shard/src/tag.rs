//! Where a client's connection is, as the number that the reactor keeps with the client.

use foodtrack_transport::{ClientKey, Reactor};

/// A client's tenant, and its place there. As a number never 0, which is nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) tenant: u32,
    pub(crate) place: u32,
}

impl Tag {
    pub(crate) fn of(io: &Reactor, client: ClientKey) -> Option<Self> {
        let number = io.tag(client);
        let tenant = u32::try_from(number >> 32).ok()?.checked_sub(1)?;
        let place = u32::try_from(number & u64::from(u32::MAX)).ok()?;
        Some(Self { tenant, place })
    }

    pub(crate) fn number(self) -> u64 {
        (u64::from(self.tenant) + 1) << 32 | u64::from(self.place)
    }
}
