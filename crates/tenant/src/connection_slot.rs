//! A connection by its number: what inputs and effects name it by.

/// A connection of a tenant: its place among the tenant's connections, and the generation of that place. The next connection
/// in the place has another generation, so a slot that outlives its connection finds nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionSlot {
    place: u32,
    generation: u32,
}

impl ConnectionSlot {
    /// The slot of these numbers. Only a tenant gives out new ones.
    pub const fn new(place: u32, generation: u32) -> Self {
        Self { place, generation }
    }

    /// A dense index, for tables beside the tenant's.
    pub const fn place(self) -> u32 {
        self.place
    }

    /// Which of the connections that were in this place one after another.
    pub const fn generation(self) -> u32 {
        self.generation
    }
}
