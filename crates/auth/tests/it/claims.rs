//! What a token must say, and what it then means.

use foodtrack_auth::{AuthConfig, Authenticator, SignError, TokenClaims, TokenSigner};
use foodtrack_contract::{
    ApplicationSet, ApplicationType, Authenticate, ErrorCode, Permission, PermissionSet, UserRole,
};
use serde_json::{Value, json};

use crate::support::{
    NOW_S, SECRET, authenticator, check_refused, claims, claims_with, hs256, hs256_of_texts,
    principal,
};

fn check_claims_refused(changes: &Value, claim: &str) {
    let token = hs256(&claims_with(changes));
    let result = principal(&token);
    let message = result.as_ref().err().map(|refusal| refusal.message().to_owned());
    check_refused(result, ErrorCode::TokenClaims, &token);
    let message = message.unwrap_or_default();
    assert!(message.contains(claim), "{changes}: {message:?} does not name {claim}");
}

fn token_claims() -> TokenClaims {
    TokenClaims {
        tenant_id: "t1".into(),
        user_id: "u1".into(),
        role: UserRole::DeliveryPersonnel,
        application_types: ApplicationSet::of(&[ApplicationType::DeliveryApp]),
        permissions: None,
        device_id: Some("d1".into()),
        issued_at_s: NOW_S,
        expires_at_s: NOW_S + 60,
        token_id: Some("j1".into()),
        issuer: Some("issuer".into()),
        audience: Some("hub".into()),
    }
}

#[test]
fn a_signed_token_gives_back_what_it_was_made_of() {
    let token = TokenSigner::hs256(SECRET).sign(&token_claims()).unwrap();
    let mut config = AuthConfig::hs256(SECRET);
    config.issuer = Some("issuer".into());
    config.audience = vec!["another".into(), "hub".into()];
    let principal = Authenticator::new(config).unwrap().principal(&token, NOW_S).unwrap();
    assert_eq!(principal.tenant().as_str(), "t1");
    assert_eq!(principal.user().as_str(), "u1");
    assert_eq!(principal.role(), UserRole::DeliveryPersonnel);
    assert_eq!(principal.applications(), token_claims().application_types);
    assert_eq!(principal.permissions(), UserRole::DeliveryPersonnel.default_permissions());
    assert_eq!(principal.device().unwrap().as_str(), "d1");
    assert_eq!(principal.token_id().unwrap().as_str(), "j1");
    assert_eq!(principal.expires_at_s(), NOW_S + 60);
}

#[test]
fn a_signer_makes_no_token_that_every_verifier_refuses() {
    let sign = |claims: TokenClaims| TokenSigner::hs256(SECRET).sign(&claims).unwrap_err();
    let tenant = sign(TokenClaims { tenant_id: "a b".into(), ..token_claims() });
    assert!(matches!(tenant, SignError::Claim { claim: "tenantId", .. }));
    let user = sign(TokenClaims { user_id: String::new(), ..token_claims() });
    assert!(matches!(user, SignError::Claim { claim: "userId", .. }));
    let never = sign(TokenClaims { expires_at_s: NOW_S, ..token_claims() });
    assert!(matches!(never, SignError::NeverValid));
}

#[test]
fn a_token_without_a_needed_claim_is_refused_by_its_name() {
    for claim in ["userId", "tenantId", "role", "applicationTypes", "exp"] {
        check_claims_refused(&json!({ claim: null }), claim);
    }
}

#[test]
fn a_null_claim_is_an_absent_one_except_permissions() {
    for claim in ["userId", "tenantId", "role", "applicationTypes", "exp", "permissions"] {
        let mut claims = claims();
        claims[claim] = Value::Null;
        let token = hs256(&claims);
        check_refused(principal(&token), ErrorCode::TokenClaims, &token);
    }
    for claim in ["sub", "nbf", "iat", "iss", "aud", "jti", "deviceId"] {
        let mut claims = claims();
        claims[claim] = Value::Null;
        principal(&hs256(&claims)).unwrap();
    }
}

#[test]
fn a_mistyped_claim_is_refused_by_its_name() {
    let texts = ["userId", "sub", "tenantId", "role", "iss", "jti", "deviceId"];
    for claim in texts {
        for wrong in [json!(7), json!(true), json!(["x"]), json!({})] {
            check_claims_refused(&json!({ claim: wrong }), claim);
        }
    }
    for claim in ["exp", "nbf", "iat"] {
        for wrong in [json!("1900000000"), json!(true), json!([1]), json!({})] {
            check_claims_refused(&json!({ claim: wrong }), claim);
        }
    }
    for claim in ["applicationTypes", "permissions"] {
        for wrong in [json!("kitchen_app"), json!(7), json!([7]), json!([["kitchen_app"]])] {
            check_claims_refused(&json!({ claim: wrong }), claim);
        }
    }
    check_claims_refused(&json!({ "aud": 7 }), "aud");
    check_claims_refused(&json!({ "aud": [7] }), "aud");
}

