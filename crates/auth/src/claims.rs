//! A token's header and claims as they are written, and what they mean.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use foodtrack_contract::{
    ApplicationSet, ApplicationType, DeviceId, ErrorCode, LoginRole, Permission, PermissionSet,
    Principal, Refusal, TenantId, TokenId, UserId, UserRole, VerifiedClaims,
};
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

use crate::AuthConfig;

/// What is read of a header. The rest changes nothing here.
#[derive(Deserialize)]
pub(crate) struct Header<'a> {
    #[serde(borrow)]
    pub(crate) alg: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) kid: Option<Text<'a>>,
    /// Extensions that must be understood (RFC 7515, section 4.1.11); none is here.
    #[serde(default, deserialize_with = "present")]
    pub(crate) crit: Option<IgnoredAny>,
}

/// Who claims say they are of. The rest is read once the signature holds.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct IssuerClaim<'a> {
    #[serde(borrow)]
    pub(crate) iss: Option<Text<'a>>,
}

/// The claims as a token writes them. Unknown ones are passed over; a repeated one is an error.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Claims<'a> {
    #[serde(borrow, default)]
    user_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    sub: Option<Text<'a>>,
    #[serde(borrow, default)]
    tenant_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    role: Option<Text<'a>>,
    #[serde(default)]
    application_types: Option<Applications>,
    #[serde(default, deserialize_with = "present")]
    permissions: Option<Permissions>,
    #[serde(default)]
    exp: Option<Seconds>,
    #[serde(default)]
    nbf: Option<Seconds>,
    /// What was made before it was revoked is refused.
    #[serde(default)]
    iat: Option<Seconds>,
    #[serde(borrow, default)]
    iss: Option<Text<'a>>,
    #[serde(borrow, default)]
    aud: Option<Audience<'a>>,
    #[serde(borrow, default)]
    jti: Option<Text<'a>>,
    #[serde(borrow, default)]
    device_id: Option<Text<'a>>,
    /// What the token is for, where its issuer makes several kinds.
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
}

/// Reads a JSON object. A list of its values in their order would do for the library, and would mean what nobody wrote.
pub(crate) fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, serde_json::Error> {
    match json.trim_ascii_start().first() {
        Some(b'[') => Err(de::Error::custom("a list is no object")),
        _ => serde_json::from_slice(json),
    }
}

impl<'a> Claims<'a> {
    /// Reads a verified token's claims.
    pub(crate) fn parse(json: &'a [u8]) -> Result<Self, Refusal> {
        object(json).map_err(|_| mistyped(json))
    }

    /// What the claims say of their bearer at `now_s`.
    pub(crate) fn principal(self, config: &AuthConfig, now_s: u64) -> Result<Principal, Refusal> {
        if self.kind.is_some_and(|kind| is_refresh(kind.get())) {
            return Err(claims_refusal(
                "the token is one to get fresh ones with (type refresh): connect with the one that it gets",
            ));
        }
        let expires_at_s = self.check_times(config, now_s)?;
        self.check_issuer_and_audience(config)?;
        let user = match (&self.user_id, &self.sub) {
            (Some(user), Some(sub)) if user.0 != sub.0 => {
                return Err(claims_refusal(
                    "userId and sub name different users; issue tokens in which they are equal, or leave one out",
                ));
            }
            (Some(user), _) | (None, Some(user)) => UserId::parse(&user.0)
                .map_err(|_| claims_refusal("userId is not 1 to 128 characters"))?,
            (None, None) => return Err(missing("userId (or sub)")),
        };
        let tenant = self.tenant_id.ok_or_else(|| missing("tenantId"))?;
        let tenant = TenantId::parse(&tenant.0).map_err(|_| {
            claims_refusal("tenantId is not 1 to 64 characters of A-Z, a-z, 0-9, '_' and '-'")
        })?;
        if !config.tenants.contains(&tenant) {
            return Err(claims_refusal(
                "the token's issuer does not issue tokens for its tenantId",
            ));
        }
        let LoginRole { role, applications, permissions } =
            login(config, self.role, self.application_types, self.permissions)?;
        let device = match self.device_id {
            Some(id) => Some(
                DeviceId::parse(&id.0)
                    .map_err(|_| claims_refusal("deviceId is not 1 to 128 characters"))?,
            ),
            None => None,
        };
        let token_id = match self.jti {
            Some(id) => Some(
                TokenId::parse(&id.0)
                    .map_err(|_| claims_refusal("jti is not 1 to 128 characters"))?,
            ),
            None => None,
        };
        Ok(Principal::from_verified_token(VerifiedClaims {
            tenant,
            user,
            role,
            applications,
            permissions,
            device,
            token_id,
            issued_at_s: self.iat.as_ref().map_or(0, Seconds::floor),
            expires_at_s,
        }))
    }

