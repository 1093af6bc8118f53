//! What survives a restart: the data directory, and the event types in it that tenants declared over HTTP.

mod data_dir;
mod declaration_store;
mod declarations;
mod declarations_file;

pub use data_dir::DataDirError;
pub(crate) use declaration_store::DeclarationStore;
pub(crate) use declarations::Declarations;
