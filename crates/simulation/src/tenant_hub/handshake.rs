//! Who comes: tokens of the model, which say in plain text whose they are.

use std::net::SocketAddr;
use std::sync::Arc;

use foodtrack_contract::{
    ApplicationSet, ApplicationType, Authenticate, DeviceId, ErrorCode, Principal, Refusal,
    TenantId, UserId, UserRole, VerifiedClaims,
};
use foodtrack_tenant::{Accepted, Admission, Answer, ClientAbout, Dialect, Resume};
use serde::Deserialize;
use serde_json::{Value, json};

/// Reads tokens `TENANT USER ROLE`: nobody forges them here.
pub(super) struct Tokens;

impl Authenticate for Tokens {
    fn principal(&self, token: &str, _now_s: u64) -> Result<Principal, Refusal> {
        let malformed = || Refusal::new(ErrorCode::TokenMalformed, "TENANT USER ROLE");
        let mut words = token.split(' ');
        let mut word = || words.next().ok_or_else(malformed);
        let tenant = TenantId::parse(word()?).map_err(|_| malformed())?;
        let user = UserId::parse(word()?).map_err(|_| malformed())?;
        let role = UserRole::from_wire(word()?).ok_or_else(malformed)?;
        Ok(principal(tenant, user, role))
    }
}

/// A tenant's back end.
pub(super) fn back_end(tenant: &TenantId) -> Principal {
    let user = UserId::parse("gateway").unwrap_or_else(|_| unreachable!("it is an identifier"));
    principal(tenant.clone(), user, UserRole::System)
}

fn principal(tenant: TenantId, user: UserId, role: UserRole) -> Principal {
    Principal::from_verified_token(VerifiedClaims {
        tenant,
        user,
        role,
        applications: ApplicationSet::of(&ApplicationType::ALL),
        permissions: role.default_permissions(),
        device: None,
        token_id: None,
        issued_at_s: 0,
        expires_at_s: u64::from(u32::MAX),
    })
}

/// The handshake's fields, as far as the model's clients send them.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Auth {
    token: String,
    application: Option<String>,
    device_id: Option<String>,
    pid: Option<String>,
    offset: Option<String>,
}

/// Finds out who wants to join.
pub(super) fn admit(
    auth: Option<&str>,
    tokens: &Arc<dyn Authenticate>,
    now_s: u64,
) -> Result<Admission, Refusal> {
    let malformed = |_| Refusal::new(ErrorCode::MessageMalformed, "the handshake's auth");
    let auth: Auth = serde_json::from_str(auth.unwrap_or("{}")).map_err(malformed)?;
    let principal = tokens.principal(&auth.token, now_s)?;
    let application = auth.application.as_deref().and_then(ApplicationType::from_handshake);
    let device = auth.device_id.as_deref().and_then(|device| DeviceId::parse(device).ok());
    let offset = auth.offset;
    let resume = auth.pid.map(|pid| Resume { pid, offset });
    let about = ClientAbout {
        address: SocketAddr::from(([127, 0, 0, 1], 1)),
        user_agent: None,
        version: None,
        features: Box::default(),
    };
    let (is_expired, owns, permit) = (false, None, None);
    let dialect = Dialect::Canonical;
    Ok(Admission {
        principal,
        application,
        dialect,
        device,
        about,
        resume,
        is_expired,
        owns,
        permit,
    })
}

/// The JSON of a CONNECT_ERROR.
pub(super) fn refusal_text(refusal: &Refusal) -> String {
    let message = Value::from(refusal.message());
    format!("{{\"message\":{message},\"data\":{}}}", refusal.to_json())
}

/// The JSON of an answer to a back end.
pub(super) fn answer_text(answer: Answer) -> String {
    match answer {
        Answer::Accepted(Accepted { id, offset, duplicate, spooled: _ }) => {
            let data = json!({ "id": id.to_string(), "offset": offset, "duplicate": duplicate });
            json!({ "success": true, "data": data }).to_string()
        }
        Answer::Refused(refusal) => {
            format!("{{\"success\":false,\"error\":{}}}", refusal.to_json())
        }
        _ => String::from("{\"success\":true,\"data\":{}}"),
    }
}
