//! The process under test, its disk, and its HTTP door.

mod data_disk;
mod health;
mod http;
mod hub_process;
mod logged_ids;
mod os;
mod publisher;
mod token;
mod wall_clock;

pub use data_disk::DataDisk;
pub use health::is_well;
pub use hub_process::{Hub, HubError, HubSpec, Status, find_hub, free_address};
pub use logged_ids::logged_ids;
pub use os::{freeze, raise_descriptors_max, thaw};
pub use publisher::publish;
pub use token::{Claims, SECRET, token};
pub use wall_clock::WallClock;
