//! From a CONNECT packet to somebody the server knows.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use foodtrack_contract::{
    ApplicationType, Authenticate, DeviceId, ErrorCode, Principal, Refusal, UserRole,
};
use foodtrack_tenant::{Admission, ClientAbout, Dialect, EXPIRED_GRACE_S, Profiles, Resume};
use foodtrack_transport::{HandshakeInfo, Protocol};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The longest private id or cursor that is looked at, in bytes.
const RESUME_BYTES_MAX: usize = 2_048;
/// The longest text of a client's own description that is kept, in bytes.
const DESCRIPTION_BYTES_MAX: usize = 256;
/// How many features a client may list.
const FEATURES_MAX: usize = 32;

/// The handshake's `auth`, as far as the server reads it. A field of another type than expected counts as absent: what
/// an application adds for itself must not keep it out.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Auth<'a> {
    #[serde(borrow)]
    token: Option<&'a RawValue>,
    #[serde(borrow)]
    application: Option<&'a RawValue>,
    #[serde(borrow)]
    profile: Option<&'a RawValue>,
    #[serde(borrow)]
    device_id: Option<&'a RawValue>,
    #[serde(borrow)]
    pid: Option<&'a RawValue>,
    #[serde(borrow)]
    offset: Option<&'a RawValue>,
    #[serde(borrow)]
    version: Option<&'a RawValue>,
    #[serde(borrow)]
    features: Option<&'a RawValue>,
}

fn text(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let raw = raw?.get();
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(raw).ok() } else { Some(Cow::Borrowed(inner)) }
}

/// Finds out who wants to join. `cookie_name` names the cookie that may carry the token.
pub(crate) fn admit(
    auth: Option<&str>,
    info: Option<&HandshakeInfo>,
    authenticator: &Arc<dyn Authenticate>,
    profiles: &Profiles,
    cookie_name: &str,
    now_s: u64,
) -> Result<Admission, Refusal> {
    let malformed =
        || Refusal::new(ErrorCode::MessageMalformed, "the handshake's auth must be a JSON object");
    let auth: Auth<'_> = match auth {
        // A list would be read as the fields in their order.
        Some(auth) if !auth.trim_start().starts_with('{') => return Err(malformed()),
        Some(auth) => serde_json::from_str(auth).map_err(|_| malformed())?,
        None => Auth::default(),
    };
    let from_auth = text(auth.token);
    let token = from_auth
        .as_deref()
        .or_else(|| info.and_then(|info| bearer(info.authorization.as_deref()?)))
        .or_else(|| info.and_then(|info| cookie(info.cookie.as_deref()?, cookie_name)))
        .filter(|token| !token.is_empty())
        .ok_or_else(|| {
            Refusal::new(
                ErrorCode::TokenMissing,
                "no token: put it into auth.token, an Authorization: Bearer header or the cookie; a cookie counts for pages of this host, and with cors.credentials for those of cors.origin",
            )
        })?;
    let resume = text(auth.pid).filter(|pid| pid.len() <= RESUME_BYTES_MAX).map(|pid| Resume {
        pid: pid.into_owned(),
        offset: text(auth.offset).filter(|it| it.len() <= RESUME_BYTES_MAX).map(Cow::into_owned),
    });
    let (principal, is_expired) = match authenticator.principal(token, now_s) {
        Err(refusal) if refusal.code() == ErrorCode::TokenExpired && resume.is_some() => {
            let before_s = now_s.saturating_sub(EXPIRED_GRACE_S);
            (authenticator.principal(token, before_s).map_err(|_| refusal)?, true)
        }
        verdict => (verdict?, false),
    };
    let speaks_profile = match info.map(|info| info.protocol) {
        // Applications that are older than the contract speak Socket.IO.
        Some(Protocol::PlainJson | Protocol::EventStream) => false,
        _ => profiles.speaks(text(auth.profile).as_deref())?,
    };
    let origin = info.and_then(|info| info.origin.as_deref()).filter(|_| speaks_profile);
    let from_origin = origin.and_then(|origin| profiles.tables.application_of(origin));
    let application = application(text(auth.application).as_deref(), from_origin, &principal)?;
    let dialect = match application {
        Some(application) if speaks_profile => Dialect::Profile(application),
        _ if info.is_some_and(|info| info.protocol == Protocol::EventStream) => Dialect::Listening,
        _ => Dialect::Canonical,
    };
    let device = device(text(auth.device_id).as_deref(), &principal)?;
    let about = about(&auth, info);
    let (owns, permit) = (None, None);
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

/// The device that the handshake names, or the token.
fn device(named: Option<&str>, principal: &Principal) -> Result<Option<DeviceId>, Refusal> {
    let device = match named {
        Some(device) => Some(DeviceId::parse(device).map_err(|_| {
            Refusal::new(ErrorCode::MessageMalformed, "deviceId must be 1 to 128 characters")
        })?),
        None => principal.device().cloned(),
    };
    if let (Some(own), Some(claimed)) = (principal.device(), &device)
        && own != claimed
    {
        let message = "the token was made for another device than the handshake names";
        return Err(Refusal::new(ErrorCode::TokenClaims, message));
    }
    Ok(device)
}