#[test]
fn a_claim_with_an_impossible_value_is_refused_by_its_name() {
    let long = "x".repeat(129);
    for (claim, values) in [
        ("tenantId", vec!["", "a b", "t:1", "täst", &long[..65]]),
        ("userId", vec!["", &long]),
        ("role", vec!["", "Chef", "superuser"]),
        ("jti", vec!["", &long]),
        ("deviceId", vec!["", &long]),
    ] {
        for value in values {
            check_claims_refused(&json!({ claim: value }), claim);
        }
    }
    for unknown in ["fridge", "system"] {
        let applications = json!({ "applicationTypes": ["kitchen_app", unknown] });
        check_claims_refused(&applications, "applicationTypes");
    }
}

#[test]
fn claims_that_are_no_object_or_say_a_thing_twice_are_refused() {
    let header = r#"{"alg":"HS256"}"#;
    let twice = format!(
        r#"{{"userId":"u1","tenantId":"t1","tenantId":"t2","role":"chef","applicationTypes":[],"exp":{}}}"#,
        NOW_S + 60
    );
    let list =
        format!(r#"["u1","u1","t1","chef",["kitchen_app"],["write:orders"],{}]"#, NOW_S + 60);
    for claims in ["[]", "7", "null", "", "{", "\u{0}", twice.as_str(), list.as_str()] {
        let token = hs256_of_texts(header, claims);
        check_refused(principal(&token), ErrorCode::TokenClaims, &token);
    }
}

#[test]
fn the_user_is_user_id_or_sub_and_never_two() {
    let user = |changes: &Value| {
        principal(&hs256(&claims_with(changes))).unwrap().user().as_str().to_owned()
    };
    assert_eq!(user(&json!({ "userId": null, "sub": "s1" })), "s1");
    assert_eq!(user(&json!({ "sub": "u1" })), "u1");
    check_claims_refused(&json!({ "sub": "somebody else" }), "sub");
}

#[test]
fn equal_user_names_of_two_tenants_stay_two_users() {
    let of =
        |tenant: &str| principal(&hs256(&claims_with(&json!({ "tenantId": tenant })))).unwrap();
    let (one, other) = (of("t1"), of("t2"));
    assert_eq!(one.user(), other.user());
    assert_ne!(one, other);
    assert!(!one.same_subject(&other));
}

#[test]
fn permissions_default_to_the_role_s_and_an_empty_list_means_none() {
    let permissions =
        |changes: &Value| principal(&hs256(&claims_with(changes))).unwrap().permissions();
    for role in UserRole::ALL {
        let default = role.default_permissions();
        assert_eq!(permissions(&json!({ "role": role.as_str() })), default);
    }
    assert_eq!(permissions(&json!({ "permissions": [] })), PermissionSet::NONE);
    let some = json!({ "permissions": ["read:orders", "billing:refund", "write:kitchen"] });
    let expected = PermissionSet::of(&[Permission::ReadOrders, Permission::WriteKitchen]);
    assert_eq!(permissions(&some), expected);
}

#[test]
fn applications_are_read_by_their_names_and_short_forms() {
    let applications =
        |changes: &Value| principal(&hs256(&claims_with(changes))).unwrap().applications();
    let short = json!({ "applicationTypes": ["client", "dashboard", "kitchen", "delivery_app"] });
    assert_eq!(applications(&short), ApplicationSet::ALL);
    assert_eq!(applications(&json!({ "applicationTypes": [] })), ApplicationSet::EMPTY);
    let system = json!({ "role": "system", "applicationTypes": null });
    assert_eq!(applications(&system), ApplicationSet::EMPTY);
    let system = |names: serde_json::Value| {
        applications(&json!({ "role": "system", "applicationTypes": names }))
    };
    assert_eq!(system(json!([])), ApplicationSet::EMPTY);
    assert_eq!(system(json!(["system", "billing"])), ApplicationSet::EMPTY);
    assert_eq!(
        system(json!(["system", "client", "dashboard", "kitchen", "delivery"])),
        ApplicationSet::ALL
    );
}

#[test]
fn a_token_is_good_until_its_exp_and_the_leeway() {
    let token = hs256(&claims_with(&json!({ "exp": NOW_S })));
    let at = |now_s| authenticator().principal(&token, now_s);
    at(NOW_S).unwrap();
    at(NOW_S + 4).unwrap();
    check_refused(at(NOW_S + 5), ErrorCode::TokenExpired, &token);
    check_refused(at(u64::MAX), ErrorCode::TokenExpired, &token);
}

#[test]
fn a_token_is_good_from_its_nbf_less_the_leeway() {
    let token = hs256(&claims_with(&json!({ "nbf": NOW_S })));
    let at = |now_s| authenticator().principal(&token, now_s);
    at(NOW_S).unwrap();
    at(NOW_S - 5).unwrap();
    check_refused(at(NOW_S - 6), ErrorCode::TokenNotYetValid, &token);
}

#[test]
fn times_in_milliseconds_are_refused_with_a_sentence() {
    for claim in ["exp", "nbf", "iat"] {
        for time in [json!((NOW_S + 60) * 1_000), json!(1e15), json!(u64::MAX)] {
            let refusal = principal(&hs256(&claims_with(&json!({ claim: time })))).unwrap_err();
            assert_eq!(refusal.code(), ErrorCode::TokenClaims);
            let told = format!("{claim} must be in seconds since 1970");
            assert!(refusal.message().starts_with(&told), "{refusal}");
        }
    }
}

#[test]
fn times_may_have_fractions_and_lie_far_ahead() {
    let with = |changes: Value| principal(&hs256(&claims_with(&changes)));
    let exp = NOW_S + 60;
    let text = format!(
        r#"{{"sub":"u1","tenantId":"t1","role":"chef","applicationTypes":[],"exp":{exp}.9,"nbf":{NOW_S}.0}}"#
    );
    let principal = principal(&hs256_of_texts(r#"{"alg":"HS256"}"#, &text)).unwrap();
    assert_eq!(principal.expires_at_s(), exp);
    assert_eq!(with(json!({ "exp": 32_503_680_000_u64 })).unwrap().expires_at_s(), 32_503_680_000);
    for past in [json!(-1), json!(-1e300), json!(0)] {
        assert_eq!(with(json!({ "exp": past })).unwrap_err().code(), ErrorCode::TokenExpired);
    }
    let late = with(json!({ "nbf": 32_503_680_000_u64 })).unwrap_err();
    assert_eq!(late.code(), ErrorCode::TokenNotYetValid);
}

#[test]
fn issuer_and_audience_are_required_where_they_are_configured() {
    let mut config = AuthConfig::hs256(SECRET);
    config.issuer = Some("issuer".into());
    config.audience = vec!["hub".into(), "spare".into()];
    let authenticator = Authenticator::new(config).unwrap();
    let with = |changes: Value| {
        authenticator.principal(&hs256(&claims_with(&changes)), NOW_S).map_err(|r| r.code())
    };
    with(json!({ "iss": "issuer", "aud": "hub" })).unwrap();
    with(json!({ "iss": "issuer", "aud": ["x", "spare"] })).unwrap();
    for changes in [
        json!({ "aud": "hub" }),
        json!({ "iss": "other", "aud": "hub" }),
        json!({ "iss": "issuer" }),
        json!({ "iss": "issuer", "aud": "x" }),
        json!({ "iss": "issuer", "aud": [] }),
    ] {
        assert_eq!(with(changes.clone()), Err(ErrorCode::TokenClaims), "{changes}");
    }
    // Without configuration they are nobody's business here.
    principal(&hs256(&claims_with(&json!({ "iss": "any", "aud": "any" })))).unwrap();
}

#[test]
fn escapes_in_a_claim_are_read_as_what_they_stand_for() {
    let text = format!(
        r#"{{"sub":"u\u0031","tenantId":"t\u0031","role":"che\u0066","applicationTypes":["kitchen\u005fapp"],"exp":{}}}"#,
        NOW_S + 60
    );
    let principal = principal(&hs256_of_texts(r#"{"alg":"HS\u003256"}"#, &text)).unwrap();
    assert_eq!(principal.tenant().as_str(), "t1");
    assert_eq!(principal.user().as_str(), "u1");
    assert_eq!(principal.applications(), ApplicationSet::of(&[ApplicationType::KitchenApp]));
}

#[test]
fn an_empty_token_is_missing_and_a_long_or_broken_one_malformed() {
    check_refused(principal(""), ErrorCode::TokenMissing, "");
    let good = hs256(&claims());
    let long = hs256(&claims_with(&json!({ "more": "x".repeat(8192) })));
    let bearer = format!("Bearer {good}");
    let padded = format!("{good}=");
    let parts: Vec<_> = good.split('.').collect();
    let (header, rest) = good.split_once('.').unwrap();
    let broken = [
        "x".to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        long,
        bearer,
        format!("{}.{}", parts[0], parts[1]),
        format!("{header}=.{rest}"),
        format!(" {good}"),
        hs256_of_texts("[]", "{}"),
        hs256_of_texts("{}", "{}"),
        hs256_of_texts(r#"{"alg":7}"#, "{}"),
        hs256_of_texts(r#"["HS256"]"#, &claims().to_string()),
        hs256_of_texts(r#" ["HS256","one",null]"#, &claims().to_string()),
        hs256_of_texts(r#"{"alg":"HS256","alg":"HS256"}"#, &claims().to_string()),
        hs256_of_texts(r#"{"alg":"HS256","kid":"one","kid":"two"}"#, &claims().to_string()),
        hs256_of_texts(r#"{"alg":"HS256","crit":null}"#, &claims().to_string()),
        hs256_of_texts(r#"{"alg":"HS256","crit":["exp"]}"#, &claims().to_string()),
    ];
    for token in broken {
        check_refused(principal(&token), ErrorCode::TokenMalformed, &token);
    }
    for token in [padded, format!("{good}.x"), format!("{good} ")] {
        principal(&token).unwrap_err();
    }
}
