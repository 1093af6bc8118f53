//! Tokens of a login that says no more than who somebody is.

use std::collections::BTreeMap;

use foodtrack_auth::{AuthConfig, Authenticator};
use foodtrack_contract::{
    ApplicationSet, ApplicationType as App, Authenticate, ErrorCode, LoginRole, PermissionSet,
    Principal, Refusal, UserRole,
};
use serde_json::{Value, json};

use crate::support::{NOW_S, SECRET, hs256, principal};

fn login(changes: &Value) -> String {
    let mut claims = json!({
        "userId": "u1",
        "tenantId": "t1",
        "email": "u1@example.com",
        "role": "admin",
        "iat": NOW_S,
        "exp": NOW_S + 60,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    hs256(&claims)
}

/// Whom a token speaks for where logins are good.
fn of_login(changes: &Value) -> Result<Principal, Refusal> {
    let operator = LoginRole {
        role: UserRole::RestaurantManager,
        applications: ApplicationSet::of(&[App::KitchenApp]),
        permissions: PermissionSet::NONE,
    };
    let logins = [
        ("admin".to_owned(), LoginRole::of(UserRole::RestaurantOwner)),
        ("operator".to_owned(), operator),
    ];
    let config = AuthConfig { logins: Some(BTreeMap::from(logins)), ..AuthConfig::hs256(SECRET) };
    Authenticator::new(config).unwrap().principal(&login(changes), NOW_S)
}

#[test]
fn the_role_of_a_login_says_what_it_opens_and_allows() {
    let staff = ApplicationSet::of(&[App::TenantDashboard, App::KitchenApp, App::DeliveryApp]);
    let client = ApplicationSet::of(&[App::ClientApp]);
    for (said, role, applications) in [
        ("admin", UserRole::RestaurantOwner, staff),
        ("restaurant_manager", UserRole::RestaurantManager, staff),
        ("customer", UserRole::Customer, client),
        (
            "delivery_personnel",
            UserRole::DeliveryPersonnel,
            ApplicationSet::of(&[App::DeliveryApp]),
        ),
    ] {
        let principal = of_login(&json!({ "role": said })).unwrap();
        assert_eq!((principal.role(), principal.applications()), (role, applications), "{said}");
        assert_eq!(principal.permissions(), role.default_permissions(), "{said}");
    }
    let operator = of_login(&json!({ "role": "operator" })).unwrap();
    assert_eq!(operator.applications(), ApplicationSet::of(&[App::KitchenApp]));
    assert_eq!(operator.permissions(), PermissionSet::NONE);
    // A token that lists its applications is read as ever.
    let full = json!({ "applicationTypes": ["client_app"] });
    let principal = of_login(&full).unwrap();
    assert_eq!((principal.role(), principal.applications()), (UserRole::Admin, client));
}

#[test]
fn a_login_is_nothing_where_logins_are_not_good_and_no_login_is_a_back_end() {
    let refusal = principal(&login(&json!({}))).unwrap_err();
    assert!(refusal.message().contains("applicationTypes"), "{refusal}");
    let refusal = of_login(&json!({ "role": "cook" })).unwrap_err();
    assert!(refusal.message().contains("operator"), "{refusal}");
    let system = of_login(&json!({ "role": "system" })).unwrap();
    assert_eq!(system.role(), UserRole::System, "a service token is one as ever");
}

#[test]
fn a_token_to_get_fresh_ones_with_opens_nothing() {
    for claims in
        [json!({ "type": "refresh" }), json!({ "type": "refr\u{65}sh", "role": "system" })]
    {
        let refusal = of_login(&claims).unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::TokenClaims);
        assert!(refusal.message().contains("refresh"), "{refusal}");
        let everywhere = json!({ "type": "refresh", "applicationTypes": ["kitchen_app"] });
        assert!(principal(&login(&everywhere)).is_err());
    }
    for kind in [json!("access"), json!(7), Value::Null] {
        assert!(of_login(&json!({ "type": kind })).is_ok());
    }
}
