//! Values that tests of several parts are made of.

use std::net::SocketAddr;

use foodtrack_contract::{
    ApplicationSet, ApplicationType, EventType, Offset, PermissionSet, Principal, Priority,
    TenantId, UserId, UserRole, VerifiedClaims,
};
use foodtrack_tenant_log::{Durability, LogEntry, LoggedAudience};
use uuid::Uuid;

use crate::handshake::{Admission, ClientAbout, Stage};

/// An entry for nobody.
pub(crate) fn log_entry(offset: Offset) -> LogEntry {
    LogEntry {
        offset,
        id: Uuid::from_u128(offset.get().into()),
        event: EventType::OrderCreated.into(),
        durability: Durability::Durable,
        priority: Priority::High,
        at_ms: 0,
        expires_at_ms: None,
        audience: LoggedAudience {
            applications: ApplicationSet::EMPTY,
            rooms: Vec::new(),
            only: ApplicationSet::ALL,
            read: None,
        },
        entity: None,
        compacts: false,
        creates_order: None,
        fingerprint: None,
        message: Vec::new().into(),
        attachments: Vec::new(),
    }
}

/// Somebody of an application who may come in.
pub(crate) fn admission(
    user: &str,
    application: ApplicationType,
    permissions: PermissionSet,
) -> Admission {
    let principal = Principal::from_verified_token(VerifiedClaims {
        tenant: TenantId::parse("t1").unwrap(),
        user: UserId::parse(user).unwrap(),
        role: UserRole::Admin,
        applications: ApplicationSet::of(&[application]),
        permissions,
        device: None,
        token_id: None,
        expires_at_s: u64::MAX,
    });
    let about = ClientAbout {
        address: SocketAddr::from(([127, 0, 0, 1], 1)),
        user_agent: None,
        version: None,
        features: Box::default(),
    };
    Admission {
        principal,
        application: Some(application),
        device: None,
        about,
        resume: None,
        is_expired: false,
        stage: Stage::Ready,
        owns: None,
    }
}
