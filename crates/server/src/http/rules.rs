//! `GET /api/v1/rules`: the rules that the tenant's events follow.

use std::sync::Arc;

use axum::extract::State;
use foodtrack_router::Rule;

use super::caller::Administrator;
use super::error::Data;
use crate::hub::Hub;

/// Those for every tenant, and the tenant's own; never another's.
pub(crate) async fn list(State(hub): State<Arc<Hub>>, caller: Administrator) -> Data<Vec<Rule>> {
    let policies = hub.policies.current();
    let own = |rule: &&Rule| rule.tenant.as_ref().is_none_or(|tenant| tenant == caller.tenant());
    Data(policies.router.rules().filter(own).cloned().collect())
}