/// The application that somebody connects as: what the handshake names, else whose pages come from its origin, else the only
/// one that the token opens. A name and an origin prove nothing.
fn application(
    named: Option<&str>,
    from_origin: Option<ApplicationType>,
    principal: &Principal,
) -> Result<Option<ApplicationType>, Refusal> {
    let allowed = principal.applications();
    let named = named.map(|named| {
        ApplicationType::from_handshake(named).ok_or_else(|| {
            Refusal::new(
                ErrorCode::ApplicationUnknown,
                "auth.application must be client_app, tenant_dashboard, kitchen_app or delivery_app",
            )
        })
    });
    let Some(application) = named.transpose()?.or(from_origin) else {
        let mut applications = allowed.iter();
        return match (applications.next(), applications.next()) {
            (Some(only), None) => Ok(Some(only)),
            (None, _) if principal.role() == UserRole::System => Ok(None),
            _ => Err(Refusal::new(
                ErrorCode::ApplicationRequired,
                "the token opens several applications: name one in auth.application",
            )),
        };
    };
    if allowed.contains(application) || principal.role() == UserRole::System {
        return Ok(Some(application));
    }
    let message = format!("the token does not open {application}");
    Err(Refusal::new(ErrorCode::ApplicationForbidden, message))
}

fn about(auth: &Auth<'_>, info: Option<&HandshakeInfo>) -> ClientAbout {
    let short = |text: Cow<'_, str>| truncated(&text, DESCRIPTION_BYTES_MAX).into();
    let features: Vec<Cow<'_, str>> =
        auth.features.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    ClientAbout {
        address: info.map_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)), |info| info.address),
        user_agent: info
            .and_then(|info| info.user_agent.as_deref())
            .map(|agent| truncated(agent, DESCRIPTION_BYTES_MAX).into()),
        version: text(auth.version).map(short),
        features: features
            .into_iter()
            .take(FEATURES_MAX)
            .map(|feature| truncated(&feature, DESCRIPTION_BYTES_MAX).into())
            .collect(),
    }
}

