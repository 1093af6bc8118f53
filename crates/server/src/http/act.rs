//! A request that is being answered: who asks, and what it is about, as soon as that is known. Its line in the log and the audit log's
//! record of it are told from the same.

use std::convert::Infallible;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use foodtrack_contract::Principal;

use crate::audit::cut;
use crate::hub::Hub;

/// One for each request.
#[derive(Clone, Default)]
pub(super) struct Act(Arc<Mutex<Known>>);

#[derive(Default)]
pub(super) struct Known {
    pub(super) principal: Option<Principal>,
    /// Whoever runs the hub asks, and names no tenant.
    pub(super) is_operator: bool,
    pub(super) subject: Option<String>,
    /// Whether its token is the operator's, where somebody has looked.
    has_operators_token: Option<bool>,
}

impl Act {
    /// That of a request.
    pub(super) fn of(parts: &Parts) -> Self {
        parts.extensions.get::<Self>().cloned().unwrap_or_default()
    }

    pub(super) fn is_by(&self, principal: &Principal) {
        self.known().principal = Some(principal.clone());
    }

    pub(super) fn is_by_operator(&self) {
        self.known().is_operator = true;
    }

    /// Names what is not in the request's path.
    pub(super) fn is_about(&self, subject: impl Display) {
        self.known().subject = Some(cut(&subject.to_string()));
    }

    /// Whether its token is the operator's; `look` is asked once a request.
    pub(super) fn has_operators_token(&self, look: impl FnOnce() -> bool) -> bool {
        *self.known().has_operators_token.get_or_insert_with(look)
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FromRequestParts<Arc<Hub>> for Act {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Hub>) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_token_is_compared_with_the_operators_once_a_request() {
        for is_operators in [true, false] {
            let (act, looks) = (Act::default(), Cell::new(0));
            let look = || {
                looks.set(looks.get() + 1);
                is_operators
            };
            for _ in 0..3 {
                assert_eq!(act.clone().has_operators_token(look), is_operators);
            }
            assert_eq!(looks.get(), 1);
        }
    }
}