    fn check_times(&self, config: &AuthConfig, now_s: u64) -> Result<u64, Refusal> {
        for (claim, time) in [("exp", &self.exp), ("nbf", &self.nbf), ("iat", &self.iat)] {
            if time.as_ref().is_some_and(|time| time.floor() >= MILLISECONDS_MIN) {
                return Err(claims_refusal(format!(
                    "{claim} must be in seconds since 1970, and looks like milliseconds: divide it by 1000"
                )));
            }
        }
        let expires_at_s = self.exp.as_ref().ok_or_else(|| missing("exp"))?.floor();
        if now_s >= expires_at_s.saturating_add(config.leeway_s) {
            return Err(Refusal::new(
                ErrorCode::TokenExpired,
                "the token is past its exp; get a fresh one and connect again",
            ));
        }
        if let Some(lifetime_s_max) = config.lifetime_s_max {
            let issued_at_s = self.iat.as_ref().ok_or_else(|| missing("iat"))?.floor();
            if expires_at_s.saturating_sub(issued_at_s) > lifetime_s_max {
                return Err(claims_refusal(format!(
                    "the token is good for longer than the {lifetime_s_max} s from iat to exp that this server takes; issue shorter ones"
                )));
            }
            // Or else a token that lives for long could say that it is made later.
            if issued_at_s > now_s.saturating_add(config.leeway_s) {
                return Err(claims_refusal("iat lies in the future; set the issuer's clock right"));
            }
        }
        match &self.nbf {
            Some(nbf) if now_s.saturating_add(config.leeway_s) < nbf.ceil() => Err(Refusal::new(
                ErrorCode::TokenNotYetValid,
                "the token's nbf lies in the future; wait, or set the issuer's clock right",
            )),
            _ => Ok(expires_at_s),
        }
    }

    fn check_issuer_and_audience(&self, config: &AuthConfig) -> Result<(), Refusal> {
        if let Some(issuer) = &config.issuer {
            let iss = self.iss.as_ref().ok_or_else(|| missing("iss"))?;
            if iss.0 != *issuer {
                return Err(claims_refusal(
                    "iss is not the issuer that this server trusts; get the token from that one",
                ));
            }
        }
        if !config.audience.is_empty() {
            let aud = self.aud.as_ref().ok_or_else(|| missing("aud"))?;
            if !aud.0.iter().any(|name| config.audience.iter().any(|known| *known == name.0)) {
                return Err(claims_refusal(
                    "aud does not name this server; get a token that was issued for it",
                ));
            }
        }
        Ok(())
    }
}

/// What a token's bearer may do: its claims, and where they are absent, what its role means.
fn login(
    config: &AuthConfig,
    role: Option<Text<'_>>,
    applications: Option<Applications>,
    permissions: Option<Permissions>,
) -> Result<LoginRole, Refusal> {
    let said = role.ok_or_else(|| missing("role"))?;
    let login = match (&config.logins, &applications) {
        (Some(logins), None) => login_role(logins, &said.0),
        _ => None,
    };
    let role = login.map(|login| login.role).or_else(|| UserRole::from_wire(&said.0));
    let role = role.ok_or_else(|| {
        let mut known: Vec<&str> = UserRole::ALL.iter().map(|role| role.as_str()).collect();
        known.extend(config.logins.iter().flatten().map(|(name, _)| name.as_str()));
        claims_refusal(format!("role is none of {}", known.join(", ")))
    })?;
    let applications = match applications {
        // A typing mistake in a person's token shows where it was made; a back end may list services beside them.
        Some(applications) if applications.has_unknown && role != UserRole::System => {
            return Err(claims_refusal(format!(
                "the claim applicationTypes must be {APPLICATIONS_SHAPE}, and be there once"
            )));
        }
        Some(applications) => applications.known,
        None if role == UserRole::System => ApplicationSet::EMPTY,
        None => login.ok_or_else(|| missing("applicationTypes"))?.applications,
    };
    let usual = || login.map_or_else(|| role.default_permissions(), |login| login.permissions);
    let permissions = permissions.map_or_else(usual, |permissions| permissions.0);
    Ok(LoginRole { role, applications, permissions })
}

/// What the role of a login means; no login is a back end.
fn login_role(logins: &BTreeMap<String, LoginRole>, said: &str) -> Option<LoginRole> {
    let own = || UserRole::from_wire(said).filter(|role| *role != UserRole::System);
    logins.get(said).copied().or_else(|| own().map(LoginRole::of))
}

fn is_refresh(kind: &str) -> bool {
    serde_json::from_str::<String>(kind).is_ok_and(|kind| kind == "refresh")
}

fn claims_refusal(sentence: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorCode::TokenClaims, sentence)
}

fn missing(claim: &str) -> Refusal {
    claims_refusal(format!("the token has no {claim}; issue tokens with it"))
}