fn truncated(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max.min(text.len()))]
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The first cookie of this name that holds something, read as leniently as RFC 6265 asks of servers: white space around
/// names and values is not theirs, and a value may stand in quotes.
fn cookie<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let value = value.trim();
        let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let value = unquoted.unwrap_or(value);
        (key.trim() == name && !value.is_empty()).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use foodtrack_contract::{ApplicationSet, PermissionSet, TenantId, UserId, VerifiedClaims};

    use super::*;

    /// Takes the token for the list of applications.
    struct Trusting;

    impl Authenticate for Trusting {
        fn principal(&self, token: &str, _now_s: u64) -> Result<Principal, Refusal> {
            let applications: ApplicationSet =
                token.split(',').filter_map(ApplicationType::from_wire).collect();
            let role = if token == "service" { UserRole::System } else { UserRole::Admin };
            Ok(Principal::from_verified_token(VerifiedClaims {
                tenant: TenantId::parse("t1").unwrap(),
                user: UserId::parse("u1").unwrap(),
                role,
                applications,
                permissions: PermissionSet::ALL,
                device: None,
                token_id: None,
                issued_at_s: 0,
                expires_at_s: u64::MAX,
            }))
        }
    }

    fn check(auth: Option<&str>, info: Option<&HandshakeInfo>) -> Result<Admission, ErrorCode> {
        check_with(auth, info, &Profiles::default())
    }

    fn check_with(
        auth: Option<&str>,
        info: Option<&HandshakeInfo>,
        profiles: &Profiles,
    ) -> Result<Admission, ErrorCode> {
        let authenticator: Arc<dyn Authenticate> = Arc::new(Trusting);
        admit(auth, info, &authenticator, profiles, "token", 0).map_err(|refusal| refusal.code())
    }

    fn info(authorization: Option<&str>, cookie: Option<&str>) -> HandshakeInfo {
        HandshakeInfo {
            protocol: Protocol::SocketIo,
            address: SocketAddr::from(([127, 0, 0, 1], 1)),
            user_agent: None,
            authorization: authorization.map(Box::from),
            cookie: cookie.map(Box::from),
            origin: None,
        }
    }

    #[test]
    fn a_token_comes_in_the_auth_object_a_header_or_a_cookie() {
        let header = info(Some("Bearer kitchen_app"), None);
        let cookie = info(None, Some("a=b; token=kitchen_app"));
        assert!(check(Some(r#"{"token":"kitchen_app"}"#), None).is_ok());
        assert!(check(None, Some(&header)).is_ok());
        assert!(check(Some("{}"), Some(&cookie)).is_ok());
        assert_eq!(check(Some("{}"), None).unwrap_err(), ErrorCode::TokenMissing);
        assert_eq!(check(Some("[1]"), None).unwrap_err(), ErrorCode::MessageMalformed);
    }

    #[test]
    fn a_cookie_is_read_leniently() {
        for header in [
            "token=abc",
            " a=b;token=abc ;c",
            "token = abc",
            "a=\"x\"; token=\"abc\"",
            "token=; token=\"\"; token=abc; token=def",
            "mytoken=x; TOKEN=y; token=abc",
        ] {
            assert_eq!(cookie(header, "token"), Some("abc"), "{header}");
        }
        assert_eq!(cookie("token=a=b", "token"), Some("a=b"));
        assert_eq!(cookie("token=\"", "token"), Some("\""));
        for header in ["", "token", "token=", "a=token=abc", "a=b, token=abc"] {
            assert_eq!(cookie(header, "token"), None, "{header}");
        }
    }

    #[test]
    fn the_application_is_named_or_the_only_one() {
        let application = |auth| check(Some(auth), None).map(|admission| admission.application);
        let (kitchen, dashboard) = (ApplicationType::KitchenApp, ApplicationType::TenantDashboard);
        assert_eq!(application(r#"{"token":"kitchen_app"}"#), Ok(Some(kitchen)));
        let two = r#"{"token":"kitchen_app,tenant_dashboard","application":"dashboard"}"#;
        assert_eq!(application(two), Ok(Some(dashboard)));
        let unnamed = r#"{"token":"kitchen_app,tenant_dashboard"}"#;
        assert_eq!(application(unnamed), Err(ErrorCode::ApplicationRequired));
        let other = r#"{"token":"kitchen_app","application":"delivery"}"#;
        assert_eq!(application(other), Err(ErrorCode::ApplicationForbidden));
        let unknown = r#"{"token":"kitchen_app","application":"toaster"}"#;
        assert_eq!(application(unknown), Err(ErrorCode::ApplicationUnknown));
        assert_eq!(application(r#"{"token":"service"}"#), Ok(None));
    }

    #[test]
    fn the_handshake_names_the_profile_and_the_origin_the_application_of_todays_pages() {
        let today = Profiles { is_default: true, ..Profiles::default() };
        let from = |origin: &str| HandshakeInfo { origin: Some(origin.into()), ..info(None, None) };
        let (kitchen, dashboard) = (ApplicationType::KitchenApp, ApplicationType::TenantDashboard);
        let spoken = |auth: &str, origin: &str, profiles: &Profiles| {
            check_with(Some(auth), Some(&from(origin)), profiles).map(|admission| admission.dialect)
        };
        let all = r#"{"token":"kitchen_app,tenant_dashboard"}"#;
        let page = "http://localhost:3002";
        assert_eq!(spoken(all, page, &today), Ok(Dialect::Profile(kitchen)));
        // What it says itself counts for more.
        let named = r#"{"token":"kitchen_app,tenant_dashboard","application":"tenant"}"#;
        assert_eq!(spoken(named, page, &today), Ok(Dialect::Profile(dashboard)));
        let new = r#"{"token":"kitchen_app","profile":"canonical"}"#;
        assert_eq!(spoken(new, page, &today), Ok(Dialect::Canonical));
        // The origin proves nothing: the token decides.
        let client = "http://localhost:3000";
        assert_eq!(spoken(all, client, &today), Err(ErrorCode::ApplicationForbidden));
        let elsewhere = "https://example.com";
        assert_eq!(spoken(all, elsewhere, &today), Err(ErrorCode::ApplicationRequired));
        let only = r#"{"token":"kitchen_app"}"#;
        assert_eq!(spoken(only, elsewhere, &today), Ok(Dialect::Profile(kitchen)));
        // Without the profile an origin says nothing.
        let canonical = Profiles::default();
        assert_eq!(spoken(all, page, &canonical), Err(ErrorCode::ApplicationRequired));
        assert_eq!(spoken(only, page, &canonical), Ok(Dialect::Canonical));
        let asked = r#"{"token":"kitchen_app","profile":"foodtrack"}"#;
        assert_eq!(spoken(asked, page, &canonical), Ok(Dialect::Profile(kitchen)));
        let plain = HandshakeInfo { protocol: Protocol::PlainJson, ..from(page) };
        let dialect = check_with(Some(only), Some(&plain), &today).map(|it| it.dialect);
        assert_eq!(dialect, Ok(Dialect::Canonical), "the profile is Socket.IO's");
        let odd = r#"{"token":"kitchen_app","profile":"toaster"}"#;
        assert_eq!(spoken(odd, page, &canonical), Err(ErrorCode::MessageMalformed));
    }

    #[test]
    fn what_a_client_tells_of_itself_is_bounded() {
        let long = "é".repeat(1_000);
        let auth = format!(r#"{{"token":"kitchen_app","version":"{long}","features":["{long}"]}}"#);
        let about = check(Some(&auth), None).unwrap().about;
        assert_eq!(about.version.unwrap().len(), DESCRIPTION_BYTES_MAX);
        assert_eq!(about.features[0].len(), DESCRIPTION_BYTES_MAX);
    }
}
