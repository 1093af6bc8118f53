//! The kinds of hostility.

mod http_bodies;
mod http_heads;
mod members;
mod orders;
mod owners;
mod strangers_frames;
mod unread;

use crate::attack::Attack;

/// All of them, strangers' first.
pub(crate) fn all() -> Vec<Attack> {
    let kinds = [
        unread::all(),
        http_bodies::all(),
        http_heads::all(),
        strangers_frames::all(),
        members::all(),
        orders::all(),
        owners::all(),
    ];
    kinds.into_iter().flatten().collect()
}
