//! What stands in the audit log.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use foodtrack_contract::{Principal, TenantId};
use serde::{Deserialize, Serialize};

use crate::hex;
use crate::log_report::time_text;

/// The longest text of a field, in bytes; what is longer is cut.
const TEXT_BYTES_MAX: usize = 512;

/// The hash of a record: of its whole line, without the line's end.
pub(super) type RecordHash = [u8; 32];

/// Before the first record of all.
pub(super) const NO_RECORD: RecordHash = [0; 32];

pub(super) fn hash_of(line: &[u8]) -> RecordHash {
    let mut hash = NO_RECORD;
    hash.copy_from_slice(digest(&SHA256, line).as_ref());
    hash
}

/// What happened. Never a payload, never a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AuditEntry {
    /// When; RFC 3339.
    pub(crate) at: String,
    /// Whose; absent where it is about the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    /// What was done: a request such as `POST /api/v1/rules`, or a name such as `client.refused`.
    #[schema(value_type = String)]
    pub(crate) act: Cow<'static, str>,
    /// Who did it: the user of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    /// The token's role.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) role: Option<Cow<'static, str>>,
    /// The `jti` of the token, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_id: Option<String>,
    /// As which application, of a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) application: Option<Cow<'static, str>>,
    /// The connection's device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<String>,
    /// The connection's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connection: Option<String>,
    /// From where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    /// The request's path, where `act` has names in braces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    /// What it was about, such as the id of a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    /// The answer's status, of a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// The code of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) code: Option<Cow<'static, str>>,
    /// Why, in a word or a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) reason: Option<Cow<'static, str>>,
    /// How many, where one record stands for several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u64>,
}

/// What happened, and its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditRecord {
    /// Its number, among all records of the node.
    pub(crate) n: u64,
    #[serde(flatten)]
    pub(crate) entry: AuditEntry,
    /// The SHA-256 of the line of the record before it.
    pub(crate) previous: String,
}

impl AuditEntry {
    /// About the node, now.
    pub(crate) fn new(act: impl Into<Cow<'static, str>>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = time_text(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        Self { at, act: act.into(), ..Self::default() }
    }

    /// Of this tenant.
    pub(crate) fn of(mut self, tenant: &TenantId) -> Self {
        self.tenant = Some(tenant.as_str().to_owned());
        self
    }

    /// By whom.
    pub(crate) fn by(mut self, principal: &Principal) -> Self {
        self.user = Some(principal.user().as_str().to_owned());
        self.role = Some(principal.role().as_str().into());
        self.token_id = principal.token_id().map(|id| id.as_str().to_owned());
        self.of(principal.tenant())
    }

    pub(crate) fn because(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    pub(crate) fn counting(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }
}

impl AuditRecord {
    /// The line in the file, without its end.
    pub(super) fn line(&self) -> Vec<u8> {
        // Texts and numbers alone: it cannot fail to be JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn read(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    pub(super) fn follows(&self, hash: &RecordHash) -> bool {
        hex::decode::<32>(&self.previous).as_ref() == Some(hash)
    }
}

/// The text within its bound.
pub(crate) fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX.min(text.len()))].to_owned()
}
