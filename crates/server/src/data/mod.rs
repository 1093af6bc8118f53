//! What survives a restart: the data directory, with the event types that tenants declared over HTTP and the key of
//! sessions' private ids, and tenants' keys. The tenants' log is in it too, and looks after itself.

mod clock_mark;
mod data_dir;
mod declaration_store;
mod declarations;
mod declarations_file;
mod document_follower;
mod folder;
mod key_files;
mod key_store;
mod privacy;
mod session_secret;
mod tenant_file;
mod tenant_folders;
mod tenant_records;

pub(crate) use clock_mark::{ClockKeeper, clock, kept_time, mark_file};
pub(crate) use data_dir::DataDir;
pub use data_dir::DataDirError;
pub(crate) use declaration_store::DeclarationStore;
pub(crate) use declarations::Declarations;
pub(crate) use document_follower::{DocumentFollower, Follow, Followed};
pub(crate) use folder::{Folder, MarkFile};
pub(crate) use key_files::KeyFiles;
pub use key_files::KeysError;
pub(crate) use key_store::{KeyStore, open_keys};
pub(crate) use session_secret::{fresh_secret, session_key};
pub(crate) use tenant_folders::destroy_tenant_files;
pub(crate) use tenant_records::{TenantRecord, TenantRecords};
