//! What the public page `@socket.io/admin-ui` is told over the namespace `/admin`: sockets, rooms and events of one tenant.
//!
//! Its clients are in no tenant: nothing is delivered to them, and they confirm nothing. What they see is looked up, once for all who
//! look at a tenant and only while somebody does.

mod desk;
mod feed;
mod shapes;
mod tenant_view;

pub(crate) use desk::Desk;
pub(crate) use feed::run;
