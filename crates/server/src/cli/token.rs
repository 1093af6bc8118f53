//! `foodtrack-websocket token`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use foodtrack_auth::{TokenClaims, TokenSigner};
use foodtrack_contract::{
    ApplicationSet, ApplicationType, Authenticate, Permission, PermissionSet, UserRole,
};

use super::Run;
use super::outcome::{Outcome, print};
use crate::config::{Layers, load_checked};

const AFTER_HELP: &str = "\
Signs with JWT_SECRET, or with the configuration's security.jwtSecret, and makes sure that the hub would take the token.

Examples:
  foodtrack-websocket token --tenant pizza-roma --user ada --role chef --application kitchen_app
  foodtrack-websocket token --tenant pizza-roma --user gateway --role system --ttl 5m
  foodtrack-websocket token --tenant t1 --user u1 --role customer --application client --device phone-1 --permission read:orders

Exit codes: 0 printed, 2 bad usage or configuration.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Token {
    /// The restaurant
    #[arg(long, value_name = "TENANT")]
    tenant: String,
    /// The person, or the backend service
    #[arg(long, value_name = "USER")]
    user: String,
    /// customer, kitchen_staff, chef, delivery_personnel, restaurant_owner, restaurant_manager, admin or system
    #[arg(long, value_name = "ROLE", value_parser = parse_role)]
    role: UserRole,
    /// client_app, tenant_dashboard, kitchen_app or delivery_app; may be repeated; role system needs none
    #[arg(long, value_name = "APPLICATION", value_parser = parse_application)]
    application: Vec<ApplicationType>,
    /// The one device that the token is for
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Such as read:orders; may be repeated; without any, the role's defaults
    #[arg(long, value_name = "PERMISSION", value_parser = parse_permission)]
    permission: Vec<Permission>,
    /// How long it is good: a number and s, m, h or d
    #[arg(long, value_name = "TIME", value_parser = parse_ttl, default_value = "1h")]
    ttl: Duration,
    /// A TOML file, for its security section
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Token {
    pub(super) fn run(self) -> Run {
        if self.application.is_empty() && self.role != UserRole::System {
            let sentence =
                "name the application that the token opens, such as --application kitchen_app";
            return Err(Outcome::Usage(sentence.into()));
        }
        let config = load_checked(&Layers::from_process(self.config), |_| {})?;
        let security = &config.said().security;
        let Some(secret) = &security.jwt_secret else {
            let sentence = "only the holder of the private key can make tokens; `token` needs security.jwtSecret or JWT_SECRET";
            return Err(Outcome::Usage(sentence.into()));
        };
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = TokenClaims {
            tenant_id: self.tenant,
            user_id: self.user,
            role: self.role,
            application_types: self.application.into_iter().collect::<ApplicationSet>(),
            permissions: (!self.permission.is_empty()).then(|| PermissionSet::of(&self.permission)),
            device_id: self.device,
            issued_at_s: now_s,
            expires_at_s: now_s.saturating_add(self.ttl.as_secs()),
            token_id: None,
            issuer: security.issuer.clone(),
            audience: security.audience.first().cloned(),
        };
        let token = TokenSigner::hs256(secret.reveal())
            .sign(&claims)
            .map_err(|error| Outcome::Usage(error.to_string()))?;
        config.authenticator().principal(&token, now_s).map_err(|refusal| {
            Outcome::Usage(format!("the hub would refuse the token: {refusal}"))
        })?;
        print(token);
        Ok(ExitCode::SUCCESS)
    }
}

/// Reads a role by its name on the wire.
pub(super) fn parse_role(text: &str) -> Result<UserRole, String> {
    UserRole::from_wire(text).ok_or_else(|| one_of(UserRole::ALL.map(UserRole::as_str)))
}

/// Reads an application as a handshake would.
pub(super) fn parse_application(text: &str) -> Result<ApplicationType, String> {
    ApplicationType::from_handshake(text)
        .ok_or_else(|| one_of(ApplicationType::ALL.map(ApplicationType::as_str)))
}

/// Reads a permission by its name on the wire.
pub(super) fn parse_permission(text: &str) -> Result<Permission, String> {
    Permission::from_wire(text).ok_or_else(|| one_of(Permission::ALL.map(Permission::as_str)))
}

fn one_of<const N: usize>(names: [&str; N]) -> String {
    format!("it is one of {}", names.join(", "))
}

pub(super) fn parse_ttl(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.trim_end_matches(char::is_alphabetic).len());
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err("write a number and s, m, h or d, such as 90s or 1h".into()),
    };
    let number: u64 = number.parse().map_err(|_| "write a whole number before the unit")?;
    match number.checked_mul(seconds) {
        Some(0) => Err("a token that is good for no time is good for nothing".into()),
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => Err("that is longer than time is counted".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_whole_number_and_a_unit() {
        let cases = [("90s", 90), ("5m", 300), ("1h", 3_600), ("7d", 604_800)];
        for (text, seconds) in cases {
            assert_eq!(parse_ttl(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "1", "h", "1.5h", "-1h", "1w", "0s", "99999999999999999999d", "1hé"] {
            assert!(parse_ttl(text).is_err(), "{text}");
        }
    }
}
