//! One shard on a free port of loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use bytes::Bytes;
use foodtrack_contract::{
    ApplicationSet, ApplicationType, Authenticate, ErrorCode, Permission, PermissionSet, Principal,
    Refusal, TenantId, UserId, UserRole, VerifiedClaims,
};
use foodtrack_session::{HeartbeatConfig, Namespaces};
use foodtrack_shard::{
    Clock, Counters, HttpService, PayloadKey, PayloadKeys, Policies, RecoveryConfig, Responder,
    RetryPolicy, Running, Services, SessionKey, ShardsConfig, TenantLimits, start,
};
use foodtrack_tenant_log::{MemoryLog, MemoryStore, OnCompletion, OpenError, Retention, TenantLog};
use foodtrack_transport::{
    Endpoint, Limits, OriginPolicy, Protocol, ReactorConfig, TrustedProxies,
};

const CUSTOMERS: PermissionSet =
    PermissionSet::of(&[Permission::ReadOrders, Permission::WriteOrders, Permission::ReadDelivery]);

/// Two keys of each tenant, made of its name.
struct TwoKeys;

impl PayloadKeys for TwoKeys {
    fn payload_key(&self, tenant: &TenantId, kid: Option<&str>) -> Option<PayloadKey> {
        let (kid, key) = match kid {
            None | Some("hub-2") => ("hub-2", "newest"),
            Some("hub-1") => ("hub-1", "older"),
            Some(_) => return None,
        };
        Some(PayloadKey { kid: kid.into(), key: format!("{key}-of-{tenant}").into() })
    }
}

/// Believes a token of the form `tenant user role application seconds-to-live`. One of another form that says so makes it
/// panic: before a tenant is known, so that is nobody's turn.
struct Trusting;

impl Authenticate for Trusting {
    fn principal(&self, token: &str, now_s: u64) -> Result<Principal, Refusal> {
        assert!(token != "planted panic", "a test planted it");
        let malformed = || Refusal::new(ErrorCode::TokenMalformed, "five words");
        let words: Vec<&str> = token.split(' ').collect();
        let [tenant, user, role, application, left_s] = words[..] else { return Err(malformed()) };
        let (role, permissions) = match role {
            "admin" => (UserRole::Admin, PermissionSet::ALL),
            _ => (UserRole::Customer, CUSTOMERS),
        };
        let application = ApplicationType::from_wire(application).ok_or_else(malformed)?;
        Ok(Principal::from_verified_token(VerifiedClaims {
            tenant: TenantId::parse(tenant).unwrap(),
            user: UserId::parse(user).unwrap(),
            role,
            applications: ApplicationSet::of(&[application]),
            permissions,
            device: None,
            token_id: None,
            issued_at_s: 0,
            expires_at_s: now_s + left_s.parse::<u64>().map_err(|_| malformed())?,
        }))
    }
}

/// Answers nothing but that it does.
struct NoService;

impl HttpService for NoService {
    fn call(
        &self,
        _request: http::Request<Bytes>,
        _peer: SocketAddr,
        respond: Responder,
    ) -> Result<(), Box<http::Response<Bytes>>> {
        respond.release();
        Err(Box::new(http::Response::new(Bytes::new())))
    }

    fn refusal(&self, _refusal: &Refusal) -> http::Response<Bytes> {
        http::Response::new(Bytes::new())
    }
}

/// Stops its shard when it is dropped.
pub(crate) struct Server {
    running: Running,
    is_asked_to_stop: bool,
}

impl Server {
    pub(crate) fn start(limits: TenantLimits) -> Self {
        Self::start_with(limits, Self::in_memory)
    }

    /// One of several nodes that write to the same logs.
    pub(crate) fn start_sharing(store: &MemoryStore) -> Self {
        let store = store.clone();
        Self::start_with(TenantLimits::default(), |on_completion| {
            MemoryLog::shared(store, Retention::in_memory(), on_completion)
        })
    }

    fn in_memory(on_completion: OnCompletion) -> MemoryLog {
        MemoryLog::new(MemoryStore::default(), Retention::in_memory(), on_completion)
    }

    /// Its log says nothing before `opened` does.
    pub(crate) fn start_with_slow_log(opened: Receiver<()>) -> Self {
        Self::start_with(TenantLimits::default(), |on_completion| {
            let (said, completions) = channel();
            std::thread::spawn(move || {
                let _ = opened.recv();
                completions.into_iter().for_each(on_completion);
            });
            // A log that is not heard any more may say what it likes.
            Self::in_memory(Box::new(move |completion| _ = said.send(completion)))
        })
    }

    fn start_with(
        limits: TenantLimits,
        make_log: impl FnOnce(OnCompletion) -> MemoryLog + Send + 'static,
    ) -> Self {
        let reactor = ReactorConfig {
            endpoints: vec![Endpoint { path: "/socket.io/".into(), protocol: Protocol::SocketIo }],
            namespaces: Namespaces::new(&["/", "/second"]),
            heartbeat: HeartbeatConfig { interval_ms: 25_000, timeout_ms: 20_000, missed_max: 1 },
            limits: Limits::default(),
            origins: OriginPolicy::default(),
            handshakes_per_minute: 0,
            proxies: TrustedProxies::default(),
            proxy_protocol: false,
            batched_sends: false,
            node: None,
            tls: None,
        };
        let config = ShardsConfig {
            listener: None,
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            shards: 1,
            reactor,
            limits,
            retry: RetryPolicy::default(),
            recovery: RecoveryConfig::default(),
            session_key: SessionKey::new(&[7; 32]),
            cookie_name: "token".into(),
            clock: Clock::system(),
        };
        let open = move |on_completion| -> Result<Arc<dyn TenantLog>, OpenError> {
            Ok(Arc::new(make_log(on_completion)))
        };
        let (authenticator, http): (Arc<dyn Authenticate>, Arc<dyn HttpService>) =
            (Arc::new(Trusting), Arc::new(NoService));
        let policies = Policies {
            encrypted_payloads: true,
            payload_key_applications: ApplicationSet::of(&[ApplicationType::KitchenApp]),
            ..Policies::default()
        };
        let running = start(
            &config,
            &authenticator,
            &Arc::new(policies),
            &Services {
                http,
                upstream: None,
                payload_keys: Some(Arc::new(TwoKeys)),
                audit: None,
                tracer: None,
                desk: None,
            },
            Box::new(open),
        )
        .unwrap();
        Self { running, is_asked_to_stop: false }
    }

    /// Asks it to stop, once, and does not wait.
    pub(crate) fn stop(&mut self) {
        if !std::mem::replace(&mut self.is_asked_to_stop, true) {
            self.running.shards.stop();
        }
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.running.has_ended()
    }

    /// A number of its only shard.
    pub(crate) fn count(&self, number: impl Fn(&Counters) -> u64) -> u64 {
        self.running.counters.iter().map(|it| number(it)).sum()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        self.running.join();
    }
}
