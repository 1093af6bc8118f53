//! What an entry tells that must be told once, whichever nodes find it out.

use crate::SubscriberKey;

/// What an entry tells that a store which several nodes write to looks at as it appends it. Where a device is stands beside the log, and
/// changes together with the entry that tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact<'a> {
    /// A device is at this node: it is told where it was at none.
    Came(&'a SubscriberKey),
    /// A device is not at a node any more: it is told where it is at no other.
    Went {
        /// Which device.
        device: &'a SubscriberKey,
        /// From which node, as [`LeftDevice::node`] names it; `None` from this one.
        from: Option<&'a str>,
    },
    /// It makes an order for a customer, and nobody could be asked whether that is somebody else's: then it is refused.
    NewOrder,
}

/// A device that is noted at a node that has gone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeftDevice {
    /// Which device.
    pub device: SubscriberKey,
    /// Which node.
    pub node: Box<str>,
}
