//! Keys of back ends that are no JWT: a name and a secret of 256 random bits, of which the hub keeps a hash.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use foodtrack_contract::{
    ApplicationSet, ErrorCode, PermissionSet, Principal, Refusal, TenantId, TokenId, UserId,
    UserRole, VerifiedClaims,
};

/// What every key begins with: whoever finds one knows what it is, and so do scanners of source code.
pub const API_KEY_PREFIX: &str = "ftk_";
/// Random bytes of a secret.
pub const API_KEY_SECRET_BYTES: usize = 32;
/// Random bytes of an id; twice as many characters.
pub const API_KEY_ID_BYTES: usize = 8;
/// The longest key that is looked at.
const KEY_BYTES_MAX: usize = 128;

/// The hash of a secret. A fast one: nobody can try 2^256 secrets, however fast each trial is (docs/decisions/api-keys-are-hashed-fast.md).
#[derive(Clone, Copy)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// Reads the text that [`SecretDigest::to_text`] gives; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// As text, to be kept.
    pub fn to_text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    fn of(secret: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
        Self(bytes)
    }

    /// Compares in constant time.
    fn is(self, other: Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(redacted)")
    }
}

/// A key as it is made: shown once, and never again. It has no `Debug`.
pub struct NewApiKey {
    /// All of it, `ftk_<id>_<secret>`.
    pub key: String,
    /// What is kept of its secret.
    pub digest: SecretDigest,
}

/// The public part of a key, of random bytes.
pub fn api_key_id(random: [u8; API_KEY_ID_BYTES]) -> String {
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl NewApiKey {
    /// Makes one of this id with these random bytes, which nobody else has.
    pub fn new(id: &str, secret: [u8; API_KEY_SECRET_BYTES]) -> Self {
        let secret = URL_SAFE_NO_PAD.encode(secret);
        let key = format!("{API_KEY_PREFIX}{id}_{secret}");
        Self { key, digest: SecretDigest::of(&secret) }
    }
}

/// A secret of a key, as far as it is known here.
#[derive(Clone, Copy, Debug)]
pub struct SecretGrant {
    /// What is kept of it.
    pub digest: SecretDigest,
    /// When it was made; seconds since the Unix epoch.
    pub made_at_s: u64,
    /// From when on it opens nothing; seconds since the Unix epoch.
    pub expires_at_s: u64,
}

/// What a key opens.
#[derive(Debug)]
pub struct ApiKeyGrant {
    /// Its public part.
    pub id: String,
    /// What it may do.
    pub permissions: PermissionSet,
    /// Its secrets: one, and the one before while that is replaced.
    pub secrets: Vec<SecretGrant>,
}

/// All tenants' keys, by their ids.
#[derive(Debug, Default)]
pub(crate) struct ApiKeyTable {
    keys: HashMap<Box<str>, HeldKey>,
    of_tenants: HashMap<TenantId, Vec<Box<str>>>,
}

#[derive(Debug)]
struct HeldKey {
    tenant: TenantId,
    grant: ApiKeyGrant,
    /// When it opened something last, here; seconds since the Unix epoch, 0 for never.
    last_used_s: AtomicU64,
}

impl ApiKeyTable {
    /// Puts a tenant's keys in the place of those that it had. One that stays keeps when it was used.
    pub(crate) fn set(&mut self, tenant: &TenantId, grants: Vec<ApiKeyGrant>) {
        let before = self.of_tenants.remove(tenant).unwrap_or_default();
        let used: HashMap<Box<str>, u64> = before
            .into_iter()
            .filter_map(|id| {
                let held = self.keys.remove(&id)?;
                Some((id, held.last_used_s.into_inner()))
            })
            .collect();
        if grants.is_empty() {
            return;
        }
        let mut ids = Vec::with_capacity(grants.len());
        for grant in grants {
            let id: Box<str> = grant.id.as_str().into();
            // Ids are random: no two tenants have the same one, and if they did, the first would keep it.
            if self.keys.contains_key(&id) {
                continue;
            }
            let last_used_s = AtomicU64::new(used.get(&id).copied().unwrap_or_default());
            let held = HeldKey { tenant: tenant.clone(), grant, last_used_s };
            self.keys.insert(id.clone(), held);
            ids.push(id);
        }
        self.of_tenants.insert(tenant.clone(), ids);
    }

    /// When a key opened something last, here; seconds since the Unix epoch, 0 for never.
    pub(crate) fn last_used_s(&self, id: &str) -> u64 {
        self.keys.get(id).map_or(0, |held| held.last_used_s.load(Ordering::Relaxed))
    }

    /// Who has a key.
    ///
    /// # Errors
    /// `token_signature` where nobody has it; `token_expired`.
    pub(crate) fn principal(&self, key: &str, now_s: u64) -> Result<Principal, Refusal> {
        if key.len() > KEY_BYTES_MAX {
            return Err(unknown());
        }
        let parts = key.strip_prefix(API_KEY_PREFIX).and_then(|rest| rest.split_once('_'));
        let (id, secret) = parts.ok_or_else(unknown)?;
        // Also where nobody has the id: it takes as long.
        let shown = SecretDigest::of(secret);
        let HeldKey { tenant, grant, last_used_s } = self.keys.get(id).ok_or_else(unknown)?;
        let known = grant.secrets.iter().find(|known| known.digest.is(shown));
        let SecretGrant { made_at_s, expires_at_s, .. } = *known.ok_or_else(unknown)?;
        if now_s >= expires_at_s {
            let sentence = "the API key has expired: give it another secret, or make another key";
            return Err(Refusal::new(ErrorCode::TokenExpired, sentence));
        }
        last_used_s.fetch_max(now_s, Ordering::Relaxed);
        let user = UserId::parse(&format!("key:{id}")).map_err(|_| unknown())?;
        Ok(Principal::from_verified_token(VerifiedClaims {
            tenant: tenant.clone(),
            user,
            role: UserRole::System,
            applications: ApplicationSet::EMPTY,
            permissions: grant.permissions,
            device: None,
            token_id: TokenId::parse(id).ok(),
            issued_at_s: made_at_s,
            expires_at_s,
        }))
    }
}

fn unknown() -> Refusal {
    let sentence = "nobody has this API key: it was revoked, replaced or never made";
    Refusal::new(ErrorCode::TokenSignature, sentence)
}
