//! Who gets in: whose token verifies, and was not revoked.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use foodtrack_contract::{Authenticate, DeviceId, Principal, Refusal};

use crate::{Authenticator, RevocationIndex};

/// An authenticator, and what was revoked of what it takes. Threads share it; what is revoked is replaced whole, without a lock for who
/// reads it.
pub struct Gate {
    authenticator: Arc<Authenticator>,
    revocations: ArcSwap<RevocationIndex>,
}

impl Gate {
    /// One where nothing is revoked.
    pub fn new(authenticator: Arc<Authenticator>) -> Self {
        Self { authenticator, revocations: ArcSwap::default() }
    }

    /// What is revoked from now on. Whoever asks after this returns is answered by it.
    pub fn set_revocations(&self, revocations: RevocationIndex) {
        self.revocations.store(Arc::new(revocations));
    }
}

impl Authenticate for Gate {
    fn principal(&self, token: &str, now_s: u64) -> Result<Principal, Refusal> {
        let principal = self.authenticator.principal(token, now_s)?;
        self.check_standing(&principal, None, None, now_s)?;
        Ok(principal)
    }

    fn check_standing(
        &self,
        principal: &Principal,
        device: Option<&DeviceId>,
        session: Option<&str>,
        now_s: u64,
    ) -> Result<(), Refusal> {
        self.revocations.load().check(principal, device, session, now_s)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("authenticator", &self.authenticator).finish_non_exhaustive()
    }
}
