//! A Socket.IO namespace by its number.

/// One of a server's namespaces, by its place in the server's list of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NamespaceId(u8);

impl NamespaceId {
    /// How many namespaces a server may have: a client's namespaces are the bits of a 16-bit number.
    pub const COUNT_MAX: usize = 16;
    /// The first namespace, in every server of this project `/`.
    pub const ROOT: Self = Self(0);

    /// The namespace at a place in the server's list; `None` where no server has one.
    pub fn at(place: usize) -> Option<Self> {
        let id = u8::try_from(place).ok()?;
        (place < Self::COUNT_MAX).then_some(Self(id))
    }

    /// Its place as a number of a byte.
    #[inline]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Its place in the server's list, below [`NamespaceId::COUNT_MAX`].
    #[inline]
    pub const fn place(self) -> usize {
        self.0 as usize
    }
}
