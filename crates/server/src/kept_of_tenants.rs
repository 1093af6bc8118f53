//! What is kept of tenants beside their logs: what they declared, what they revoked, and the API keys of their back ends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use foodtrack_auth::{Gate, RevocationIndex};
use foodtrack_shard::{ConnectionManager, Policies, Running};
use foodtrack_tenant_log::{
    DocumentError, DocumentKind, RedisOpenError, RedisOptions, TenantDocuments,
};

use crate::StartError;
use crate::api_keys::ApiKeyBook;
use crate::cluster::ClusterSecret;
use crate::config::CheckedConfig;
use crate::data::{
    DataDir, DeclarationStore, Declarations, DocumentFollower, Followed, TenantRecord,
    TenantRecords,
};
use crate::policy_book::PolicyBook;
use crate::revocations::{self, KeptRevocations, RevocationBook};

/// How often a node that is alone looks for what has ended.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What was read at the start. What is revoked is in force.
pub(crate) struct KeptOfTenants {
    /// The rules and schemas to start with.
    pub(crate) policies: Arc<Policies>,
    declared: DeclarationStore,
    revoked: (TenantRecords<KeptRevocations>, RevocationIndex),
    api_keys: ApiKeyBook,
}

/// Where what is kept changes.
pub(crate) struct Books {
    pub(crate) policies: Arc<PolicyBook>,
    pub(crate) declarations: Arc<Declarations>,
    pub(crate) revocations: Arc<RevocationBook>,
    pub(crate) api_keys: Arc<ApiKeyBook>,
}

impl KeptOfTenants {
    /// Reads it: from the cluster's Redis, from the data directory, or from nowhere.
    ///
    /// # Errors
    /// [`StartError`]
    pub(crate) fn open(
        config: &CheckedConfig,
        directory: Option<DataDir>,
        redis: Option<&(RedisOptions, ClusterSecret)>,
        gate: &Arc<Gate>,
    ) -> Result<Self, StartError> {
        let redis = redis.map(|(options, _)| options);
        let records = open_records(directory.as_ref(), redis)?;
        let index = revocations::put_in_force(&records, gate);
        let api_keys = ApiKeyBook::new(open_records(directory.as_ref(), redis)?, Arc::clone(gate));
        let (declared, policies) = open_declarations(config, directory, redis)?;
        Ok(Self { policies, declared, revoked: (records, index), api_keys })
    }

    /// Begins to change it, and to follow how others do.
    ///
    /// # Errors
    /// The system gave no thread.
    pub(crate) fn start(
        self,
        config: &CheckedConfig,
        running: &Running,
        gate: &Arc<Gate>,
    ) -> io::Result<(Books, DocumentFollower)> {
        let policies = Arc::new(PolicyBook::new(self.policies, running.shards.clone()));
        let declarations = Arc::new(Declarations::new(Arc::clone(&policies), self.declared));
        let connections = ConnectionManager::new(running.shards.clone());
        let (records, index) = self.revoked;
        let book = RevocationBook::new(records, index, Arc::clone(gate), connections);
        let revocations = Arc::new(book);
        let api_keys = Arc::new(self.api_keys);
        let followed: Vec<Arc<dyn Followed>> = vec![
            Arc::clone(&revocations) as _,
            Arc::clone(&api_keys) as _,
            Arc::clone(&declarations) as _,
        ];
        let redis = &config.said().redis;
        let lease = Duration::from_millis(redis.node_lease_ms.into());
        let every = if redis.is_on() { lease / 3 } else { LOOK_EVERY };
        let follower = DocumentFollower::start(followed, every)?;
        Ok((Books { policies, declarations, revocations, api_keys }, follower))
    }
}

/// Records of one kind: in the cluster's Redis, in the data directory, or in memory.
fn open_records<T: TenantRecord>(
    directory: Option<&DataDir>,
    redis: Option<&RedisOptions>,
) -> Result<TenantRecords<T>, StartError> {
    Ok(match (redis, directory) {
        (Some(options), _) => TenantRecords::in_cluster(options).map_err(|error| away(&error))?,
        (None, Some(directory)) => TenantRecords::on_disk(directory)?,
        (None, None) => TenantRecords::in_memory(),
    })
}

/// What tenants declared, in the same places.
fn open_declarations(
    config: &CheckedConfig,
    directory: Option<DataDir>,
    redis: Option<&RedisOptions>,
) -> Result<(DeclarationStore, Arc<Policies>), StartError> {
    let configured = config.policies();
    Ok(match (redis, directory) {
        (Some(options), directory) => {
            let documents = TenantDocuments::new(options, DocumentKind::Declarations)?;
            DeclarationStore::in_cluster(documents, directory, configured)
                .map_err(|error| away(&error))?
        }
        (None, Some(directory)) => DeclarationStore::open(directory, configured)?,
        (None, None) => (DeclarationStore::in_memory(Arc::clone(&configured)), configured),
    })
}

fn away(error: &DocumentError) -> RedisOpenError {
    RedisOpenError::Away(error.to_string())
}
