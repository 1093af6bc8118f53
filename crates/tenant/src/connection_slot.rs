//! A connection by its number: what inputs and effects name it by.

use foodtrack_wire::NamespaceId;

/// A connection of a tenant: its place among the tenant's connections, and the generation of that place. The next connection
/// in the place has another generation, so a slot that outlives its connection finds nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionSlot {
    place: u32,
    generation: Generation,
}

/// Which of the connections that were in a place one after another, and the namespace that its client joined. Both are one
/// number: several tables have it for every connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(u32);

/// Bits of a generation that are the namespace.
const NAMESPACE_BITS: u32 = 4;
// Or else a namespace would change the serial number.
const _: () = assert!(NamespaceId::COUNT_MAX <= 1 << NAMESPACE_BITS);

impl Generation {
    /// That of a connection in a namespace. Of the serial number 28 bits count: a slot finds somebody else's connection only
    /// after 268 million others.
    pub fn new(serial: u32, namespace: NamespaceId) -> Self {
        Self(serial << NAMESPACE_BITS | u32::from(namespace.number()))
    }

    /// Its serial number, as far as it counts.
    pub const fn serial(self) -> u32 {
        self.0 >> NAMESPACE_BITS
    }

    /// The namespace that the connection's client joined.
    #[inline]
    pub fn namespace(self) -> NamespaceId {
        let place = self.0 & ((1 << NAMESPACE_BITS) - 1);
        NamespaceId::at(place as usize).unwrap_or(NamespaceId::ROOT)
    }
}

impl ConnectionSlot {
    /// The slot of these numbers. Only a tenant gives out new ones.
    pub const fn new(place: u32, generation: Generation) -> Self {
        Self { place, generation }
    }

    /// A dense index, for tables beside the tenant's.
    pub const fn place(self) -> u32 {
        self.place
    }

    /// Which of the connections that were in this place one after another.
    pub const fn generation(self) -> Generation {
        self.generation
    }

    /// The namespace that its client joined: what it is sent is a packet of this namespace.
    #[inline]
    pub fn namespace(self) -> NamespaceId {
        self.generation.namespace()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_says_in_which_namespace_it_is_and_differs_from_others_in_its_place() {
        let second = NamespaceId::at(15).unwrap();
        let slot = |serial, namespace| ConnectionSlot::new(7, Generation::new(serial, namespace));
        for serial in [0, 1, (1 << 28) - 1] {
            assert_eq!(slot(serial, second).namespace(), second);
            assert_eq!(slot(serial, second).generation().serial(), serial);
            assert_eq!(slot(serial, NamespaceId::ROOT).namespace(), NamespaceId::ROOT);
            assert_ne!(slot(serial, second), slot(serial + 1, second));
            assert_ne!(slot(serial, second), slot(serial, NamespaceId::ROOT));
        }
    }
}