const APPLICATIONS_SHAPE: &str =
    "a list of client_app, tenant_dashboard, kitchen_app, delivery_app";

/// Times from here on are milliseconds that were taken for seconds: in seconds it is the year 5138, and as milliseconds
/// 1973.
const MILLISECONDS_MIN: u64 = 100_000_000_000;

/// Reads again, to name the claim: the first reading does not pay for knowing.
fn mistyped(json: &[u8]) -> Refusal {
    /// What each claim is, in the contract's words. Nothing of the token goes into a refusal.
    const SHAPES: [(&str, &str); 13] = [
        ("userId", "a text"),
        ("sub", "a text"),
        ("tenantId", "a text"),
        ("role", "a text"),
        ("applicationTypes", APPLICATIONS_SHAPE),
        ("permissions", "a list of texts"),
        ("exp", "a number of seconds"),
        ("nbf", "a number of seconds"),
        ("iat", "a number of seconds"),
        ("iss", "a text"),
        ("aud", "a text or a list of texts"),
        ("jti", "a text"),
        ("deviceId", "a text"),
    ];
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let result: Result<Claims<'_>, _> = serde_path_to_error::deserialize(&mut deserializer);
    let path = result.err().map(|error| error.path().to_string()).unwrap_or_default();
    let claim = path.split(['.', '[']).next().unwrap_or_default();
    match SHAPES.iter().find(|(name, _)| *name == claim) {
        Some((name, shape)) => {
            claims_refusal(format!("the claim {name} must be {shape}, and be there once"))
        }
        None => claims_refusal("the token's claims must be a JSON object"),
    }
}

/// A text, borrowed from the token unless it has escapes.
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// A `NumericDate` of RFC 7519: seconds since the Unix epoch, whole or not.
enum Seconds {
    Whole(u64),
    Fraction(f64),
}

impl Seconds {
    /// Rounded so that the token ends sooner. A float's `as` saturates, which is what is wanted here.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn floor(&self) -> u64 {
        match self {
            Self::Whole(seconds) => *seconds,
            Self::Fraction(seconds) => seconds.floor() as u64,
        }
    }

    /// Rounded so that the token begins later.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn ceil(&self) -> u64 {
        match self {
            Self::Whole(seconds) => *seconds,
            Self::Fraction(seconds) => seconds.ceil() as u64,
        }
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SecondsVisitor;
        impl Visitor<'_> for SecondsVisitor {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds since the Unix epoch")
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Seconds, E> {
                Ok(Seconds::Whole(seconds))
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Seconds, E> {
                // Before 1970 is as good as 1970.
                Ok(Seconds::Whole(u64::try_from(seconds).unwrap_or(0)))
            }

            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Seconds, E> {
                Ok(Seconds::Fraction(seconds))
            }
        }
        deserializer.deserialize_any(SecondsVisitor)
    }
}

/// `applicationTypes`, by wire names or the short forms of a handshake.
struct Applications {
    known: ApplicationSet,
    has_unknown: bool,
}

impl<'de> Deserialize<'de> for Applications {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (mut known, mut has_unknown) = (ApplicationSet::EMPTY, false);
        each_text(deserializer, |text| match ApplicationType::from_handshake(&text.0) {
            Some(application) => known.insert(application),
            None => has_unknown = true,
        })?;
        Ok(Self { known, has_unknown })
    }
}

/// `permissions`. Unknown ones are passed over: other services have permissions of their own.
struct Permissions(PermissionSet);

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut set = PermissionSet::NONE;
        each_text(deserializer, |text| {
            if let Some(permission) = Permission::from_wire(&text.0) {
                set.insert(permission);
            }
        })?;
        Ok(Self(set))
    }
}

/// Calls `take` with each text of a list.
fn each_text<'de, D: Deserializer<'de>>(
    deserializer: D,
    take: impl FnMut(Text<'de>),
) -> Result<(), D::Error> {
    struct ListVisitor<F>(F);
    impl<'de, F: FnMut(Text<'de>)> Visitor<'de> for ListVisitor<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of texts")
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
            while let Some(text) = list.next_element()? {
                (self.0)(text);
            }
            Ok(())
        }
    }
    deserializer.deserialize_seq(ListVisitor(take))
}

/// `aud`: one or several.
struct Audience<'a>(Vec<Text<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Audience<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AudienceVisitor;
        impl<'de> Visitor<'de> for AudienceVisitor {
            type Value = Audience<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Audience(vec![Text(Cow::Borrowed(text))]))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Audience(vec![Text(Cow::Owned(text.to_owned()))]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = list.next_element()? {
                    names.push(name);
                }
                Ok(Audience(names))
            }
        }
        deserializer.deserialize_any(AudienceVisitor)
    }
}

/// An optional claim that may be absent but not `null`: a null list of permissions must not mean the role's defaults.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
