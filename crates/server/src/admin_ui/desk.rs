//! Who looks, and who may.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use foodtrack_contract::{ErrorCode, Permission, Principal, Refusal, UserRole};
use foodtrack_shard::{ObserverDesk, ObserverId};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Notify;

use crate::hub::Hub;
use crate::operator_token::operator_of;

/// So many look at once, and at one tenant.
const WATCHERS_MAX: usize = 64;
const WATCHERS_PER_TENANT_MAX: usize = 8;
/// Orders that wait to be carried out; further ones are passed over.
const ORDERS_MAX: usize = 64;

/// Somebody who looks.
#[derive(Clone)]
pub(super) struct Watcher {
    pub(super) principal: Principal,
    /// Whose right does not end with a token.
    pub(super) is_operator: bool,
    /// Whether it was told what there is.
    pub(super) is_greeted: bool,
}

/// Somebody is to be disconnected, by the id of the connection, and who said so.
pub(super) struct DisconnectOrder {
    pub(super) by: ObserverId,
    pub(super) connection: String,
}

/// Those who look, and what they ordered.
#[derive(Default)]
pub(super) struct Watchers {
    pub(super) here: BTreeMap<ObserverId, Watcher>,
    pub(super) orders: Vec<DisconnectOrder>,
}

/// Lets the page's clients in. Made before the server it lets them look at.
pub(crate) struct Desk {
    hub: OnceLock<Weak<Hub>>,
    watchers: Mutex<Watchers>,
    pub(super) changed: Notify,
    pub(super) is_read_only: bool,
}

/// What the page sends: a name and a password, which is the token. Of an operator the name is the tenant's.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    username: Option<String>,
    password: Option<String>,
}

impl Desk {
    pub(crate) fn new(is_read_only: bool) -> Self {
        let (hub, watchers, changed) = Default::default();
        Self { hub, watchers, changed, is_read_only }
    }

    /// From now on somebody may look.
    pub(crate) fn open(&self, hub: &Arc<Hub>) {
        // It is opened once.
        let _ = self.hub.set(Arc::downgrade(hub));
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Watchers> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watcher(&self, auth: Option<&str>) -> Result<Watcher, Refusal> {
        let Some(hub) = self.hub.get().and_then(Weak::upgrade) else {
            return Err(Refusal::new(ErrorCode::Draining, "the server begins or ends; come again"));
        };
        let auth: Auth = auth.and_then(|auth| serde_json::from_str(auth).ok()).unwrap_or_default();
        let token = auth.password.unwrap_or_default();
        let is_operator = hub.operator.as_ref().is_some_and(|operator| operator.is(&token));
        let principal = match is_operator {
            true => operator_of(auth.username.as_deref()),
            false => hub.principal(&token),
        };
        // The page knows this sentence, and asks again.
        let invalid = |code| Refusal::new(code, "invalid credentials");
        let principal = principal.map_err(|refusal| invalid(refusal.code()))?;
        let may = principal.role() == UserRole::System
            || principal.permissions().allows(Permission::AdminAccess);
        match may {
            true => Ok(Watcher { principal, is_operator, is_greeted: false }),
            false => Err(invalid(ErrorCode::PermissionDenied)),
        }
    }
}

impl ObserverDesk for Desk {
    fn admit(&self, observer: ObserverId, auth: Option<&str>) -> Result<(), Refusal> {
        let watcher = self.watcher(auth)?;
        let mut watchers = self.lock();
        let is_same = |it: &&Watcher| it.principal.tenant() == watcher.principal.tenant();
        if watchers.here.len() >= WATCHERS_MAX
            || watchers.here.values().filter(is_same).count() >= WATCHERS_PER_TENANT_MAX
        {
            let sentence = "too many look already; close another page";
            return Err(Refusal::new(ErrorCode::Overloaded, sentence));
        }
        watchers.here.insert(observer, watcher);
        drop(watchers);
        self.changed.notify_one();
        Ok(())
    }

    fn said(&self, observer: ObserverId, event: &str) {
        if self.is_read_only {
            return;
        }
        let Some(connection) = read_disconnect(event) else { return };
        let mut watchers = self.lock();
        if watchers.orders.len() < ORDERS_MAX {
            watchers.orders.push(DisconnectOrder { by: observer, connection });
            drop(watchers);
            self.changed.notify_one();
        }
    }

    fn went(&self, observer: ObserverId) {
        self.lock().here.remove(&observer);
    }
}

/// Whom `["_disconnect", namespace, close, connection]` means: one connection; without a name it would be all, which the page cannot say here.
fn read_disconnect(event: &str) -> Option<String> {
    let event: Vec<Value> = serde_json::from_str(event).ok()?;
    match event.as_slice() {
        [name, _, _, Value::String(connection)] if name == "_disconnect" => {
            Some(connection.clone())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_connection_is_disconnected_and_never_all() {
        let check = |event: &str, expected: Option<&str>| {
            assert_eq!(read_disconnect(event).as_deref(), expected, "{event}");
        };
        check(r#"["_disconnect","/",false,"abc"]"#, Some("abc"));
        check(r#"["_disconnect","/",false,null]"#, None);
        check(r#"["_disconnect","/",false]"#, None);
        check(r#"["emit","/",null,"x"]"#, None);
        check("[", None);
    }
}
