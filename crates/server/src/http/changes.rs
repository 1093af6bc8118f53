//! Changes that wait for the disk: on a thread of their own, so that publishing does not wait behind them, and not too many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use foodtrack_contract::{ErrorCode, Refusal, TenantId};

use super::ApiError;
use crate::data::Declarations;
use crate::hub::Hub;

/// How many changes may wait.
const CHANGES_WAITING_MAX: usize = 64;
/// How many of them may be one tenant's.
const CHANGES_WAITING_PER_TENANT_MAX: usize = 8;

/// How many changes wait, of each tenant that has any.
#[derive(Clone, Default)]
pub(crate) struct Changes(Arc<Mutex<HashMap<TenantId, usize>>>);

/// A place among those that wait; free again once it is dropped.
struct Turn {
    changes: Changes,
    tenant: TenantId,
}

impl Changes {
    fn turn(&self, tenant: &TenantId) -> Result<Turn, Refusal> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tenant = waiting.get(tenant).copied().unwrap_or_default();
        if of_tenant >= CHANGES_WAITING_PER_TENANT_MAX
            || waiting.values().sum::<usize>() >= CHANGES_WAITING_MAX
        {
            let sentence = "too many changes wait for the disk; try again shortly";
            return Err(Refusal::new(ErrorCode::Overloaded, sentence));
        }
        waiting.insert(tenant.clone(), of_tenant + 1);
        Ok(Turn { changes: self.clone(), tenant: tenant.clone() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut waiting = self.changes.0.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.get_mut(&self.tenant) {
            Some(of_tenant) if *of_tenant > 1 => *of_tenant -= 1,
            _ => drop(waiting.remove(&self.tenant)),
        }
    }
}

/// Makes a change of what `tenant` declared, in its turn.
///
/// # Errors
/// `change`'s, or [`ErrorCode::Overloaded`]: too many wait, or the server is about to stop.
pub(super) async fn change<T: Send + 'static>(
    hub: Arc<Hub>,
    tenant: &TenantId,
    change: impl FnOnce(&Declarations, &TenantId) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, ApiError> {
    let turn = hub.changes.turn(tenant)?;
    let changed =
        tokio::task::spawn_blocking(move || change(&hub.declarations, &turn.tenant)).await;
    match changed {
        Ok(changed) => Ok(changed?),
        Err(_) => {
            let sentence = "the change was not made, or nobody knows; ask what is declared";
            Err(Refusal::new(ErrorCode::Timeout, sentence).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_s_changes_leave_room_for_others_and_all_together_are_bounded() {
        let changes = Changes::default();
        let tenant = |n: usize| TenantId::parse(&format!("t{n}")).unwrap();
        let mut turns: Vec<Turn> = (0..CHANGES_WAITING_PER_TENANT_MAX)
            .map(|_| changes.turn(&tenant(0)).unwrap())
            .collect();
        assert_eq!(changes.turn(&tenant(0)).err().unwrap().code(), ErrorCode::Overloaded);
        for n in CHANGES_WAITING_PER_TENANT_MAX..CHANGES_WAITING_MAX {
            turns.push(changes.turn(&tenant(n)).unwrap());
        }
        assert_eq!(changes.turn(&tenant(99)).err().unwrap().code(), ErrorCode::Overloaded);
        turns.pop();
        turns.push(changes.turn(&tenant(99)).unwrap());
        turns.clear();
        assert!(changes.0.lock().unwrap().is_empty());
    }
}
