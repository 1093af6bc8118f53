//! Which of a client's connections something is about.

/// A connection: its place in the table of whoever owns the sockets, and the generation of that place. The next connection in
/// the same place has another generation, so an id that is kept too long names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkId {
    place: u32,
    generation: u32,
}

impl LinkId {
    /// The connection in a place, of the generation that the place has now.
    pub const fn new(place: u32, generation: u32) -> Self {
        Self { place, generation }
    }

    /// Its place in the owner's table.
    pub const fn place(self) -> u32 {
        self.place
    }

    /// Tells it from others that are in this place before and after it.
    pub const fn generation(self) -> u32 {
        self.generation
    }
}
